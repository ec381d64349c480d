/**
 * Which queue pair has which Ethernet address: addresses that the host assigned, and addresses learned from what was sent.
 * Assigned ones win. The learned part holds a fixed number; the oldest goes first.
 */
import type { Snapshotable } from '../../core/snapshot.ts';

export interface LearnedAddress {
  readonly address: number;
  readonly queue: number;
}

export class ForwardingTable implements Snapshotable<readonly LearnedAddress[]> {
  readonly #capacity: number;
  readonly #assigned = new Map<number, number>();
  readonly #learned = new Map<number, number>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Owner of an address, -1 when nobody has it. */
  find(address: number): number {
    return this.#assigned.get(address) ?? this.#learned.get(address) ?? -1;
  }

  learn(address: number, queue: number): void {
    if (this.#capacity === 0 || this.#assigned.has(address)) {
      return;
    }
    if (!this.#learned.has(address) && this.#learned.size === this.#capacity) {
      const [oldest] = this.#learned.keys();
      this.#learned.delete(oldest as number);
    }
    this.#learned.set(address, queue);
  }

  /** Takes over the addresses that queue pairs hold now; the first pair with an address keeps it. */
  assign(pairs: Iterable<{ readonly index: number; readonly mac: number }>): void {
    this.#assigned.clear();
    for (const { index, mac } of pairs) {
      if (mac >= 0 && !this.#assigned.has(mac)) {
        this.#assigned.set(mac, index);
        this.#learned.delete(mac);
      }
    }
  }

  forget(queue: number): void {
    for (const [address, owner] of this.#learned) {
      if (owner === queue) {
        this.#learned.delete(address);
      }
    }
  }

  clear(): void {
    this.#assigned.clear();
    this.#learned.clear();
  }

  learned(): readonly LearnedAddress[] {
    return [...this.#learned].map(([address, queue]) => ({ address, queue }));
  }

  snapshot(): readonly LearnedAddress[] {
    return this.learned();
  }

  /** Assigned addresses follow from the queue pairs: call `assign` afterwards. */
  restore(state: readonly LearnedAddress[]): void {
    this.#learned.clear();
    for (const { address, queue } of state) {
      this.#learned.set(address, queue);
    }
  }
}
