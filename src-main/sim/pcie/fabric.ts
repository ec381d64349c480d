/**
 * The PCIe fabric of a machine: routes requests between functions, the remapping unit, memory and the CPUs. PCIe Base
 * section 2.2; requests of functions reach memory only through the unit.
 *
 * Each device is a part of the root complex or alone below a root port, and the root complex keeps devices from reaching each
 * other. Functions of one device may have a way between them (`peer-paths.ts`). The Requester ID is the fabric's, so that a
 * function cannot forge it. A root port may block requests by their address type (section 6.12.1.1).
 *
 * Not modelled: link training, flow control, windows of ports, switches, ordering between traffic classes, malformed packets (a translation
 * request asks for one page, so it cannot have a wrong length or byte enables; VT-d section 4.1).
 */
import { numberOf } from '../../bits/u64.ts';
import {
  ACS_VIOLATED,
  MEMORY_WRITTEN_BY_DEVICE,
  PEER_ACCESS_DELIVERED,
  PEER_ACCESS_REFUSED,
} from '../../spec/events/platform.ts';
import { busOf } from '../../spec/pcie/requester-id.ts';
import type { Trace } from '../core/trace.ts';
import { ACCESS } from '../iommu/first-stage-walk.ts';
import type { DeviceTlbPort } from '../iommu/ports.ts';
import { createIommuRequest } from '../iommu/request.ts';
import { isInterruptAddress } from '../iommu/request-outcome.ts';
import { decodeCompletion, encodeCompletion } from '../iommu/translation-completion.ts';
import type { RemappingUnit } from '../iommu/unit.ts';
import type { IsolationOracle } from '../isolation/isolation-oracle.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import { findPeer, hasPeers, type PeerTarget } from './peer-paths.ts';
import {
  ADDRESS_TYPE,
  COMPLETION,
  type AddressType,
  type CompletionStatus,
  type FunctionHost,
  type MemoryRequest,
  type PageRequest,
  type PageResponseCode,
  type PcieFunction,
  type TranslationCompletion,
  type TranslationRequest,
  type UpstreamPort,
} from './ports.ts';

const FRAME_MASK = 0xfff;
const INTERRUPT_BYTES = 4;

export class Fabric implements DeviceTlbPort, FunctionHost {
  readonly #functions = new Map<number, PcieFunction>();
  /** Requester IDs of ports, by the bus below them. */
  readonly #portsAbove = new Map<number, number>();
  readonly #memory: PhysicalMemory;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #oracle: IsolationOracle | undefined;
  #unit: RemappingUnit | undefined;
  #revision = 0;
  #hasPeers = false;

  constructor(memory: PhysicalMemory, trace: Trace, oracle?: IsolationOracle) {
    this.#memory = memory;
    this.#trace = trace;
    this.#source = trace.source('fabric');
    this.#oracle = oracle;
  }

  /** The unit and the fabric need each other; the machine joins them when both exist. */
  connect(unit: RemappingUnit): void {
    this.#unit = unit;
  }

  get unit(): RemappingUnit {
    return this.#unit as RemappingUnit;
  }

  /** Changes whenever functions or their BARs come, go or move on their own account. */
  get revision(): number {
    return this.#revision;
  }

  add(rid: number, device: PcieFunction): void {
    this.#functions.set(rid, device);
    if (device.downstream !== undefined) {
      this.#portsAbove.set(device.downstream.bus, rid);
    }
    this.#hasPeers = hasPeers(this.#functions);
    this.#revision++;
  }

  remove(rid: number): void {
    const bus = this.#functions.get(rid)?.downstream?.bus;
    if (bus !== undefined) {
      this.#portsAbove.delete(bus);
    }
    this.#functions.delete(rid);
    this.#hasPeers = hasPeers(this.#functions);
    this.#revision++;
  }

  /** Some device is below a port. */
  get hasPorts(): boolean {
    return this.#portsAbove.size > 0;
  }

  /** Requester ID of the port above a function, undefined for parts of the root complex. */
  portAbove(rid: number): number | undefined {
    return this.#portsAbove.get(busOf(rid));
  }

  /** Some device has more than one function. */
  get hasPeers(): boolean {
    return this.#hasPeers;
  }

  barsMoved(): void {
    this.#revision++;
  }

  find(rid: number): PcieFunction | undefined {
    return this.#functions.get(rid);
  }

  functions(): ReadonlyMap<number, PcieFunction> {
    return this.#functions;
  }

  /** The port through which the function with this Requester ID sends. */
  portOf(rid: number): UpstreamPort {
    return new FabricPort(rid, {
      fabric: this,
      memory: this.#memory,
      trace: this.#trace,
      source: this.#source,
      oracle: this.#oracle,
    });
  }

  invalidate(
    rid: number,
    itag: number,
    pasid: number,
    isGlobal: boolean,
    high: number,
    low: number,
    sizeShift: number,
  ): boolean {
    const device = this.#functions.get(rid);
    if (device === undefined) {
      return false;
    }
    device.atsInvalidate({ itag, pasid, isGlobal, high, low, sizeShift });
    return true;
  }

