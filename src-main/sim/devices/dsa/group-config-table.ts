/**
 * GRPCFG table: the configuration bytes of every group. DSA 3.0 section 9.2.23. Software writes them only while the device
 * is Disabled.
 */
import { GroupConfig } from '../../../spec/dsa/group-config.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import type { DsaCapabilities } from './capabilities.ts';

export type GroupConfigValues = ReturnType<typeof GroupConfig.decode>;

/** Work queues that one bitmap can name. */
export const WQS_PER_WINDOW = 256;

export class GroupConfigTable implements Snapshotable<Uint32Array> {
  readonly groups: number;
  readonly #words: Uint32Array;
  readonly #writable: Uint32Array;
  readonly #isConfigurable: boolean;
  readonly #readBuffers: number;
  readonly #reservedFlags: number;

  constructor(capabilities: DsaCapabilities) {
    this.groups = capabilities.settings.groups;
    this.#words = new Uint32Array(this.groups * GroupConfig.words);
    const reservedMask = GroupConfig.reservedMask(capabilities.context);
    this.#reservedFlags = reservedMask[FLAGS_WORD] as number;
    // Reserved bits of the flags are kept as written: Enable Device finds them (error 18h).
    this.#writable = reservedMask.map((reserved, word) =>
      word === FLAGS_WORD ? 0xffff_ffff : ~reserved,
    );
    this.#isConfigurable = capabilities.gencap.configuration === 1;
    this.#readBuffers = capabilities.settings.readBuffers;
    this.reset();
  }

  words(group: number): Uint32Array {
    return this.#words.subarray(group * GroupConfig.words, (group + 1) * GroupConfig.words);
  }

  decode(group: number): GroupConfigValues {
    return GroupConfig.decode(this.words(group));
  }

  word(index: number): number {
    return this.#words[index] ?? 0;
  }

  /** Software write of the bytes in `byteMask`. False when the table is read-only now. */
  writeWord(index: number, value: number, byteMask: number, isDeviceDisabled: boolean): boolean {
    if (!isDeviceDisabled || !this.#isConfigurable) {
      return false;
    }
    const mask = (this.#writable[index % GroupConfig.words] as number) & byteMask;
    this.#words[index] = ((this.#words[index] as number) & ~mask) | (value & mask);
    return true;
  }

  /** Whether a reserved bit of the flags is 1. */
  isReservedSet(group: number): boolean {
    return ((this.words(group)[FLAGS_WORD] as number) & this.#reservedFlags) !== 0;
  }

  /** Work queues that a group's bitmap names. */
  wqsOf(group: number): readonly number[] {
    const { wqs, window } = this.decode(group);
    return bitsOf(wqs).map((bit) => window * WQS_PER_WINDOW + bit);
  }

  enginesOf(group: number): readonly number[] {
    return bitsOf(this.decode(group).engines);
  }

  reset(): void {
    this.#words.fill(0);
    for (let group = 0; group < this.groups; group++) {
      GroupConfig.set(this.words(group), 'readBuffersAllowed', this.#readBuffers);
    }
  }

  snapshot(): Uint32Array {
    return this.#words.slice();
  }

  restore(state: Uint32Array): void {
    this.#words.set(state);
  }
}

const FLAGS_WORD = 10;

function bitsOf(map: bigint): readonly number[] {
  const found: number[] = [];
  for (let rest = map, bit = 0; rest !== 0n; rest >>= 1n, bit++) {
    if ((rest & 1n) === 1n) {
      found.push(bit);
    }
  }
  return found;
}
