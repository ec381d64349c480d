/**
 * A copy of every edit that the host has not confirmed. It is written at once, so killing the page or the host loses
 * nothing: the next page finds the copy and sends it.
 */
import { isRecord, readLocal, removeLocal, writeLocal } from './local-store.ts';

export interface UnsentEdit {
  readonly text: string;
  /** The stored text that the edit started from; tells whether anything else changed the file since. */
  readonly base: string;
}

function key(labId: string, path: string): string {
  return `unsent:${labId}:${path}`;
}

export function writeUnsentEdit(labId: string, path: string, edit: UnsentEdit): boolean {
  return writeLocal(key(labId, path), edit);
}

export function readUnsentEdit(labId: string, path: string): UnsentEdit | null {
  const value = readLocal(key(labId, path));
  if (!isRecord(value) || typeof value.text !== 'string' || typeof value.base !== 'string') {
    return null;
  }
  return { text: value.text, base: value.base };
}

export function clearUnsentEdit(labId: string, path: string): void {
  removeLocal(key(labId, path));
}
