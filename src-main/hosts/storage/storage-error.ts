import { AppError } from '../../protocol/app-error.ts';

export const STORAGE_ERROR = {
  full: 'ERR_STORAGE_FULL',
  readOnly: 'ERR_STORAGE_READ_ONLY',
  badKey: 'ERR_STORAGE_BAD_KEY',
  failed: 'ERR_STORAGE_FAILED',
} as const;

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const READ_ONLY = new Set(['EACCES', 'EPERM', 'EROFS']);

/** The `AppError` for a failed file operation on `file`. */
export function toStorageError(error: unknown, doing: string, file: string): AppError {
  if (error instanceof AppError) return error;
  const code = errorCode(error);
  if (FULL.has(code)) {
    return new AppError(STORAGE_ERROR.full, `The disk is full: could not ${doing} ${file}`, {
      cause: error,
      hint: 'Free some space; what was saved before is intact and the text stays in the editor',
    });
  }
  if (READ_ONLY.has(code)) {
    return new AppError(STORAGE_ERROR.readOnly, `No permission to ${doing} ${file} (${code})`, {
      cause: error,
      hint: 'Make the folder writable or set SIOV_LAB_HOME to another one',
    });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new AppError(STORAGE_ERROR.failed, `Could not ${doing} ${file}: ${reason}`, {
    cause: error,
  });
}

export function errorCode(error: unknown): string {
  const isCoded = error instanceof Error && 'code' in error && typeof error.code === 'string';
  return isCoded ? (error.code as string) : '';
}
