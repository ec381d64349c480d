/**
 * A `HardwarePort` for tests of the software stack alone: RAM, configuration spaces made of bytes, and a remapping unit that
 * answers global commands and consumes the invalidation queue. Misbehaviour of the unit can be scripted.
 */
import { FrameStore } from '../../src-main/sim/memory/frame-store.ts';
import { PhysicalMemory } from '../../src-main/sim/memory/physical-memory.ts';
import type { EnqcmdResult, HardwarePort, PlainData } from '../../src-main/sim/hardware-port.ts';
import type { MachineConfig } from '../../src-main/sim/machine-config.ts';
import type { EventKind } from '../../src-main/spec/events/event.ts';
import { FakeIommu } from './fake-iommu.ts';
import type { FakeFunction } from './fake-function.ts';

const MIB = 1024 * 1024;

export interface FakeRecord {
  readonly seq: number;
  readonly kind: string;
  readonly source: string;
  readonly cause: number;
  readonly values: Readonly<Record<string, number | bigint | string | boolean>>;
}

export interface FakeHardwareOptions {
  readonly memoryMib?: number;
  readonly functions?: readonly FakeFunction[];
  readonly config?: Partial<MachineConfig>;
  readonly hasIommu?: boolean;
}

interface Due {
  readonly atNs: number;
  readonly run: () => void;
}

export class FakeHardware implements HardwarePort {
  readonly config: MachineConfig;
  readonly memory: PhysicalMemory;
  readonly iommu: FakeIommu | undefined;
  readonly functions: FakeFunction[];
  readonly records: FakeRecord[] = [];
  readonly published = new Map<string, PlainData>();
  readonly msrs = new Map<string, bigint>();
  readonly pendingInterrupts: { readonly cpu: number; readonly vector: number }[] = [];
  /** Taker of 64-byte stores to the portals of no function. */
  onEnqcmd: (cpu: number, address: number, words: Uint32Array) => EnqcmdResult = () => 'retry';
  nowNs = 0;
  #cause = -1;
  #due: Due[] = [];

  constructor(options: FakeHardwareOptions = {}) {
    const bytes = (options.memoryMib ?? 256) * MIB;
    this.functions = [...(options.functions ?? [])];
    this.config = {
      name: 'fake',
      seed: 1,
      kernelProfile: 'iommufd',
      memory: { bytes },
      cpus: 2,
      iommu: { profile: 'lab' },
      devices: this.functions.map((f) => ({ kind: 'plain', name: f.name, bdf: f.name })),
      ...options.config,
    };
    this.memory = new PhysicalMemory(new FrameStore(), [{ base: 0, bytes, kind: 'ram' }]);
    this.iommu = options.hasIommu === false ? undefined : new FakeIommu(this, this.config.iommu);
  }

  /** Makes something happen later. */
  schedule(delayNs: number, run: () => void): void {
    this.#due.push({ atNs: this.nowNs + delayNs, run });
    this.#due.sort((a, b) => a.atNs - b.atNs);
  }

  interrupt(cpu: number, vector: number): void {
    this.pendingInterrupts.push({ cpu, vector });
  }

  memoryRead(address: number, bytes: number): Uint8Array {
    return this.memory.readBytes(address, bytes);
  }

  memoryWrite(address: number, bytes: Uint8Array): void {
    this.memory.writeBytes(address, bytes);
  }

  memoryRead64(address: number): bigint {
    return this.memory.read64(address);
  }

  memoryWrite64(address: number, value: bigint): void {
    this.memory.write64(address, value);
  }

  mmioRead(address: number, bytes: 1 | 2 | 4 | 8): bigint {
    if (this.iommu?.covers(address) === true) {
      return this.iommu.read(address, bytes);
    }
    for (const fn of this.functions) {
      const place = fn.locate(address);
      if (place !== undefined) {
        return fn.mmioRead(place.bar, place.offset, bytes);
      }
    }
    return (1n << BigInt(bytes * 8)) - 1n;
  }

