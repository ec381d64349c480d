/**
 * State of one queue pair, the assignable unit of the function: context registers, the four ring indexes, interrupt
 * control, counters. It knows nothing of packets; `transmit.ts` and `receive.ts` move them.
 *
 * Who owns the pair decides through which function it sends: the physical function with the PASID of the context, or a
 * virtual function with its own Requester ID.
 */
import {
  FIRST_COUNTER,
  NIC_COUNTERS,
  QUEUE_CONTEXT,
  QUEUE_CONTEXT_BYTES,
} from '../../../spec/nic/registers.ts';
import { STOP, type StopReason } from '../../../spec/nic/verdicts.ts';
import type { NicCounterName } from '../../../spec/nic/registers.ts';
import { RegisterFile, type RegisterWrite } from '../../core/register-file.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import type { Endpoint } from '../shared/endpoint.ts';

/** Which function a queue pair belongs to. */
export interface QueueOwner {
  readonly endpoint: Endpoint;
  /** A virtual function needs no PASID and names vectors of its own table. */
  readonly isVirtual: boolean;
}

export interface QueuePairState {
  readonly registers: Uint32Array;
  readonly counters: Float64Array;
  readonly txHead: number;
  readonly txTail: number;
  readonly rxHead: number;
  readonly rxTail: number;
  readonly txStop: StopReason;
  readonly rxStop: StopReason;
  readonly itr: number;
  readonly isInterruptEnabled: boolean;
  readonly isPending: boolean;
  readonly isTimerSet: boolean;
  readonly isTransmitting: boolean;
  readonly lastInterruptNs: number;
}

export interface QueuePairHooks {
  onControl(pair: QueuePair, before: number, after: number): void;
  onAddress(pair: QueuePair): void;
  onReset(pair: QueuePair): void;
}

const OFFSET = {
  control: 0x00,
  status: 0x04,
  pasid: 0x08,
  vector: 0x0c,
  txBase: 0x10,
  txLength: 0x18,
  txWriteBack: 0x20,
  rxBase: 0x28,
  rxLength: 0x30,
  rxBuffer: 0x34,
  mac: 0x38,
} as const;

export const QUEUE_CONTROL = { transmit: 1, receive: 2, promiscuous: 4, antiSpoof: 8 } as const;

const KEPT = new Set(['Q_PASID', 'Q_VECTOR', 'MAC_ADDRESS']);
const COUNTER_INDEX = Object.fromEntries(NIC_COUNTERS.map(([name], i) => [name, i])) as Readonly<
  Record<NicCounterName, number>
>;
const NEVER_NS = -1;

export class QueuePair implements Snapshotable<QueuePairState> {
  readonly index: number;
  owner: QueueOwner;
  txHead = 0;
  txTail = 0;
  rxHead = 0;
  rxTail = 0;
  txStop: StopReason = STOP.none;
  rxStop: StopReason = STOP.none;
  /** Moderation interval in units of 2 us. */
  itr = 0;
  isInterruptEnabled = false;
  /** A cause waits for the interval to end or for the enable bit. */
  isPending = false;
  isTimerSet = false;
  isTransmitting = false;
  lastInterruptNs = NEVER_NS;
  readonly registers: RegisterFile;
  readonly #counters = new Float64Array(NIC_COUNTERS.length);

  constructor(index: number, owner: QueueOwner, hooks: QueuePairHooks) {
    this.index = index;
    this.owner = owner;
    this.registers = new RegisterFile(QUEUE_CONTEXT, QUEUE_CONTEXT_BYTES, {
      onWillRead: () => {
        this.#refresh();
      },
      onDidWrite: (write) => {
        this.#onDidWrite(write, hooks);
      },
      isLocked: ({ name }) => {
        const enable = name.startsWith('TX') ? QUEUE_CONTROL.transmit : QUEUE_CONTROL.receive;
        return (this.control & enable) !== 0;
      },
    });
  }

  get control(): number {
    return this.registers.peek32(OFFSET.control);
  }

  get isTransmitRunning(): boolean {
    return (this.control & QUEUE_CONTROL.transmit) !== 0 && this.txStop === STOP.none;
  }

  get isReceiveRunning(): boolean {
    return (this.control & QUEUE_CONTROL.receive) !== 0 && this.rxStop === STOP.none;
  }

  /** -1: requests carry no PASID. */
  get pasid(): number {
    const word = this.registers.peek32(OFFSET.pasid);
    return this.owner.isVirtual || word >>> 31 === 0 ? -1 : word & 0xf_ffff;
  }

  /** -1: no vector. */
  get vector(): number {
    const word = this.registers.peek32(OFFSET.vector);
    return word >>> 31 === 0 ? -1 : word & 0xffff;
  }

