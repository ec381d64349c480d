/**
 * A VT-d unit for a guest: its registers trap, its queues lie in guest memory, and what the guest programs for devices of
 * the host is nested on the VM's second stage. The guest's kernel uses it with the driver of any VT-d unit.
 *
 * What the guest's tables refuse is recorded in the guest's own fault registers as far as the host tells: in 2019 by
 * IOMMU_FAULT_DMA_UNRECOV, under iommufd not at all (IOMMU_VEVENTQ has types for SMMUv3 and CMDQV alone).
 *
 * Not modelled: interrupt remapping, second-stage tables of the guest and so legacy mode, register-based invalidation. vSVA
 * series for Linux and QEMU, 2020.
 */
import { decodeCapability, type IommuCapability } from '../../spec/vtd/capability-profile.ts';
import { PageGroupResponse } from '../../spec/vtd/descriptors/page-request-descriptors.ts';
import { vtdRegionBytes, vtdRegisterBlock } from '../../spec/vtd/registers.ts';
import {
  FEADDR_REG,
  FECTL_REG,
  FEDATA_REG,
  FEUADDR_REG,
  FSTS_REG,
} from '../../spec/vtd/registers/fault.ts';
import { GCMD_REG, GSTS_REG, RTADDR_REG, TTM } from '../../spec/vtd/registers/global-command.ts';
import {
  IEADDR_REG,
  IECTL_REG,
  IEDATA_REG,
  IEUADDR_REG,
  IQT_REG,
} from '../../spec/vtd/registers/invalidation-queue.ts';
import {
  PEADDR_REG,
  PECTL_REG,
  PEDATA_REG,
  PEUADDR_REG,
} from '../../spec/vtd/registers/page-request.ts';
import { PLATFORM, RegisterFile, accessProblem, type RegisterWrite } from '../../sim/index.ts';
import type { Core } from '../../linux/core/core.ts';
import type { KvmVm } from '../kvm/kvm-vm.ts';
import { GuestFaults } from './guest-faults.ts';
import { GuestInvalidations } from './guest-invalidations.ts';
import { GuestMemory } from './guest-memory.ts';
import { GuestTables } from './guest-tables.ts';
import type { NestingBackend, UnrecoverableFault } from './nesting-backend.ts';
import { PasidShadow, type ShadowedDevice } from './pasid-shadow.ts';
import { virtualCapability, type VirtualCommandEncoding } from './virtual-capability.ts';
import { VirtualCommands } from './virtual-commands.ts';
import { VirtualEvent } from './virtual-event.ts';
import { VirtualFaults } from './virtual-faults.ts';
import { guestReason } from './guest-reason.ts';
import { unitState } from './viommu-state.ts';
import { VirtualPageRequests } from './virtual-page-requests.ts';
import { VirtualQueue, type TrappedCommand } from './virtual-queue.ts';

export interface ViommuOptions {
  /** Of virtual commands; `current` when absent. */
  readonly encoding?: VirtualCommandEncoding;
  /** Time that the VMM takes for a virtual command. */
  readonly commandLatencyNs?: number;
  /** PASIDs that the VM may have at a time. */
  readonly pasidQuota?: number;
  /** The guest's numbers are the host's. */
  readonly isIdentity?: boolean;
  /** How long the guest may take to answer a page request. */
  readonly answerLimitNs?: number;
}

export interface ViommuParts {
  readonly core: Core;
  readonly vm: KvmVm;
  readonly host: IommuCapability;
  readonly backend: NestingBackend;
  devices(): readonly ShadowedDevice[];
}

/** Carries out what the guest asks of its unit, in place of the VMM. */
export interface ViommuHandler {
  /** Any entry may have changed: translation went on or off, or a device came. */
  replay(): void;
  /** The guest wrote its tail. Waits are the handler's to complete. */
  commands(commands: readonly TrappedCommand[]): void;
}

/** Our choice: three orders of magnitude above what a guest needs for a page. */
const ANSWER_LIMIT_NS = 100_000_000;
const LEVELS = ['TE', 'QIE'] as const;
/** What a guest says after it changed a context or PASID entry. */
const ENTRY_COMMANDS: readonly string[] = ['context-cache', 'pasid-cache'];

const NOT_THE_GUESTS = { reason: undefined, isSilent: true };

