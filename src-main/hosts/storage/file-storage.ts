/**
 * Storage in a folder of the learner's own:
 *
 *   files/<key>              the current text, readable with any editor
 *   history/<key>/<id>.txt   its revisions
 *   tmp/                     writes under way
 *
 * The current text is replaced before its revision is added. A crash in between costs no text: the
 * next save adds the missing revision first.
 */
import nodeFs from 'node:fs';
import path from 'node:path';
import { AppError } from '../../protocol/app-error.ts';
import type { Revision, RevisionReason, Storage, WallClock } from '../../services/ports.ts';
import type { FileSystem } from './atomic-write.ts';
import { writeAtomically } from './atomic-write.ts';
import type { RevisionName } from './revision-name.ts';
import { nextRevisionId, parseRevisionId } from './revision-name.ts';
import { revisionsToDrop } from './revision-thinning.ts';
import { STORAGE_ERROR, errorCode, toStorageError } from './storage-error.ts';
import { keyNames } from './storage-key.ts';

const ABANDONED_AFTER_MS = 3_600_000;
const REVISION_SUFFIX = '.txt';

export interface FileStorageOptions {
  readonly folder: string;
  readonly clock?: WallClock;
  readonly fs?: FileSystem;
}

export function createFileStorage(options: FileStorageOptions): Storage {
  const { folder, clock = { nowMs: Date.now }, fs = nodeFs } = options;
  const temporaryFolder = path.join(folder, 'tmp');
  const fileOf = (key: string): string => path.join(folder, 'files', ...keyNames(key));
  const historyOf = (key: string): string => path.join(folder, 'history', ...keyNames(key));
  const revisionFile = (key: string, id: string): string =>
    path.join(historyOf(key), id + REVISION_SUFFIX);

  removeAbandoned(fs, temporaryFolder, clock.nowMs());

  const replace = (file: string, text: string): void =>
    writeAtomically(fs, { file, temporaryFolder }, text);

  const names = (key: string): RevisionName[] =>
    listFolder(fs, historyOf(key))
      .filter((entry) => entry.isFile() && entry.name.endsWith(REVISION_SUFFIX))
      .map((entry) => parseRevisionId(entry.name.slice(0, -REVISION_SUFFIX.length)))
      .filter((name) => name !== null)
      .toSorted((a, b) => (a.id < b.id ? 1 : -1));

  const describe = (key: string, { id, savedAt, reason }: RevisionName): Revision => ({
    id,
    savedAt,
    reason,
    bytes: sizeOf(fs, revisionFile(key, id)),
  });

  const addRevision = (key: string, text: string, reason: RevisionReason): Revision => {
    const id = nextRevisionId(clock.nowMs(), reason, names(key)[0]?.id);
    replace(revisionFile(key, id), text);
    const known = names(key);
    for (const old of revisionsToDrop(known)) {
      fs.rmSync(revisionFile(key, old.id), { force: true });
    }
    return describe(key, known.find((name) => name.id === id) ?? required(id));
  };

  const newestText = (key: string): string | null => {
    const newest = names(key)[0];
    return newest === undefined ? null : readText(fs, revisionFile(key, newest.id));
  };

  return {
    read: (key) => readText(fs, fileOf(key)),
    write: (key, text) => replace(fileOf(key), text),
    save: (key, text, reason) => {
      const current = readText(fs, fileOf(key));
      const newest = newestText(key);
      if (current !== null && current !== newest && current !== text) {
        addRevision(key, current, 'autosave');
      }
      if (current !== text) replace(fileOf(key), text);
      const known = names(key)[0];
      if (known !== undefined && newestText(key) === text) return describe(key, known);
      return addRevision(key, text, reason);
    },
    revisions: (key) => names(key).map((name) => describe(key, name)),
    readRevision: (key, id) =>
      parseRevisionId(id) === null ? null : readText(fs, revisionFile(key, id)),
    remove: (key) => {
      try {
        fs.rmSync(fileOf(key), { force: true, recursive: true });
      } catch (error) {
        throw toStorageError(error, 'remove', key);
      }
    },
    list: (prefix) => listKeys(fs, path.join(folder, 'files'), keyNames(prefix)),
  };
}

function required(id: string): never {
  throw new AppError(STORAGE_ERROR.failed, `Revision ${id} vanished right after it was written`);
}

function readText(fs: FileSystem, file: string): string | null {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(errorCode(error))) return null;
    throw toStorageError(error, 'read', file);
  }
}

function sizeOf(fs: FileSystem, file: string): number {
  try {
    return fs.statSync(file).size;
  } catch (error) {
    throw toStorageError(error, 'read', file);
  }
}

interface FolderEntry {
  readonly name: string;
  isFile(): boolean;
  isDirectory(): boolean;
}

function listFolder(fs: FileSystem, folder: string): readonly FolderEntry[] {
  try {
    return fs.readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return [];
    throw toStorageError(error, 'list', folder);
  }
}

function listKeys(fs: FileSystem, root: string, names: readonly string[]): string[] {
  return listFolder(fs, path.join(root, ...names))
    .flatMap((entry) => {
      const below = [...names, entry.name];
      return entry.isDirectory() ? listKeys(fs, root, below) : [below.join('/')];
    })
    .toSorted();
}

/** Temporary files of processes that died while writing. */
function removeAbandoned(fs: FileSystem, folder: string, nowMs: number): void {
  try {
    for (const { name } of listFolder(fs, folder)) {
      const file = path.join(folder, name);
      if (nowMs - fs.statSync(file).mtimeMs > ABANDONED_AFTER_MS) fs.rmSync(file, { force: true });
    }
  } catch {
    // Housekeeping only: whatever is wrong here shows at the first write, with a better message.
  }
}
