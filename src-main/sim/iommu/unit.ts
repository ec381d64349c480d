/**
 * A VT-d remapping unit: its registers, and the sub-units behind them. VT-d 5.10 chapters 6 and 11.
 *
 * This file decodes register writes and hands them on; every behaviour lives in a sub-unit: `translation` (requests),
 * `invalidation-queue`, `fault-recording`, `page-request-queue`, `interrupt-remapping`, `event-message`, ...
 * Commands take effect at once, so that status bits follow within the same write.
 *
 * Not modelled: performance monitoring, MTRRs and resource director registers (they store, nothing more), write buffers.
 */
import { numberOf } from '../../bits/u64.ts';
import {
  CACHES_FLUSHED,
  ENTRY_READ,
  PROTECTED_ACCESS_BLOCKED,
  REGISTER_ACCESS_REFUSED,
  REGISTER_INVALIDATION_REFUSED,
  REGISTER_WRITTEN,
  REQUEST_BLOCKED,
  REQUEST_TRANSLATED,
  ROOT_LATCHED,
  TRANSLATION_SWITCHED,
} from '../../spec/events/iommu.ts';
import type { IommuCapability } from '../../spec/vtd/capability-profile.ts';
import { vtdRegionBytes, vtdRegisterBlock } from '../../spec/vtd/registers.ts';
import { FECTL_REG, FSTS_REG } from '../../spec/vtd/registers/fault.ts';
import { GCMD_REG, GSTS_REG, RTADDR_REG, TTM } from '../../spec/vtd/registers/global-command.ts';
import { IRTA_REG } from '../../spec/vtd/registers/interrupt-remapping.ts';
import { ICS_REG, IECTL_REG, IQT_REG } from '../../spec/vtd/registers/invalidation-queue.ts';
import { PECTL_REG } from '../../spec/vtd/registers/page-request.ts';
import { PHMBASE_REG, PLMBASE_REG, PMEN_REG } from '../../spec/vtd/registers/protected-memory.ts';
import type { EventQueue } from '../core/event-queue.ts';
import { RegisterFile, type RegisterWrite } from '../core/register-file.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { Trace } from '../core/trace.ts';
import type { IommuCacheConfig } from '../machine-config.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import { COMPLETION, type CompletionStatus, type PageRequest } from '../pcie/ports.ts';
import { CacheInvalidation } from './cache-invalidation.ts';
import { DeviceTlbRequests } from './device-tlb-requests.ts';
import { EnhancedCommandUnit } from './enhanced-command.ts';
import { EventMessage } from './event-message.ts';
import { FaultRecording } from './fault-recording.ts';
import { InvalidationQueue, type InterruptCacheInvalidation } from './invalidation-queue.ts';
import { PageRequestQueue } from './page-request-queue.ts';
import { pieceMask, pieceOf } from './piece.ts';
import type { DeviceTlbPort, InterruptSink } from './ports.ts';
import { ProtectedMemory } from './protected-memory.ts';
import { RegisterInvalidation } from './register-invalidation.ts';
import type { IommuAnswer, IommuRequest } from './request.ts';
import type { PlainTranslation } from './plain-translation.ts';
import { Translation } from './translation.ts';
import { unitLimits, type UnitLimits } from './unit-limits.ts';
import { VirtualCommand, type PasidAllocatorPort } from './virtual-command.ts';
import type { WalkRead, WalkStage } from './walk-recorder.ts';

const TE = pieceMask(GCMD_REG, 'TE');
const SRTP = pieceMask(GCMD_REG, 'SRTP');
const QIE = pieceMask(GCMD_REG, 'QIE');
const IRE = pieceMask(GCMD_REG, 'IRE');
const SIRTP = pieceMask(GCMD_REG, 'SIRTP');
const CFI = pieceMask(GCMD_REG, 'CFI');
const RTADDR_TTM = pieceOf(RTADDR_REG, 'TTM');
const RTADDR_SSIRWE = pieceMask(RTADDR_REG, 'SSIRWE');
const IRTA_S = pieceOf(IRTA_REG, 'S');
const IRTA_EIME = pieceMask(IRTA_REG, 'EIME');

