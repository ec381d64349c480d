/**
 * One event message of the unit: fault event, invalidation event or page request event. VT-d 5.10 sections 7.3, 6.5.2.10,
 * 7.5 and 11.4.7.2 to 11.4.7.5; the three register blocks have the same shape.
 *
 * The message goes straight to the local APICs: the unit's own messages are never remapped.
 */
import { EVENT_MESSAGE_HELD, EVENT_MESSAGE_SENT } from '../../spec/events/iommu.ts';
import { FECTL_REG } from '../../spec/vtd/registers/fault.ts';
import type { RegisterFile } from '../core/register-file.ts';
import type { Trace } from '../core/trace.ts';
import { pieceMask } from './piece.ts';
import type { EventMessageSource, InterruptSink } from './ports.ts';

const MASKED = pieceMask(FECTL_REG, 'IM');
const PENDING = pieceMask(FECTL_REG, 'IP');
/** Data, address and upper address follow the control register. */
const DATA = 4;
const ADDRESS = 8;
const UPPER_ADDRESS = 12;

export class EventMessage implements EventMessageSource {
  readonly #registers: RegisterFile;
  readonly #control: number;
  readonly #sink: InterruptSink;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #name: string;

  constructor(options: {
    readonly registers: RegisterFile;
    /** Offset of the control register. */
    readonly controlOffset: number;
    readonly name: string;
    readonly sink: InterruptSink;
    readonly trace: Trace;
    readonly source: number;
  }) {
    this.#registers = options.registers;
    this.#control = options.controlOffset;
    this.#name = options.name;
    this.#sink = options.sink;
    this.#trace = options.trace;
    this.#source = options.source;
  }

  raise(wasPending: boolean): void {
    if (wasPending) {
      return;
    }
    const control = this.#registers.peek32(this.#control);
    if ((control & MASKED) !== 0) {
      this.#registers.poke32(this.#control, control | PENDING);
      this.#trace.record(EVENT_MESSAGE_HELD, this.#source, this.#name);
      return;
    }
    this.#send();
  }

  conditionsChanged(isPending: boolean): void {
    if (!isPending) {
      this.#registers.poke32(this.#control, this.#registers.peek32(this.#control) & ~PENDING);
    }
  }

  /** Software wrote the control register: clearing IM sends what is pending. */
  controlWritten(): void {
    const control = this.#registers.peek32(this.#control);
    if ((control & MASKED) === 0 && (control & PENDING) !== 0) {
      this.#registers.poke32(this.#control, control & ~PENDING);
      this.#send();
    }
  }

  #send(): void {
    const high = this.#registers.peek32(this.#control + UPPER_ADDRESS);
    const low = this.#registers.peek32(this.#control + ADDRESS);
    const data = this.#registers.peek32(this.#control + DATA);
    const seq = this.#trace.record(EVENT_MESSAGE_SENT, this.#source, this.#name, (BigInt(high) << 32n) | BigInt(low), data);
    const saved = this.#trace.enter(seq);
    this.#sink.deliver(high, low, data);
    this.#trace.cause = saved;
  }
}
