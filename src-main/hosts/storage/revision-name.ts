import type { RevisionReason } from '../../services/ports.ts';

/** `20261122T061233123Z-0000-autosave`: time, a number within the millisecond, reason. */
const PATTERN =
  /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z-(\d{4})-(autosave|run|restore|reset)$/;

export interface RevisionName {
  readonly id: string;
  readonly savedAtMs: number;
  readonly savedAt: string;
  readonly reason: RevisionReason;
}

/** A name that sorts after `newestId`, whatever the clock does. */
export function nextRevisionId(
  nowMs: number,
  reason: RevisionReason,
  newestId: string | undefined,
): string {
  const stamp = stampOf(nowMs);
  const newest = newestId === undefined ? null : parseRevisionId(newestId);
  if (newest === null || stamp > newest.id.slice(0, stamp.length)) return `${stamp}-0000-${reason}`;
  const [newestStamp = stamp, serial = '0'] = newest.id.split('-');
  const next = Number(serial) + 1;
  if (next > 9999) return nextRevisionId(newest.savedAtMs + 1, reason, newestId);
  return `${newestStamp}-${String(next).padStart(4, '0')}-${reason}`;
}

export function parseRevisionId(id: string): RevisionName | null {
  const match = PATTERN.exec(id);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second, ms, , reason] = match;
  const savedAt = `${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`;
  const savedAtMs = Date.parse(savedAt);
  if (Number.isNaN(savedAtMs)) return null;
  return { id, savedAtMs, savedAt, reason: reason as RevisionReason };
}

function stampOf(nowMs: number): string {
  return new Date(nowMs).toISOString().replaceAll(/[-:.]/g, '');
}
