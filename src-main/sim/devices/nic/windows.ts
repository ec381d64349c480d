/**
 * What is behind the BARs: the physical function's registers, contexts, interrupt tables and doorbell pages, and the one
 * BAR of each virtual function, in which it finds its own pairs and nothing else.
 *
 * Registers take aligned accesses of 4 and 8 bytes; others read as all ones and write nothing.
 */
import { MMIO_REFUSED } from '../../../spec/events/pcie.ts';
import { DOORBELL_PAGE_BYTES, QUEUE_CONTEXT_BYTES } from '../../../spec/nic/registers.ts';
import { lowOfBig } from '../../../bits/u64.ts';
import type { RegisterFile } from '../../core/register-file.ts';
import type { Trace } from '../../core/trace.ts';
import { isTableAccess, type Endpoint } from '../shared/endpoint.ts';
import type { VirtualFunction, VirtualFunctionRegisters } from '../sriov/virtual-function.ts';
import type { NicSettings } from './config.ts';
import { NIC_BAR, nicPlaces, vfPlaces, type NicPlaces } from './places.ts';
import type { QueuePair } from './queue-pair.ts';
import type { QueueRegisters } from './queue-registers.ts';

export interface NicWindowParts {
  readonly settings: NicSettings;
  readonly endpoint: Endpoint;
  readonly general: RegisterFile;
  readonly pairs: readonly QueuePair[];
  readonly registers: QueueRegisters;
  readonly trace: Trace;
}

/** The place of an access: which table, and the offset in it. */
interface Place {
  read(offset: number, bytes: 4 | 8): bigint;
  write(offset: number, bytes: 4 | 8, value: bigint): void;
}

interface Window extends Place {
  readonly at: number;
  readonly bytes: number;
}

export class NicWindows {
  readonly #parts: NicWindowParts;
  readonly #registers: readonly Window[];
  readonly #doorbells: readonly Window[];

