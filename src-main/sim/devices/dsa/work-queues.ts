/**
 * Work queues at run time: storage, admission, occupancy. DSA 3.0 sections 3.2, 3.3 and 4.4.
 *
 * All queues share one storage of 64-byte entries; Enable Device gives each its part, a ring. What a descriptor needs
 * beside its bytes (resolved PASID, portal, order of admission, trace record) lies in parallel arrays.
 */
import { DESCRIPTOR_WORDS } from '../../../spec/dsa/descriptor.ts';
import { WQ_MODE, WQ_STATE } from '../../../spec/dsa/wq-config.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import type { DsaCapabilities } from './capabilities.ts';
import type { Job, JobProgress } from './job.ts';
import type { WqConfigTable } from './wq-config-table.ts';

const NO_PASID = -1;
const OPERATION_WORDS = 8;
const NONE_RETURNED: readonly ReturnedDescriptor[] = [];

export interface WorkQueuesState {
  readonly arrays: Readonly<Record<string, ArrayLike<number>>>;
  readonly returned: readonly (readonly [wq: number, descriptors: readonly ReturnedDescriptor[]])[];
  readonly admission: number;
}

/** What the device decided when a queue was enabled. */
export interface WqRuntime {
  readonly usesAts: boolean;
  readonly usesPrs: boolean;
}

/** A descriptor that waits in a queue. */
export interface QueuedDescriptor {
  readonly words: Uint32Array;
  readonly pasid: number;
  readonly isPrivileged: boolean;
  readonly portal: number;
  readonly seq: number;
  readonly admission: number;
}

/** A descriptor that an engine has given back, for migration. It needs no place in the storage. */
export interface ReturnedDescriptor extends QueuedDescriptor {
  readonly pasidRow: number;
  /** Undefined: it has to start from the beginning. */
  readonly progress: JobProgress | undefined;
}

export class WorkQueues implements Snapshotable<WorkQueuesState> {
  readonly state: Uint8Array;
  readonly group: Int32Array;
  readonly size: Uint32Array;
  readonly occupancy: Uint32Array;
  readonly isDedicated: Uint8Array;
  readonly hasPasid: Uint8Array;
  readonly blocksOnFault: Uint8Array;
  readonly usesAts: Uint8Array;
  readonly usesPrs: Uint8Array;
  readonly maxTransfer: Float64Array;
  readonly maxBatch: Uint32Array;
  readonly priority: Uint8Array;
  /** Bits n of eight words: operation n is allowed. */
  readonly operations: Uint32Array;
  /** Dispatched and not completed. */
  readonly inProgress: Uint32Array;
  /** 1: the arbiter passes the queue over, for migration. */
  readonly isPaused: Uint8Array;
  readonly occupancyGenerated: Uint8Array;
  /** Completion record faults that were logged since the last drain. */
  readonly loggedRecordFaults: Uint32Array;
  /** Last 64 bytes written to any portal of the queue. */
  readonly staged: Uint32Array;

  readonly #config: WqConfigTable;
  readonly #capabilities: DsaCapabilities;
  readonly #limit: Uint32Array;
  readonly #pasid: Int32Array;
  readonly #priv: Uint8Array;
  readonly #base: Uint32Array;
  readonly #head: Uint32Array;
  readonly #words: Uint32Array;
  readonly #entryPasid: Int32Array;
  readonly #entryPriv: Uint8Array;
  readonly #entryPortal: Uint8Array;
  readonly #entrySeq: Float64Array;
  readonly #entryAdmission: Float64Array;
  readonly #entryPasidRow: Uint32Array;
  /** Dispatched before what waits in the storage, oldest first. */
  readonly #returned = new Map<number, readonly ReturnedDescriptor[]>();
  #admission = 0;

