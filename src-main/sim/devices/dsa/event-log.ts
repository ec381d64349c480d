/**
 * Event log of version 2 and later: a ring of 64-byte entries in memory, written by the device and read by software. DSA
 * 3.0 sections 5.9, 9.2.16 and 9.2.17.
 *
 * A full log either blocks the device or drops the entry, as GENCAP bit 32 says. Page faults on the log itself count as a
 * failed append: the log must be pinned.
 */
import { EVENT_LOG_ENTRY_BYTES } from '../../../spec/dsa/event-log-entry.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import { Job, type JobStateData } from './job.ts';
import type { MemoryAccess } from './memory-access.ts';
import type { DsaRegisters } from './registers.ts';

export type AppendResult = 'written' | 'full' | 'failed';

export interface EventLogHooks {
  /** An entry was written and software wants to know. */
  onInterrupt(): void;
  isAtsOn(): boolean;
}

export interface EventLogOptions {
  readonly registers: DsaRegisters;
  readonly memory: MemoryAccess;
  readonly hooks: EventLogHooks;
  /** Row of the counters that stands for the device itself. */
  readonly deviceRow: { readonly wq: number; readonly engine: number; readonly pasidRow: number };
}

export class EventLog implements Snapshotable<JobStateData> {
  readonly #registers: DsaRegisters;
  readonly #memory: MemoryAccess;
  readonly #hooks: EventLogHooks;
  /** Stands for the log as the source of requests. */
  readonly #requester = new Job(0);
  readonly #bytes = new Uint8Array(EVENT_LOG_ENTRY_BYTES);

  constructor({ registers, memory, hooks, deviceRow }: EventLogOptions) {
    this.#registers = registers;
    this.#memory = memory;
    this.#hooks = hooks;
    this.#requester.wq = deviceRow.wq;
    this.#requester.engine = deviceRow.engine;
    this.#requester.pasidRow = deviceRow.pasidRow;
  }

  get isOn(): boolean {
    return this.#registers.isEventLogOn;
  }

  get isFull(): boolean {
    const size = this.#registers.get('EVLCFG', 'size');
    const tail = this.#registers.get('EVLSTATUS', 'tail');
    return (tail + 1) % Math.max(1, size) === this.#registers.get('EVLSTATUS', 'head');
  }

  /** Writes one entry at the tail. */
  append(entry: Uint32Array): AppendResult {
    if (this.isFull) {
      return 'full';
    }
    const tail = this.#registers.get('EVLSTATUS', 'tail');
    const isWritten = this.#write(tail, entry);
    if (!isWritten) {
      return 'failed';
    }
    const size = this.#registers.get('EVLCFG', 'size');
    this.#registers.set('EVLSTATUS', 'tail', (tail + 1) % size);
    this.#raise();
    return 'written';
  }

  snapshot(): JobStateData {
    return this.#requester.save();
  }

  restore(state: JobStateData): void {
    this.#requester.load(state);
  }

  #write(slot: number, entry: Uint32Array): boolean {
    const { file } = this.#registers;
    const base = file.getBig(file.register('EVLCFG'), 'base');
    const address = base + BigInt(slot * EVENT_LOG_ENTRY_BYTES);
    const high = Number(address >> 32n);
    const low = Number(address & 0xffff_ffffn);
    const requester = this.#requester;
    requester.pasid =
      this.#registers.get('EVLCFG', 'pasidEnable') === 1
        ? this.#registers.get('EVLCFG', 'pasid')
        : -1;
    requester.priv = this.#registers.get('EVLCFG', 'priv');
    requester.usesAts = this.#hooks.isAtsOn() ? 1 : 0;
    for (let i = 0; i < EVENT_LOG_ENTRY_BYTES; i++) {
      this.#bytes[i] = (entry[i >>> 2] as number) >>> ((i & 3) * 8);
    }
    if (this.#memory.translate(requester, high, low, true) < 0) {
      return false;
    }
    this.#memory.writeHere(requester, EVENT_LOG_ENTRY_BYTES, this.#bytes, 0, 0);
    return true;
  }

  #raise(): void {
    const isWanted = this.#registers.get('GENCTRL', 'eventLogInterrupt') === 1;
    if (isWanted && this.#registers.get('EVLSTATUS', 'interruptPending') === 0) {
      this.#registers.set('EVLSTATUS', 'interruptPending', 1);
      this.#hooks.onInterrupt();
    }
  }
}