  mmioWrite(address: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    if (this.iommu?.covers(address) === true) {
      this.iommu.write(address, bytes, value);
      return;
    }
    for (const fn of this.functions) {
      const place = fn.locate(address);
      if (place !== undefined) {
        fn.mmioWrite(place.bar, place.offset, bytes, value);
        return;
      }
    }
  }

  configRead(rid: number, offset: number, bytes: 1 | 2 | 4): number {
    const fn = this.functions.find((f) => f.rid === rid);
    return fn?.configRead(offset, bytes) ?? 2 ** (bytes * 8) - 1;
  }

  configWrite(rid: number, offset: number, bytes: 1 | 2 | 4, value: number): void {
    this.functions.find((f) => f.rid === rid)?.configWrite(offset, bytes, value);
  }

  movdir64b(cpu: number, address: number, words: Uint32Array): void {
    this.onEnqcmd(cpu, address, words);
  }

  enqcmd(cpu: number, address: number, words: Uint32Array): EnqcmdResult {
    const pasid = this.readMsr(cpu, 0xd93);
    if (pasid >> 31n === 0n || words[0] !== 0) {
      return 'fault';
    }
    return this.onEnqcmd(
      cpu,
      address,
      Uint32Array.from(words, (w, i) => (i === 0 ? Number(pasid & 0xf_ffffn) : w)),
    );
  }

  enqcmds(cpu: number, address: number, words: Uint32Array): EnqcmdResult {
    return this.onEnqcmd(cpu, address, words);
  }

  readMsr(cpu: number, index: number): bigint {
    return this.msrs.get(`${cpu}:${index}`) ?? 0n;
  }

  writeMsr(cpu: number, index: number, value: bigint): void {
    this.msrs.set(`${cpu}:${index}`, value);
  }

  advance(durationNs: number): void {
    const end = this.nowNs + durationNs;
    while (this.#runNext(end)) {
      // every entry that is due runs
    }
    this.nowNs = end;
  }

  advanceToNextEvent(limitNs: number): boolean {
    return this.#runNext(this.nowNs + limitNs);
  }

  takeInterrupt(cpu: number): number {
    const at = this.pendingInterrupts.findIndex((p) => p.cpu === cpu);
    return at < 0 ? -1 : (this.pendingInterrupts.splice(at, 1)[0]?.vector ?? -1);
  }

  emit(
    kind: EventKind,
    source: string,
    ...values: readonly (number | bigint | string | boolean)[]
  ): number {
    if (values.length !== kind.fields.length) {
      throw new Error(`${kind.kind} takes ${kind.fields.length} values, found ${values.length}`);
    }
    const seq = this.records.length;
    const fields = kind.fields.map((f, i) => [f.name, values[i]] as const);
    this.records.push({
      seq,
      kind: kind.kind,
      source,
      cause: this.#cause,
      values: Object.fromEntries(fields) as FakeRecord['values'],
    });
    return seq;
  }

  within<T>(seq: number, body: () => T): T {
    const saved = this.#cause;
    this.#cause = seq;
    try {
      return body();
    } finally {
      this.#cause = saved;
    }
  }

  publish(key: string, value: PlainData | undefined): void {
    if (value === undefined) {
      this.published.delete(key);
    } else {
      this.published.set(key, value);
    }
  }

  recordsOf(kind: string): readonly FakeRecord[] {
    return this.records.filter((r) => r.kind === kind);
  }

  /** Words of memory as hexadecimal 64-bit values, lowest address first. */
  qwords(address: number, count: number): readonly string[] {
    return Array.from({ length: count }, (_, i) =>
      this.memoryRead64(address + i * 8)
        .toString(16)
        .padStart(16, '0'),
    );
  }

  #runNext(limitNs: number): boolean {
    const first = this.#due[0];
    if (first === undefined || first.atNs > limitNs) {
      return false;
    }
    this.#due.shift();
    this.nowNs = first.atNs;
    first.run();
    return true;
  }
}
