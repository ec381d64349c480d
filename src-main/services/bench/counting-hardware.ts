/** The machine's port with a counter on every kind of access: what setting something up really takes. */
import { MachineHardware } from '../../sim/index.ts';

export interface AccessCounts {
  readonly configReads: number;
  readonly configWrites: number;
  readonly mmioReads: number;
  readonly mmioWrites: number;
  /** Stores to tables and rings in memory. */
  readonly memoryWrites: number;
}

export const NO_ACCESSES: AccessCounts = {
  configReads: 0,
  configWrites: 0,
  mmioReads: 0,
  mmioWrites: 0,
  memoryWrites: 0,
};

export function difference(after: AccessCounts, before: AccessCounts): AccessCounts {
  return {
    configReads: after.configReads - before.configReads,
    configWrites: after.configWrites - before.configWrites,
    mmioReads: after.mmioReads - before.mmioReads,
    mmioWrites: after.mmioWrites - before.mmioWrites,
    memoryWrites: after.memoryWrites - before.memoryWrites,
  };
}

export class CountingHardware extends MachineHardware {
  #counts = { ...NO_ACCESSES };

  get counts(): AccessCounts {
    return { ...this.#counts };
  }

  override configRead(rid: number, offset: number, bytes: 1 | 2 | 4): number {
    this.#counts.configReads++;
    return super.configRead(rid, offset, bytes);
  }

  override configWrite(rid: number, offset: number, bytes: 1 | 2 | 4, value: number): void {
    this.#counts.configWrites++;
    super.configWrite(rid, offset, bytes, value);
  }

  override mmioRead(address: number, bytes: 1 | 2 | 4 | 8): bigint {
    this.#counts.mmioReads++;
    return super.mmioRead(address, bytes);
  }

  override mmioWrite(address: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    this.#counts.mmioWrites++;
    super.mmioWrite(address, bytes, value);
  }

  override memoryWrite(address: number, bytes: Uint8Array): void {
    this.#counts.memoryWrites++;
    super.memoryWrite(address, bytes);
  }

  override memoryWrite64(address: number, value: bigint): void {
    this.#counts.memoryWrites++;
    super.memoryWrite64(address, value);
  }
}