/** Bytes. */
const SMALLEST_ACCESS = 4;

const STAGE_NUMBERS: Readonly<Record<WalkStage, number>> = {
  root: 0,
  context: 1,
  'pasid-directory': 2,
  'pasid-entry': 3,
  'first-stage': 4,
  'second-stage': 5,
};

/** Interrupt remapping as the unit needs it. */
export interface InterruptRemappingUnit extends InterruptCacheInvalidation, Snapshotable<unknown> {
  latchTable(high: number, low: number, sizeField: number, isExtended: boolean): void;
  setEnabled(isEnabled: boolean): void;
  setCompatibilityFormat(isPassed: boolean): void;
  /** A request without PASID to FEEx_xxxxh: four bytes of data. */
  remap(rid: number, high: number, low: number, data: number): CompletionStatus;
}

/** What interrupt remapping gets to work with. */
export interface InterruptRemappingContext {
  readonly memory: PhysicalMemory;
  readonly limits: UnitLimits;
  readonly faults: FaultRecording;
  readonly sink: InterruptSink;
  readonly trace: Trace;
  readonly source: number;
}

export interface UnitOptions {
  readonly name: string;
  readonly capability: IommuCapability;
  readonly caches: IommuCacheConfig;
  readonly isCompressingFaults: boolean;
  readonly memory: PhysicalMemory;
  readonly queue: EventQueue;
  readonly trace: Trace;
  readonly interrupts: InterruptSink;
  readonly devices: DeviceTlbPort;
  readonly createInterruptRemapping: (context: InterruptRemappingContext) => InterruptRemappingUnit;
  /** Who gives out PASIDs to virtual commands. Needed by units that report VCS, which are emulated ones. */
  readonly pasids?: PasidAllocatorPort;
}

export interface UnitState {
  readonly registers: Uint32Array;
  readonly latched: {
    readonly high: number;
    readonly low: number;
    readonly mode: number;
    readonly isIoRights: boolean;
  };
  readonly isEnabled: boolean;
  readonly contextCache: unknown;
  readonly pasidCache: unknown;
  readonly iotlb: unknown;
  readonly firstStageCache: unknown;
  readonly secondStageCache: unknown;
  readonly queue: unknown;
  readonly deviceTlb: unknown;
  readonly faults: unknown;
  readonly interrupts: unknown;
  readonly virtualCommand: unknown;
  readonly enhancedCommands: unknown;
  readonly counters: Readonly<Record<string, number>>;
}

export class RemappingUnit implements Snapshotable<UnitState> {
  readonly name: string;
  readonly limits: UnitLimits;
  readonly registers: RegisterFile;
  readonly regionBytes: number;
  readonly translation: Translation;
  readonly invalidationQueue: InvalidationQueue;
  readonly faultRecording: FaultRecording;
  readonly pageRequests: PageRequestQueue;
  readonly deviceTlb: DeviceTlbRequests;
  readonly interruptRemapping: InterruptRemappingUnit;

  readonly #trace: Trace;
  readonly #source: number;
  readonly #faultEvent: EventMessage;
  readonly #invalidationEvent: EventMessage;
  readonly #pageRequestEvent: EventMessage;
  readonly #plain: PlainTranslation;
  readonly #caches: CacheInvalidation;
  readonly #protected: ProtectedMemory;
  readonly #registerInvalidation: RegisterInvalidation;
  readonly #virtualCommand: VirtualCommand | undefined;
  readonly #enhancedCommands: EnhancedCommandUnit | undefined;
  #latched = { high: 0, low: 0, mode: TTM.legacy as number, isIoRights: false };

