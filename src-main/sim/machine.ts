/**
 * A whole server, built from a plain configuration: memory, CPUs, a remapping unit, the fabric and its devices.
 *
 * A machine is deterministic: the same configuration and the same calls give the same trace. It knows no software; what
 * software does arrives through `machine-hardware.ts`.
 */
import { invariant } from '../bits/invariant.ts';
import {
  DEFAULT_PROFILE,
  CAPABILITY_PROFILES,
  decodeCapability,
  type CapabilityProfile,
} from '../spec/vtd/capability-profile.ts';
import { parseBdf } from '../spec/pcie/requester-id.ts';
import { CpuComplex } from './cpu/cpu-complex.ts';
import { EventQueue } from './core/event-queue.ts';
import { StateHash } from './core/hash.ts';
import { SeededRandom } from './core/random.ts';
import type { Snapshotable } from './core/snapshot.ts';
import { Trace, type TraceOptions } from './core/trace.ts';
import type { CryptoPort } from './devices/qat/crypto-port.ts';
import { createDevice } from './devices/registry.ts';
import { PLATFORM } from './hardware-port.ts';
import { IsolationOracle, type IsolationState } from './isolation/isolation-oracle.ts';
import { InterruptRemapping } from './iommu/interrupt-remapping.ts';
import { RemappingUnit } from './iommu/unit.ts';
import { DEFAULT_IOMMU_CACHES, type IommuConfig, type MachineConfig } from './machine-config.ts';
import { FrameStore } from './memory/frame-store.ts';
import {
  PhysicalMemory,
  type MemoryRegion,
  type MemorySnapshot,
} from './memory/physical-memory.ts';
import { AddressMap } from './pcie/address-map.ts';
import { Fabric } from './pcie/fabric.ts';
import type { PcieFunction } from './pcie/ports.ts';
import { SoftwareState, type SoftwareStateSnapshot } from './software-state.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const LOW_HOLE = 640 * 1024;
const LOW_MEMORY_BYTES = 2 * GIB;
const HIGH_MEMORY_BASE = 4 * GIB;

export interface MachineState {
  readonly timeNs: number;
  readonly seq: number;
  readonly memory: MemorySnapshot;
  readonly queue: unknown;
  readonly random: Uint32Array;
  readonly unit: unknown;
  readonly cpus: unknown;
  readonly devices: Readonly<Record<string, unknown>>;
  readonly software: SoftwareStateSnapshot;
  /** Undefined on a machine without the oracle. */
  readonly isolation: IsolationState | undefined;
}

export interface MachineOptions {
  readonly config: MachineConfig;
  readonly trace: TraceOptions;
  /** Shared by machines that exchange snapshots. */
  readonly store?: FrameStore;
  /** Cryptography of accelerators; a replica needs the same. */
  readonly crypto?: CryptoPort;
}

/** RAM regions of a configuration, lowest first. */
export function memoryRegions(bytes: number): readonly MemoryRegion[] {
  const low = Math.min(bytes, LOW_MEMORY_BYTES);
  const regions: MemoryRegion[] = [
    { base: 0, bytes: LOW_HOLE, kind: 'ram' },
    { base: MIB, bytes: low - MIB, kind: 'ram' },
  ];
  return bytes > low
    ? [...regions, { base: HIGH_MEMORY_BASE, bytes: bytes - low, kind: 'ram' }]
    : regions;
}

/** Capability registers of the unit: a named profile, with the registers that the configuration replaces. */
export function capabilityOf(config: IommuConfig): CapabilityProfile {
  const profile = CAPABILITY_PROFILES.find((p) => p.name === config.profile) ?? DEFAULT_PROFILE;
  invariant(
    config.profile === profile.name,
    `IOMMU profile ${config.profile} does not exist; known: ${CAPABILITY_PROFILES.map((p) => p.name).join(', ')}`,
  );
  return {
    version: config.version === undefined ? profile.version : Number(BigInt(config.version)),
    cap: config.cap === undefined ? profile.cap : BigInt(config.cap),
    ecap: config.ecap === undefined ? profile.ecap : BigInt(config.ecap),
    haw: config.hostAddressWidth ?? profile.haw,
  };
}

export class Machine implements Snapshotable<MachineState> {
  readonly config: MachineConfig;
  readonly trace: Trace;
  readonly queue: EventQueue;
  readonly random: SeededRandom;
  readonly memory: PhysicalMemory;
  readonly fabric: Fabric;
  readonly unit: RemappingUnit;
  readonly cpus: CpuComplex;
  readonly addressMap: AddressMap;
  readonly crypto: CryptoPort | undefined;
  readonly software = new SoftwareState();
  /** Undefined where the configuration does not want it, and without a trace to write to. */
  readonly isolation: IsolationOracle | undefined;