  pageGroupResponse(rid: number, pasid: number, groupIndex: number, code: PageResponseCode): void {
    this.#functions.get(rid)?.pageResponse(pasid, groupIndex, code);
  }
}

interface FabricPortParts {
  readonly fabric: Fabric;
  readonly memory: PhysicalMemory;
  readonly trace: Trace;
  readonly source: number;
  readonly oracle: IsolationOracle | undefined;
}

class FabricPort implements UpstreamPort {
  readonly rid: number;
  readonly #fabric: Fabric;
  readonly #memory: PhysicalMemory;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #oracle: IsolationOracle | undefined;
  readonly #request = createIommuRequest();
  /** The data of a translation completion on its way. */
  readonly #entry = new Uint32Array(2);

  constructor(rid: number, { fabric, memory, trace, source, oracle }: FabricPortParts) {
    this.rid = rid;
    this.#fabric = fabric;
    this.#memory = memory;
    this.#trace = trace;
    this.#source = source;
    this.#oracle = oracle;
    this.#request.rid = rid;
  }

  read(request: MemoryRequest, into: Uint8Array, offset: number): CompletionStatus {
    if (this.#fabric.hasPeers) {
      const peer = this.#peerOf(request, false);
      if (peer !== undefined) {
        readPeer(peer, into, offset, request.bytes);
        return COMPLETION.success;
      }
    }
    const status = this.#translate(request, ACCESS.read);
    if (status !== COMPLETION.success) {
      return status;
    }
    const { answer } = this.#fabric.unit;
    if (this.#memory.locate(answer.high, answer.low) < 0) {
      return this.#refusePeer();
    }
    if (this.#oracle !== undefined) {
      this.#oracle.reached(this.rid, request, answer.high, answer.low, false);
    }
    this.#memory.readInto(numberOf(answer.high, answer.low), into, offset, request.bytes);
    return COMPLETION.success;
  }

