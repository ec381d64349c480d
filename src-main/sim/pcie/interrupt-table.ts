/**
 * Storage of interrupt messages behind one interface, whatever its face: MSI-X table, interrupt message storage, or fields
 * of a queue context. PCIe Base, "Message Signalled Interrupts"; DSA 3.0 section 3.7.
 *
 * An entry holds message, mask and pending bit, and for isolation the PASID that may use it and an ignore bit. Raising an
 * entry sends, or remembers, or neither; unmasking sends what was remembered, ignore or not.
 *
 * Not modelled: per-vector steering tags, data of more than 32 bits.
 */
import { invariant } from '../../bits/invariant.ts';
import type { Snapshotable } from '../core/snapshot.ts';

export const RAISE = { sent: 0, pending: 1, ignored: 2, off: 3 } as const;
export type RaiseResult = (typeof RAISE)[keyof typeof RAISE];

export interface InterruptEntry {
  readonly index: number;
  readonly addressHigh: number;
  readonly addressLow: number;
  readonly data: number;
  readonly isMasked: boolean;
  readonly isPending: boolean;
  readonly isIgnored: boolean;
  /** Undefined: PASID enable is 0. */
  readonly pasid?: number;
}

export interface InterruptTableState {
  readonly messages: Uint32Array;
  readonly flags: Uint8Array;
  readonly pasids: Uint32Array;
  readonly isEnabled: boolean;
  readonly isFunctionMasked: boolean;
  /** Records that pending entries follow from. */
  readonly causes: readonly (readonly [index: number, cause: number])[];
}

/** Called when a message leaves. `cause` is the record that it follows from when it was held back. */
export type SendInterrupt = (
  index: number,
  addressHigh: number,
  addressLow: number,
  data: number,
  cause?: number,
) => void;

const MASK = 1;
const PENDING = 2;
const IGNORE = 4;
const PASID_ENABLE = 8;

export interface InterruptTableOptions {
  readonly entries: number;
  /** Address of an entry after reset; data is 0 and the entry is masked. */
  readonly resetAddressLow?: number;
  /** Without an enable bit somewhere (IMS), the table is always on. */
  readonly isAlwaysOn: boolean;
  /** The record that what happens now follows from. */
  cause?(): number;
}

export class InterruptTable implements Snapshotable<InterruptTableState> {
  readonly entries: number;
  readonly #send: SendInterrupt;
  readonly #options: InterruptTableOptions;
  readonly #messages: Uint32Array;
  readonly #flags: Uint8Array;
  readonly #pasids: Uint32Array;
  readonly #causes = new Map<number, number>();
  #isEnabled: boolean;
  #isFunctionMasked = false;

  constructor(options: InterruptTableOptions, send: SendInterrupt) {
    this.entries = options.entries;
    this.#options = options;
    this.#send = send;
    this.#messages = new Uint32Array(options.entries * 3);
    this.#flags = new Uint8Array(options.entries);
    this.#pasids = new Uint32Array(options.entries);
    this.#isEnabled = options.isAlwaysOn;
    this.reset();
  }

  get isEnabled(): boolean {
    return this.#isEnabled;
  }

  get isFunctionMasked(): boolean {
    return this.#isFunctionMasked;
  }

  /** A device event without isolation: errors, commands, halt. */
  raise(index: number): RaiseResult {
    if (!this.#isEnabled) {
      return RAISE.off;
    }
    const flags = this.#flags[index] as number;
    if (this.#isFunctionMasked || (flags & MASK) !== 0) {
      this.#flags[index] = flags | PENDING;
      this.#noteCause(index);
      return RAISE.pending;
    }
    this.#sendEntry(index);
    return RAISE.sent;
  }

