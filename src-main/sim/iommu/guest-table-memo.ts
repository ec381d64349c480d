/**
 * Where pages with first-stage tables of guests lie in the memory of the machine, for `PlainTranslation`: what the second
 * stage said about them. It holds until an entry on their way is written or a frame moves: no cache of the architecture,
 * software cannot see it.
 *
 * Direct-mapped. A slot first only notes which page was asked for, as in `StructureMemo`.
 */

const SLOTS = 1024;
const STRIDE = 8;
/** Epoch in which the frame was learnt; `ONLY_NOTED` before that. */
const EPOCH = 0;
const GUEST_HIGH = 1;
const GUEST_LOW = 2;
/** Second-stage table. */
const TABLE_HIGH = 3;
const TABLE_LOW = 4;
/** Word index of the frame. */
const FRAME = 5;
const ONLY_NOTED = 0;
const LAST_EPOCH = 0x7fff_ffff;

export class GuestTableMemo {
  readonly #words = new Int32Array(SLOTS * STRIDE);
  #epoch = 1;

  /** Index of the first word of the slot for a guest page behind a second-stage table. */
  slotOf(tableLow: number, guestHigh: number, guestLow: number): number {
    const page = guestLow >>> 12;
    const mixed = page ^ (page >>> 10) ^ Math.imul(tableLow >>> 12, 0x9e37) ^ guestHigh;
    return (mixed & (SLOTS - 1)) * STRIDE;
  }

  /** Word index of the frame, or -1. */
  find(
    slot: number,
    tableHigh: number,
    tableLow: number,
    guestHigh: number,
    guestLow: number,
  ): number {
    const words = this.#words;
    return words[slot] === this.#epoch &&
      words[slot | GUEST_LOW] === guestLow &&
      words[slot | GUEST_HIGH] === guestHigh &&
      words[slot | TABLE_LOW] === tableLow &&
      words[slot | TABLE_HIGH] === tableHigh
      ? (words[slot | FRAME] as number)
      : -1;
  }

  /** Notes the page asked for; true when it was the same last time. */
  note(
    slot: number,
    tableHigh: number,
    tableLow: number,
    guestHigh: number,
    guestLow: number,
  ): boolean {
    const words = this.#words;
    if (
      words[slot | GUEST_LOW] === guestLow &&
      words[slot | GUEST_HIGH] === guestHigh &&
      words[slot | TABLE_LOW] === tableLow &&
      words[slot | TABLE_HIGH] === tableHigh
    ) {
      return true;
    }
    words[slot | EPOCH] = ONLY_NOTED;
    words[slot | GUEST_HIGH] = guestHigh;
    words[slot | GUEST_LOW] = guestLow;
    words[slot | TABLE_HIGH] = tableHigh;
    words[slot | TABLE_LOW] = tableLow;
    return false;
  }

  /** The noted page lies in the frame that starts at a word index. */
  learn(slot: number, frame: number): void {
    this.#words[slot | FRAME] = frame;
    this.#words[slot | EPOCH] = this.#epoch;
  }

  forget(): void {
    if (this.#epoch === LAST_EPOCH) {
      this.#words.fill(ONLY_NOTED);
      this.#epoch = ONLY_NOTED;
    }
    this.#epoch++;
  }
}
