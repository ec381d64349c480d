/**
 * WQCFG table: the configuration bytes of every work queue and the rules for writing them. DSA 3.0 section 9.2.24.
 *
 * State and occupancy belong to the running queue and are laid over the bytes when software reads.
 */
import { missingCapabilities } from '../../../bits/layout.ts';
import {
  WQ_FIELD_LOCK,
  WQ_STATE,
  WQ_WRITABLE,
  WqConfig,
  type WqLock,
} from '../../../spec/dsa/wq-config.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import type { DsaCapabilities } from './capabilities.ts';

export type WqConfigValues = ReturnType<typeof WqConfig.decode>;
type WqField = Exclude<Parameters<typeof WqConfig.set>[1], never>;

/** What the rules depend on. */
export interface WqWriteState {
  readonly isDeviceDisabled: boolean;
  readonly state: number;
}

const LOCKS: readonly WqLock[] = [
  'size',
  'mode',
  'limits',
  'always',
  'occupancyLimit',
  'occupancyHandle',
];
const OCCUPANCY_LIMIT_WORD = 5;
const OCCUPANCY_ENABLE = 0x1_0000;
const OCCUPANCY_WORD = 6;
const MODE_SUPPORT = 0x2000_0000;
/** Fields that can be written without support: Enable WQ has an error code for each. */
const CHECKED_LATER: ReadonlySet<string> = new Set([
  'BLOCK_ON_FAULT',
  'WQ_ATS_DISABLE',
  'WQ_PRS_DISABLE',
]);

function lockMasks(capabilities: DsaCapabilities): Readonly<Record<WqLock, Uint32Array>> {
  const masks = Object.fromEntries(
    LOCKS.map((lock) => [lock, new Uint32Array(WqConfig.words)]),
  ) as Record<WqLock, Uint32Array>;
  for (const [name, lock] of Object.entries(WQ_FIELD_LOCK)) {
    const field = WqConfig.field(name as WqField);
    const missing = missingCapabilities(field.spec, capabilities.context);
    if (missing.every((name) => CHECKED_LATER.has(name))) {
      for (const piece of field.pieces) {
        masks[lock][piece.word] = ((masks[lock][piece.word] ?? 0) | piece.mask) >>> 0;
      }
    }
  }
  return masks;
}

export class WqConfigTable implements Snapshotable<Uint32Array> {
  readonly entryWords: number;
  readonly #words: Uint32Array;
  readonly #locks: Readonly<Record<WqLock, Uint32Array>>;
  readonly #isConfigurable: boolean;
  readonly #operationMask: Uint32Array;
  readonly #wqs: number;

  constructor(capabilities: DsaCapabilities) {
    const { settings } = capabilities;
    this.entryWords = settings.wqConfigBytes / 4;
    this.#wqs = settings.wqs;
    this.#words = new Uint32Array(settings.wqs * this.entryWords);
    this.#locks = lockMasks(capabilities);
    this.#isConfigurable = capabilities.gencap.configuration === 1;
    this.#operationMask = capabilities.operationMask;
    this.reset();
  }

  /** The words of one queue, as configured; state and occupancy are zero. */
  words(wq: number): Uint32Array {
    return this.#words.subarray(wq * this.entryWords, (wq + 1) * this.entryWords);
  }

  /** A copy that is always 64 bytes, for decoding. */
  copy(wq: number): Uint32Array {
    const words = new Uint32Array(WqConfig.words);
    words.set(this.words(wq));
    return words;
  }

  decode(wq: number): WqConfigValues {
    return WqConfig.decode(this.copy(wq));
  }

  setField(wq: number, field: WqField, value: number | bigint): void {
    const words = this.copy(wq);
    WqConfig.set(words, field, value);
    this.words(wq).set(words.subarray(0, this.entryWords));
  }

  word(index: number): number {
    return this.#words[index] ?? 0;
  }

  isOccupancyInterruptOn(wq: number): boolean {
    return (
      ((this.#words[wq * this.entryWords + OCCUPANCY_LIMIT_WORD] as number) & OCCUPANCY_ENABLE) !==
      0
    );
  }

  /** Bits of a word of an entry that software may write now. */
  writableMask(wq: number, word: number, { isDeviceDisabled, state }: WqWriteState): number {
    const config = this.words(wq);
    const allowed = this.#isConfigurable
      ? WQ_WRITABLE.configurable
      : isModeSupported(config)
        ? WQ_WRITABLE.fixedWithModeSupport
        : WQ_WRITABLE.fixed;
    let mask = 0;
    for (const lock of allowed) {
      const isOpen =
        lock === 'always' ||
        (lock === 'size' && isDeviceDisabled) ||
        (lock === 'occupancyLimit' && !this.isOccupancyInterruptOn(wq)) ||
        (lock !== 'size' && lock !== 'occupancyLimit' && state === WQ_STATE.disabled);
      if (isOpen) {
        mask |= this.#locks[lock][word] as number;
      }
    }
    return mask >>> 0;
  }

  /** Software write of the bytes in `byteMask` (whole bytes set) of one word. Gives the bits that were refused. */
  writeWord(
    wq: number,
    word: number,
    value: number,
    byteMask: number,
    state: WqWriteState,
  ): number {
    const writable = this.writableMask(wq, word, state) & byteMask;
    const words = this.words(wq);
    const before = words[word] as number;
    const after = ((before & ~writable) | (value & writable)) >>> 0;
    words[word] = after;
    const clear = word === OCCUPANCY_WORD ? 0xffff_ffff : 0;
    return ((before ^ value) & byteMask & ~writable & ~clear) >>> 0;
  }

  /** Everything to its reset value; for one queue the size is kept (Reset WQ). */
  reset(): void {
    this.#words.fill(0);
    for (let wq = 0; wq < this.#wqs; wq++) {
      this.#resetOperations(wq);
    }
  }

  resetWq(wq: number): void {
    const size = WqConfig.decode(this.copy(wq)).size;
    this.words(wq).fill(0);
    this.#resetOperations(wq);
    this.setField(wq, 'size', size);
  }

  snapshot(): Uint32Array {
    return this.#words.slice();
  }

  restore(state: Uint32Array): void {
    this.#words.set(state);
  }

  #resetOperations(wq: number): void {
    if (this.entryWords === WqConfig.words) {
      this.words(wq).set(this.#operationMask, 8);
    }
  }
}

function isModeSupported(words: Uint32Array): boolean {
  return ((words[OCCUPANCY_WORD] as number) & MODE_SUPPORT) !== 0;
}
