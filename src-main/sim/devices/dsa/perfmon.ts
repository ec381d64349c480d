/**
 * The programmable performance counters. They watch the statistics that the device keeps anyway, so that counting costs
 * nothing while no counter is enabled. DSA 3.0 chapter 6.
 *
 * Not modelled: what `spec/dsa/perfmon.ts` says. Counters keep their values in a Reset Device command, as other statistics
 * registers do.
 */
import { FLAG } from '../../../spec/dsa/descriptor.ts';
import { OPERATIONS } from '../../../spec/dsa/operations.ts';
import {
  PERFMON,
  PERFMON_BYTES,
  PERF_CATEGORY,
  PERF_COUNTERS,
  PERF_COUNTER_BITS,
  PERF_DATA_UNIT,
  PERF_EVENT,
  PERF_EVENTS,
} from '../../../spec/dsa/perfmon.ts';
import { RegisterFile, type RegisterWrite } from '../../core/register-file.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import { COUNTER, NO_PASID_ROW, type CounterObserver, type DsaCounters } from './counters.ts';

const ALL = 0xffff_ffff;
const LIMIT = 2 ** PERF_COUNTER_BITS;
/** Queues that a filter can name. */
const FILTER_BITS = 32;

type Event = readonly [category: number, event: number];

/** Which event a statistic is; translations depend on the PASID. */
const EVENTS: Readonly<Record<number, Event>> = {
  [COUNTER.swqAcceptLimited]: [PERF_CATEGORY.wq, PERF_EVENT.swqAcceptLimited],
  [COUNTER.swqRetryLimited]: [PERF_CATEGORY.wq, PERF_EVENT.swqRetryLimited],
  [COUNTER.swqAcceptUnlimited]: [PERF_CATEGORY.wq, PERF_EVENT.swqAcceptUnlimited],
  [COUNTER.swqRetryUnlimited]: [PERF_CATEGORY.wq, PERF_EVENT.swqRetryUnlimited],
  [COUNTER.dwqAccept]: [PERF_CATEGORY.wq, PERF_EVENT.dwqAccept],
  [COUNTER.dwqFull]: [PERF_CATEGORY.wq, PERF_EVENT.dwqFull],
  [COUNTER.bytesRead]: [PERF_CATEGORY.engine, PERF_EVENT.inputUnits],
  [COUNTER.bytesWritten]: [PERF_CATEGORY.engine, PERF_EVENT.writtenUnits],
  [COUNTER.batchMembers]: [PERF_CATEGORY.engine, PERF_EVENT.fromBatch],
  [COUNTER.dispatched]: [PERF_CATEGORY.engine, PERF_EVENT.fromWq],
  [COUNTER.translations]: [PERF_CATEGORY.translation, PERF_EVENT.translatedWithPasid],
  [COUNTER.translationFaults]: [PERF_CATEGORY.translation, PERF_EVENT.faultedWithPasid],
  [COUNTER.pageRequestsGranted]: [PERF_CATEGORY.translation, PERF_EVENT.pageGranted],
  [COUNTER.pageRequestsInvalid]: [PERF_CATEGORY.translation, PERF_EVENT.pageInvalid],
};
const WITHOUT_PASID: Readonly<Record<number, Event>> = {
  [COUNTER.translations]: [PERF_CATEGORY.translation, PERF_EVENT.translated],
  [COUNTER.translationFaults]: [PERF_CATEGORY.translation, PERF_EVENT.faulted],
};

/** Engine events of each operation when it starts. */
const OPERATION_EVENTS = new Map(
  OPERATIONS.map(({ code, descriptor, flags }) => {
    const names = descriptor.fields.map((field) => field.name);
    const reads = names.includes('source') || names.includes('source1') || names.includes('delta');
    const writes = (flags & FLAG.strictOrdering) !== 0;
    const events =
      (reads ? PERF_EVENT.readsSource : 0) | (writes ? PERF_EVENT.writesDestination : 0);
    return [code, events] as const;
  }),
);

export interface PerfmonState {
  readonly registers: Uint32Array;
  readonly values: Float64Array;
}

export class Perfmon implements Snapshotable<PerfmonState>, CounterObserver {
  readonly file: RegisterFile;
  readonly #values = new Float64Array(PERF_COUNTERS);
  readonly #counters: DsaCounters;
  readonly #onOverflow: () => void;

