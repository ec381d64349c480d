/** The last packets that passed the switch, for the packet pane and for capture files. Entries never change. */
import type { Verdict } from '../../../spec/nic/verdicts.ts';
import type { Snapshotable } from '../../core/snapshot.ts';

export interface PacketOutcome {
  /** Queue pair, or -1 for the wire. */
  readonly to: number;
  readonly verdict: Verdict;
}

export interface SeenPacket {
  /** Counts all packets since the last reset. */
  readonly number: number;
  readonly timeNs: number;
  /** Trace record that the packet follows from. */
  readonly seq: number;
  /** Queue pair, or -1 for the wire. */
  readonly from: number;
  readonly bytes: Uint8Array;
  readonly outcomes: readonly PacketOutcome[];
}

export interface PacketRingState {
  readonly total: number;
  readonly packets: readonly SeenPacket[];
}

const CAPACITY = 256;

export class PacketRing implements Snapshotable<PacketRingState> {
  #packets: SeenPacket[] = [];
  #total = 0;

  get total(): number {
    return this.#total;
  }

  add(packet: Omit<SeenPacket, 'number'>): void {
    this.#packets.push({ number: this.#total++, ...packet });
    if (this.#packets.length > CAPACITY) {
      this.#packets.shift();
    }
  }

  /** Oldest first. */
  packets(): readonly SeenPacket[] {
    return this.#packets;
  }

  clear(): void {
    this.#packets = [];
    this.#total = 0;
  }

  snapshot(): PacketRingState {
    return { total: this.#total, packets: [...this.#packets] };
  }

  restore(state: PacketRingState): void {
    this.#total = state.total;
    this.#packets = [...state.packets];
  }
}
