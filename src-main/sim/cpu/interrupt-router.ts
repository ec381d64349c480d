/**
 * From interrupt messages to CPUs: decodes a compatibility-format message (VT-d 5.10 section 5.1.6; Intel SDM volume 3,
 * "Message Signalled Interrupts") or an inter-processor interrupt and hands it to the local APICs that match.
 *
 * Lowest-priority delivery, and the redirection hint that asks for it, choose the CPU with the lowest processor priority;
 * among equals the lowest CPU number, so that runs repeat. A deassert of a level interrupt changes nothing.
 */
import { highOf, lowOf } from '../../bits/u64.ts';
import { fieldOf, isFieldSet, wordField } from '../../bits/word-field.ts';
import { DELIVERY_MODE } from '../../spec/cpu/local-apic.ts';
import {
  INTERRUPT_MESSAGE_LOST,
  INTERRUPT_MESSAGE_ROUTED,
  MESSAGE_LOSS,
  type MessageLoss,
} from '../../spec/events/local-apic.ts';
import {
  CompatibilityMessageAddress,
  CompatibilityMessageData,
  INTERRUPT_ADDRESS_PREFIX,
} from '../../spec/vtd/interrupt-message.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import { NO_CAUSE, type Trace } from '../core/trace.ts';
import type { InterruptSink } from '../iommu/ports.ts';
import type { InterruptCommand, LocalApic } from './local-apic.ts';

const PREFIX = wordField(CompatibilityMessageAddress, 'PREFIX');
const DEST = wordField(CompatibilityMessageAddress, 'DEST');
const DEST_HIGH = wordField(CompatibilityMessageAddress, 'DEST_HIGH');
const RH = wordField(CompatibilityMessageAddress, 'RH');
const DM = wordField(CompatibilityMessageAddress, 'DM');
const VECTOR = wordField(CompatibilityMessageData, 'V');
const DLM = wordField(CompatibilityMessageData, 'DLM');
const LEVEL = wordField(CompatibilityMessageData, 'LEVEL');
const TM = wordField(CompatibilityMessageData, 'TM');

const DEST_BITS = 256;
const SHORTHAND = { none: 0, self: 1, all: 2, others: 3 } as const;
const KNOWN_MODES: ReadonlySet<number> = new Set(Object.values(DELIVERY_MODE));

/** An APIC that software disabled takes no vector, whatever its priority. */
function isBetterTarget(apic: LocalApic, than: LocalApic): boolean {
  if (apic.isEnabled !== than.isEnabled) {
    return apic.isEnabled;
  }
  return apic.processorPriority < than.processorPriority;
}

function destinationOf(addressHigh: number, addressLow: number): number {
  return fieldOf(addressHigh, DEST_HIGH) * DEST_BITS + fieldOf(addressLow, DEST);
}

export interface RouterCounters {
  messages: number;
  lost: number;
}

export class InterruptRouter implements InterruptSink, Snapshotable<RouterCounters> {
  readonly #apics: readonly LocalApic[];
  readonly #trace: Trace;
  readonly #source: number;
  readonly #counters: RouterCounters = { messages: 0, lost: 0 };

  constructor(apics: readonly LocalApic[], trace: Trace, source: string) {
    this.#apics = apics;
    this.#trace = trace;
    this.#source = trace.source(source);
  }

  get counters(): Readonly<RouterCounters> {
    return this.#counters;
  }

  deliver(addressHigh: number, addressLow: number, data: number): void {
    this.#counters.messages++;
    if (fieldOf(addressLow, PREFIX) !== INTERRUPT_ADDRESS_PREFIX) {
      this.#lose(addressHigh, addressLow, data, MESSAGE_LOSS.wrongAddress);
      return;
    }
    const destination = destinationOf(addressHigh, addressLow);
    const mode = fieldOf(data, DLM);
    if (!KNOWN_MODES.has(mode) || mode === DELIVERY_MODE.startUp) {
      this.#lose(addressHigh, addressLow, data, MESSAGE_LOSS.reservedMode);
      return;
    }
    const isLogical = isFieldSet(addressLow, DM);
    const targets = this.#countMatches(destination, isLogical);
    const vector = fieldOf(data, VECTOR);
    const saved = this.#trace.cause;
    this.#traceRouted(destination, isLogical, vector, mode, targets);
    if (targets === 0) {
      this.#lose(addressHigh, addressLow, data, MESSAGE_LOSS.nobody);
    } else if (!isFieldSet(data, TM) || isFieldSet(data, LEVEL)) {
      const goesToOne = mode === DELIVERY_MODE.lowestPriority || isFieldSet(addressLow, RH);
      this.#hand(destination, isLogical, vector, mode, isFieldSet(data, TM), goesToOne);
    }
    this.#trace.cause = saved;
  }

