import type nodeFs from 'node:fs';
import path from 'node:path';
import { errorCode, toStorageError } from './storage-error.ts';

/** The file operations that storage needs; tests put failing ones in their place. */
export type FileSystem = Pick<
  typeof nodeFs,
  | 'closeSync'
  | 'fsyncSync'
  | 'mkdirSync'
  | 'openSync'
  | 'readFileSync'
  | 'readdirSync'
  | 'renameSync'
  | 'rmSync'
  | 'statSync'
  | 'writeSync'
>;

let serial = 0;

/**
 * Replaces `file` as a whole: temporary file, fsync, rename, fsync of the folder. Whenever the process
 * dies, `file` holds the old or the new text. Throws a storage error and leaves the old text when
 * any step fails.
 */
export function writeAtomically(
  fs: FileSystem,
  target: { readonly file: string; readonly temporaryFolder: string },
  text: string,
): void {
  const { file, temporaryFolder } = target;
  serial += 1;
  const temporary = path.join(temporaryFolder, `${process.pid}-${Date.now()}-${serial}`);
  try {
    fs.mkdirSync(temporaryFolder, { recursive: true });
    fs.mkdirSync(path.dirname(file), { recursive: true });
    writeDurably(fs, temporary, text);
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw toStorageError(error, 'write', file);
  }
  syncFolder(fs, path.dirname(file));
}

function writeDurably(fs: FileSystem, file: string, text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  const handle = fs.openSync(file, 'wx', 0o600);
  try {
    for (let offset = 0; offset < bytes.length;) {
      offset += fs.writeSync(handle, bytes, offset, bytes.length - offset);
    }
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

/** Makes the rename itself durable. Some systems cannot open or sync folders; then nothing is lost but time. */
function syncFolder(fs: FileSystem, folder: string): void {
  let handle: number;
  try {
    handle = fs.openSync(folder, 'r');
  } catch {
    return;
  }
  try {
    fs.fsyncSync(handle);
  } catch (error) {
    if (!['EPERM', 'EINVAL', 'ENOTSUP', 'EISDIR', 'EBADF'].includes(errorCode(error))) {
      throw toStorageError(error, 'sync', folder);
    }
  } finally {
    fs.closeSync(handle);
  }
}
