import type { RevisionName } from './revision-name.ts';

const KEEP_NEWEST = 20;
const KEEP_AT_MOST = 200;
const AUTOSAVE_SPACING_MS = 5 * 60_000;

/**
 * Which revisions are no longer worth their space. The newest twenty stay; among older ones, autosaves
 * closer than five minutes to the next newer kept one go; beyond two hundred, the oldest go.
 *
 * @param newestFirst revisions, newest first
 */
export function revisionsToDrop(newestFirst: readonly RevisionName[]): readonly RevisionName[] {
  const kept: RevisionName[] = [];
  const dropped: RevisionName[] = [];
  for (const revision of newestFirst) {
    const newer = kept.at(-1);
    const isClose =
      newer !== undefined && newer.savedAtMs - revision.savedAtMs < AUTOSAVE_SPACING_MS;
    const isThinned = kept.length >= KEEP_NEWEST && revision.reason === 'autosave' && isClose;
    if (isThinned || kept.length >= KEEP_AT_MOST) dropped.push(revision);
    else kept.push(revision);
  }
  return dropped;
}
