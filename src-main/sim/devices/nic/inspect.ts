/** Read-only view of a NIC-class function, for panes, checks and tests. Nothing here changes anything. */
import { NIC_COUNTERS, type NicCounterName } from '../../../spec/nic/registers.ts';
import type { StopReason } from '../../../spec/nic/verdicts.ts';
import type { AtcEntry } from '../../pcie/address-translation-cache.ts';
import type { InterruptEntry } from '../../pcie/interrupt-table.ts';
import type { NicSettings } from './config.ts';
import type { ForwardingTable, LearnedAddress } from './forwarding-table.ts';
import type { PacketRing, SeenPacket } from './packet-ring.ts';
import { QUEUE_CONTROL, type QueuePair } from './queue-pair.ts';
import type { Endpoint } from '../shared/endpoint.ts';

export interface RingView {
  readonly baseHigh: number;
  readonly baseLow: number;
  readonly count: number;
  readonly head: number;
  readonly tail: number;
  readonly isEnabled: boolean;
  readonly stop: StopReason;
}

export interface QueuePairView {
  readonly index: number;
  /** Name of the function that owns the pair. */
  readonly owner: string;
  readonly isVirtual: boolean;
  readonly rid: number;
  /** -1: none. */
  readonly pasid: number;
  /** -1: none. */
  readonly mac: number;
  /** -1: none. */
  readonly vector: number;
  readonly isVectorInIms: boolean;
  readonly itr: number;
  readonly isInterruptEnabled: boolean;
  readonly isInterruptPending: boolean;
  readonly bufferBytes: number;
  readonly tx: RingView;
  readonly rx: RingView;
  readonly contextWords: Uint32Array;
  readonly counters: Readonly<Record<NicCounterName, number>>;
}

export interface NicInspectorParts {
  readonly settings: NicSettings;
  readonly endpoint: Endpoint;
  readonly pairs: readonly QueuePair[];
  readonly table: ForwardingTable;
  readonly ring: PacketRing;
  readonly vfNames: () => readonly { readonly name: string; readonly rid: number }[];
}

export class NicInspector {
  readonly #parts: NicInspectorParts;

  constructor(parts: NicInspectorParts) {
    this.#parts = parts;
  }

  get settings(): NicSettings {
    return this.#parts.settings;
  }

  get queuePairCount(): number {
    return this.#parts.pairs.length;
  }

  queuePair(index: number): QueuePairView {
    return viewOf(this.#parts.pairs[index] as QueuePair);
  }

  /** Pairs that somebody set up: enabled, with a PASID, an address or a vector. */
  inUse(): readonly QueuePairView[] {
    return this.#parts.pairs
      .filter((p) => p.control !== 0 || p.pasid >= 0 || p.mac >= 0 || p.vector >= 0)
      .map(viewOf);
  }

  /** The last 256, oldest first. */
  packets(): readonly SeenPacket[] {
    return this.#parts.ring.packets();
  }

  get packetTotal(): number {
    return this.#parts.ring.total;
  }

  learned(): readonly LearnedAddress[] {
    return this.#parts.table.learned();
  }

  virtualFunctions(): readonly { readonly name: string; readonly rid: number }[] {
    return this.#parts.vfNames();
  }

  deviceTlb(): readonly AtcEntry[] {
    return this.#parts.endpoint.atc.entries();
  }

  imsEntry(index: number): InterruptEntry {
    return this.#parts.endpoint.ims.entry(index);
  }

  msixEntry(index: number): InterruptEntry {
    return this.#parts.endpoint.msix.entry(index);
  }
}

function viewOf(pair: QueuePair): QueuePairView {
  const { endpoint, isVirtual } = pair.owner;
  return {
    index: pair.index,
    owner: endpoint.name,
    isVirtual,
    rid: endpoint.port.rid,
    pasid: pair.pasid,
    mac: pair.mac,
    vector: pair.vector,
    isVectorInIms: pair.isVectorInIms && !isVirtual,
    itr: pair.itr,
    isInterruptEnabled: pair.isInterruptEnabled,
    isInterruptPending: pair.isPending,
    bufferBytes: pair.rxBufferBytes,
    tx: {
      baseHigh: pair.txBaseHigh,
      baseLow: pair.txBaseLow,
      count: pair.txLength,
      head: pair.txHead,
      tail: pair.txTail,
      isEnabled: (pair.control & QUEUE_CONTROL.transmit) !== 0,
      stop: pair.txStop,
    },
    rx: {
      baseHigh: pair.rxBaseHigh,
      baseLow: pair.rxBaseLow,
      count: pair.rxLength,
      head: pair.rxHead,
      tail: pair.rxTail,
      isEnabled: (pair.control & QUEUE_CONTROL.receive) !== 0,
      stop: pair.rxStop,
    },
    contextWords: pair.registers.snapshot(),
    counters: Object.fromEntries(
      NIC_COUNTERS.map(([name]) => [name, pair.counter(name)]),
    ) as Record<NicCounterName, number>,
  };
}