  constructor(counters: DsaCounters, onOverflow: () => void) {
    this.#counters = counters;
    this.#onOverflow = onOverflow;
    this.file = new RegisterFile(PERFMON, PERFMON_BYTES, {
      onDidWrite: (write) => {
        this.#onDidWrite(write);
      },
      onWillRead: ({ name, offset }) => {
        if (name.startsWith('CNTRDATA')) {
          this.file.poke32(offset, this.#values[indexOf(name)] as number);
        }
      },
    });
  }

  onCount(counter: number, wq: number, pasidRow: number, engine: number, amount: number): void {
    const event =
      (pasidRow === NO_PASID_ROW ? WITHOUT_PASID[counter] : undefined) ?? EVENTS[counter];
    if (event === undefined || amount < 0) {
      return;
    }
    const isData = counter === COUNTER.bytesRead || counter === COUNTER.bytesWritten;
    this.#count(event, wq, engine, isData ? Math.ceil(amount / PERF_DATA_UNIT) : amount);
  }

  onOperation(code: number, wq: number, engine: number): void {
    this.#count([PERF_CATEGORY.operation, code < 28 ? 2 ** code : 0], wq, engine, 1);
    this.#count([PERF_CATEGORY.engine, OPERATION_EVENTS.get(code) ?? 0], wq, engine, 1);
  }

  reset(): void {
    this.#values.fill(0);
    this.file.reset();
    this.#refresh();
  }

  snapshot(): PerfmonState {
    return { registers: this.file.snapshot(), values: this.#values.slice() };
  }

  restore({ registers, values }: PerfmonState): void {
    this.file.restore(registers);
    this.#values.set(values);
    this.#refresh();
  }

  #onDidWrite({ register: { name }, written }: RegisterWrite): void {
    if (name === 'PERFRST') {
      const bits = written[0] ?? 0;
      if ((bits & 1) !== 0) {
        this.file.reset((register) => !/^(CNTRCFG|FLTCFG)/.test(register.name));
      }
      if ((bits & 2) !== 0) {
        this.#values.fill(0);
      }
    } else if (name.startsWith('CNTRDATA')) {
      const index = indexOf(name);
      this.#values[index] = this.file.get(name, 'value');
    }
    this.#refresh();
  }

  /** Watches the statistics while a counter is enabled. */
  #refresh(): void {
    const isOn = this.#values.some((_, index) => this.file.get(`CNTRCFG${index}`, 'enable') === 1);
    this.#counters.observer = isOn ? this : undefined;
  }

  #count([category, events]: Event, wq: number, engine: number, amount: number): void {
    const supported = events & (PERF_EVENTS[category] as number);
    for (let index = 0; index < PERF_COUNTERS; index++) {
      if (supported !== 0 && this.#counts(index, category, supported, wq, engine)) {
        this.#add(index, amount);
      }
    }
  }

  #counts(index: number, category: number, events: number, wq: number, engine: number): boolean {
    const { file } = this;
    const config = `CNTRCFG${index}`;
    return (
      file.get(config, 'enable') === 1 &&
      file.get(config, 'category') === category &&
      (file.get(config, 'events') & events) !== 0 &&
      ((file.get('PERFFRZ', 'frozen') >>> index) & 1) === 0 &&
      passes(file.get(`FLTCFG${index}_0`, 'mask'), wq) &&
      passes(file.get(`FLTCFG${index}_4`, 'mask'), engine)
    );
  }

  #add(index: number, amount: number): void {
    const { file } = this;
    const sum = (this.#values[index] as number) + amount;
    this.#values[index] = sum % LIMIT;
    if (sum < LIMIT) {
      return;
    }
    const overflowed = file.get('OVFSTATUS', 'overflowed');
    file.set('OVFSTATUS', 'overflowed', (overflowed | (1 << index)) >>> 0);
    if (file.get(`CNTRCFG${index}`, 'freeze') === 1) {
      file.set('PERFFRZ', 'frozen', ALL);
    }
    if (file.get(`CNTRCFG${index}`, 'interrupt') === 1) {
      this.#onOverflow();
    }
  }
}

/** A filter names the first queues or engines; -1 is an event of no engine. */
function passes(mask: number, index: number): boolean {
  return mask === ALL || (index >= 0 && index < FILTER_BITS && ((mask >>> index) & 1) === 1);
}

function indexOf(name: string): number {
  return Number(name.slice('CNTRDATA'.length));
}
