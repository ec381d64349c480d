/**
 * `HardwarePort` over a machine: what one call of software does. `timeline/recorder.ts` puts the stimulus log in front of
 * it; a replay calls it again.
 */
import { highOf, lowOf } from '../bits/u64.ts';
import type { EventKind } from '../spec/events/event.ts';
import { ACCESS_UNCLAIMED, MEMORY_STORED } from '../spec/events/platform.ts';
import type { EnqcmdResult, HardwarePort, PlainData } from './hardware-port.ts';
import type { IsolationPort } from './isolation/isolation-port.ts';
import type { Machine } from './machine.ts';
import type { MachineConfig } from './machine-config.ts';
import { MachineVmx } from './machine-vmx.ts';

const ALL_ONES = [
  0n,
  0xffn,
  0xffffn,
  0n,
  0xffff_ffffn,
  0n,
  0n,
  0n,
  0xffff_ffff_ffff_ffffn,
] as const;

export class MachineHardware implements HardwarePort {
  readonly machine: Machine;
  readonly vmx: MachineVmx;
  readonly #busSource: number;

  constructor(machine: Machine) {
    this.machine = machine;
    this.vmx = new MachineVmx(machine.cpus);
    this.#busSource = machine.trace.source('bus');
  }

  get config(): MachineConfig {
    return this.machine.config;
  }

  get nowNs(): number {
    return this.machine.queue.nowNs;
  }

  get isolation(): IsolationPort | undefined {
    return this.machine.isolation;
  }

  memoryRead(address: number, bytes: number): Uint8Array {
    return this.machine.memory.readBytes(address, bytes);
  }

  memoryWrite(address: number, bytes: Uint8Array): void {
    const isStored = this.machine.memory.writeBytes(address, bytes);
    this.#traceStore(address, bytes.length, isStored);
  }

  memoryRead64(address: number): bigint {
    return this.machine.memory.read64(address);
  }

  memoryWrite64(address: number, value: bigint): void {
    const isStored = this.machine.memory.write64(address, value);
    this.#traceStore(address, 8, isStored);
  }

  mmioRead(address: number, bytes: 1 | 2 | 4 | 8): bigint {
    const range = this.machine.addressMap.find(address);
    return range === undefined
      ? (ALL_ONES[bytes] as bigint)
      : range.target.read(address - range.base, bytes);
  }

  mmioWrite(address: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    const range = this.machine.addressMap.find(address);
    if (range === undefined) {
      this.machine.trace.record(ACCESS_UNCLAIMED, this.#busSource, address, true);
      return;
    }
    range.target.write(address - range.base, bytes, value);
  }

  configRead(rid: number, offset: number, bytes: 1 | 2 | 4): number {
    const device = this.machine.fabric.find(rid);
    return device === undefined ? Number(ALL_ONES[bytes]) : device.configRead(offset, bytes);
  }

  configWrite(rid: number, offset: number, bytes: 1 | 2 | 4, value: number): void {
    this.machine.fabric.find(rid)?.configWrite(offset, bytes, value);
    this.machine.addressMap.configWritten(offset);
  }

  movdir64b(cpu: number, address: number, words: Uint32Array): void {
    this.machine.cpus.cpu(cpu).movdir64b(highOf(address), lowOf(address), words);
  }

  enqcmd(cpu: number, address: number, words: Uint32Array): EnqcmdResult {
    return enqcmdResult(this.machine.cpus.cpu(cpu).enqcmd(highOf(address), lowOf(address), words));
  }

  enqcmds(cpu: number, address: number, words: Uint32Array): EnqcmdResult {
    return enqcmdResult(this.machine.cpus.cpu(cpu).enqcmds(highOf(address), lowOf(address), words));
  }

  readMsr(cpu: number, index: number): bigint {
    const outcome = this.machine.cpus.cpu(cpu).readMsr(index);
    return outcome.kind === 'value' ? outcome.value : 0n;
  }

  writeMsr(cpu: number, index: number, value: bigint): void {
    this.machine.cpus.cpu(cpu).writeMsr(index, value);
  }

  advance(durationNs: number): void {
    this.advanceUntil(this.nowNs + Math.max(0, Math.round(durationNs)), Number.POSITIVE_INFINITY);
  }

  /** Runs to a time, or until the trace has grown to `stopAtRecord`. True when the time was reached. */
  advanceUntil(timeNs: number, stopAtRecord: number): boolean {
    const { queue, trace } = this.machine;
    while (trace.head < stopAtRecord) {
      if (!queue.runNext(timeNs)) {
        queue.advanceTo(timeNs);
        return true;
      }
    }
    return false;
  }

  advanceToNextEvent(limitNs: number): boolean {
    const { queue } = this.machine;
    const end = queue.nowNs + Math.max(0, Math.round(limitNs));
    if (queue.runNext(end)) {
      return true;
    }
    queue.advanceTo(end);
    return false;
  }

  takeInterrupt(cpu: number): number {
    const logical = this.machine.cpus.cpu(cpu);
    const acknowledged = logical.takeAcknowledged();
    const vector = acknowledged >= 0 ? acknowledged : logical.takeInterrupt();
    if (vector >= 0) {
      logical.apic.endOfInterrupt();
    }
    return vector;
  }

  emit(
    kind: EventKind,
    source: string,
    ...values: readonly (number | bigint | string | boolean)[]
  ): number {
    return this.machine.trace.record(kind, this.machine.trace.source(source), ...values);
  }

  within<T>(seq: number, body: () => T): T {
    const saved = this.machine.trace.enter(seq);
    try {
      return body();
    } finally {
      this.machine.trace.cause = saved;
    }
  }

  publish(key: string, value: PlainData | undefined): void {
    this.machine.software.publish(key, value);
  }

  #traceStore(address: number, bytes: number, isStored: boolean): void {
    const { trace, memory } = this.machine;
    if (!trace.isOn) {
      return;
    }
    if (!isStored) {
      trace.record(ACCESS_UNCLAIMED, this.#busSource, address, true);
      return;
    }
    trace.record(
      MEMORY_STORED,
      this.#busSource,
      address,
      bytes,
      memory.read64(address - (address % 8)),
    );
  }
}

function enqcmdResult(outcome: { readonly kind: string }): EnqcmdResult {
  switch (outcome.kind) {
    case 'accepted':
      return 'accepted';
    case 'retry':
      return 'retry';
    default:
      return 'fault';
  }
}
