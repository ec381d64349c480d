/** Accesses of any length as aligned ones, and values as bytes, little endian. */

const SIZES = [8, 4, 2, 1] as const;

export interface AccessPiece {
  readonly at: number;
  readonly size: 1 | 2 | 4 | 8;
}

/** A read of any length in aligned accesses, none larger than `largest`. */
export function piecesOf(offset: number, bytes: number, largest: 4 | 8): readonly AccessPiece[] {
  const pieces: AccessPiece[] = [];
  for (let done = 0; done < bytes;) {
    const at = offset + done;
    const size = SIZES.find((s) => s <= largest && at % s === 0 && s <= bytes - done) ?? 1;
    pieces.push({ at, size });
    done += size;
  }
  return pieces;
}

export function putValue(out: Uint8Array, at: number, size: number, value: bigint): void {
  for (let i = 0; i < size; i++) {
    out[at + i] = Number((value >> BigInt(i * 8)) & 0xffn);
  }
}

export function valueOf(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
