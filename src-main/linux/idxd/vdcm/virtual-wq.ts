/**
 * WQCFG of a VDEV's queue: what the host gave it, and the few fields its owner may set. A queue of a single guest has mode
 * support and shows the last column of the permission table; a shared one is read-only. DSA 3.0 section 9.2.24.
 */
import {
  WQ_FIELD_LOCK,
  WQ_MODE,
  WQ_STATE,
  WQ_WRITABLE,
  WqConfig,
  type WqLock,
} from '../../../spec/dsa/wq-config.ts';
import type { IdxdWq } from '../wq.ts';

export type WqValues = ReturnType<typeof WqConfig.decode>;
type WqField = Parameters<typeof WqConfig.set>[1];

const OCCUPANCY_LOCKS: readonly WqLock[] = ['occupancyLimit', 'occupancyHandle'];

/** Bits that software may write, by word. */
function writableBits(hasModeSupport: boolean, isDisabled: boolean): Uint32Array {
  const classes = hasModeSupport ? WQ_WRITABLE.fixedWithModeSupport : WQ_WRITABLE.fixed;
  const bits = new Uint32Array(WqConfig.words);
  for (const [name, lock] of Object.entries(WQ_FIELD_LOCK)) {
    const isOpen = classes.includes(lock) && (lock === 'always' || isDisabled);
    // A virtual queue has no occupancy interrupt.
    if (!isOpen || OCCUPANCY_LOCKS.includes(lock) || name === 'occupancyInterruptEnable') {
      continue;
    }
    for (const piece of WqConfig.field(name as WqField).pieces) {
      bits[piece.word] = ((bits[piece.word] ?? 0) | piece.mask) >>> 0;
    }
  }
  return bits;
}

export class VirtualWq {
  readonly #wq: IdxdWq;
  #words: Uint32Array = new Uint32Array(WqConfig.words);
  isEnabled = false;

  constructor(wq: IdxdWq) {
    this.#wq = wq;
    this.reset();
  }

  get values(): WqValues {
    return WqConfig.decode(this.#words);
  }

  /** What the host configured. */
  reset(): void {
    const { config, isDedicated, idxd } = this.#wq;
    this.isEnabled = false;
    this.#words = WqConfig.encode({
      size: config.size,
      threshold: config.threshold,
      mode: isDedicated ? WQ_MODE.dedicated : WQ_MODE.shared,
      blockOnFault: Number(config.block_on_fault),
      atsDisable: Number(config.ats_disable),
      prsDisable: Number(config.prs_disable),
      priority: config.priority,
      // Descriptors of a shared queue carry a PASID whatever the guest does.
      pasidEnable: Number(!isDedicated),
      maxTransferShift: config.max_transfer_shift,
      maxBatchShift: config.max_batch_shift,
      modeSupport: Number(isDedicated),
      operations: idxd.capabilities.wqConfigBytes > 32 ? config.op_config : 0n,
    });
  }

  /** A word as the guest reads it, with state and (for an owner) occupancy. */
  read(word: number): number {
    const value = this.#words[word] ?? 0;
    if (word !== STATE_WORD) {
      return value;
    }
    const words = new Uint32Array(WqConfig.words);
    words[STATE_WORD] = value;
    WqConfig.set(words, 'state', this.isEnabled ? WQ_STATE.enabled : WQ_STATE.disabled);
    if (this.#wq.isDedicated && this.isEnabled) {
      WqConfig.set(words, 'occupancy', this.#wq.read().occupancy);
    }
    return words[STATE_WORD];
  }

  save(): Uint32Array {
    return this.#words.slice();
  }

  load(words: Uint32Array): void {
    this.#words = words.slice(0, WqConfig.words);
  }

  write(word: number, value: number, mask: number): void {
    const open = (writableBits(this.#wq.isDedicated, !this.isEnabled)[word] ?? 0) & mask;
    this.#words[word] = (((this.#words[word] ?? 0) & ~open) | (value & open)) >>> 0;
  }
}

const STATE_WORD = 6;
