/** Data of one request: flat buffers or buffer lists, read and written through the ring pair's address space. */
import { highOfBig, lowOfBig } from '../../../bits/u64.ts';
import type { Dma } from '../shared/dma.ts';

const LIST_HEADER_BYTES = 16;
const LIST_ENTRY_BYTES = 16;
const MAX_BUFFERS = 256;

interface Piece {
  readonly address: bigint;
  readonly bytes: number;
}

export class RequestMemory {
  readonly #dma: Dma;
  readonly #pasid: number;

  constructor(dma: Dma, pasid: number) {
    this.#dma = dma;
    this.#pasid = pasid;
  }

  /** Undefined when a part could not be read. */
  read(address: bigint, bytes: number, delta = 0): Uint8Array | undefined {
    const into = new Uint8Array(bytes);
    const isRead = this.#dma.read(
      this.#pasid,
      highOfBig(address),
      lowOfBig(address),
      delta,
      into,
      0,
      bytes,
    );
    return isRead ? into : undefined;
  }

  write(address: bigint, data: Uint8Array, delta = 0): boolean {
    const high = highOfBig(address);
    return this.#dma.write(this.#pasid, high, lowOfBig(address), delta, data, 0, data.length);
  }

  /** `bytes` bytes from `offset` on, of a flat buffer or of a list. Undefined: fault, or the list is too short. */
  gather(address: bigint, isList: boolean, offset: number, bytes: number): Uint8Array | undefined {
    if (!isList) {
      return this.read(address, bytes, offset);
    }
    const pieces = this.#window(address, offset, bytes);
    const parts = pieces?.map((piece) => this.read(piece.address, piece.bytes));
    const data = new Uint8Array(bytes);
    let at = 0;
    for (const part of parts ?? [undefined]) {
      if (part === undefined) {
        return undefined;
      }
      data.set(part, at);
      at += part.length;
    }
    return data;
  }

  scatter(address: bigint, isList: boolean, offset: number, data: Uint8Array): boolean {
    if (!isList) {
      return this.write(address, data, offset);
    }
    let at = 0;
    const pieces = this.#window(address, offset, data.length);
    return (
      pieces?.every((piece) => {
        const part = data.subarray(at, at + piece.bytes);
        at += piece.bytes;
        return this.write(piece.address, part);
      }) ?? false
    );
  }

  /** The parts of a list's buffers that cover a range, undefined when the list has not that much. */
  #window(list: bigint, offset: number, bytes: number): readonly Piece[] | undefined {
    const header = this.read(list, LIST_HEADER_BYTES);
    const count = header === undefined ? 0 : new DataView(header.buffer).getUint32(8, true);
    const table =
      count === 0 || count > MAX_BUFFERS
        ? undefined
        : this.read(list, count * LIST_ENTRY_BYTES, LIST_HEADER_BYTES);
    if (table === undefined) {
      return undefined;
    }
    const view = new DataView(table.buffer);
    const pieces: Piece[] = [];
    let skip = offset;
    let left = bytes;
    for (let i = 0; i < count && left > 0; i++) {
      const size = view.getUint32(i * LIST_ENTRY_BYTES, true);
      const start = Math.min(skip, size);
      const used = Math.min(size - start, left);
      skip -= start;
      left -= used;
      if (used > 0) {
        const address = view.getBigUint64(i * LIST_ENTRY_BYTES + 8, true) + BigInt(start);
        pieces.push({ address, bytes: used });
      }
    }
    return left === 0 ? pieces : undefined;
  }
}