  constructor(parts: NicWindowParts) {
    this.#parts = parts;
    const { settings, endpoint, general, pairs } = parts;
    const places: NicPlaces = nicPlaces(settings);
    this.#registers = [
      {
        at: 0,
        bytes: 0x1000,
        read: (offset, bytes) => general.read(offset, bytes),
        write: (offset, bytes, value) => {
          general.write(offset, bytes, value);
        },
      },
      ...interruptWindows(endpoint, places.msixTable, places.msixPba),
      this.#contexts(places.contexts, pairs, true),
      {
        at: places.ims,
        bytes: endpoint.imsFace.bytes,
        read: (offset, bytes) => endpoint.imsFace.read(offset, bytes),
        write: (offset, bytes, value) => {
          endpoint.imsFace.write(offset, bytes, value);
        },
      },
    ];
    this.#doorbells = [this.#pages(0, pairs, (pair) => !pair.owner.isVirtual)];
  }

  read(bar: number, offset: number, bytes: 1 | 2 | 4 | 8): bigint {
    const windows = bar === NIC_BAR.registers ? this.#registers : this.#doorbells;
    return this.#read(windows, bar, offset, bytes, this.#parts.endpoint.source);
  }

  write(bar: number, offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    const windows = bar === NIC_BAR.registers ? this.#registers : this.#doorbells;
    this.#write(windows, bar, offset, bytes, value, this.#parts.endpoint.source);
  }

  ofVirtualFunction(
    vf: VirtualFunction,
    pairs: readonly QueuePair[],
    reset: () => void,
  ): VirtualFunctionRegisters {
    const places = vfPlaces(pairs.length);
    const windows = [
      this.#contexts(0, pairs, false),
      this.#pages(places.doorbells, pairs, () => true),
      ...interruptWindows(vf.endpoint, places.msixTable, places.msixPba),
    ];
    const { source } = vf.endpoint;
    return {
      read: (offset, bytes) => this.#read(windows, 0, offset, bytes, source),
      write: (offset, bytes, value) => {
        this.#write(windows, 0, offset, bytes, value, source);
      },
      reset,
    };
  }

  #contexts(at: number, pairs: readonly QueuePair[], isHost: boolean): Window {
    const { registers } = this.#parts;
    const pairAt = (offset: number): QueuePair =>
      pairs[Math.floor(offset / QUEUE_CONTEXT_BYTES)] as QueuePair;
    return {
      at,
      bytes: pairs.length * QUEUE_CONTEXT_BYTES,
      read: (offset, bytes) =>
        registers.readContext(pairAt(offset), offset % QUEUE_CONTEXT_BYTES, bytes),
      write: (offset, bytes, value) => {
        const inside = offset % QUEUE_CONTEXT_BYTES;
        registers.writeContext(pairAt(offset), inside, bytes, value, isHost);
      },
    };
  }

  /** Doorbell pages; `isMine` says whether a pair's page may be used here. */
  #pages(at: number, pairs: readonly QueuePair[], isMine: (pair: QueuePair) => boolean): Window {
    const { registers } = this.#parts;
    const pairAt = (offset: number): QueuePair =>
      pairs[Math.floor(offset / DOORBELL_PAGE_BYTES)] as QueuePair;
    return {
      at,
      bytes: pairs.length * DOORBELL_PAGE_BYTES,
      read: (offset, bytes) => {
        const pair = pairAt(offset);
        if (!isMine(pair)) {
          return onesOf(bytes);
        }
        const inside = offset % DOORBELL_PAGE_BYTES;
        const low = BigInt(registers.readDoorbell(pair, inside));
        return bytes === 4 ? low : low | (BigInt(registers.readDoorbell(pair, inside + 4)) << 32n);
      },
      write: (offset, bytes, value) => {
        const pair = pairAt(offset);
        if (isMine(pair)) {
          const inside = offset % DOORBELL_PAGE_BYTES;
          registers.writeDoorbell(pair, inside, lowOfBig(value));
          if (bytes === 8) {
            registers.writeDoorbell(pair, inside + 4, Number(value >> 32n));
          }
        }
      },
    };
  }

  #read(
    windows: readonly Window[],
    bar: number,
    offset: number,
    bytes: 1 | 2 | 4 | 8,
    source: number,
  ): bigint {
    if (!isTableAccess(offset, bytes)) {
      this.#refuse(bar, offset, bytes, source);
      return onesOf(bytes);
    }
    const window = find(windows, offset);
    return window?.read(offset - window.at, bytes) ?? 0n;
  }

  #write(
    windows: readonly Window[],
    bar: number,
    offset: number,
    bytes: 1 | 2 | 4 | 8,
    value: bigint,
    source: number,
  ): void {
    if (!isTableAccess(offset, bytes)) {
      this.#refuse(bar, offset, bytes, source);
      return;
    }
    const window = find(windows, offset);
    window?.write(offset - window.at, bytes, value);
  }

  #refuse(bar: number, offset: number, bytes: number, source: number): void {
    const reason = `An access of ${bytes} bytes; registers take 4 or 8 aligned ones`;
    this.#parts.trace.record(MMIO_REFUSED, source, bar, offset, reason);
  }
}

function interruptWindows(endpoint: Endpoint, table: number, pba: number): readonly Window[] {
  const { msixFace } = endpoint;
  return [
    {
      at: table,
      bytes: msixFace.tableBytes,
      read: (offset, bytes) => msixFace.readTable(offset, bytes),
      write: (offset, bytes, value) => {
        msixFace.writeTable(offset, bytes, value);
      },
    },
    {
      at: pba,
      bytes: msixFace.pendingBytes,
      read: (offset, bytes) => msixFace.readPending(offset, bytes),
      write: () => {
        // Read-only.
      },
    },
  ];
}

function find(windows: readonly Window[], offset: number): Window | undefined {
  return windows.find((w) => offset >= w.at && offset < w.at + w.bytes);
}

function onesOf(bytes: number): bigint {
  return (1n << BigInt(8 * bytes)) - 1n;
}
