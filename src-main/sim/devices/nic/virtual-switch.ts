/**
 * The switch inside the function: steers every frame by its destination address to queue pairs, and to the wire when nobody
 * inside has the address. Group addresses go everywhere but back. Promiscuous pairs get a copy of everything.
 *
 * Not modelled: VLANs, multicast filters, mirroring rules, bandwidth limits.
 */
import { NIC_PACKET_DROPPED, NIC_PACKET_FORWARDED } from '../../../spec/events/nic.ts';
import { VERDICT, WIRE, type Verdict } from '../../../spec/nic/verdicts.ts';
import type { EventQueue } from '../../core/event-queue.ts';
import type { Trace } from '../../core/trace.ts';
import { destinationOf, ETHERNET_HEADER_BYTES, isGroup, sourceOf } from './frame.ts';
import type { ForwardingTable } from './forwarding-table.ts';
import type { PacketOutcome, PacketRing } from './packet-ring.ts';
import { QUEUE_CONTROL, type QueuePair } from './queue-pair.ts';
import type { Receive } from './receive.ts';

export interface SwitchParts {
  readonly pairs: readonly QueuePair[];
  readonly table: ForwardingTable;
  readonly ring: PacketRing;
  readonly receive: Receive;
  readonly queue: EventQueue;
  readonly trace: Trace;
  readonly source: number;
  readonly maxFrame: number;
  readonly isLearning: () => boolean;
  /** The frame leaves the function. */
  readonly toWire: (frame: Uint8Array) => void;
}

export class VirtualSwitch {
  readonly #parts: SwitchParts;
  #outcomes: PacketOutcome[] = [];

  constructor(parts: SwitchParts) {
    this.#parts = parts;
  }

  /** A frame of a queue pair. */
  fromQueue(pair: QueuePair, frame: Uint8Array, bytes: number): void {
    const { table, maxFrame } = this.#parts;
    this.#outcomes = [];
    const refusal = this.#refusal(pair, frame, bytes, maxFrame);
    if (refusal === undefined) {
      const source = sourceOf(frame);
      if (this.#parts.isLearning() && !isGroup(source)) {
        table.learn(source, pair.index);
      }
      this.#steer(pair.index, frame, bytes);
    } else {
      pair.count('txDropped');
      this.#drop(pair.index, pair.index, bytes, refusal);
    }
    this.#remember(pair.index, frame);
  }

  /** A frame that arrives at the port. */
  fromWire(frame: Uint8Array): void {
    this.#outcomes = [];
    if (frame.length < ETHERNET_HEADER_BYTES || frame.length > this.#parts.maxFrame) {
      this.#drop(WIRE, WIRE, frame.length, VERDICT.badLength);
    } else {
      this.#steer(WIRE, frame, frame.length);
    }
    this.#remember(WIRE, frame);
  }

  #refusal(
    pair: QueuePair,
    frame: Uint8Array,
    bytes: number,
    maxFrame: number,
  ): Verdict | undefined {
    if (bytes < ETHERNET_HEADER_BYTES || bytes > maxFrame) {
      return VERDICT.badLength;
    }
    const isChecked = (pair.control & QUEUE_CONTROL.antiSpoof) !== 0;
    if (isChecked && sourceOf(frame) !== pair.mac) {
      return VERDICT.spoofedSource;
    }
    const target = this.#parts.table.find(destinationOf(frame));
    return target === pair.index ? VERDICT.sameQueue : undefined;
  }

  #steer(from: number, frame: Uint8Array, bytes: number): void {
    const { table, pairs } = this.#parts;
    const destination = destinationOf(frame);
    const isFlooded = isGroup(destination);
    const target = isFlooded ? -1 : table.find(destination);
    for (const pair of pairs) {
      const { index, control } = pair;
      const isListening = (control & QUEUE_CONTROL.receive) !== 0;
      const isCopy = isFlooded || (control & QUEUE_CONTROL.promiscuous) !== 0;
      if (index !== from && (index === target || (isListening && isCopy))) {
        this.#deliver(pair, from, frame, bytes);
      }
    }
    if (target >= 0) {
      return;
    }
    if (from !== WIRE) {
      this.#forward(from, frame, bytes);
    } else if (!isFlooded) {
      this.#drop(WIRE, WIRE, bytes, VERDICT.unknownDestination);
    }
  }

  #deliver(pair: QueuePair, from: number, frame: Uint8Array, bytes: number): void {
    const verdict = this.#parts.receive.deliver(pair, from, frame, bytes);
    if (verdict === VERDICT.delivered) {
      this.#outcomes.push({ to: pair.index, verdict });
    } else {
      this.#drop(from, pair.index, bytes, verdict);
    }
  }

  #forward(from: number, frame: Uint8Array, bytes: number): void {
    const { trace, source, toWire } = this.#parts;
    this.#outcomes.push({ to: WIRE, verdict: VERDICT.sentToWire });
    trace.record(NIC_PACKET_FORWARDED, source, from, bytes);
    toWire(frame);
  }

  #drop(from: number, to: number, bytes: number, verdict: Verdict): void {
    const { trace, source } = this.#parts;
    this.#outcomes.push({ to, verdict });
    trace.record(NIC_PACKET_DROPPED, source, from, to, bytes, verdict);
  }

  #remember(from: number, frame: Uint8Array): void {
    const { ring, queue, trace } = this.#parts;
    ring.add({
      timeNs: queue.nowNs,
      seq: trace.cause,
      from,
      bytes: frame.slice(),
      outcomes: this.#outcomes,
    });
  }
}
