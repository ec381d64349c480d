/**
 * One event message of the unit: fault event, invalidation event or page request event. VT-d 5.10 sections 7.3, 6.5.2.10,
 * 7.5 and 11.4.7.2 to 11.4.7.5; the three register blocks have the same shape.
 *
 * The message goes straight to the local APICs: the unit's own messages are never remapped, and trigger mode and level are
 * always 0. All state lives in the registers.
 *
 * The unit creates one for each block, hands it to the sub-unit that raises the event as its `EventMessageSource`, and calls
 * `controlWritten` after software wrote the control register.
 */
import { bigOf } from '../../bits/u64.ts';
import { EVENT_MESSAGE_SUPPRESSED, EVENT_MESSAGE_WITHDRAWN } from '../../spec/events/interrupt.ts';
import { EVENT_MESSAGE_HELD, EVENT_MESSAGE_SENT } from '../../spec/events/iommu.ts';
import { CompatibilityMessageData } from '../../spec/vtd/interrupt-message.ts';
import { FECTL_REG, FEDATA_REG } from '../../spec/vtd/registers/fault.ts';
import type { RegisterFile } from '../core/register-file.ts';
import type { Trace } from '../core/trace.ts';
import { pieceMask } from './piece.ts';
import type { EventMessageSource, InterruptSink } from './ports.ts';

const MASKED = pieceMask(FECTL_REG, 'IM');
const PENDING = pieceMask(FECTL_REG, 'IP');
/** Edge-triggered, level not asserted. */
const DATA_MASK =
  pieceMask(FEDATA_REG, 'IMD') &
  ~pieceMask(CompatibilityMessageData, 'TM') &
  ~pieceMask(CompatibilityMessageData, 'LEVEL');
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
      this.#trace.record(EVENT_MESSAGE_SUPPRESSED, this.#source, this.#name);
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
    const control = this.#registers.peek32(this.#control);
    if (!isPending && (control & PENDING) !== 0) {
      this.#registers.poke32(this.#control, control & ~PENDING);
      this.#trace.record(EVENT_MESSAGE_WITHDRAWN, this.#source, this.#name);
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
    const data = this.#registers.peek32(this.#control + DATA) & DATA_MASK;
    const seq = this.#trace.record(
      EVENT_MESSAGE_SENT,
      this.#source,
      this.#name,
      bigOf(high, low),
      data,
    );
    const saved = this.#trace.enter(seq);
    this.#sink.deliver(high, low, data);
    this.#trace.cause = saved;
  }
}