  constructor({ config, trace, store, crypto }: MachineOptions) {
    this.config = config;
    this.crypto = crypto;
    this.trace = new Trace(trace);
    this.queue = new EventQueue(this.trace);
    this.random = new SeededRandom(config.seed);
    this.memory = new PhysicalMemory(store ?? new FrameStore(), memoryRegions(config.memory.bytes));
    const capability = decodeCapability(capabilityOf(config.iommu));
    const caches = { ...DEFAULT_IOMMU_CACHES, ...config.iommu.caches };
    this.isolation =
      config.hasIsolationOracle === false || trace.mode === 'off'
        ? undefined
        : new IsolationOracle(this.trace, {
            cpuOf: (high, low) => this.cpus.router.targetOf(high, low),
          });
    this.fabric = new Fabric(this.memory, this.trace, this.isolation);
    this.cpus = new CpuComplex(
      { cpus: config.cpus, physicalAddressBits: capability.haw, apicBase: PLATFORM.lapicBase },
      {
        memory: this.memory,
        trace: this.trace,
        bus: {
          blockWrite: (high, low, words, kind) =>
            this.addressMap.blockWrite(high, low, words, kind),
        },
      },
    );
    this.unit = new RemappingUnit({
      name: 'dmar0',
      capability,
      caches,
      isCompressingFaults: config.iommu.compressFaults ?? false,
      memory: this.memory,
      queue: this.queue,
      trace: this.trace,
      interrupts: this.cpus,
      devices: this.fabric,
      createInterruptRemapping: (context) =>
        new InterruptRemapping({
          ...context,
          cacheEntries: caches.interruptEntry,
          watch: this.isolation,
        }),
    });
    this.fabric.connect(this.unit);
    for (const device of config.devices) {
      const rid = parseBdf(device.bdf);
      invariant(
        rid !== undefined,
        `Device ${device.name}: ${device.bdf} is no bus:device.function`,
      );
      this.fabric.add(
        rid,
        createDevice(device, {
          port: this.fabric.portOf(rid),
          queue: this.queue,
          trace: this.trace,
          functions: this.fabric,
          ...(crypto === undefined ? {} : { crypto }),
        }),
      );
    }
    this.addressMap = new AddressMap(this.fabric, [
      {
        base: PLATFORM.iommuBase,
        bytes: this.unit.regionBytes,
        target: {
          read: (offset, bytes) => this.unit.read(offset, bytes),
          write: (offset, bytes, value) => this.unit.write(offset, bytes, value),
          blockWrite: (_offset, _words, kind) => (kind === 'deferrable' ? 'retry' : 'dropped'),
        },
      },
    ]);
    this.#placeBars();
  }

  /** Virtual functions come and go with their physical one, which keeps their state. */
  #physicalFunctions(): readonly PcieFunction[] {
    return [...this.fabric.functions().values()].filter((d) => d.isVirtual !== true);
  }

  /** Firmware's part: every BAR gets an address and the functions answer to it. */
  #placeBars(): void {
    let next: number = PLATFORM.mmioHighBase;
    for (const device of this.fabric.functions().values()) {
      device.barBytes.forEach((bytes, index) => {
        if (bytes === 0) {
          return;
        }
        next = Math.ceil(next / bytes) * bytes;
        device.configWrite(0x10 + index * 4, 4, next % 2 ** 32);
        device.configWrite(0x14 + index * 4, 4, Math.floor(next / 2 ** 32));
        next += bytes;
      });
      device.configWrite(0x04, 2, device.configRead(0x04, 2) | 2);
    }
    this.addressMap.rebuild();
  }

  snapshot(): MachineState {
    return {
      timeNs: this.queue.nowNs,
      seq: this.trace.head,
      memory: this.memory.snapshot(),
      queue: this.queue.snapshot(),
      random: this.random.snapshot(),
      unit: this.unit.snapshot(),
      cpus: this.cpus.snapshot(),
      devices: Object.fromEntries(this.#physicalFunctions().map((d) => [d.name, d.snapshot()])),
      software: this.software.snapshot(),
      isolation: this.isolation?.snapshot(),
    };
  }

  /** The state may come from another machine of the same configuration and frame store. */
  restore(state: MachineState): void {
    this.memory.restore(state.memory);
    this.queue.restore(state.queue as never);
    this.random.restore(state.random);
    this.unit.restore(state.unit as never);
    this.cpus.restore(state.cpus as never);
    for (const device of this.#physicalFunctions()) {
      device.restore(state.devices[device.name]);
    }
    this.software.restore(state.software);
    if (state.isolation !== undefined) {
      this.isolation?.restore(state.isolation);
    }
    this.addressMap.rebuild();
  }

  /** Sixteen hexadecimal digits that stand for the whole state, memory included. */
  stateHash(): string {
    const hash = new StateHash();
    const { memory: _memory, ...rest } = this.snapshot();
    hash.value(rest);
    this.memory.hashInto(hash);
    return hash.digest();
  }
}