  get isVectorInIms(): boolean {
    return (this.registers.peek32(OFFSET.vector) & 0x1_0000) !== 0;
  }

  get txLength(): number {
    return this.registers.peek32(OFFSET.txLength);
  }

  get rxLength(): number {
    return this.registers.peek32(OFFSET.rxLength);
  }

  get rxBufferBytes(): number {
    return this.registers.peek32(OFFSET.rxBuffer);
  }

  get txBaseHigh(): number {
    return this.registers.peek32(OFFSET.txBase + 4);
  }

  get txBaseLow(): number {
    return this.registers.peek32(OFFSET.txBase);
  }

  get rxBaseHigh(): number {
    return this.registers.peek32(OFFSET.rxBase + 4);
  }

  get rxBaseLow(): number {
    return this.registers.peek32(OFFSET.rxBase);
  }

  get headWriteBackHigh(): number {
    return this.registers.peek32(OFFSET.txWriteBack + 4);
  }

  /** Bit 0: enabled. */
  get headWriteBackLow(): number {
    return this.registers.peek32(OFFSET.txWriteBack);
  }

  /** The address as a number, first byte highest; -1 when the pair has none. */
  get mac(): number {
    const high = this.registers.peek32(OFFSET.mac + 4);
    if (high >>> 31 === 0) {
      return -1;
    }
    const low = this.registers.peek32(OFFSET.mac);
    const bytes = [low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8];
    return bytes.reduce((all, byte) => all * 256 + (byte & 0xff), 0);
  }

  count(counter: NicCounterName, by = 1): void {
    (this.#counters[COUNTER_INDEX[counter]] as number) += by;
  }

  counter(counter: NicCounterName): number {
    return this.#counters[COUNTER_INDEX[counter]] as number;
  }

  /** Everything but what the host assigned. */
  reset(keepAssignment: boolean): void {
    this.registers.reset((register) => keepAssignment && KEPT.has(register.name));
    this.#counters.fill(0);
    this.txHead = this.txTail = this.rxHead = this.rxTail = 0;
    this.txStop = this.rxStop = STOP.none;
    this.itr = 0;
    this.isInterruptEnabled = this.isPending = this.isTimerSet = this.isTransmitting = false;
    this.lastInterruptNs = NEVER_NS;
  }

  snapshot(): QueuePairState {
    return {
      registers: this.registers.snapshot(),
      counters: this.#counters.slice(),
      txHead: this.txHead,
      txTail: this.txTail,
      rxHead: this.rxHead,
      rxTail: this.rxTail,
      txStop: this.txStop,
      rxStop: this.rxStop,
      itr: this.itr,
      isInterruptEnabled: this.isInterruptEnabled,
      isPending: this.isPending,
      isTimerSet: this.isTimerSet,
      isTransmitting: this.isTransmitting,
      lastInterruptNs: this.lastInterruptNs,
    };
  }

  restore(state: QueuePairState): void {
    this.registers.restore(state.registers);
    this.#counters.set(state.counters);
    this.txHead = state.txHead;
    this.txTail = state.txTail;
    this.rxHead = state.rxHead;
    this.rxTail = state.rxTail;
    this.txStop = state.txStop;
    this.rxStop = state.rxStop;
    this.itr = state.itr;
    this.isInterruptEnabled = state.isInterruptEnabled;
    this.isPending = state.isPending;
    this.isTimerSet = state.isTimerSet;
    this.isTransmitting = state.isTransmitting;
    this.lastInterruptNs = state.lastInterruptNs;
  }

  /** Status and counters live outside the register file until somebody reads. */
  #refresh(): void {
    const status =
      (this.isTransmitRunning ? 1 : 0) |
      (this.isReceiveRunning ? 2 : 0) |
      (this.txStop << 8) |
      (this.rxStop << 12);
    this.registers.poke32(OFFSET.status, status);
    this.#counters.forEach((value, i) => {
      this.registers.poke32(FIRST_COUNTER + 8 * i, value >>> 0);
      this.registers.poke32(FIRST_COUNTER + 8 * i + 4, Math.floor(value / 2 ** 32));
    });
  }

  #onDidWrite({ register, before, after, written }: RegisterWrite, hooks: QueuePairHooks): void {
    switch (register.name) {
      case 'Q_CONTROL':
        hooks.onControl(this, before[0] ?? 0, after[0] ?? 0);
        break;
      case 'MAC_ADDRESS':
        hooks.onAddress(this);
        break;
      case 'Q_RESET':
        if (((written[0] ?? 0) & 1) !== 0) {
          hooks.onReset(this);
        }
        break;
      default:
    }
  }
}
