import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Log } from './log.ts';

const ROTATE_AT_BYTES = 1 << 20;
const KEPT_FILES = 3;

/**
 * Appends to `<folder>/<name>.log`; at 1 MiB the file becomes `.1.log`, that one `.2.log`, and so on.
 * A log that cannot be written is no reason to fail.
 */
export function createFileLog(folder: string, name: string, nowMs: () => number = Date.now): Log {
  const file = path.join(folder, `${name}.log`);
  const older = (number: number): string => path.join(folder, `${name}.${number}.log`);

  const rotate = (): void => {
    if (sizeOf(file) < ROTATE_AT_BYTES) return;
    for (let number = KEPT_FILES - 1; number >= 1; number -= 1) {
      rename(older(number), older(number + 1));
    }
    rename(file, older(1));
  };

  const write = (level: string, text: string): void => {
    try {
      mkdirSync(folder, { recursive: true });
      rotate();
      appendFileSync(file, `${new Date(nowMs()).toISOString()} ${level} ${text}\n`);
    } catch {
      // Nowhere to tell.
    }
  };

  return {
    info: (text) => write('info', text),
    warn: (text) => write('warn', text),
    error: (text) => write('error', text),
  };
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0;
  }
}

function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // There was none to move.
  }
}
