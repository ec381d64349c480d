/**
 * Inter-domain permission table: entries, handles, and the check of each descriptor that names one. DSA 3.0 sections 3.14
 * and 9.2.29.
 *
 * Submitters of a bitmap entry are looked up in memory; the words read are cached until software invalidates them.
 */
import { IDPT_TYPE, IdptEntry } from '../../../spec/dsa/inter-domain.ts';
import { OPERAND, STATUS } from '../../../spec/dsa/status-codes.ts';
import { bigOf, highOfBig, lowOfBig } from '../../../bits/u64.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import { COMPLETION } from '../../pcie/ports.ts';
import { Job } from './job.ts';
import type { MemoryAccess } from './memory-access.ts';
import type { DsaRegisters } from './registers.ts';

export type IdptValues = ReturnType<typeof IdptEntry.decode>;

export interface InterDomainState {
  readonly words: Uint32Array;
  /** Indexes of live handles; a handle is the index. */
  readonly live: readonly number[];
  readonly bitmapCache: readonly (readonly [address: string, word: number])[];
}

export interface InterDomainOptions {
  readonly entries: number;
  /** Handles that can be live at once. */
  readonly handles: number;
  readonly registers: DsaRegisters;
  readonly memory: MemoryAccess;
  readonly isAtsOn: () => boolean;
  readonly deviceRow: { readonly wq: number; readonly engine: number; readonly pasidRow: number };
}

/** Which of the two addresses of a descriptor a check is about. */
export interface DomainUse {
  /** 1 or 2. */
  readonly domain: 1 | 2;
  readonly handle: number;
  readonly isWrite: boolean;
  /** Word of the descriptor with the address. */
  readonly word: number;
}

const ADDRESS_SPACE = 1n << 64n;

export class InterDomain implements Snapshotable<InterDomainState> {
  readonly entries: number;
  readonly #words: Uint32Array;
  readonly #options: InterDomainOptions;
  readonly #live = new Set<number>();
  readonly #bitmapCache = new Map<string, number>();
  /** Stands for the device as the reader of bitmaps. */
  readonly #requester = new Job(0);
  readonly #bytes = new Uint8Array(4);

  constructor(options: InterDomainOptions) {
    this.entries = options.entries;
    this.#options = options;
    this.#words = new Uint32Array(options.entries * IdptEntry.words);
    this.#requester.wq = options.deviceRow.wq;
    this.#requester.engine = options.deviceRow.engine;
    this.#requester.pasidRow = options.deviceRow.pasidRow;
  }

  word(index: number): number {
    return this.#words[index] ?? 0;
  }

