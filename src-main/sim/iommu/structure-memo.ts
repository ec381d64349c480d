/**
 * What root, context, directory and PASID table entries said about a requester and a PASID, for `PlainTranslation`. It holds
 * until one of those entries is written: no cache of the architecture, software cannot see it.
 *
 * Direct-mapped. A slot first only notes who asked: what comes once is not worth watching the memory of its entries.
 */

const SLOTS = 1024;
/** Words of a slot: one line of the processor's cache. */
const STRIDE = 16;
const PASID = 0;
const RID = 1;
/** Epoch in which the rest was learnt; `ONLY_NOTED` before that. */
const EPOCH = 2;
/** First of the words that belong to the owner of the memo. */
export const MEMO_DATA = 3;
const ONLY_NOTED = 0;
const NOBODY = -1;
const LAST_EPOCH = 0x7fff_ffff;

export class StructureMemo {
  readonly words = new Int32Array(SLOTS * STRIDE);
  #epoch = 1;

  constructor() {
    this.#clear();
  }

  /** Index of the first word of the slot of a requester and a PASID. */
  slotOf(rid: number, pasid: number): number {
    return ((pasid ^ (pasid >>> 10) ^ Math.imul(rid, 0x9e37)) & (SLOTS - 1)) * STRIDE;
  }

  /** Whether the slot knows them. */
  knows(slot: number, rid: number, pasid: number): boolean {
    const { words } = this;
    return (
      words[slot + EPOCH] === this.#epoch &&
      words[slot + PASID] === pasid &&
      words[slot + RID] === rid
    );
  }

  /** Notes who asked; true when it was the same last time. */
  note(slot: number, rid: number, pasid: number): boolean {
    const { words } = this;
    if (words[slot + PASID] === pasid && words[slot + RID] === rid) {
      return true;
    }
    words[slot + PASID] = pasid;
    words[slot + RID] = rid;
    words[slot + EPOCH] = ONLY_NOTED;
    return false;
  }

  /** The data words of the slot are complete. */
  learn(slot: number): void {
    this.words[slot + EPOCH] = this.#epoch;
  }

  forget(): void {
    if (this.#epoch === LAST_EPOCH) {
      this.#clear();
      this.#epoch = ONLY_NOTED;
    }
    this.#epoch++;
  }

  #clear(): void {
    this.words.fill(ONLY_NOTED);
    for (let slot = 0; slot < this.words.length; slot += STRIDE) {
      this.words[slot + PASID] = NOBODY;
    }
  }
}
