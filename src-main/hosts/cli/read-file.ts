/** Files that the command line names. A file that cannot be read is bad input, not a crash. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from './command.ts';

export function reasonOf(error: unknown): string {
  const { code } = error as { readonly code?: string };
  switch (code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EISDIR':
      return 'it is a folder';
    case 'EACCES':
    case 'EPERM':
      return 'it may not be opened';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

export function readTextFile(cwd: string, name: string): string {
  try {
    return readFileSync(path.resolve(cwd, name), 'utf8');
  } catch (error) {
    throw new UsageError(`Cannot read ${name}: ${reasonOf(error)}`);
  }
}

export function writeTextFile(cwd: string, name: string, text: string): void {
  try {
    writeFileSync(path.resolve(cwd, name), text);
  } catch (error) {
    throw new UsageError(`Cannot write ${name}: ${reasonOf(error)}`);
  }
}
