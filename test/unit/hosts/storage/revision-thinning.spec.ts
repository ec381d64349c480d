import { describe, expect, it } from 'vitest';
import type { RevisionName } from '../../../../src-main/hosts/storage/revision-name.ts';
import {
  nextRevisionId,
  parseRevisionId,
} from '../../../../src-main/hosts/storage/revision-name.ts';
import { revisionsToDrop } from '../../../../src-main/hosts/storage/revision-thinning.ts';
import type { RevisionReason } from '../../../../src-main/services/ports.ts';

const START = Date.UTC(2026, 10, 22);

/** Newest first, `spacingMs` apart. */
function history(count: number, spacingMs: number, reason: RevisionReason): RevisionName[] {
  return Array.from({ length: count }, (_, index) => {
    const id = nextRevisionId(START - index * spacingMs, reason, undefined);
    return parseRevisionId(id)!;
  });
}

describe('revisionsToDrop', () => {
  it('keeps the newest twenty whatever their distance', () => {
    expect(revisionsToDrop(history(20, 1, 'autosave'))).toEqual([]);
  });

  it('thins older autosaves to one in five minutes', () => {
    const all = history(20 + 60, 60_000, 'autosave');
    const dropped = new Set(revisionsToDrop(all));
    const kept = all.filter((revision) => !dropped.has(revision));
    expect(kept).toHaveLength(20 + 12);
    for (const [index, revision] of kept.entries()) {
      const newer = kept[index - 1];
      if (index < 20 || newer === undefined) continue;
      expect(newer.savedAtMs - revision.savedAtMs).toBeGreaterThanOrEqual(300_000);
    }
  });

  it('thins no runs, restores or resets', () => {
    for (const reason of ['run', 'restore', 'reset'] as const) {
      expect(revisionsToDrop(history(100, 1000, reason))).toEqual([]);
    }
  });

  it('drops the oldest beyond two hundred', () => {
    const all = history(230, 1000, 'run');
    expect(revisionsToDrop(all)).toEqual(all.slice(200));
  });
});

describe('revision ids', () => {
  it('say when and why', () => {
    const id = nextRevisionId(Date.UTC(2026, 0, 2, 3, 4, 5, 6), 'run', undefined);
    expect(id).toBe('20260102T030405006Z-0000-run');
    expect(parseRevisionId(id)).toEqual({
      id,
      savedAt: '2026-01-02T03:04:05.006Z',
      savedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
      reason: 'run',
    });
  });

  it('go on growing past ten thousand in a millisecond', () => {
    const full = '20260102T030405006Z-9999-run';
    expect(nextRevisionId(Date.UTC(2026, 0, 2, 3, 4, 5, 6), 'reset', full)).toBe(
      '20260102T030405007Z-0000-reset',
    );
  });

  it.each(['', 'x', '20260102T030405006Z-0000-hack', '20261302T030405006Z-0000-run'])(
    '%j is none',
    (id) => {
      expect(parseRevisionId(id)).toBeNull();
    },
  );
});
