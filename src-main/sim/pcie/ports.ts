/**
 * Ports between devices, the PCIe fabric and the rest of the machine. A device never knows its base address, the IOMMU
 * or the CPU: it sees an `UpstreamPort`, and the fabric sees the device as a `PcieFunction`.
 *
 * Request objects are mutable and reused by their owner, so that a DMA allocates nothing. Addresses are two 32-bit halves.
 */
import type { Snapshotable } from '../core/snapshot.ts';

/** Completion status as PCIe encodes it (PCIe Base, completion header). */
export const COMPLETION = {
  success: 0,
  unsupportedRequest: 1,
  retry: 2,
  completerAbort: 4,
} as const;
export type CompletionStatus = (typeof COMPLETION)[keyof typeof COMPLETION];

/** Address type of a memory request (PCIe ATS). */
export const ADDRESS_TYPE = { untranslated: 0, translationRequest: 1, translated: 2 } as const;
export type AddressType = (typeof ADDRESS_TYPE)[keyof typeof ADDRESS_TYPE];

/** An upstream memory request. It must not cross a 4 KiB boundary. */
export interface MemoryRequest {
  /** -1: no PASID prefix. */
  pasid: number;
  isPrivileged: boolean;
  isExecute: boolean;
  addressType: AddressType;
  high: number;
  low: number;
  bytes: number;
  trafficClass: number;
}

export function createMemoryRequest(): MemoryRequest {
  return {
    pasid: -1,
    isPrivileged: false,
    isExecute: false,
    addressType: ADDRESS_TYPE.untranslated,
    high: 0,
    low: 0,
    bytes: 0,
    trafficClass: 0,
  };
}

/** An ATS translation request for one page and its completion (PCIe ATS; VT-d 5.10 section 4.1). */
export interface TranslationRequest {
  pasid: number;
  isPrivileged: boolean;
  isExecute: boolean;
  /** NW: the function promises not to write. */
  isNoWrite: boolean;
  high: number;
  low: number;
}

export interface TranslationCompletion {
  status: CompletionStatus;
  isReadable: boolean;
  isWritable: boolean;
  isExecutable: boolean;
  isPrivileged: boolean;
  isGlobal: boolean;
  /** N: translated accesses must snoop. */
  isNonSnooped: boolean;
  /** U: only untranslated access is allowed. */
  isUntranslatedOnly: boolean;
  /** log2 of the size of the translated region, at least 12. */
  pageShift: number;
  high: number;
  low: number;
}

export function createTranslationCompletion(): TranslationCompletion {
  return {
    status: COMPLETION.success,
    isReadable: false,
    isWritable: false,
    isExecutable: false,
    isPrivileged: false,
    isGlobal: false,
    isNonSnooped: false,
    isUntranslatedOnly: false,
    pageShift: 12,
    high: 0,
    low: 0,
  };
}

/** A PRI page request message. */
export interface PageRequest {
  pasid: number;
  isPrivileged: boolean;
  isExecute: boolean;
  isRead: boolean;
  isWrite: boolean;
  isLastInGroup: boolean;
  /** 9 bits. */
  groupIndex: number;
  high: number;
  low: number;
}

/** PRG response codes (PCIe PRI; VT-d 5.10 section 7.6.1). */
export const PAGE_RESPONSE = { success: 0, invalidRequest: 1, failure: 15 } as const;
export type PageResponseCode = (typeof PAGE_RESPONSE)[keyof typeof PAGE_RESPONSE];

/** What a device may send towards the root complex. The fabric adds the Requester ID and cannot be fooled about it. */
export interface UpstreamPort {
  readonly rid: number;
  /** Reads `request.bytes` bytes into `into[offset...]`. */
  read(request: MemoryRequest, into: Uint8Array, offset: number): CompletionStatus;
  /** Posted: the status is known to the simulator only, a real device would not see it. */
  write(request: MemoryRequest, from: Uint8Array, offset: number): CompletionStatus;
  /**
   * Message signalled interrupt: a posted 4-byte write without PASID (VT-d 5.10 section 5.1.2). `cause` is the record that it
   * follows from when that is not what happens now: the message was held back.
   */
  interrupt(
    addressHigh: number,
    addressLow: number,
    data: number,
    cause?: number,
  ): CompletionStatus;
  translate(request: TranslationRequest, completion: TranslationCompletion): void;
  pageRequest(request: PageRequest): void;
  /** Answer to an ATS invalidation: the tags that are done (PCIe ATS Invalidate Completion). */
  invalidationComplete(itagVector: number, completionCount: number): void;
}

/** An ATS invalidate request as the function sees it. */
export interface InvalidateRequest {
  readonly itag: number;
  /** -1: request without PASID prefix. */
  readonly pasid: number;
  readonly isGlobal: boolean;
  readonly high: number;
  readonly low: number;
  /** log2 of the invalidated size; 64 for everything. */
  readonly sizeShift: number;
}

/** Kind of a 64-byte write to a portal. */
export type BlockWriteKind = 'posted' | 'deferrable';
/** `retry` is only an answer to a deferrable write; a posted write that finds no taker is gone. */
export type BlockWriteResult = 'accepted' | 'retry' | 'dropped';

export type ResetKind = 'power-on' | 'function-level';

/** Where a physical function puts its virtual functions: the fabric. */
export interface FunctionHost {
  portOf(rid: number): UpstreamPort;
  find(rid: number): PcieFunction | undefined;
  add(rid: number, device: PcieFunction): void;
  remove(rid: number): void;
  /** BARs that `PcieFunction.barAddress` tells of have other addresses now. */
  barsMoved(): void;
}

/** The side of a port on which devices are. */
export interface DownstreamPort {
  /** Bus right below it. */
  readonly bus: number;
  /** ACS Translation Blocking is on. */
  readonly blocksTranslated: boolean;
  /** A request of a function below was an ACS violation; posted ones get no completion. */
  noteViolation(isPosted: boolean): void;
}

/** A PCIe function as the fabric sees it. */
export interface PcieFunction<S = unknown> extends Snapshotable<S> {
  readonly name: string;
  /** A virtual function: its physical function creates it, removes it and keeps its state. */
  readonly isVirtual?: boolean;
  /** Present in ports. */
  readonly downstream?: DownstreamPort;
  /** Address of a BAR that is not in the function's own configuration space, 0 when it answers nowhere. */
  barAddress?(bar: number): number;
  /** Size of each BAR in bytes, 0 for none; index 0 to 5. A 64-bit BAR takes two indexes, the second is 0. */
  readonly barBytes: readonly number[];
  configRead(offset: number, bytes: 1 | 2 | 4): number;
  configWrite(offset: number, bytes: 1 | 2 | 4, value: number): void;
  mmioRead(bar: number, offset: number, bytes: 1 | 2 | 4 | 8): bigint;
  mmioWrite(bar: number, offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void;
  /** 64-byte aligned write of 16 words. */
  blockWrite(
    bar: number,
    offset: number,
    words: Uint32Array,
    kind: BlockWriteKind,
  ): BlockWriteResult;
  atsInvalidate(request: InvalidateRequest): void;
  pageResponse(pasid: number, groupIndex: number, code: PageResponseCode): void;
  reset(kind: ResetKind): void;
}
