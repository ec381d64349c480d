/** One of the three event messages of a virtual unit: held back by IM, sent as an MSI of the guest. VT-d 5.10 section 7.3. */
import { bigOf } from '../../bits/u64.ts';
import { IECTL_REG } from '../../spec/vtd/registers/invalidation-queue.ts';
import type { EventRegisters } from '../../spec/vtd/registers/event-registers.ts';
import type { RegisterFile } from '../../sim/index.ts';

/** Every event has its control bits in the same place. */
const IM = 2 ** IECTL_REG.field('IM').low;
const IP = 2 ** IECTL_REG.field('IP').low;

export class VirtualEvent {
  readonly #registers: RegisterFile;
  readonly #places: EventRegisters;
  readonly #send: (address: bigint, data: number) => void;

  constructor(
    registers: RegisterFile,
    places: EventRegisters,
    send: (address: bigint, data: number) => void,
  ) {
    this.#registers = registers;
    this.#places = places;
    this.#send = send;
  }

  get controlOffset(): number {
    return this.#places.control.offset;
  }

  /** The condition became true. */
  raise(): void {
    const control = this.#registers.peek32(this.controlOffset);
    if ((control & IM) !== 0) {
      this.#registers.poke32(this.controlOffset, (control | IP) >>> 0);
      return;
    }
    this.#deliver();
  }

  /** Software wrote the control register: a message that was held back goes out. */
  controlChanged(): void {
    const control = this.#registers.peek32(this.controlOffset);
    if ((control & IM) === 0 && (control & IP) !== 0) {
      this.#registers.poke32(this.controlOffset, (control & ~IP) >>> 0);
      this.#deliver();
    }
  }

  /** Nothing that the message was held back for is left: it does not go out any more. */
  conditionsChanged(isAny: boolean): void {
    if (!isAny) {
      const control = this.#registers.peek32(this.controlOffset);
      this.#registers.poke32(this.controlOffset, (control & ~IP) >>> 0);
    }
  }

  #deliver(): void {
    const { data, address, upperAddress } = this.#places;
    const value = bigOf(
      this.#registers.peek32(upperAddress.offset),
      this.#registers.peek32(address.offset),
    );
    this.#send(value, this.#registers.peek32(data.offset));
  }
}