export class Viommu {
  readonly name = 'viommu';
  readonly base = PLATFORM.iommuBase;
  readonly bytes: number;
  readonly registers: RegisterFile;
  readonly shadow: PasidShadow;
  readonly faults: GuestFaults;
  readonly backend: NestingBackend;
  readonly #tables: GuestTables;
  readonly #queue: VirtualQueue;
  readonly #faultLog: VirtualFaults;
  readonly #commands: VirtualCommands | null;
  readonly #invalidations: GuestInvalidations;
  readonly #events: readonly VirtualEvent[];
  readonly #publishState: () => void;
  readonly #removeState: () => void;
  #handler: ViommuHandler | null = null;

  constructor(parts: ViommuParts, options: ViommuOptions) {
    const { core, vm, backend } = parts;
    this.backend = backend;
    const encoding = options.encoding ?? 'current';
    const capability = decodeCapability(
      virtualCapability(parts.host, { hasVirtualCommands: backend.pasids !== null, encoding }),
    );
    const block = vtdRegisterBlock(capability, `viommu of ${vm.vm}`);
    this.bytes = vtdRegionBytes(block);
    this.registers = new RegisterFile(block, this.bytes, { onDidWrite: (w) => this.#written(w) });
    const memory = new GuestMemory(vm.slots, vm.process.mm);
    const send = (address: bigint, data: number): void => {
      vm.signalMsi(address, data);
    };
    const { registers } = this;
    const [page, wait, fault] = [
      { control: PECTL_REG, data: PEDATA_REG, address: PEADDR_REG, upperAddress: PEUADDR_REG },
      { control: IECTL_REG, data: IEDATA_REG, address: IEADDR_REG, upperAddress: IEUADDR_REG },
      { control: FECTL_REG, data: FEDATA_REG, address: FEADDR_REG, upperAddress: FEUADDR_REG },
    ].map((places) => new VirtualEvent(registers, places, send)) as [
      VirtualEvent,
      VirtualEvent,
      VirtualEvent,
    ];
    this.#events = [page, wait, fault];
    this.#faultLog = new VirtualFaults({ core, vm: vm.vm, registers, capability, event: fault });
    backend.onUnrecoverable = (report) => this.#refused(parts, report);
    this.#tables = new GuestTables(memory, capability);
    this.shadow = new PasidShadow({
      core,
      vm: vm.vm,
      tables: this.#tables,
      backend,
      devices: () => parts.devices(),
      isTranslating: () => this.#isOn('TES') && this.#tables.mode !== TTM.legacy,
    });
    this.#invalidations = new GuestInvalidations(this.shadow, backend);
    this.#queue = new VirtualQueue({
      core,
      vm: vm.vm,
      registers,
      capability,
      memory,
      translationMode: () => this.#tables.mode,
      execute: (type, words) => this.#execute(type, words),
      onWaitCompleted: () => wait.raise(),
      onError: () => this.#faultLog.queueFailed(),
    });
    this.faults = new GuestFaults({
      core,
      vm: vm.vm,
      backend,
      queue: new VirtualPageRequests(registers, memory, () => page.raise()),
      ridOf: (device) => parts.devices().find((d) => d.name === device)?.rid,
      refusalOf: (device, pasid) => this.shadow.pageRequestRefusal(device, pasid),
      record: (fault) => this.#faultLog.record(fault),
      onChanged: () => this.#publishState(),
      answerLimitNs: options.answerLimitNs ?? ANSWER_LIMIT_NS,
    });
    const { shadow } = this;
    const unit = { registers, capability, tables: this.#tables, shadow };
    const key = `vm/${vm.vm}/viommu`;
    this.#publishState = () => core.publish(key, unitState(unit));
    this.#removeState = () => core.publish(key, undefined);
    this.#publishState();
    this.#commands =
      backend.pasids === null
        ? null
        : new VirtualCommands({
            core,
            source: `viommu of ${vm.vm}`,
            registers,
            encoding,
            pasids: backend.pasids,
            latencyNs: options.commandLatencyNs ?? 0,
          });
  }

  contains(gpa: number): boolean {
    return gpa >= this.base && gpa < this.base + this.bytes;
  }

  /** Accesses that registers do not take read as zero and are dropped. */
  read(offset: number, bytes: 1 | 2 | 4 | 8): bigint {
    return accessProblem(offset, bytes, 8) === undefined ? this.registers.read(offset, bytes) : 0n;
  }

  write(offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    if (accessProblem(offset, bytes, 8) === undefined) {
      this.registers.write(offset, bytes, value);
      this.#publishState();
    }
  }

  /** Registers of a unit that is in this state already. */
  restore(registers: Uint32Array): void {
    this.registers.restore(registers);
    this.#publishState();
  }

  /** Null gives the work back to the VMM. */
  handleBy(handler: ViommuHandler | null): void {
    this.#handler = handler;
    this.#queue.handler =
      handler === null
        ? null
        : (commands) => {
            handler.commands(commands);
            if (commands.some(({ scope }) => ENTRY_COMMANDS.includes(scope.type))) {
              this.shadow.settle();
            }
          };
  }

  completeWait({ words }: TrappedCommand): void {
    this.#queue.completeWait(words);
  }

  /** A device joins after the guest set everything up. */
  plugged(): void {
    this.#replay();
    this.#publishState();
  }

  unplugged(device: string): void {
    this.shadow.drop(device);
  }

  /** Power-on state: what was bound is unbound. */
  reset(): void {
    this.close();
    this.registers.reset();
    this.#faultLog.reset();
    this.#tables.root = -1;
    this.#tables.mode = TTM.legacy;
    this.#publishState();
  }

  close(): void {
    this.shadow.drop();
    this.faults.close();
  }

  /** The VMM is gone, and with it the unit; what it had on the host goes with its files. */
  vanish(): void {
    this.faults.close();
    this.#removeState();
  }

  #written(write: RegisterWrite): void {
    const { offset } = write.register;
    if (this.#commands?.written(write) === true) {
      return;
    }
    switch (offset) {
      case GCMD_REG.offset:
        this.#command(write.written[0] ?? 0);
        return;
      case IQT_REG.offset:
        this.#runQueue();
        return;
      case FSTS_REG.offset:
        this.#faultLog.changed();
        this.#runQueue();
        return;
      default:
        if (this.#faultLog.contains(offset)) {
          this.#faultLog.changed();
        }
        this.#events.find((event) => event.controlOffset === offset)?.controlChanged();
    }
  }

