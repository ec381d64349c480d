/**
 * Interrupts of the accelerator: MSI-X and IMS entries behind one interface, entry 0 with its cause register, completion
 * interrupts with their isolation check, and handles. DSA 3.0 sections 3.7, 5.4, 7.5.4.
 *
 * Without handle commands a handle is the table index. With them a handle is good from Request to Release or revocation.
 */
import { INTERRUPT_HELD, INTERRUPT_SENT } from '../../../spec/events/dsa.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import type { Trace } from '../../core/trace.ts';
import { IMS_RESET_ADDRESS } from '../../pcie/ims-table.ts';
import {
  InterruptTable,
  RAISE,
  type InterruptTableState,
  type RaiseResult,
  type SendInterrupt,
} from '../../pcie/interrupt-table.ts';
import type { UpstreamPort } from '../../pcie/ports.ts';

/** Number of the table in handles, WQCFG and trace records. */
export const TABLE = { msix: 0, ims: 1 } as const;
export type TableNumber = (typeof TABLE)[keyof typeof TABLE];

export const INVALID_INDEX = -1;
const HANDLES = 0x1_0000;

interface LiveHandle {
  readonly handle: number;
  readonly table: number;
  readonly index: number;
}

export interface DsaInterruptsState {
  readonly msix: InterruptTableState;
  readonly ims: InterruptTableState;
  readonly handles: readonly LiveHandle[];
  readonly nextHandle: number;
}

export interface DsaInterruptsOptions {
  readonly msixEntries: number;
  readonly imsEntries: number;
  /** 0: handles are table indexes. */
  readonly handleCount: number;
  /** False while the function may not send requests. */
  readonly canSend: () => boolean;
}

const HELD_REASONS: Readonly<Record<RaiseResult, string>> = {
  [RAISE.sent]: '',
  [RAISE.pending]: 'masked, now pending',
  [RAISE.ignored]: 'ignored by its permission entry',
  [RAISE.off]: 'MSI-X is disabled',
};

export class DsaInterrupts implements Snapshotable<DsaInterruptsState> {
  readonly msix: InterruptTable;
  readonly ims: InterruptTable;
  readonly #port: UpstreamPort;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #options: DsaInterruptsOptions;
  #handles: LiveHandle[] = [];
  #nextHandle = 1;

  constructor(port: UpstreamPort, trace: Trace, source: number, options: DsaInterruptsOptions) {
    this.#port = port;
    this.#trace = trace;
    this.#source = source;
    this.#options = options;
    const cause = (): number => trace.cause;
    this.msix = new InterruptTable(
      { entries: options.msixEntries, isAlwaysOn: false, cause },
      (...message) => {
        this.#send(TABLE.msix, ...message);
      },
    );
    this.ims = new InterruptTable(
      { entries: options.imsEntries, isAlwaysOn: true, resetAddressLow: IMS_RESET_ADDRESS, cause },
      (...message) => {
        this.#send(TABLE.ims, ...message);
      },
    );
  }

  /** Entry behind a handle that a descriptor or WQCFG names, or `INVALID_INDEX`. */
  indexOf(handle: number, table: number): number {
    const entries = table === TABLE.ims ? this.ims.entries : this.msix.entries;
    if (this.#options.handleCount > 0) {
      const live = this.#handles.find((h) => h.handle === handle && h.table === table);
      return live?.index ?? INVALID_INDEX;
    }
    return handle < entries ? handle : INVALID_INDEX;
  }

  /** Whether descriptors with a PASID (-1: none) may name the entry behind a handle. */
  isAllowed(handle: number, table: number, pasid: number): boolean {
    const index = this.indexOf(handle, table);
    return index !== INVALID_INDEX && this.#tableOf(table).isAllowed(index, pasid);
  }

  /** A completion: honours Ignore. */
  complete(handle: number, table: number): RaiseResult {
    const index = this.indexOf(handle, table);
    if (index === INVALID_INDEX) {
      return RAISE.ignored;
    }
    const result = this.#tableOf(table).raiseUnlessIgnored(index);
    this.#traceHeld(table, index, result);
    return result;
  }

  /** An event of the device itself or of a queue's occupancy. */
  raise(table: number, index: number): RaiseResult {
    const result = this.#tableOf(table).raise(index);
    this.#traceHeld(table, index, result);
    return result;
  }

  /** A new handle for an entry, or -1 when none is left. */
  request(table: number, index: number): number {
    if (this.#handles.length >= this.#options.handleCount) {
      return INVALID_INDEX;
    }
    let handle = this.#nextHandle;
    while (this.#handles.some((h) => h.handle === handle)) {
      handle = (handle + 1) % HANDLES;
    }
    this.#nextHandle = (handle + 1) % HANDLES;
    this.#handles.push({ handle, table, index });
    return handle;
  }

  /** False when no such handle is live. */
  release(table: number, handle: number): boolean {
    const before = this.#handles.length;
    this.#handles = this.#handles.filter((h) => h.handle !== handle || h.table !== table);
    return this.#handles.length < before;
  }

  /** Takes all handles back: the host has moved the entries. Gives how many there were. */
  revoke(): number {
    const count = this.#handles.length;
    this.#handles = [];
    return count;
  }

  handles(): readonly LiveHandle[] {
    return this.#handles;
  }

  reset(): void {
    this.msix.reset();
    this.ims.reset();
    this.#handles = [];
  }

  snapshot(): DsaInterruptsState {
    return {
      msix: this.msix.snapshot(),
      ims: this.ims.snapshot(),
      handles: [...this.#handles],
      nextHandle: this.#nextHandle,
    };
  }

  restore(state: DsaInterruptsState): void {
    this.msix.restore(state.msix);
    this.ims.restore(state.ims);
    this.#handles = [...state.handles];
    this.#nextHandle = state.nextHandle;
  }

  #tableOf(table: number): InterruptTable {
    return table === TABLE.ims ? this.ims : this.msix;
  }

  #traceHeld(table: number, index: number, result: RaiseResult): void {
    if (result !== RAISE.sent) {
      this.#trace.record(INTERRUPT_HELD, this.#source, table, index, HELD_REASONS[result]);
    }
  }

  #send(
    table: number,
    ...[index, high, low, data, cause]: Readonly<Parameters<SendInterrupt>>
  ): void {
    if (!this.#options.canSend()) {
      this.#trace.record(
        INTERRUPT_HELD,
        this.#source,
        table,
        index,
        'bus mastering is off: the message is lost',
      );
      return;
    }
    if (this.#trace.isOn) {
      this.#trace.begin(INTERRUPT_SENT, this.#source);
      this.#trace.num(table);
      this.#trace.num(index);
      this.#trace.u64(high, low);
      this.#trace.num(data);
      this.#trace.end();
    }
    this.#port.interrupt(high, low, data, cause);
  }
}
