/** Read-only view of an accelerator, for panes, checks and tests. Nothing here changes anything. */
import { invariant } from '../../../bits/invariant.ts';
import type { LayoutContext } from '../../../bits/layout.ts';
import { DESCRIPTOR_WORDS } from '../../../spec/dsa/descriptor.ts';
import { PORTAL_PAGE_NAMES, PORTAL_SHIFT, WQ_PORTALS_SHIFT } from '../../../spec/dsa/portals.ts';
import type { RegisterFile } from '../../core/register-file.ts';
import type { InterruptEntry, InterruptTable } from '../../pcie/interrupt-table.ts';
import type { AtcEntry } from '../../pcie/address-translation-cache.ts';
import type { CompletedDescriptor } from './completed-ring.ts';
import type { DsaSettings } from './config.ts';
import type { CounterRow } from './counters.ts';
import type { EngineView } from './engines.ts';
import type { GroupConfigValues } from './group-config-table.ts';
import type { IdptValues } from './inter-domain.ts';
import { JOB_STATE } from './job.ts';
import type { DsaUnits } from './units.ts';
import type { QueuedDescriptor } from './work-queues.ts';
import type { WqConfigValues } from './wq-config-table.ts';

export interface WqView {
  readonly index: number;
  /** 0 disabled, 1 enabled, 2 busy. */
  readonly state: number;
  /** -1: in no group, or the device is not enabled. */
  readonly group: number;
  readonly config: WqConfigValues;
  /** The 16 words of WQCFG. */
  readonly configWords: Uint32Array;
  readonly occupancy: number;
  readonly size: number;
  /** Occupancy at which the limited portal answers Retry. */
  readonly limit: number;
  readonly inProgress: number;
  /** Descriptors left in this round of the arbiter. */
  readonly credit: number;
  readonly isPaused: boolean;
  readonly counters: CounterRow;
}

export interface GroupView {
  readonly index: number;
  readonly config: GroupConfigValues;
  readonly words: Uint32Array;
  readonly wqs: readonly number[];
  readonly engines: readonly number[];
}

export interface PortalView {
  readonly wq: number;
  readonly page: number;
  readonly title: string;
  /** Offset in BAR2. */
  readonly offset: number;
}

/** A descriptor that an engine holds. */
export interface RunningDescriptor {
  readonly words: Uint32Array;
  readonly wq: number;
  readonly engine: number;
  readonly pasid: number;
  readonly seq: number;
  /** -1: not a batch member. */
  readonly memberIndex: number;
  readonly bytesDone: number;
  readonly state: string;
  readonly startedNs: number;
}