  /** As `raise`, for a descriptor completion: an ignored entry sends nothing and remembers nothing. */
  raiseUnlessIgnored(index: number): RaiseResult {
    return ((this.#flags[index] as number) & IGNORE) !== 0 ? RAISE.ignored : this.raise(index);
  }

  /** Whether a descriptor with this PASID (-1: none) may name the entry. */
  isAllowed(index: number, pasid: number): boolean {
    const flags = this.#flags[index] as number;
    return (flags & PASID_ENABLE) === 0 ? pasid < 0 : this.#pasids[index] === pasid;
  }

  entry(index: number): InterruptEntry {
    invariant(index >= 0 && index < this.entries, `Interrupt entry ${index} of ${this.entries}`);
    const flags = this.#flags[index] as number;
    return {
      index,
      addressHigh: this.#messages[index * 3 + 1] as number,
      addressLow: this.#messages[index * 3] as number,
      data: this.#messages[index * 3 + 2] as number,
      isMasked: (flags & MASK) !== 0,
      isPending: (flags & PENDING) !== 0,
      isIgnored: (flags & IGNORE) !== 0,
      ...((flags & PASID_ENABLE) === 0 ? {} : { pasid: this.#pasids[index] as number }),
    };
  }

  /** Part 0: address low, 1: address high, 2: data. */
  message(index: number, part: 0 | 1 | 2): number {
    return this.#messages[index * 3 + part] as number;
  }

  setMessage(index: number, part: 0 | 1 | 2, value: number): void {
    this.#messages[index * 3 + part] = value;
  }

  isMasked(index: number): boolean {
    return ((this.#flags[index] as number) & MASK) !== 0;
  }

  isPending(index: number): boolean {
    return ((this.#flags[index] as number) & PENDING) !== 0;
  }

  setMasked(index: number, isMasked: boolean): void {
    this.#setFlag(index, MASK, isMasked);
    this.#flush(index);
  }

  /** The isolation fields: who may name the entry, and whether completions count at all. */
  setPermission(index: number, isIgnored: boolean, pasid: number | undefined): void {
    this.#setFlag(index, IGNORE, isIgnored);
    this.#setFlag(index, PASID_ENABLE, pasid !== undefined);
    this.#pasids[index] = pasid ?? 0;
  }

  /** As `setPermission`, for faces whose PASID field keeps its value while PASID enable is 0. */
  setPermissionFields(
    index: number,
    isIgnored: boolean,
    isPasidEnabled: boolean,
    pasid: number,
  ): void {
    this.#setFlag(index, IGNORE, isIgnored);
    this.#setFlag(index, PASID_ENABLE, isPasidEnabled);
    this.#pasids[index] = pasid;
  }

  isIgnored(index: number): boolean {
    return ((this.#flags[index] as number) & IGNORE) !== 0;
  }

  isPasidEnabled(index: number): boolean {
    return ((this.#flags[index] as number) & PASID_ENABLE) !== 0;
  }

  pasidField(index: number): number {
    return this.#pasids[index] as number;
  }

  /** MSI-X Enable of the capability. */
  setEnabled(isEnabled: boolean): void {
    this.#isEnabled = isEnabled || this.#options.isAlwaysOn;
    this.#flushAll();
  }

  /** Function Mask of the capability. */
  setFunctionMasked(isMasked: boolean): void {
    this.#isFunctionMasked = isMasked;
    this.#flushAll();
  }

  /** Pending bits 32 * word to 32 * word + 31. */
  pendingWord(word: number): number {
    let bits = 0;
    for (let i = 0; i < 32 && word * 32 + i < this.entries; i++) {
      if (this.isPending(word * 32 + i)) {
        bits |= 1 << i;
      }
    }
    return bits >>> 0;
  }

  clearPending(): void {
    this.#causes.clear();
    for (let i = 0; i < this.entries; i++) {
      this.#setFlag(i, PENDING, false);
    }
  }

  /** Puts messages and masks to their reset values. */
  resetMessages(): void {
    for (let i = 0; i < this.entries; i++) {
      this.#messages[i * 3] = this.#options.resetAddressLow ?? 0;
      this.#messages[i * 3 + 1] = 0;
      this.#messages[i * 3 + 2] = 0;
      this.#setFlag(i, MASK, true);
    }
  }

  resetPermissions(): void {
    for (let i = 0; i < this.entries; i++) {
      this.setPermission(i, false, undefined);
    }
  }

  reset(): void {
    this.#flags.fill(0);
    this.#causes.clear();
    this.#isEnabled = this.#options.isAlwaysOn;
    this.#isFunctionMasked = false;
    this.resetMessages();
    this.resetPermissions();
  }

  snapshot(): InterruptTableState {
    return {
      messages: this.#messages.slice(),
      flags: this.#flags.slice(),
      pasids: this.#pasids.slice(),
      isEnabled: this.#isEnabled,
      isFunctionMasked: this.#isFunctionMasked,
      causes: [...this.#causes],
    };
  }

  restore(state: InterruptTableState): void {
    this.#messages.set(state.messages);
    this.#flags.set(state.flags);
    this.#pasids.set(state.pasids);
    this.#isEnabled = state.isEnabled;
    this.#isFunctionMasked = state.isFunctionMasked;
    this.#causes.clear();
    state.causes.forEach(([index, cause]) => this.#causes.set(index, cause));
  }

  /** Of several raises that become one message, the first is remembered. */
  #noteCause(index: number): void {
    const cause = this.#options.cause?.();
    if (cause !== undefined && !this.#causes.has(index)) {
      this.#causes.set(index, cause);
    }
  }

  #setFlag(index: number, flag: number, value: boolean): void {
    const flags = this.#flags[index] as number;
    this.#flags[index] = value ? flags | flag : flags & ~flag;
  }

  /** Sends what an entry remembers, once nothing holds it back. */
  #flush(index: number): void {
    const flags = this.#flags[index] as number;
    if (
      this.#isEnabled &&
      !this.#isFunctionMasked &&
      (flags & MASK) === 0 &&
      (flags & PENDING) !== 0
    ) {
      this.#flags[index] = flags & ~PENDING;
      const cause = this.#causes.get(index);
      this.#causes.delete(index);
      this.#sendEntry(index, cause);
    }
  }

  #flushAll(): void {
    for (let i = 0; i < this.entries; i++) {
      this.#flush(i);
    }
  }

  #sendEntry(index: number, cause?: number): void {
    this.#send(
      index,
      this.#messages[index * 3 + 1] as number,
      this.#messages[index * 3] as number,
      this.#messages[index * 3 + 2] as number,
      cause,
    );
  }
}
