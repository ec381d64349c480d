/**
 * The live machine of a run as software sees it: every call that can change it is logged before it is made, and keyframes
 * are taken on the way, so that any earlier instant can be shown again.
 */
import type { EventKind } from '../../spec/events/event.ts';
import type { EnqcmdResult, HardwarePort, PlainData } from '../hardware-port.ts';
import type { IsolationPort } from '../isolation/isolation-port.ts';
import type { MachineConfig } from '../machine-config.ts';
import { MachineHardware } from '../machine-hardware.ts';
import type { Machine, MachineState } from '../machine.ts';
import type { Stimulus, StimulusCall } from './stimulus.ts';
import { RecordedVmx } from './vmx-call.ts';

export interface Keyframe {
  /** Length of the trace at the keyframe. */
  readonly seq: number;
  /** Stimuli made before it. */
  readonly stimuli: number;
  readonly cause: number;
  readonly state: MachineState;
}

export interface RecorderOptions {
  /** A keyframe at the latest after so many records. */
  readonly recordsPerKeyframe?: number;
  /** A keyframe at the latest after so many stimuli. */
  readonly stimuliPerKeyframe?: number;
}

export class Recorder implements HardwarePort {
  readonly machine: Machine;
  readonly hardware: MachineHardware;
  readonly vmx: RecordedVmx;
  readonly isolation: IsolationPort | undefined;
  readonly #recordsPerKeyframe: number;
  readonly #stimuliPerKeyframe: number;
  readonly #stimuli: Stimulus[] = [];
  readonly #keyframes: Keyframe[] = [];

  constructor(machine: Machine, options: RecorderOptions = {}) {
    this.machine = machine;
    this.hardware = new MachineHardware(machine);
    this.vmx = new RecordedVmx(this.hardware.vmx, (call) => {
      this.#log({ op: 'vmx', call });
    });
    const { isolation } = machine;
    this.isolation =
      isolation === undefined
        ? undefined
        : {
            tell: (call) => {
              this.#log({ op: 'isolation', call });
              isolation.tell(call);
            },
          };
    this.#recordsPerKeyframe = options.recordsPerKeyframe ?? 4_096;
    this.#stimuliPerKeyframe = options.stimuliPerKeyframe ?? 4_096;
    this.#takeKeyframe();
  }

  get stimuli(): readonly Stimulus[] {
    return this.#stimuli;
  }

  get keyframes(): readonly Keyframe[] {
    return this.#keyframes;
  }

  get config(): MachineConfig {
    return this.machine.config;
  }

  get nowNs(): number {
    return this.hardware.nowNs;
  }

  memoryRead(address: number, bytes: number): Uint8Array {
    return this.hardware.memoryRead(address, bytes);
  }

  memoryRead64(address: number): bigint {
    return this.hardware.memoryRead64(address);
  }

  mmioRead(address: number, bytes: 1 | 2 | 4 | 8): bigint {
    return this.hardware.mmioRead(address, bytes);
  }

  configRead(rid: number, offset: number, bytes: 1 | 2 | 4): number {
    return this.hardware.configRead(rid, offset, bytes);
  }

  memoryWrite(address: number, bytes: Uint8Array): void {
    this.#log({ op: 'memory-write', address, bytes: bytes.slice() });
    this.hardware.memoryWrite(address, bytes);
  }

  memoryWrite64(address: number, value: bigint): void {
    this.#log({ op: 'memory-write-64', address, value });
    this.hardware.memoryWrite64(address, value);
  }

  mmioWrite(address: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    this.#log({ op: 'mmio-write', address, bytes, value });
    this.hardware.mmioWrite(address, bytes, value);
  }

  configWrite(rid: number, offset: number, bytes: 1 | 2 | 4, value: number): void {
    this.#log({ op: 'config-write', rid, offset, bytes, value });
    this.hardware.configWrite(rid, offset, bytes, value);
  }

  movdir64b(cpu: number, address: number, words: Uint32Array): void {
    this.#log({ op: 'movdir64b', cpu, address, words: words.slice() });
    this.hardware.movdir64b(cpu, address, words);
  }

  enqcmd(cpu: number, address: number, words: Uint32Array): EnqcmdResult {
    this.#log({ op: 'enqcmd', cpu, address, words: words.slice() });
    return this.hardware.enqcmd(cpu, address, words);
  }

  enqcmds(cpu: number, address: number, words: Uint32Array): EnqcmdResult {
    this.#log({ op: 'enqcmds', cpu, address, words: words.slice() });
    return this.hardware.enqcmds(cpu, address, words);
  }

  readMsr(cpu: number, index: number): bigint {
    this.#log({ op: 'read-msr', cpu, index });
    return this.hardware.readMsr(cpu, index);
  }

  writeMsr(cpu: number, index: number, value: bigint): void {
    this.#log({ op: 'write-msr', cpu, index, value });
    this.hardware.writeMsr(cpu, index, value);
  }

  advance(durationNs: number): void {
    const untilNs = this.nowNs + Math.max(0, Math.round(durationNs));
    this.#log({ op: 'advance', untilNs });
    this.hardware.advanceUntil(untilNs, Number.POSITIVE_INFINITY);
  }

  advanceToNextEvent(limitNs: number): boolean {
    this.#log({ op: 'next-event', limitNs });
    return this.hardware.advanceToNextEvent(limitNs);
  }

  takeInterrupt(cpu: number): number {
    this.#log({ op: 'take-interrupt', cpu });
    return this.hardware.takeInterrupt(cpu);
  }

  emit(
    kind: EventKind,
    source: string,
    ...values: readonly (number | bigint | string | boolean)[]
  ): number {
    this.#log({ op: 'emit', kind, source, values });
    return this.hardware.emit(kind, source, ...values);
  }

  within<T>(seq: number, body: () => T): T {
    return this.hardware.within(seq, body);
  }

  publish(key: string, value: PlainData | undefined): void {
    this.#log({ op: 'publish', key, value });
    this.hardware.publish(key, value);
  }

  #log(call: StimulusCall): void {
    const { trace } = this.machine;
    const last = this.#keyframes[this.#keyframes.length - 1] as Keyframe;
    const isDue =
      trace.head - last.seq >= this.#recordsPerKeyframe ||
      this.#stimuli.length - last.stimuli >= this.#stimuliPerKeyframe;
    if (isDue) {
      this.#takeKeyframe();
    }
    this.#stimuli.push({ seq: trace.head, cause: trace.cause, call });
  }

  #takeKeyframe(): void {
    const { trace } = this.machine;
    this.#keyframes.push({
      seq: trace.head,
      stimuli: this.#stimuli.length,
      cause: trace.cause,
      state: this.machine.snapshot(),
    });
  }
}