const STATE_TITLES: readonly string[] = Object.entries(JOB_STATE)
  .sort(([, a], [, b]) => a - b)
  .map(([name]) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`));

export class DsaInspector {
  readonly #u: DsaUnits;

  constructor(units: DsaUnits) {
    this.#u = units;
  }

  get settings(): DsaSettings {
    return this.#u.settings;
  }

  /** Which fields exist on this device, for decoding. */
  get layoutContext(): LayoutContext {
    return this.#u.capabilities.context;
  }

  /** 0 disabled, 1 enabled, 2 busy, 3 halted. */
  get deviceState(): number {
    return this.#u.registers.state;
  }

  get wqCount(): number {
    return this.#u.wqs.count;
  }

  /** Fixed registers of BAR0. */
  get registers(): RegisterFile {
    return this.#u.registers.file;
  }

  get configRegisters(): RegisterFile {
    return this.#u.config.registers;
  }

  wq(index: number): WqView {
    const { wqs, wqConfig, arbiter, counters } = this.#u;
    invariant(index >= 0 && index < wqs.count, `Work queue ${index} of ${wqs.count}`);
    return {
      index,
      state: wqs.state[index] as number,
      group: wqs.group[index] as number,
      config: wqConfig.decode(index),
      configWords: wqConfig.copy(index),
      occupancy: wqs.occupancy[index] as number,
      size: wqConfig.decode(index).size,
      limit: wqs.limit(index),
      inProgress: wqs.inProgress[index] as number,
      credit: arbiter.credit(index),
      isPaused: wqs.isPaused[index] === 1,
      counters: counters.ofWq(index),
    };
  }

  wqs(): readonly WqView[] {
    return Array.from({ length: this.wqCount }, (_, index) => this.wq(index));
  }

  /** Descriptors that wait in a queue, oldest first, those given back for migration before. `decodeDescriptor` reads them. */
  queued(wq: number): readonly QueuedDescriptor[] {
    const { wqs } = this.#u;
    return [...wqs.returned(wq), ...wqs.queued(wq)];
  }

  /** The last 64 bytes that any portal of a queue was sent. */
  stagedPortalWords(wq: number): Uint32Array {
    return this.#u.wqs.staged.slice(wq * DESCRIPTOR_WORDS, (wq + 1) * DESCRIPTOR_WORDS);
  }

  groups(): readonly GroupView[] {
    const { groups } = this.#u;
    return Array.from({ length: groups.groups }, (_, index) => ({
      index,
      config: groups.decode(index),
      words: groups.words(index).slice(),
      wqs: groups.wqsOf(index),
      engines: groups.enginesOf(index),
    }));
  }

  engines(): readonly EngineView[] {
    return this.#u.engines.views();
  }

  running(): readonly RunningDescriptor[] {
    return this.#u.jobs.active().map((job) => ({
      words: job.words.slice(),
      wq: job.wq,
      engine: job.engine,
      pasid: job.pasid,
      seq: job.seq,
      memberIndex: job.parent >= 0 ? job.memberIndex : -1,
      bytesDone: job.done,
      state: STATE_TITLES[job.state] ?? '',
      startedNs: job.startedNs,
    }));
  }

  /** The last 256 descriptors that ended, oldest first. */
  completed(): readonly CompletedDescriptor[] {
    return this.#u.completed.entries();
  }

  portals(): readonly PortalView[] {
    return Array.from({ length: this.wqCount * 4 }, (_, i) => ({
      wq: i >>> 2,
      page: i & 3,
      title: PORTAL_PAGE_NAMES[i & 3] ?? '',
      offset: (i >>> 2) * 2 ** WQ_PORTALS_SHIFT + (i & 3) * 2 ** PORTAL_SHIFT,
    }));
  }

  msix(): readonly InterruptEntry[] {
    return entriesOf(this.#u.interrupts.msix);
  }

  get isMsixEnabled(): boolean {
    return this.#u.interrupts.msix.isEnabled;
  }

  get imsCount(): number {
    return this.#u.interrupts.ims.entries;
  }

  imsEntry(index: number): InterruptEntry {
    return this.#u.interrupts.ims.entry(index);
  }

  /** IMS entries that somebody programmed: unmasked, with a PASID, or with data. */
  imsInUse(): readonly InterruptEntry[] {
    return entriesOf(this.#u.interrupts.ims).filter(
      (e) => !e.isMasked || e.pasid !== undefined || e.data !== 0,
    );
  }

  interruptHandles(): readonly {
    readonly handle: number;
    readonly table: number;
    readonly index: number;
  }[] {
    return this.#u.interrupts.handles();
  }

  deviceTlb(): readonly AtcEntry[] {
    return this.#u.atc.entries();
  }

  pageRequests(): readonly {
    readonly group: number;
    readonly pasid: number;
    readonly high: number;
    readonly low: number;
    readonly isWrite: boolean;
  }[] {
    return this.#u.pageRequests.outstanding;
  }

  idpt(entry: number): IdptValues {
    return this.#u.interDomain.decode(entry);
  }

  idptHandles(): readonly number[] {
    return this.#u.interDomain.liveHandles();
  }

  pasidCounters(): readonly { readonly pasid: number; readonly counters: CounterRow }[] {
    return this.#u.counters.ofPasids();
  }

  engineCounters(engine: number): CounterRow {
    return this.#u.counters.ofEngine(engine);
  }

  operationCounts(): readonly {
    readonly code: number;
    readonly title: string;
    readonly count: number;
  }[] {
    return this.#u.counters.ofOperations();
  }
}

function entriesOf(table: InterruptTable): readonly InterruptEntry[] {
  return Array.from({ length: table.entries }, (_, index) => table.entry(index));
}
