/** A physically contiguous run of pinned pages. */
export interface PinnedRun {
  readonly address: number;
  readonly bytes: number;
}
