/** Everything a check may ask about a run that is over: its log, the tables, the devices, the software, the script. */
import { defined } from '../../bits/invariant.ts';
import type { KernelProfile } from '../../protocol/lab-api.ts';
import type { LabRun } from '../run/lab-run.ts';
import type { ConsoleMessage } from '../../script/script-console.ts';
import type { ScriptOutcome } from '../../script/script-runner.ts';
import type { MachineConfig, PlainData } from '../../sim/index.ts';
import { VALUE_REPORTED } from '../../spec/events/script.ts';
import { Device } from './devices.ts';
import { Program } from './program.ts';
import { Tables } from './tables.ts';
import { TraceQuery, type RecordOf } from './trace-query.ts';

/** A value that the script gave to `report()`, with the record of it. */
export interface Report {
  readonly value: string;
  readonly record: ReportRecord;
}
type ReportRecord = RecordOf<NonNullable<(typeof VALUE_REPORTED)['fieldTypes']>>;

export type PlainObject = Readonly<Record<string, PlainData>>;

/** Published software state: objects by key, as panes show them. */
export interface SoftwareFacts {
  get(key: string): PlainData | undefined;
  /** Objects whose key begins with `prefix`, in the order of their keys; the rest of the key is the name. */
  under(prefix: string): readonly { readonly name: string; readonly state: PlainObject }[];
}

export class RunFacts {
  readonly machine: MachineConfig;
  readonly seed: number;
  readonly profile: KernelProfile;
  readonly trace: TraceQuery;
  readonly tables: Tables;
  readonly devices: readonly Device[];
  readonly software: SoftwareFacts;
  readonly outcome: ScriptOutcome | undefined;
  readonly console: readonly ConsoleMessage[];
  readonly #run: LabRun;

  constructor(run: LabRun) {
    const { machine } = run;
    this.#run = run;
    this.machine = machine.config;
    this.seed = machine.config.seed;
    this.profile = machine.config.kernelProfile;
    this.trace = new TraceQuery(machine.trace);
    this.tables = new Tables(machine, this.trace);
    this.devices = machine.config.devices.map((_, index) => new Device(machine, index));
    this.software = {
      get: (key) => machine.software.get(key),
      under: (prefix) =>
        machine.software
          .entries(prefix)
          .flatMap(([key, state]) =>
            isPlainObject(state) ? [{ name: key.slice(prefix.length), state }] : [],
          ),
    };
    this.outcome = run.outcome;
    this.console = run.console;
  }

  device(name: string): Device {
    return defined(
      this.devices.find((device) => device.name === name),
      `Device ${name}`,
    );
  }

  /** The last value reported under a name. */
  report(key: string): Report | undefined {
    const record = this.trace.last(VALUE_REPORTED, { key });
    return record === undefined ? undefined : { value: record.values.value, record };
  }

  /** A program that runs at the end, undefined when there is none of this name. */
  program(name: string): Program | undefined {
    const state = this.software.get(`process/${name}`);
    return isPlainObject(state) ? new Program(this.#run.machine.memory, name, state) : undefined;
  }

  /** Bytes of physical memory. */
  memory(address: number, bytes: number): Uint8Array {
    return this.#run.machine.memory.readBytes(address, bytes);
  }

  /** What the remapping unit counted. */
  get iommuCounters(): Readonly<Record<string, number>> {
    return { ...this.#run.machine.unit.translation.counters };
  }
}

function isPlainObject(value: PlainData | undefined): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