  write(request: MemoryRequest, from: Uint8Array, offset: number): CompletionStatus {
    if (isInterruptWrite(request)) {
      const data = new DataView(from.buffer, from.byteOffset + offset, INTERRUPT_BYTES);
      return this.#interrupt(request.high, request.low, data.getUint32(0, true), {
        cause: this.#trace.cause,
        isDma: true,
      });
    }
    if (this.#fabric.hasPeers) {
      const peer = this.#peerOf(request, true);
      if (peer !== undefined) {
        writePeer(peer, from, offset, request.bytes);
        return COMPLETION.success;
      }
    }
    const status = this.#translate(request, ACCESS.write);
    if (status !== COMPLETION.success) {
      return status;
    }
    const { answer } = this.#fabric.unit;
    if (this.#memory.locate(answer.high, answer.low) < 0) {
      return this.#refusePeer();
    }
    const address = numberOf(answer.high, answer.low);
    this.#memory.writeFrom(address, from, offset, request.bytes);
    if (this.#trace.isOn) {
      this.#traceWrite(request, answer.high, answer.low);
    }
    if (this.#oracle !== undefined) {
      this.#oracle.reached(this.rid, request, answer.high, answer.low, true);
    }
    return COMPLETION.success;
  }

  interrupt(
    addressHigh: number,
    addressLow: number,
    data: number,
    cause = this.#trace.cause,
  ): CompletionStatus {
    return this.#interrupt(addressHigh, addressLow, data, { cause, isDma: false });
  }

  translate(request: TranslationRequest, completion: TranslationCompletion): void {
    const r = this.#request;
    r.pasid = request.pasid;
    r.high = request.high;
    r.low = request.low & ~FRAME_MASK;
    r.bytes = 8;
    r.kind = ACCESS.read;
    r.addressType = ADDRESS_TYPE.translationRequest;
    r.isPrivileged = request.isPrivileged;
    r.isExecute = request.isExecute;
    r.isNoWrite = request.isNoWrite;
    completion.status = this.#isBlocked(r.addressType)
      ? this.#violate(request.pasid, r.addressType, r.high, r.low, false)
      : this.#fabric.unit.translate(r);
    if (completion.status === COMPLETION.success) {
      encodeCompletion(this.#fabric.unit.answer, this.#entry);
    } else {
      this.#entry.fill(0);
    }
    decodeCompletion(this.#entry, r.high, r.low, completion);
  }

  pageRequest(request: PageRequest): void {
    this.#fabric.unit.pageRequest(this.rid, request);
  }

  invalidationComplete(itagVector: number, completionCount: number): void {
    this.#fabric.unit.invalidationComplete(this.rid, itagVector, completionCount);
  }

  #interrupt(
    high: number,
    low: number,
    data: number,
    how: { readonly cause: number; readonly isDma: boolean },
  ): CompletionStatus {
    const { unit } = this.#fabric;
    return this.#oracle === undefined
      ? unit.interrupt(this.rid, high, low, data)
      : this.#oracle.sending(this.rid, how.cause, how.isDma, () =>
          unit.interrupt(this.rid, high, low, data),
        );
  }

  #translate(request: MemoryRequest, kind: 0 | 1): CompletionStatus {
    const r = this.#request;
    r.pasid = request.pasid;
    r.high = request.high;
    r.low = request.low;
    r.bytes = request.bytes;
    r.kind = kind;
    r.addressType = request.addressType;
    r.isPrivileged = request.isPrivileged;
    r.isExecute = request.isExecute;
    r.isNoWrite = false;
    if (this.#isBlocked(request.addressType)) {
      const { pasid, addressType, high, low } = request;
      return this.#violate(pasid, addressType, high, low, kind === ACCESS.write);
    }
    return this.#fabric.unit.translate(r);
  }

  /** ACS Translation Blocking of the port above. */
  #isBlocked(addressType: AddressType): boolean {
    if (addressType === ADDRESS_TYPE.untranslated || !this.#fabric.hasPorts) {
      return false;
    }
    const port = this.#fabric.portAbove(this.rid);
    return port !== undefined && this.#fabric.find(port)?.downstream?.blocksTranslated === true;
  }

  /** PCIe Base section 6.12.5: a completion says Completer Abort, where there is one. */
  #violate(
    pasid: number,
    addressType: AddressType,
    high: number,
    low: number,
    isPosted: boolean,
  ): CompletionStatus {
    const port = this.#fabric.portAbove(this.rid) ?? 0;
    this.#fabric.find(port)?.downstream?.noteViolation(isPosted);
    const address = numberOf(high, low);
    this.#trace.record(ACS_VIOLATED, this.#source, this.rid, port, pasid, addressType, address);
    return COMPLETION.completerAbort;
  }

  /** The function of the same device that the request reaches without the root complex. */
  #peerOf(request: MemoryRequest, isWrite: boolean): PeerTarget | undefined {
    const { high, low, bytes } = request;
    const peer = findPeer(this.#fabric.functions(), this.rid, high, low);
    if (peer !== undefined) {
      this.#trace.record(
        PEER_ACCESS_DELIVERED,
        this.#source,
        this.rid,
        peer.rid,
        numberOf(high, low),
        bytes,
        isWrite,
      );
      this.#oracle?.reachedPeer(this.rid, peer.rid, request);
    }
    return peer;
  }

  #refusePeer(): CompletionStatus {
    const { answer } = this.#fabric.unit;
    this.#trace.record(
      PEER_ACCESS_REFUSED,
      this.#source,
      this.rid,
      numberOf(answer.high, answer.low),
    );
    return COMPLETION.unsupportedRequest;
  }

  #traceWrite(request: MemoryRequest, high: number, low: number): void {
    const at = this.#memory.locate(high, low & ~7);
    const { words } = this.#memory.store;
    this.#trace.begin(MEMORY_WRITTEN_BY_DEVICE, this.#source);
    this.#trace.num(this.rid);
    this.#trace.num(request.pasid);
    this.#trace.u64(high, low);
    this.#trace.num(request.bytes);
    this.#trace.u64(words[at + 1] as number, words[at] as number);
    this.#trace.end();
  }
}

/** In dwords where they fit: registers take no narrower accesses. */
function readPeer(
  { device, bar, offset }: PeerTarget,
  into: Uint8Array,
  start: number,
  bytes: number,
): void {
  const view = new DataView(into.buffer, into.byteOffset + start, bytes);
  let i = 0;
  while (i < bytes) {
    const isDword = isWholeDword(offset + i, bytes - i);
    const value = Number(device.mmioRead(bar, offset + i, isDword ? 4 : 1));
    if (isDword) {
      view.setUint32(i, value, true);
    } else {
      view.setUint8(i, value);
    }
    i += isDword ? 4 : 1;
  }
}

function writePeer(
  { device, bar, offset }: PeerTarget,
  from: Uint8Array,
  start: number,
  bytes: number,
): void {
  const view = new DataView(from.buffer, from.byteOffset + start, bytes);
  let i = 0;
  while (i < bytes) {
    const isDword = isWholeDword(offset + i, bytes - i);
    const value = isDword ? view.getUint32(i, true) : view.getUint8(i);
    device.mmioWrite(bar, offset + i, isDword ? 4 : 1, BigInt(value));
    i += isDword ? 4 : 1;
  }
}

function isWholeDword(offset: number, left: number): boolean {
  return offset % 4 === 0 && left >= 4;
}

/** An untranslated write of one dword without PASID to FEEx_xxxxh is an interrupt, whoever sends it (VT-d section 5.1.2). */
function isInterruptWrite({ pasid, addressType, bytes, high, low }: MemoryRequest): boolean {
  return (
    pasid < 0 &&
    bytes === INTERRUPT_BYTES &&
    addressType === ADDRESS_TYPE.untranslated &&
    isInterruptAddress(high, low)
  );
}
