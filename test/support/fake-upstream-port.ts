/**
 * An upstream port over a flat array: identity translation, pages that tests take away and give back, and a record of
 * everything that the device sent.
 */
import {
  ADDRESS_TYPE,
  COMPLETION,
  type CompletionStatus,
  type MemoryRequest,
  type PageRequest,
  type TranslationCompletion,
  type TranslationRequest,
  type UpstreamPort,
} from '../../src-main/sim/pcie/ports.ts';
import { numberOf } from '../../src-main/bits/u64.ts';

const PAGE = 4096;
const SMALL = 16;

export interface SentInterrupt {
  readonly address: number;
  readonly data: number;
}

export interface SeenAccess {
  readonly kind: 'read' | 'write';
  readonly address: number;
  readonly bytes: number;
  readonly pasid: number;
  readonly isPrivileged: boolean;
  readonly addressType: number;
  readonly trafficClass: number;
}

interface PageRights {
  readonly canRead: boolean;
  readonly canWrite: boolean;
}

export class FakeUpstreamPort implements UpstreamPort {
  readonly rid: number;
  readonly memory: Uint8Array;
  readonly interrupts: SentInterrupt[] = [];
  readonly pageRequests: PageRequest[] = [];
  readonly translations: TranslationRequest[] = [];
  readonly invalidated: { readonly vector: number; readonly count: number }[] = [];
  /** Filled only while `isRecording`. */
  readonly accesses: SeenAccess[] = [];
  isRecording = false;
  /** Status of translation requests; anything but success means ATS is off for the function. */
  translationStatus: CompletionStatus = COMPLETION.success;
  /** log2 of the size that translations report. */
  pageShift = 12;
  isUntranslatedOnly = false;
  /** Called for every page request, after it was recorded. */
  onPageRequest: (request: PageRequest) => void = () => undefined;
  /** Where an address space starts in the array: identity for those not named. */
  readonly spaces = new Map<number, number>();
  readonly #rights = new Map<string, PageRights>();
  /** Physical pages that answer with Unsupported Request. */
  readonly #broken = new Set<number>();

  constructor(bytes: number, rid = 0x6a08) {
    this.memory = new Uint8Array(bytes);
    this.rid = rid;
  }

  /** Takes a page away from an address space: translation requests find no rights. */
  unmap(pasid: number, address: number): void {
    this.protect(pasid, address, { canRead: false, canWrite: false });
  }

  protect(pasid: number, address: number, rights: PageRights): void {
    this.#rights.set(`${pasid}:${Math.floor(address / PAGE)}`, rights);
  }

  map(pasid: number, address: number): void {
    this.#rights.delete(`${pasid}:${Math.floor(address / PAGE)}`);
  }

  /** Makes reads and writes of a physical page fail. */
  breakPage(address: number): void {
    this.#broken.add(Math.floor(address / PAGE));
  }

  repairPage(address: number): void {
    this.#broken.delete(Math.floor(address / PAGE));
  }

  /** Memory and rights of another port, for a twin. */
  copyFrom(other: FakeUpstreamPort): void {
    this.memory.set(other.memory);
    this.#rights.clear();
    other.#rights.forEach((rights, page) => this.#rights.set(page, rights));
    this.#broken.clear();
    other.#broken.forEach((page) => this.#broken.add(page));
    this.translationStatus = other.translationStatus;
    other.spaces.forEach((base, pasid) => this.spaces.set(pasid, base));
  }

  read(request: MemoryRequest, into: Uint8Array, offset: number): CompletionStatus {
    const address = this.#locate(request);
    this.#record('read', request, address);
    if (address < 0) {
      return COMPLETION.unsupportedRequest;
    }
    copy(this.memory, address, into, offset, request.bytes);
    return COMPLETION.success;
  }

  write(request: MemoryRequest, from: Uint8Array, offset: number): CompletionStatus {
    const address = this.#locate(request);
    this.#record('write', request, address);
    if (address < 0) {
      return COMPLETION.unsupportedRequest;
    }
    copy(from, offset, this.memory, address, request.bytes);
    return COMPLETION.success;
  }

  interrupt(addressHigh: number, addressLow: number, data: number): CompletionStatus {
    this.interrupts.push({ address: numberOf(addressHigh, addressLow), data });
    return COMPLETION.success;
  }

  translate(request: TranslationRequest, completion: TranslationCompletion): void {
    if (this.isRecording) {
      this.translations.push({ ...request });
    }
    const address = numberOf(request.high, request.low);
    const rights = this.#rightsOf(request.pasid, address);
    completion.status = this.translationStatus;
    completion.isReadable = rights.canRead;
    completion.isWritable = rights.canWrite && !request.isNoWrite;
    completion.isUntranslatedOnly = this.isUntranslatedOnly;
    completion.isPrivileged = request.isPrivileged;
    completion.pageShift = this.pageShift;
    const physical = address + (this.spaces.get(request.pasid) ?? 0);
    completion.high = Math.floor(physical / 2 ** 32);
    completion.low = (physical - (physical % 2 ** this.pageShift)) >>> 0;
  }

  pageRequest(request: PageRequest): void {
    this.pageRequests.push({ ...request });
    this.onPageRequest(request);
  }

  invalidationComplete(itagVector: number, completionCount: number): void {
    this.invalidated.push({ vector: itagVector, count: completionCount });
  }

  #rightsOf(pasid: number, address: number): PageRights {
    return this.#rights.size === 0
      ? ALL_RIGHTS
      : (this.#rights.get(`${pasid}:${Math.floor(address / PAGE)}`) ?? ALL_RIGHTS);
  }

  /** Index into the array, or -1. Untranslated requests are translated on the way. */
  #locate(request: MemoryRequest): number {
    let address = numberOf(request.high, request.low);
    if (request.addressType === ADDRESS_TYPE.untranslated) {
      address += this.spaces.size === 0 ? 0 : (this.spaces.get(request.pasid) ?? 0);
    }
    const isBroken = this.#broken.size > 0 && this.#broken.has(Math.floor(address / PAGE));
    return isBroken || address + request.bytes > this.memory.length ? -1 : address;
  }

  #record(kind: 'read' | 'write', request: MemoryRequest, address: number): void {
    if (!this.isRecording) {
      return;
    }
    const { bytes, pasid, isPrivileged, addressType, trafficClass } = request;
    this.accesses.push({ kind, address, bytes, pasid, isPrivileged, addressType, trafficClass });
  }
}

const ALL_RIGHTS: PageRights = { canRead: true, canWrite: true };

function copy(from: Uint8Array, at: number, to: Uint8Array, offset: number, bytes: number): void {
  if (bytes > SMALL) {
    to.set(from.subarray(at, at + bytes), offset);
    return;
  }
  for (let i = 0; i < bytes; i++) {
    to[offset + i] = from[at + i] as number;
  }
}