  constructor(options: UnitOptions) {
    const { capability, memory, trace, queue, devices, interrupts } = options;
    this.name = options.name;
    this.#trace = trace;
    const source = trace.source(options.name);
    this.#source = source;
    const limits = unitLimits(capability);
    this.limits = limits;
    const block = vtdRegisterBlock(capability, options.name);
    this.regionBytes = vtdRegionBytes(block);
    this.registers = new RegisterFile(block, this.regionBytes, {
      onDidWrite: (write) => this.#written(write),
    });
    const { registers } = this;
    const eventOf = (name: string, controlOffset: number): EventMessage =>
      new EventMessage({ registers, controlOffset, name, sink: interrupts, trace, source });
    this.#faultEvent = eventOf('fault', FECTL_REG.offset);
    this.#invalidationEvent = eventOf('invalidation', IECTL_REG.offset);
    this.#pageRequestEvent = eventOf('page request', PECTL_REG.offset);
    this.faultRecording = new FaultRecording({
      registers,
      limits,
      event: this.#faultEvent,
      trace,
      source,
      isCompressing: options.isCompressingFaults,
    });
    this.translation = new Translation(memory, limits, options.caches, this.faultRecording);
    this.#plain = this.translation.plain;
    this.#caches = new CacheInvalidation(this.translation, limits);
    this.#protected = new ProtectedMemory(registers, capability);
    this.deviceTlb = new DeviceTlbRequests({
      port: devices,
      queue,
      trace,
      source,
      outcome: {
        onFreed: () => this.invalidationQueue.onFreed(),
        onTimeout: (rid) => this.invalidationQueue.onTimeout(rid),
        onBadCompletion: (rid) => this.invalidationQueue.onBadCompletion(rid),
      },
    });
    this.interruptRemapping = options.createInterruptRemapping({
      memory,
      limits,
      faults: this.faultRecording,
      sink: interrupts,
      trace,
      source,
    });
    const common = {
      registers,
      memory,
      limits,
      caches: this.#caches,
      devices,
      faults: this.faultRecording,
      trace,
      source,
    };
    this.invalidationQueue = new InvalidationQueue({
      ...common,
      interrupts: this.interruptRemapping,
      deviceTlb: this.deviceTlb,
      event: this.#invalidationEvent,
      mode: () => this.translation.mode,
    });
    this.pageRequests = new PageRequestQueue({
      ...common,
      translation: this.translation,
      event: this.#pageRequestEvent,
    });
    this.#registerInvalidation = new RegisterInvalidation(
      registers,
      capability,
      this.#caches,
      () => ({
        isQueueEnabled: this.invalidationQueue.isEnabled,
        mode: this.translation.mode,
      }),
    );
    this.#virtualCommand = createVirtualCommand(options, registers, source);
    this.#enhancedCommands =
      capability.cap.ECMDS === 1
        ? new EnhancedCommandUnit({
            registers,
            counters: 0,
            trace,
            source,
            isGlobalCommandRunning: () => false,
          })
        : undefined;
  }

  get answer(): IommuAnswer {
    return this.translation.answer;
  }

  /** The public entry for DMA: status of the request, details in `answer`. */
  translate(request: IommuRequest): CompletionStatus {
    const status = this.#plain.translate(request)
      ? COMPLETION.success
      : this.translation.translate(request);
    if (this.#protected.isActive && this.answer.reason === 0 && this.#blocksProtected(request)) {
      return COMPLETION.unsupportedRequest;
    }
    if (this.#trace.isOn) {
      this.#traceRequest(request, status);
    }
    return status;
  }

  interrupt(rid: number, high: number, low: number, data: number): CompletionStatus {
    return this.interruptRemapping.remap(rid, high, low, data);
  }

  pageRequest(rid: number, request: PageRequest): void {
    this.pageRequests.request(rid, request);
  }

  /** While DMA remapping is off, completions are refused as Unsupported Requests (section 4.3). */
  invalidationComplete(rid: number, itagVector: number, completionCount: number): void {
    if (!this.translation.isEnabled) {
      return;
    }
    this.deviceTlb.complete(rid, itagVector, completionCount);
  }

  read(offset: number, bytes: 1 | 2 | 4 | 8): bigint {
    return this.#isRefused(offset, bytes)
      ? (1n << BigInt(bytes * 8)) - 1n
      : this.registers.read(offset, bytes);
  }

  write(offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    if (!this.#isRefused(offset, bytes)) {
      this.registers.write(offset, bytes, value);
    }
  }

  /** Accesses are of 32 or 64 bits and aligned (section 11.3). */
  #isRefused(offset: number, bytes: number): boolean {
    if (bytes >= SMALLEST_ACCESS && offset % bytes === 0) {
      return false;
    }
    this.#trace.record(REGISTER_ACCESS_REFUSED, this.#source, offset, bytes);
    return true;
  }

  snapshot(): UnitState {
    const t = this.translation;
    return {
      registers: this.registers.snapshot(),
      latched: { ...this.#latched },
      isEnabled: t.isEnabled,
      contextCache: t.structures.contextCache.snapshot(),
      pasidCache: t.structures.pasidCache.snapshot(),
      iotlb: t.iotlb.snapshot(),
      firstStageCache: t.firstStageCache.snapshot(),
      secondStageCache: t.secondStageCache.snapshot(),
      queue: this.invalidationQueue.snapshot(),
      deviceTlb: this.deviceTlb.snapshot(),
      faults: this.faultRecording.snapshot(),
      interrupts: this.interruptRemapping.snapshot(),
      virtualCommand: this.#virtualCommand?.snapshot() ?? null,
      enhancedCommands: this.#enhancedCommands?.snapshot() ?? null,
      counters: { ...t.counters },
    };
  }

  restore(state: UnitState): void {
    const t = this.translation;
    this.registers.restore(state.registers);
    this.#latched = { ...state.latched };
    t.latchRoot(
      state.latched.high,
      state.latched.low,
      state.latched.mode,
      state.latched.isIoRights,
    );
    t.isEnabled = state.isEnabled;
    t.structures.contextCache.restore(state.contextCache as never);
    t.structures.pasidCache.restore(state.pasidCache as never);
    t.iotlb.restore(state.iotlb as never);
    t.firstStageCache.restore(state.firstStageCache as never);
    t.secondStageCache.restore(state.secondStageCache as never);
    this.invalidationQueue.restore(state.queue as never);
    this.deviceTlb.restore(state.deviceTlb as never);
    this.faultRecording.restore(state.faults as never);
    this.interruptRemapping.restore(state.interrupts as never);
    this.#virtualCommand?.restore(state.virtualCommand as never);
    this.#enhancedCommands?.restore(state.enhancedCommands as never);
    Object.assign(t.counters, state.counters);
    this.#protected.refresh();
  }

  // ---- registers -----------------------------------------------------------------------------------------------------

  #written(write: RegisterWrite): void {
    const { register } = write;
    const seq = this.#trace.record(
      REGISTER_WRITTEN,
      this.#source,
      register.name,
      wordsToBig(write.before),
      register.name === GCMD_REG.name ? wordsToBig(write.written) : wordsToBig(write.after),
    );
    const saved = this.#trace.enter(seq);
    this.#react(write);
    this.#trace.cause = saved;
  }

  #react(write: RegisterWrite): void {
    const { name } = write.register;
    if (
      this.#virtualCommand?.written(write) === true ||
      this.#enhancedCommands?.written(write) === true
    ) {
      return;
    }
    switch (name) {
      case GCMD_REG.name:
        this.#command(write.written[0] as number);
        return;
      case FSTS_REG.name:
        this.faultRecording.statusChanged();
        this.invalidationQueue.run();
        return;
      case IQT_REG.name:
        this.invalidationQueue.run();
        return;
      case ICS_REG.name:
        this.#invalidationEvent.conditionsChanged(this.registers.get('ICS_REG', 'IWC') === 1);
        return;
      case FECTL_REG.name:
        this.#faultEvent.controlWritten();
        return;
      case IECTL_REG.name:
        this.#invalidationEvent.controlWritten();
        return;
      case PECTL_REG.name:
        this.#pageRequestEvent.controlWritten();
        return;
      case 'PRS_REG':
        this.pageRequests.statusChanged();
        return;
      case PMEN_REG.name:
      case PLMBASE_REG.name:
      case 'PLMLIMIT_REG':
      case PHMBASE_REG.name:
      case 'PHMLIMIT_REG':
        this.#protected.refresh();
        return;
      case 'CCMD_REG':
      case 'IOTLB_REG':
        if (!this.#registerInvalidation.written(write)) {
          this.#trace.record(REGISTER_INVALIDATION_REFUSED, this.#source, name);
        }
        return;
      default:
        if (name.startsWith('FRCD_REG')) {
          this.faultRecording.statusChanged();
        }
    }
  }

  /** Section 11.4.4.1: level bits are compared with the status, one-shot bits act when written as 1. */
  #command(written: number): void {
    const status = this.registers.peek32(GSTS_REG.offset);
    if ((written & SRTP) !== 0) {
      this.#setRoot();
    }
    if ((written & SIRTP) !== 0 && this.limits.capability.ecap.IR === 1) {
      this.#setInterruptTable();
    }
    const changed = written ^ this.registers.peek32(GSTS_REG.offset);
    if ((changed & QIE) !== 0 && this.limits.capability.ecap.QI === 1) {
      this.#setStatus(QIE, (written & QIE) !== 0);
      this.invalidationQueue.setEnabled((written & QIE) !== 0);
    }
    if ((changed & IRE) !== 0 && this.limits.capability.ecap.IR === 1) {
      this.#setInterruptRemapping((written & IRE) !== 0);
    }
    if ((changed & CFI) !== 0 && this.limits.capability.ecap.IR === 1) {
      this.#setStatus(CFI, (written & CFI) !== 0);
      this.interruptRemapping.setCompatibilityFormat((written & CFI) !== 0);
    }
    if ((changed & TE) !== 0) {
      this.#setTranslation((written & TE) !== 0);
    }
    const after = this.registers.peek32(GSTS_REG.offset);
    if ((status & (TE | IRE)) !== 0 && (after & (TE | IRE)) === 0) {
      this.faultRecording.resetIndex();
    }
  }

  /** Command and status bits stand at the same places. */
  #setStatus(mask: number, isSet: boolean): void {
    const status = this.registers.peek32(GSTS_REG.offset);
    this.registers.poke32(GSTS_REG.offset, isSet ? status | mask : status & ~mask);
  }

  #setRoot(): void {
    const low = this.registers.peek32(RTADDR_REG.offset);
    const high = this.registers.peek32(RTADDR_REG.offset + 4);
    const mode = (low & RTADDR_TTM.mask) >>> RTADDR_TTM.shift;
    this.#latched = { high, low: low & ~0xfff, mode, isIoRights: (low & RTADDR_SSIRWE) !== 0 };
    this.translation.latchRoot(high, low & ~0xfff, mode, this.#latched.isIoRights);
    this.#setStatus(SRTP, true);
    this.#trace.record(ROOT_LATCHED, this.#source, numberOf(high, low & ~0xfff), mode);
    if (this.limits.capability.cap.ESRTPS === 1) {
      this.#flush('SRTP');
    }
  }

  #setTranslation(isEnabled: boolean): void {
    this.translation.isEnabled = isEnabled;
    this.#setStatus(TE, isEnabled);
    this.#trace.record(TRANSLATION_SWITCHED, this.#source, isEnabled);
    if (!isEnabled && this.limits.capability.ecap.SMTS === 1) {
      this.#flush('TE=0');
    }
  }

  #setInterruptTable(): void {
    const low = this.registers.peek32(IRTA_REG.offset);
    const high = this.registers.peek32(IRTA_REG.offset + 4);
    this.interruptRemapping.latchTable(
      high,
      low & ~0xfff,
      (low & IRTA_S.mask) >>> IRTA_S.shift,
      (low & IRTA_EIME) !== 0,
    );
    this.#setStatus(SIRTP, true);
    if (this.limits.capability.cap.ESIRTPS === 1) {
      this.interruptRemapping.invalidateAll();
    }
  }

  #setInterruptRemapping(isEnabled: boolean): void {
    this.interruptRemapping.setEnabled(isEnabled);
    this.#setStatus(IRE, isEnabled);
    if (!isEnabled && this.limits.capability.cap.ESIRTPS === 1) {
      this.interruptRemapping.invalidateAll();
    }
  }

  #flush(cause: string): void {
    this.#caches.everything();
    this.#trace.record(CACHES_FLUSHED, this.#source, cause);
  }

  // ---- requests ------------------------------------------------------------------------------------------------------

  /** Blocked without a record (section 11.4.8). */
  #blocksProtected(request: IommuRequest): boolean {
    const { answer } = this;
    if (!this.#protected.blocks(answer.high, answer.low)) {
      return false;
    }
    answer.status = COMPLETION.unsupportedRequest;
    answer.canRead = false;
    answer.canWrite = false;
    this.#trace.record(
      PROTECTED_ACCESS_BLOCKED,
      this.#source,
      request.rid,
      numberOf(answer.high, answer.low),
    );
    return true;
  }

  #traceRequest(request: IommuRequest, status: CompletionStatus): void {
    const trace = this.#trace;
    const { answer } = this;
    if (answer.reason === 0 && status === COMPLETION.success) {
      trace.begin(REQUEST_TRANSLATED, this.#source);
      trace.num(request.rid);
      trace.num(request.pasid);
      trace.num(request.kind);
      trace.num(request.addressType);
      trace.u64(request.high, request.low);
      trace.u64(answer.high, answer.low);
      trace.num(answer.pageShift);
      trace.num(answer.isIotlbHit ? 1 : 0);
      trace.end();
      return;
    }
    this.#traceWalk(request);
    trace.begin(REQUEST_BLOCKED, this.#source);
    trace.num(request.rid);
    trace.num(request.pasid);
    trace.num(request.kind);
    trace.num(request.addressType);
    trace.u64(request.high, request.low);
    trace.num(answer.reason);
    trace.num(status);
    trace.end();
  }

  /** The entries that led to the fault, read once more without side effects. */
  #traceWalk(request: IommuRequest): void {
    const { answer } = this;
    const saved = { ...answer };
    const counters = { ...this.translation.counters };
    this.translation.explain(request, { read: (step) => this.#traceStep(step) });
    Object.assign(answer, saved);
    Object.assign(this.translation.counters, counters);
  }

  #traceStep(step: WalkRead): void {
    const [low = 0, high = 0] = step.words;
    this.#trace.begin(ENTRY_READ, this.#source);
    this.#trace.num(STAGE_NUMBERS[step.stage]);
    this.#trace.num(step.level);
    this.#trace.u64(Math.floor(step.address / 4_294_967_296), step.address >>> 0);
    this.#trace.u64(high, low);
    this.#trace.num(step.words.length > 0 ? 1 : 0);
    this.#trace.end();
  }
}

function wordsToBig(words: Uint32Array): bigint {
  return (BigInt(words[1] ?? 0) << 32n) | BigInt(words[0] ?? 0);
}

/** Units of older register sets present the encoding of Rev 3.0 to their guests (section 11.4.16). */
function createVirtualCommand(
  { capability, pasids, trace }: UnitOptions,
  registers: RegisterFile,
  source: number,
): VirtualCommand | undefined {
  if (capability.ecap.VCS === 0 || pasids === undefined) {
    return undefined;
  }
  const encoding = capability.followsRevision4 ? 'current' : 'rev-3.0';
  return new VirtualCommand({ registers, encoding, allocator: pasids, trace, source });
}
