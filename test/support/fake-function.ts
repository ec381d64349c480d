/** A PCI function made of bytes: configuration space with BAR sizing and capabilities, BARs backed by bytes. */
import { parseBdf } from '../../src-main/linux/pci/pci-scan.ts';

export interface FakeCapability {
  readonly id: number;
  /** Bytes from offset 4 on, little-endian 16-bit words. */
  readonly words?: readonly number[];
  readonly at: number;
  readonly version?: number;
}

export interface FakeFunctionOptions {
  /** `6a:01.0` */
  readonly bdf: string;
  readonly vendor?: number;
  readonly device?: number;
  readonly class?: number;
  readonly isMultifunction?: boolean;
  /** Size of each BAR, 0 for none; every BAR is 64-bit and takes two. */
  readonly bars?: readonly number[];
  readonly capabilities?: readonly FakeCapability[];
  readonly extended?: readonly FakeCapability[];
}

const BAR_BASE = 0x2000_0000_0000;
const BAR_STRIDE = 0x1000_0000;
const TWO_32 = 2 ** 32;

/** PASID with 20 bits and privileged mode, ATS, PRI and the Scalable IOV DVSEC as DSA 3.0 appendix C has them. */
export const SIOV_EXTENDED: readonly FakeCapability[] = [
  {
    id: 0x23,
    at: 0x200,
    words: [0x8086, 0x0180, 0x0005, 0, 0x1, 0, 0x1, 0, 0x1, 0],
  },
  { id: 0x0f, at: 0x220, words: [0x0060, 0] },
  { id: 0x1b, at: 0x230, words: [0x1404, 0] },
  { id: 0x13, at: 0x240, words: [0, 0x8100, 0x200, 0, 0, 0] },
];

export class FakeFunction {
  readonly name: string;
  readonly rid: number;
  readonly config = new Uint8Array(4096);
  readonly bars: readonly number[];
  readonly barBytes: readonly Uint8Array[];
  readonly writes: { readonly offset: number; readonly value: number }[] = [];
  onMmioRead?: (bar: number, offset: number, bytes: number) => bigint | undefined;
  onMmioWrite?: (bar: number, offset: number, bytes: number, value: bigint) => boolean;
  readonly #view = new DataView(this.config.buffer);

  constructor(options: FakeFunctionOptions) {
    this.name = options.bdf;
    this.rid = parseBdf(options.bdf);
    this.bars = options.bars ?? [0x10000, 0, 0x20000, 0];
    this.barBytes = this.bars.map((bytes) => new Uint8Array(bytes));
    const view = this.#view;
    view.setUint16(0x00, options.vendor ?? 0x8086, true);
    view.setUint16(0x02, options.device ?? 0x0b25, true);
    view.setUint32(0x08, (options.class ?? 0x088000) << 8, true);
    view.setUint8(0x0e, options.isMultifunction === true ? 0x80 : 0);
    this.bars.forEach((bytes, bar) => {
      if (bytes > 0) {
        const start = BAR_BASE + this.rid * BAR_STRIDE + bar * 0x100_0000;
        view.setUint32(0x10 + bar * 4, ((start % TWO_32) | 0xc) >>> 0, true);
        view.setUint32(0x14 + bar * 4, Math.floor(start / TWO_32), true);
      }
    });
    this.#placeCapabilities(options.capabilities ?? []);
    this.#placeExtended(options.extended ?? SIOV_EXTENDED);
  }

  locate(address: number): { readonly bar: number; readonly offset: number } | undefined {
    for (const [bar, bytes] of this.bars.entries()) {
      const start = this.barStart(bar);
      if (bytes > 0 && address >= start && address < start + bytes) {
        return { bar, offset: address - start };
      }
    }
    return undefined;
  }

  barStart(bar: number): number {
    const low = (this.#view.getUint32(0x10 + bar * 4, true) & ~0xf) >>> 0;
    return this.#view.getUint32(0x14 + bar * 4, true) * TWO_32 + low;
  }

  mmioRead(bar: number, offset: number, bytes: number): bigint {
    const answer = this.onMmioRead?.(bar, offset, bytes);
    if (answer !== undefined) {
      return answer;
    }
    const store = this.barBytes[bar] ?? new Uint8Array(0);
    return Array.from(store.subarray(offset, offset + bytes))
      .reverse()
      .reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  mmioWrite(bar: number, offset: number, bytes: number, value: bigint): void {
    if (this.onMmioWrite?.(bar, offset, bytes, value) === true) {
      return;
    }
    const store = this.barBytes[bar] ?? new Uint8Array(0);
    for (let i = 0; i < bytes; i++) {
      store[offset + i] = Number((value >> BigInt(i * 8)) & 0xffn);
    }
  }

  configRead(offset: number, bytes: 1 | 2 | 4): number {
    return bytes === 4
      ? this.#view.getUint32(offset, true)
      : bytes === 2
        ? this.#view.getUint16(offset, true)
        : this.#view.getUint8(offset);
  }

  configWrite(offset: number, bytes: 1 | 2 | 4, value: number): void {
    this.writes.push({ offset, value });
    const bar = offset >= 0x10 && offset < 0x28 ? (offset - 0x10) >> 2 : -1;
    if (bar >= 0) {
      this.#writeBar(bar, offset, value);
      return;
    }
    if (bytes === 4) {
      this.#view.setUint32(offset, value, true);
    } else if (bytes === 2) {
      this.#view.setUint16(offset, value, true);
    } else {
      this.#view.setUint8(offset, value);
    }
  }

  #writeBar(bar: number, offset: number, value: number): void {
    const isUpper = bar % 2 === 1;
    const size = this.bars[isUpper ? bar - 1 : bar] ?? 0;
    if (size === 0) {
      return;
    }
    const mask = isUpper ? 0xffff_ffff : ~(size - 1);
    this.#view.setUint32(offset, ((value & mask) | (isUpper ? 0 : 0xc)) >>> 0, true);
  }

  #placeCapabilities(capabilities: readonly FakeCapability[]): void {
    if (capabilities.length === 0) {
      return;
    }
    this.#view.setUint16(0x06, 0x0010, true);
    this.#view.setUint8(0x34, capabilities[0]?.at ?? 0);
    capabilities.forEach((cap, i) => {
      this.#view.setUint8(cap.at, cap.id);
      this.#view.setUint8(cap.at + 1, capabilities[i + 1]?.at ?? 0);
      cap.words?.forEach((word, w) => this.#view.setUint16(cap.at + 2 + w * 2, word, true));
    });
  }

  /** The first one must be at 100h; a filler is put there when it is not. */
  #placeExtended(extended: readonly FakeCapability[]): void {
    const list =
      extended[0]?.at === 0x100 || extended.length === 0
        ? extended
        : [{ id: 0x01, at: 0x100 }, ...extended];
    list.forEach((cap, i) => {
      const next = list[i + 1]?.at ?? 0;
      const header = (cap.id | ((cap.version ?? 1) << 16) | (next << 20)) >>> 0;
      this.#view.setUint32(cap.at, header, true);
      cap.words?.forEach((word, w) => this.#view.setUint16(cap.at + 4 + w * 2, word, true));
    });
  }
}