  #command(value: number): void {
    const isSet = (field: 'SRTP' | 'TE' | 'QIE'): boolean =>
      GCMD_REG.decode(Uint32Array.of(value))[field] === 1;
    if (isSet('SRTP')) {
      const { RTA, TTM: mode } = RTADDR_REG.decode(
        this.registers.wordsOf(this.registers.register(RTADDR_REG.name)),
      );
      this.#tables.root = Number(RTA);
      this.#tables.mode = mode;
      this.registers.set(GSTS_REG.name, 'RTPS', 1);
    }
    for (const level of LEVELS) {
      const status = level === 'TE' ? 'TES' : 'QIES';
      if (isSet(level) !== this.#isOn(status)) {
        this.registers.set(GSTS_REG.name, status, Number(isSet(level)));
        if (level === 'QIE') {
          this.#queue.reset();
        } else {
          this.#faultLog.reset();
          this.#replay();
        }
      }
    }
  }

  /** A request that the guest's own tables refused, as the guest's unit would have seen it. */
  #refused({ devices }: ViommuParts, { device, reason, ...request }: UnrecoverableFault): void {
    const found = devices().find((d) => d.name === device);
    if (found === undefined) {
      return;
    }
    const { pasid } = request;
    const entry = this.shadow.find(device, pasid);
    const { reason: own, isSilent } =
      entry === undefined
        ? (this.shadow.refusal(found, pasid) ?? NOT_THE_GUESTS)
        : { reason: guestReason(reason), isSilent: entry.isSilent };
    if (own !== undefined && !isSilent) {
      this.#faultLog.record({ ...request, rid: found.rid, reason: own, pasid: pasid || -1 });
      this.#publishState();
    }
  }

  #replay(): void {
    if (this.#handler === null) {
      this.shadow.replay();
    } else {
      this.shadow.settle();
      this.#handler.replay();
    }
  }

  #runQueue(): void {
    if (this.#isOn('QIES')) {
      this.#queue.run();
    }
  }

  #execute(type: number, words: Uint32Array): void {
    if (type === PageGroupResponse.type) {
      this.faults.respond(words);
    } else {
      this.#invalidations.execute(type, words);
    }
  }

  #isOn(status: 'TES' | 'QIES'): boolean {
    return this.registers.get(GSTS_REG.name, status) === 1;
  }
}
