/**
 * MSI-X table and pending bits of a VDEV, in the registers that its VDCM plays. What is written is stored; the mask bit of a
 * vector is the one thing that has an effect. PCIe Base, "MSI-X Capability and Table Structures".
 */
import { MsiXTableEntry } from '../../spec/pcie/msi-x.ts';
import type { RegisterTable } from './register-tables.ts';

export interface VirtualMsixHooks {
  onMask(entry: number, isMasked: boolean): void;
  isPending(entry: number): boolean;
}

const WORDS = MsiXTableEntry.words;
const CONTROL_WORD = 3;
const VECTORS_PER_WORD = 32;
const VECTORS_PER_QUADWORD = 64;

export class VirtualMsix {
  readonly vectors: number;
  readonly #hooks: VirtualMsixHooks;
  readonly #words: Uint32Array;

  constructor(vectors: number, hooks: VirtualMsixHooks) {
    this.vectors = vectors;
    this.#hooks = hooks;
    this.#words = new Uint32Array(vectors * WORDS);
    this.reset();
  }

  /** Both tables, at their places in the registers. */
  tables(table: number, pending: number): readonly RegisterTable[] {
    return [
      {
        at: table,
        bytes: this.#words.length * 4,
        read: (word) => this.#words[word] ?? 0,
        write: (word, value, mask) => this.#write(word, value, mask),
      },
      {
        at: pending,
        bytes: Math.ceil(this.vectors / VECTORS_PER_QUADWORD) * 8,
        read: (word) => this.#pending(word),
        write: () => {},
      },
    ];
  }

  isMasked(entry: number): boolean {
    return ((this.#words[entry * WORDS + CONTROL_WORD] ?? 0) & 1) === 1;
  }

  /** Installing an eventfd enables the vector: who installs it keeps the guest's mask bit itself. */
  unmask(entry: number): void {
    const at = entry * WORDS + CONTROL_WORD;
    this.#words[at] = ((this.#words[at] ?? 0) & ~1) >>> 0;
  }

  /** Table as it is, for a saved state. */
  save(): Uint32Array {
    return this.#words.slice();
  }

  load(words: Uint32Array): void {
    this.#words.set(words.subarray(0, this.#words.length));
  }

  /** As after a function level reset: everything masked. */
  reset(): void {
    this.#words.fill(0);
    for (let entry = 0; entry < this.vectors; entry++) {
      this.#words[entry * WORDS + CONTROL_WORD] = 1;
    }
  }

  /** `mask`: the bits that the access covers. */
  #write(word: number, value: number, mask: number): void {
    const before = this.#words[word] ?? 0;
    const isControl = word % WORDS === CONTROL_WORD;
    const covered = isControl ? mask & 1 : mask;
    const after = ((before & ~covered) | (value & covered)) >>> 0;
    this.#words[word] = after;
    if (isControl && before !== after) {
      this.#hooks.onMask(Math.floor(word / WORDS), after === 1);
    }
  }

  #pending(word: number): number {
    let bits = 0;
    for (let i = 0; i < VECTORS_PER_WORD; i++) {
      const entry = word * VECTORS_PER_WORD + i;
      if (entry < this.vectors && this.#hooks.isPending(entry)) {
        bits = (bits | (1 << i)) >>> 0;
      }
    }
    return bits;
  }
}