  /** Number of the first CPU that a message with this address reaches, -1 for none. */
  targetOf(addressHigh: number, addressLow: number): number {
    const destination = destinationOf(addressHigh, addressLow);
    const isLogical = isFieldSet(addressLow, DM);
    return this.#apics.findIndex((apic) => this.#matches(apic, destination, isLogical));
  }

  /** An inter-processor interrupt. */
  send(from: LocalApic, command: InterruptCommand): void {
    const { vector, deliveryMode, isLevel, shorthand } = command;
    if (shorthand === SHORTHAND.none) {
      const { destination, isLogical } = command;
      if (this.#countMatches(destination, isLogical) === 0) {
        this.#lose(highOf(destination), lowOf(destination), vector, MESSAGE_LOSS.nobody);
        return;
      }
      const goesToOne = deliveryMode === DELIVERY_MODE.lowestPriority;
      this.#hand(destination, isLogical, vector, deliveryMode, isLevel, goesToOne);
      return;
    }
    for (const apic of this.#apics) {
      const isSelf = apic === from;
      const wants =
        shorthand === SHORTHAND.all || (shorthand === SHORTHAND.self ? isSelf : !isSelf);
      if (wants) {
        this.#give(apic, vector, deliveryMode, isLevel);
      }
    }
  }

  snapshot(): RouterCounters {
    return { ...this.#counters };
  }

  restore(state: RouterCounters): void {
    Object.assign(this.#counters, state);
  }

  #matches(apic: LocalApic, destination: number, isLogical: boolean): boolean {
    return isLogical ? apic.matchesLogical(destination) : apic.matchesPhysical(destination);
  }

  #countMatches(destination: number, isLogical: boolean): number {
    let count = 0;
    for (const apic of this.#apics) {
      if (this.#matches(apic, destination, isLogical)) {
        count++;
      }
    }
    return count;
  }

  #hand(
    destination: number,
    isLogical: boolean,
    vector: number,
    mode: number,
    isLevel: boolean,
    goesToOne: boolean,
  ): void {
    let chosen: LocalApic | undefined;
    for (const apic of this.#apics) {
      if (!this.#matches(apic, destination, isLogical)) {
        continue;
      }
      if (!goesToOne) {
        this.#give(apic, vector, mode, isLevel);
      } else if (chosen === undefined || isBetterTarget(apic, chosen)) {
        chosen = apic;
      }
    }
    if (chosen !== undefined) {
      this.#give(chosen, vector, mode, isLevel);
    }
  }

  #give(apic: LocalApic, vector: number, mode: number, isLevel: boolean): void {
    if (mode <= DELIVERY_MODE.lowestPriority) {
      apic.accept(vector, isLevel);
    } else {
      apic.acceptSpecial(mode, vector);
    }
  }

  #traceRouted(
    destination: number,
    isLogical: boolean,
    vector: number,
    mode: number,
    targets: number,
  ): void {
    if (!this.#trace.isOn) {
      return;
    }
    this.#trace.begin(INTERRUPT_MESSAGE_ROUTED, this.#source);
    this.#trace.num(destination);
    this.#trace.num(isLogical ? 1 : 0);
    this.#trace.num(vector);
    this.#trace.num(mode);
    this.#trace.num(targets);
    const seq = this.#trace.end();
    if (seq !== NO_CAUSE) {
      this.#trace.enter(seq);
    }
  }

  #lose(addressHigh: number, addressLow: number, data: number, cause: MessageLoss): void {
    this.#counters.lost++;
    if (this.#trace.isOn) {
      this.#trace.begin(INTERRUPT_MESSAGE_LOST, this.#source);
      this.#trace.u64(addressHigh, addressLow);
      this.#trace.num(data);
      this.#trace.num(cause);
      this.#trace.end();
    }
  }
}
