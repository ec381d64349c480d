/** Whether what a cache holds is still what memory says. */
import { bigOf } from '../../bits/u64.ts';
import type { TableCell } from '../../protocol/views.ts';
import { ACCESS, createIommuRequest, type Machine } from '../../sim/index.ts';

const STALE_HELP =
  'Memory says something else by now. The entry goes on being used until software invalidates it.';

/** Privilege violations are about the requester of this question, not about the page. */
const PRIVILEGE_REASONS: ReadonlySet<number> = new Set([0x81, 0x86]);

export function stateCell(isStale: boolean): TableCell {
  return isStale
    ? { text: 'stale', tone: 'stale', help: STALE_HELP }
    : { text: 'as in memory', tone: 'good' };
}

/** A translation as some cache holds it. */
export interface HeldTranslation {
  readonly rid: number;
  readonly pasid: number;
  readonly inputHigh: number;
  readonly inputLow: number;
  readonly outputHigh: number;
  readonly outputLow: number;
  readonly pageShift: number;
  readonly canWrite: boolean;
  readonly isPrivileged: boolean;
}

/** Walks memory for the input address, caches aside, and compares page and rights. */
export function isStaleTranslation(machine: Machine, held: HeldTranslation): boolean {
  const request = createIommuRequest();
  request.rid = held.rid;
  request.pasid = held.pasid;
  request.isPrivileged = held.isPrivileged;
  request.high = held.inputHigh;
  request.low = held.inputLow;
  request.kind = ACCESS.read;
  const answer = machine.unit.translation.explain(request, { read: () => undefined });
  if (answer.reason !== 0) return !PRIVILEGE_REASONS.has(answer.reason);
  const bytes = 2n ** BigInt(held.pageShift);
  const now = bigOf(answer.high, answer.low) / bytes;
  const isOtherPage = now !== bigOf(held.outputHigh, held.outputLow) / bytes;
  return isOtherPage || (held.canWrite && !answer.canWrite);
}
