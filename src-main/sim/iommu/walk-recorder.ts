/**
 * What a walk read on its way, for explanations. The walkers call it only when one is installed, so that an ordinary
 * request pays one comparison a step.
 */

export type WalkStage =
  'root' | 'context' | 'pasid-directory' | 'pasid-entry' | 'first-stage' | 'second-stage';

export interface WalkRead {
  readonly stage: WalkStage;
  /** Paging level, 0 for structures that are no paging entries. */
  readonly level: number;
  /** Host physical address of the entry. */
  readonly address: number;
  /** In a nested walk: the guest physical address that led to it, for first-stage entries. */
  readonly guestAddress?: number;
  /** The entry's words; empty when there was no memory to read. */
  readonly words: readonly number[];
  readonly index: number;
  /** Part of the input address that selected the entry: bits `indexHigh:indexLow`. */
  readonly indexHigh: number;
  readonly indexLow: number;
  /** Nested depth: 0 for the main walk, 1 for second-stage reads that serve a first-stage step or the final address. */
  readonly depth: number;
}

export interface WalkRecorder {
  read(step: WalkRead): void;
}