  constructor(config: WqConfigTable, capabilities: DsaCapabilities) {
    const { wqs, totalWqSize } = capabilities.settings;
    this.#config = config;
    this.#capabilities = capabilities;
    this.state = new Uint8Array(wqs);
    this.group = new Int32Array(wqs).fill(-1);
    this.size = new Uint32Array(wqs);
    this.occupancy = new Uint32Array(wqs);
    this.isDedicated = new Uint8Array(wqs);
    this.hasPasid = new Uint8Array(wqs);
    this.blocksOnFault = new Uint8Array(wqs);
    this.usesAts = new Uint8Array(wqs);
    this.usesPrs = new Uint8Array(wqs);
    this.maxTransfer = new Float64Array(wqs);
    this.maxBatch = new Uint32Array(wqs);
    this.priority = new Uint8Array(wqs);
    this.operations = new Uint32Array(wqs * OPERATION_WORDS);
    this.inProgress = new Uint32Array(wqs);
    this.isPaused = new Uint8Array(wqs);
    this.occupancyGenerated = new Uint8Array(wqs);
    this.loggedRecordFaults = new Uint32Array(wqs);
    this.staged = new Uint32Array(wqs * DESCRIPTOR_WORDS);
    this.#limit = new Uint32Array(wqs);
    this.#pasid = new Int32Array(wqs).fill(NO_PASID);
    this.#priv = new Uint8Array(wqs);
    this.#base = new Uint32Array(wqs);
    this.#head = new Uint32Array(wqs);
    this.#words = new Uint32Array(totalWqSize * DESCRIPTOR_WORDS);
    this.#entryPasid = new Int32Array(totalWqSize);
    this.#entryPriv = new Uint8Array(totalWqSize);
    this.#entryPortal = new Uint8Array(totalWqSize);
    this.#entrySeq = new Float64Array(totalWqSize);
    this.#entryAdmission = new Float64Array(totalWqSize);
    this.#entryPasidRow = new Uint32Array(totalWqSize);
  }

  get count(): number {
    return this.state.length;
  }

  /** Number of submissions accepted so far; the next one gets this number. */
  get admissions(): number {
    return this.#admission;
  }

  /** PASID that a descriptor of a dedicated queue uses, whatever it says. */
  dedicatedPasid(wq: number): number {
    return this.#pasid[wq] as number;
  }

  dedicatedPriv(wq: number): number {
    return this.#priv[wq] as number;
  }

  /** Occupancy at which the limited portal stops. */
  limit(wq: number): number {
    return this.#limit[wq] as number;
  }

  /** Divides the storage and takes the groups: Enable Device. */
  assignStorage(groupOf: Int32Array): void {
    let base = 0;
    for (let wq = 0; wq < this.count; wq++) {
      const { size } = this.#config.decode(wq);
      this.group[wq] = groupOf[wq] as number;
      this.size[wq] = size;
      this.#base[wq] = base;
      this.#head[wq] = 0;
      this.occupancy[wq] = 0;
      base += size;
    }
  }

  /** Takes the configuration over: Enable WQ. */
  enable(wq: number, { usesAts, usesPrs }: WqRuntime): void {
    const config = this.#config.decode(wq);
    this.isDedicated[wq] = config.mode === WQ_MODE.dedicated ? 1 : 0;
    this.hasPasid[wq] = config.pasidEnable;
    this.blocksOnFault[wq] = config.blockOnFault;
    this.usesAts[wq] = usesAts ? 1 : 0;
    this.usesPrs[wq] = usesPrs ? 1 : 0;
    this.maxTransfer[wq] = 2 ** config.maxTransferShift;
    this.maxBatch[wq] = 2 ** config.maxBatchShift;
    this.priority[wq] = config.priority;
    this.#pasid[wq] = config.pasidEnable === 1 ? config.pasid : NO_PASID;
    this.#priv[wq] = config.pasidEnable === 1 ? config.priv : 0;
    this.operations.set(
      this.#config.entryWords > OPERATION_WORDS
        ? this.#config.words(wq).subarray(OPERATION_WORDS)
        : this.#capabilities.operationMask,
      wq * OPERATION_WORDS,
    );
    this.refreshThreshold(wq);
    this.state[wq] = WQ_STATE.enabled;
  }

  disable(wq: number): void {
    this.state[wq] = WQ_STATE.disabled;
    this.#head[wq] = 0;
    this.loggedRecordFaults[wq] = 0;
    this.isPaused[wq] = 0;
  }

  /** The threshold may change while the queue works. */
  refreshThreshold(wq: number): void {
    const { threshold } = this.#config.decode(wq);
    this.#limit[wq] = Math.min(threshold, this.size[wq] as number);
  }

  /** A number in the order of all submissions, for what comes without a portal. */
  admit(): number {
    return this.#admission++;
  }