  /** Software write; fields are read-only while the entry is usable or updatable, but for those two bits themselves. */
  writeWord(index: number, value: number, byteMask: number): void {
    const entry = Math.floor(index / IdptEntry.words);
    const isFirst = index % IdptEntry.words === 0;
    const isLocked = ((this.#words[entry * IdptEntry.words] ?? 0) & 0b11) !== 0;
    const writable = isLocked ? (isFirst ? 0b11 : 0) : 0xffff_ffff;
    const mask = writable & byteMask;
    this.#words[index] = ((this.#words[index] as number) & ~mask) | (value & mask);
  }

  decode(entry: number): IdptValues {
    return IdptEntry.decode(this.#words, entry * IdptEntry.words);
  }

  isLive(handle: number): boolean {
    return this.#live.has(handle);
  }

  liveHandles(): readonly number[] {
    return [...this.#live].sort((a, b) => a - b);
  }

  /** False when no handle is left. */
  request(index: number): boolean {
    if (this.#live.size >= this.#options.handles && !this.#live.has(index)) {
      return false;
    }
    this.#live.add(index);
    return true;
  }

  release(index: number): boolean {
    return this.#live.delete(index);
  }

  invalidateBitmaps(): void {
    this.#bitmapCache.clear();
  }

  /**
   * Checks one use of a handle and, when all is well, notes the other address space in the job and turns an offset into
   * an address. 0 or the status.
   */
  resolve(job: Job, use: DomainUse): number {
    job.information = use.handle;
    const entry =
      use.handle < this.entries && this.#live.has(use.handle) ? this.decode(use.handle) : undefined;
    if (entry?.usable !== 1 || !this.#isSubmitter(entry, job.pasid)) {
      return STATUS.idptHandle;
    }
    if ((use.isWrite ? entry.write : entry.read) === 0) {
      return STATUS.idptPermission;
    }
    const address = bigOf(job.words[use.word + 1] as number, job.words[use.word] as number);
    const reached = windowAddress(entry, address, BigInt(job.size));
    if (reached === undefined) {
      return STATUS.windowRange;
    }
    job.words[use.word] = lowOfBig(reached);
    job.words[use.word + 1] = highOfBig(reached);
    if (use.domain === 1) {
      job.domain1Pasid = entry.accessPasid;
      job.domain1Priv = entry.priv;
    } else {
      job.domain2Pasid = entry.accessPasid;
      job.domain2Priv = entry.priv;
    }
    return 0;
  }

  /** Checks an Update Window descriptor. 0 or the status. */
  checkUpdate(job: Job, handle: number, window: WindowFields): number {
    job.information = handle;
    if (handle >= this.entries || !this.#live.has(handle)) {
      return STATUS.idptHandle;
    }
    const entry = this.decode(handle);
    if (entry.allowUpdate === 0 || entry.accessPasid !== job.pasid) {
      return STATUS.updateWindowDenied;
    }
    const isMalformed =
      window.base + window.size > ADDRESS_SPACE ||
      (window.isEnabled && window.size === 0n) ||
      (window.isOffset && !window.isEnabled);
    return isMalformed ? STATUS.updateWindowFields : 0;
  }

  update(handle: number, window: WindowFields): void {
    const offset = handle * IdptEntry.words;
    IdptEntry.set(this.#words, 'windowBase', window.base, offset);
    IdptEntry.set(this.#words, 'windowSize', window.size, offset);
    IdptEntry.set(this.#words, 'windowEnable', window.isEnabled ? 1 : 0, offset);
    IdptEntry.set(this.#words, 'offsetMode', window.isOffset ? 1 : 0, offset);
  }

  reset(): void {
    this.#words.fill(0);
    this.#live.clear();
    this.#bitmapCache.clear();
  }

  snapshot(): InterDomainState {
    return {
      words: this.#words.slice(),
      live: this.liveHandles(),
      bitmapCache: [...this.#bitmapCache].sort(([a], [b]) => (a < b ? -1 : 1)),
    };
  }

  restore(state: InterDomainState): void {
    this.#words.set(state.words);
    this.#live.clear();
    state.live.forEach((handle) => this.#live.add(handle));
    this.#bitmapCache.clear();
    state.bitmapCache.forEach(([address, word]) => this.#bitmapCache.set(address, word));
  }

  #isSubmitter(entry: IdptValues, pasid: number): boolean {
    if (entry.type === IDPT_TYPE.singleSubmitter) {
      return entry.submitterPasid === pasid;
    }
    const address = entry.bitmapAddress + BigInt((pasid >>> 5) * 4);
    return (
      entry.type === IDPT_TYPE.submitterBitmap &&
      (this.#bitmapWord(address) & (1 << (pasid & 31))) !== 0
    );
  }

  /** A word that cannot be read grants nothing. */
  #bitmapWord(address: bigint): number {
    const key = address.toString(16);
    const cached = this.#bitmapCache.get(key);
    if (cached !== undefined) {
      return cached;
    }
    const { registers, memory, isAtsOn } = this.#options;
    const requester = this.#requester;
    requester.pasid =
      registers.get('IDBR', 'pasidEnable') === 1 ? registers.get('IDBR', 'pasid') : -1;
    requester.priv = registers.get('IDBR', 'priv');
    requester.usesAts = isAtsOn() ? 1 : 0;
    if (memory.translate(requester, highOfBig(address), lowOfBig(address), false) < 0) {
      return 0;
    }
    if (memory.readHere(requester, 4, this.#bytes, 0) !== COMPLETION.success) {
      return 0;
    }
    const word = this.#bytes.reduceRight((value, byte) => value * 256 + byte, 0);
    this.#bitmapCache.set(key, word);
    return word;
  }
}

export interface WindowFields {
  readonly base: bigint;
  readonly size: bigint;
  readonly isEnabled: boolean;
  readonly isOffset: boolean;
}

/** Word of a descriptor with both IDPT handles. */
const HANDLES_WORD = 15;

/** The IDPT handle behind which an access of a job faulted, undefined when it was in the job's own address space. */
export function faultingHandle(job: Job): number | undefined {
  const handles = job.words[HANDLES_WORD] as number;
  if (job.faultOperand === OPERAND.source) {
    return job.domain1Pasid < 0 ? undefined : handles & 0xffff;
  }
  return job.domain2Pasid < 0 ? undefined : handles >>> 16;
}

/** The address that a descriptor reaches through an entry; undefined when it leaves the window. */
function windowAddress(entry: IdptValues, address: bigint, size: bigint): bigint | undefined {
  if (entry.windowEnable === 0) {
    return address + size <= ADDRESS_SPACE ? address : undefined;
  }
  if (entry.offsetMode === 1) {
    return address + size <= entry.windowSize ? entry.windowBase + address : undefined;
  }
  const isInside =
    address >= entry.windowBase && address + size <= entry.windowBase + entry.windowSize;
  return isInside ? address : undefined;
}
