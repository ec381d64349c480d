/**
 * Accesses that were judged and found right, so that the next one of the same kind to the same page costs one look. Not part
 * of the state: whoever changes what is known drops all of it.
 */
const ENTRIES = 1024;
const PAGE_BYTES = 4096;
/** Bits of a PASID, and one more for requests without. */
const PASID_COUNT = 2 ** 21;
const RID_COUNT = 2 ** 16;
/** Larger keys would not be exact. */
const MAX_ACTORS = 2 ** 14;

/** Everything that decides beside the address: who, for whom, how. */
export function accessKey(
  actor: number,
  rid: number,
  pasid: number,
  isTranslated: boolean,
): number {
  const how = (actor + 1) * 2 + Number(isTranslated);
  return actor < MAX_ACTORS ? (how * RID_COUNT + rid) * PASID_COUNT + pasid + 1 : -1;
}

export class AllowedAccesses {
  readonly #pages = new Float64Array(ENTRIES).fill(-1);
  readonly #keys = new Float64Array(ENTRIES);
  #isEmpty = true;

  has(address: number, key: number): boolean {
    const page = Math.floor(address / PAGE_BYTES);
    const at = page % ENTRIES;
    return this.#pages[at] === page && this.#keys[at] === key;
  }

  add(address: number, key: number): void {
    if (key < 0) {
      return;
    }
    const page = Math.floor(address / PAGE_BYTES);
    const at = page % ENTRIES;
    this.#pages[at] = page;
    this.#keys[at] = key;
    this.#isEmpty = false;
  }

  clear(): void {
    if (!this.#isEmpty) {
      this.#pages.fill(-1);
      this.#isEmpty = true;
    }
  }
}