  /** Adds a descriptor to a queue with room. Gives its admission number. */
  push(
    wq: number,
    words: ArrayLike<number>,
    pasid: number,
    priv: number,
    portal: number,
    pasidRow: number,
  ): number {
    const size = this.size[wq] as number;
    const slot = ((this.#head[wq] as number) + (this.occupancy[wq] as number)) % size;
    const entry = (this.#base[wq] as number) + slot;
    const at = entry * DESCRIPTOR_WORDS;
    for (let i = 0; i < DESCRIPTOR_WORDS; i++) {
      this.#words[at + i] = words[i] as number;
    }
    this.#entryPasid[entry] = pasid;
    this.#entryPriv[entry] = priv;
    this.#entryPortal[entry] = portal;
    this.#entryPasidRow[entry] = pasidRow;
    this.#entryAdmission[entry] = this.#admission;
    this.#entrySeq[entry] = -1;
    (this.occupancy[wq] as number)++;
    return this.#admission++;
  }

  /** Names the trace record of the descriptor pushed last. */
  setLastSeq(wq: number, seq: number): void {
    const slot =
      ((this.#head[wq] as number) + (this.occupancy[wq] as number) - 1) % (this.size[wq] as number);
    this.#entrySeq[(this.#base[wq] as number) + slot] = seq;
  }

  /** Whether there is anything to dispatch. */
  hasWork(wq: number): boolean {
    return this.occupancy[wq] !== 0 || this.#returned.has(wq);
  }

  returned(wq: number): readonly ReturnedDescriptor[] {
    return this.#returned.get(wq) ?? [];
  }

  /** Takes back what an engine had: it goes first, in the order of submission. */
  giveBack(wq: number, descriptor: ReturnedDescriptor): void {
    const all = [...this.returned(wq), descriptor];
    this.#returned.set(
      wq,
      all.sort((a, b) => a.admission - b.admission),
    );
  }

  /** Operation code of the oldest descriptor. */
  headOperation(wq: number): number {
    const [first] = this.#returned.size === 0 ? NONE_RETURNED : this.returned(wq);
    if (first !== undefined) {
      return (first.words[1] as number) >>> 24;
    }
    const entry = (this.#base[wq] as number) + (this.#head[wq] as number);
    return (this.#words[entry * DESCRIPTOR_WORDS + 1] as number) >>> 24;
  }

  /** Moves the oldest descriptor into a job. */
  pop(wq: number, job: Job): void {
    job.wq = wq;
    job.usesAts = this.usesAts[wq] as number;
    job.usesPrs = this.usesPrs[wq] as number;
    job.progress = undefined;
    if (this.#returned.size > 0 && this.#popReturned(wq, job)) {
      return;
    }
    const head = this.#head[wq] as number;
    const entry = (this.#base[wq] as number) + head;
    const at = entry * DESCRIPTOR_WORDS;
    for (let i = 0; i < DESCRIPTOR_WORDS; i++) {
      job.words[i] = this.#words[at + i] as number;
    }
    job.pasid = this.#entryPasid[entry] as number;
    job.priv = this.#entryPriv[entry] as number;
    job.portal = this.#entryPortal[entry] as number;
    job.pasidRow = this.#entryPasidRow[entry] as number;
    job.admission = this.#entryAdmission[entry] as number;
    job.seq = this.#entrySeq[entry] as number;
    this.#head[wq] = head + 1 === this.size[wq] ? 0 : head + 1;
    (this.occupancy[wq] as number)--;
  }

  #popReturned(wq: number, job: Job): boolean {
    const [first, ...rest] = this.returned(wq);
    if (first === undefined) {
      return false;
    }
    job.words.set(first.words);
    job.pasid = first.pasid;
    job.priv = first.isPrivileged ? 1 : 0;
    job.portal = first.portal;
    job.pasidRow = first.pasidRow;
    job.admission = first.admission;
    job.seq = first.seq;
    job.progress = first.progress;
    this.#setReturned(wq, rest);
    return true;
  }

  #setReturned(wq: number, descriptors: readonly ReturnedDescriptor[]): void {
    if (descriptors.length === 0) {
      this.#returned.delete(wq);
    } else {
      this.#returned.set(wq, descriptors);
    }
  }

  /** Descriptors that wait in the storage, oldest first. */
  queued(wq: number): readonly QueuedDescriptor[] {
    const found: QueuedDescriptor[] = [];
    for (let i = 0; i < (this.occupancy[wq] as number); i++) {
      const entry =
        (this.#base[wq] as number) + (((this.#head[wq] as number) + i) % (this.size[wq] as number));
      found.push({
        words: this.#words.slice(entry * DESCRIPTOR_WORDS, (entry + 1) * DESCRIPTOR_WORDS),
        pasid: this.#entryPasid[entry] as number,
        isPrivileged: this.#entryPriv[entry] !== 0,
        portal: this.#entryPortal[entry] as number,
        seq: this.#entrySeq[entry] as number,
        admission: this.#entryAdmission[entry] as number,
      });
    }
    return found;
  }

  /** Keeps only the descriptors that `isKept` accepts, in order; gives the others. */
  filter(
    wq: number,
    isKept: (descriptor: QueuedDescriptor) => boolean,
  ): readonly QueuedDescriptor[] {
    const returned = this.returned(wq);
    this.#setReturned(wq, returned.filter(isKept));
    const gone = returned.filter((descriptor) => !isKept(descriptor));
    return [...gone, ...this.#filterStorage(wq, isKept)];
  }

  #filterStorage(
    wq: number,
    isKept: (descriptor: QueuedDescriptor) => boolean,
  ): readonly QueuedDescriptor[] {
    const all = this.queued(wq);
    const kept = all.filter(isKept);
    if (kept.length === all.length) {
      return [];
    }
    const rows = all.map((_, i) => {
      const entry =
        (this.#base[wq] as number) + (((this.#head[wq] as number) + i) % (this.size[wq] as number));
      return this.#entryPasidRow[entry] as number;
    });
    this.#head[wq] = 0;
    this.occupancy[wq] = 0;
    const next = this.#admission;
    for (const [i, descriptor] of all.entries()) {
      if (kept.includes(descriptor)) {
        this.#admission = descriptor.admission;
        this.push(
          wq,
          descriptor.words,
          descriptor.pasid,
          descriptor.isPrivileged ? 1 : 0,
          descriptor.portal,
          rows[i] ?? 0,
        );
        this.setLastSeq(wq, descriptor.seq);
      }
    }
    this.#admission = next;
    return all.filter((descriptor) => !kept.includes(descriptor));
  }

  /** Forgets everything that belongs to one queue's owner; other queues are not touched. */
  clearWq(wq: number): void {
    const from = this.#base[wq] as number;
    const to = from + (this.size[wq] as number);
    this.#words.fill(0, from * DESCRIPTOR_WORDS, to * DESCRIPTOR_WORDS);
    for (const array of [
      this.#entryPasid,
      this.#entryPriv,
      this.#entryPortal,
      this.#entryPasidRow,
    ]) {
      array.fill(0, from, to);
    }
    this.#entrySeq.fill(0, from, to);
    this.#entryAdmission.fill(0, from, to);
    this.staged.fill(0, wq * DESCRIPTOR_WORDS, (wq + 1) * DESCRIPTOR_WORDS);
    this.operations.fill(0, wq * OPERATION_WORDS, (wq + 1) * OPERATION_WORDS);
    this.#head[wq] = 0;
    this.#pasid[wq] = NO_PASID;
    this.#returned.delete(wq);
    for (const array of this.#perQueue()) {
      array[wq] = 0;
    }
  }

  clear(): void {
    for (const array of Object.values(this.#arrays())) {
      array.fill(0);
    }
    this.group.fill(-1);
    this.#pasid.fill(NO_PASID);
    this.#returned.clear();
  }

  snapshot(): WorkQueuesState {
    const arrays = Object.fromEntries(
      Object.entries(this.#arrays()).map(([name, array]) => [name, array.slice()]),
    );
    const returned = [...this.#returned].sort(([a], [b]) => a - b);
    return { arrays, returned, admission: this.#admission };
  }

  restore(state: WorkQueuesState): void {
    for (const [name, array] of Object.entries(this.#arrays())) {
      array.set(state.arrays[name] ?? []);
    }
    this.#returned.clear();
    state.returned.forEach(([wq, descriptors]) => this.#returned.set(wq, descriptors));
    this.#admission = state.admission;
  }

  /** Cleared by a reset of the queue; size, group, place of the storage and state are not. */
  #perQueue(): readonly (Uint8Array | Uint32Array | Int32Array | Float64Array)[] {
    return [
      this.isDedicated,
      this.hasPasid,
      this.blocksOnFault,
      this.usesAts,
      this.usesPrs,
      this.maxTransfer,
      this.maxBatch,
      this.priority,
      this.isPaused,
      this.occupancyGenerated,
      this.loggedRecordFaults,
      this.#limit,
      this.#priv,
    ];
  }

  #arrays(): Readonly<Record<string, Uint8Array | Uint32Array | Int32Array | Float64Array>> {
    return {
      state: this.state,
      group: this.group,
      size: this.size,
      occupancy: this.occupancy,
      isDedicated: this.isDedicated,
      hasPasid: this.hasPasid,
      blocksOnFault: this.blocksOnFault,
      usesAts: this.usesAts,
      usesPrs: this.usesPrs,
      maxTransfer: this.maxTransfer,
      maxBatch: this.maxBatch,
      priority: this.priority,
      operations: this.operations,
      inProgress: this.inProgress,
      isPaused: this.isPaused,
      occupancyGenerated: this.occupancyGenerated,
      loggedRecordFaults: this.loggedRecordFaults,
      staged: this.staged,
      limit: this.#limit,
      pasid: this.#pasid,
      priv: this.#priv,
      base: this.#base,
      head: this.#head,
      words: this.#words,
      entryPasid: this.#entryPasid,
      entryPriv: this.#entryPriv,
      entryPortal: this.#entryPortal,
      entrySeq: this.#entrySeq,
      entryAdmission: this.#entryAdmission,
      entryPasidRow: this.#entryPasidRow,
    };
  }
}
