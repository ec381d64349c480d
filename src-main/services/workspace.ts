/**
 * The learner's files: what is stored, else the starter text of the lab. Every change is saved before the command that
 * made it answers, and keeps its history.
 */
import { AppError } from '../protocol/app-error.ts';
import type { FileRevision } from '../protocol/lab-api.ts';
import type { RevisionReason, Storage } from './ports.ts';

/** One editable file of a lab as its package gives it. */
export interface StarterFile {
  readonly path: string;
  readonly starter: string;
  readonly isEditable: boolean;
}

export class Workspace {
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** Text as the learner left it. Files that may not be edited are always those of the lab. */
  read(labId: string, file: StarterFile): string {
    return file.isEditable
      ? (this.#storage.read(keyOf(labId, file.path)) ?? file.starter)
      : file.starter;
  }

  save(labId: string, file: StarterFile, text: string, reason: RevisionReason): string {
    if (!file.isEditable) {
      throw new AppError(
        'ERR_FILE_READ_ONLY',
        `${file.path} belongs to the lab and cannot be edited`,
      );
    }
    return this.#storage.save(keyOf(labId, file.path), text, reason).id;
  }

  history(labId: string, path: string): readonly FileRevision[] {
    return this.#storage.revisions(keyOf(labId, path));
  }

  readRevision(labId: string, path: string, revision: string): string {
    const text = this.#storage.readRevision(keyOf(labId, path), revision);
    if (text === null) {
      throw new AppError('ERR_REVISION_NOT_FOUND', `${path} has no revision ${revision}`);
    }
    return text;
  }
}

function keyOf(labId: string, path: string): string {
  return `workspace/${labId}/${path}`;
}
