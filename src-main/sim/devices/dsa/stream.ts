/**
 * Bandwidth: how long a chunk occupies what it shares with others. DSA 3.0 sections 3.9 and 4.3; rates from `timing.ts`.
 *
 * Each shared thing is a server with a rate and the time at which it is free: the data path of the device, and for each
 * group its read buffers, which bound the bytes in flight to buffers x 64 B / latency. Groups on the global limit share
 * one server. Bandwidth limits (version 3) scale the rates of a group.
 */
import type { Snapshotable } from '../../core/snapshot.ts';
import type { GroupConfigValues } from './group-config-table.ts';
import type { DsaTiming } from './timing.ts';

const NO_LIMIT = Number.POSITIVE_INFINITY;

/** The data path of a device: when it is free. Functions of one device share it. */
export interface DataPath {
  freeNs: number;
}

export interface StreamState {
  readonly deviceFreeNs: number;
  readonly freeNs: Float64Array;
  readonly writeFreeNs: Float64Array;
  readonly readRate: Float64Array;
  readonly writeRate: Float64Array;
  readonly server: Uint32Array;
}

/** Fraction that the group fields encode: 0 full, 1 half, 2 quarter, 3 eighth. */
export function fractionOf(code: number): number {
  return 1 / 2 ** Math.min(code, 3);
}

export class Stream implements Snapshotable<StreamState> {
  readonly #timing: DsaTiming;
  readonly #groups: number;
  readonly #path: DataPath;
  /** Servers 0 to groups-1 are the groups' own, the last one is the global limit. */
  readonly #freeNs: Float64Array;
  readonly #writeFreeNs: Float64Array;
  readonly #readRate: Float64Array;
  readonly #writeRate: Float64Array;
  readonly #server: Uint32Array;

  constructor(groups: number, timing: DsaTiming, path: DataPath) {
    this.#timing = timing;
    this.#path = path;
    this.#groups = groups;
    this.#freeNs = new Float64Array(groups + 1);
    this.#writeFreeNs = new Float64Array(groups + 1);
    this.#readRate = new Float64Array(groups + 1).fill(NO_LIMIT);
    this.#writeRate = new Float64Array(groups + 1).fill(NO_LIMIT);
    this.#server = new Uint32Array(groups);
  }

  /** Takes the limits of all groups: Enable Device. */
  configure(groups: readonly GroupConfigValues[], totalBuffers: number, globalLimit: number): void {
    const reserved = groups.reduce((sum, group) => sum + group.readBuffersReserved, 0);
    this.#readRate[this.#groups] = this.#rateOf(globalLimit);
    for (const [index, group] of groups.entries()) {
      const available = Math.min(
        group.readBuffersAllowed,
        group.readBuffersReserved + Math.max(0, totalBuffers - reserved),
      );
      this.#server[index] = group.useGlobalLimit === 1 ? this.#groups : index;
      this.#readRate[index] = Math.min(this.#rateOf(available), this.#limitOf(group.readBandwidth));
      this.#writeRate[index] = this.#limitOf(group.writeBandwidth);
    }
  }

  /** Time at which a chunk that may start at `fromNs` has passed. */
  reserve(fromNs: number, group: number, readBytes: number, writtenBytes: number): number {
    const bytes = readBytes > writtenBytes ? readBytes : writtenBytes;
    const start = fromNs > this.#path.freeNs ? fromNs : this.#path.freeNs;
    let end = start + bytes / this.#timing.streamRate;
    this.#path.freeNs = end;
    const server = this.#server[group] as number;
    if (readBytes > 0) {
      const free = this.#freeNs[server] as number;
      const readEnd =
        (fromNs > free ? fromNs : free) + readBytes / (this.#readRate[server] as number);
      this.#freeNs[server] = readEnd;
      end = readEnd > end ? readEnd : end;
    }
    const writeRate = this.#writeRate[group] as number;
    if (writtenBytes > 0 && writeRate < NO_LIMIT) {
      const free = this.#writeFreeNs[group] as number;
      const writeEnd = (fromNs > free ? fromNs : free) + writtenBytes / writeRate;
      this.#writeFreeNs[group] = writeEnd;
      end = writeEnd > end ? writeEnd : end;
    }
    return end;
  }

  /** The data path stays busy for as long as it was: others may share it. */
  clear(): void {
    this.#freeNs.fill(0);
    this.#writeFreeNs.fill(0);
    this.#readRate.fill(NO_LIMIT);
    this.#writeRate.fill(NO_LIMIT);
    this.#server.fill(0);
  }

  snapshot(): StreamState {
    return {
      deviceFreeNs: this.#path.freeNs,
      freeNs: this.#freeNs.slice(),
      writeFreeNs: this.#writeFreeNs.slice(),
      readRate: this.#readRate.slice(),
      writeRate: this.#writeRate.slice(),
      server: this.#server.slice(),
    };
  }

  restore(state: StreamState): void {
    this.#path.freeNs = state.deviceFreeNs;
    this.#freeNs.set(state.freeNs);
    this.#writeFreeNs.set(state.writeFreeNs);
    this.#readRate.set(state.readRate);
    this.#writeRate.set(state.writeRate);
    this.#server.set(state.server);
  }

  #rateOf(buffers: number): number {
    return (buffers * this.#timing.readBufferBytes) / this.#timing.memoryReadNs;
  }

  #limitOf(code: number): number {
    return code === 0 ? NO_LIMIT : this.#timing.streamRate * fractionOf(code);
  }
}
