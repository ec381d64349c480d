/** Tables of misuse: what is done wrong, the error it gives, and doing it. */
import { describe, expect, it } from 'vitest';
import * as errno from '../../src-main/linux/errno.ts';

export type Line = readonly [misuse: string, error: keyof typeof errno, attempt: () => number];

export function testLines(title: string, lines: readonly Line[]): void {
  describe(title, () => {
    it.each(lines)('%s: %s', (_misuse, error, attempt) => {
      expect(attempt()).toBe(-errno[error]);
    });
  });
}
