/**
 * The one implementation of register semantics: storage, access types, width and alignment, for MMIO and configuration
 * space alike. It derives everything from a `RegisterBlock` declaration.
 *
 * Two faces: `read`/`write` are what software sees, `peek`/`poke` what the hardware behind the registers uses. A write
 * applies the access types to every register it touches and then calls `onDidWrite` once a register, with the values
 * before, written and after, so that edges are computed from `before`.
 */
import type { Access } from '../../bits/field.ts';
import { toHex } from '../../bits/hex.ts';
import { defined, invariant } from '../../bits/invariant.ts';
import type { Register, RegisterBlock } from '../../bits/register-block.ts';
import { bigOf, highOfBig, lowOfBig } from '../../bits/u64.ts';
import type { Snapshotable } from './snapshot.ts';

export interface RegisterWrite {
  readonly register: Register;
  /** Words of the register, lowest first. Bytes that were not written are zero in `written`. */
  readonly before: Uint32Array;
  readonly written: Uint32Array;
  readonly after: Uint32Array;
  /** Bit n: byte n of the register was written. */
  readonly byteMask: number;
}

export interface RegisterFileHooks {
  onDidWrite?(write: RegisterWrite): void;
  /** Called before a read, to bring computed registers up to date. */
  onWillRead?(register: Register): void;
  /** `RWL` fields keep their value while this is true. */
  isLocked?(register: Register): boolean;
}

interface Masks {
  readonly writable: Uint32Array;
  readonly clearable: Uint32Array;
  readonly lockable: Uint32Array;
  readonly hidden: Uint32Array;
}

const PLAIN: ReadonlySet<Access> = new Set(['RW', 'RWS', 'WO']);
const CLEAR: ReadonlySet<Access> = new Set(['RW1C', 'RW1CS']);

/** Many files have the same registers: what follows from a declaration alone is computed once. */
const MASKS = new WeakMap<Register, Masks>();
const RESET_IMAGES = new WeakMap<RegisterBlock, Uint32Array>();

function masksOf(register: Register): Masks {
  const masks = MASKS.get(register) ?? makeMasks(register);
  MASKS.set(register, masks);
  return masks;
}

function makeMasks(register: Register): Masks {
  const make = (select: (access: Access) => boolean): Uint32Array => {
    const mask = new Uint32Array(register.words);
    for (const field of register.fields) {
      if (field.spec.role === 'value' && select(field.spec.access ?? 'RW')) {
        for (const piece of field.pieces) {
          mask[piece.word] = ((mask[piece.word] ?? 0) | piece.mask) >>> 0;
        }
      }
    }
    return mask;
  };
  return {
    writable: make((a) => PLAIN.has(a)),
    clearable: make((a) => CLEAR.has(a)),
    lockable: make((a) => a === 'RWL'),
    hidden: make((a) => a === 'WO'),
  };
}

export class RegisterFile implements Snapshotable<Uint32Array> {
  readonly block: RegisterBlock;
  readonly #words: Uint32Array;
  readonly #hooks: RegisterFileHooks;
  /** Register that owns each 32-bit word, if any. Registers narrower than a word may share one. */
  readonly #owners: (readonly Register[] | undefined)[];
  readonly #masks = new Map<Register, Masks>();
  readonly #byName = new Map<string, Register>();

  constructor(block: RegisterBlock, spaceBytes: number, hooks: RegisterFileHooks = {}) {
    this.block = block;
    this.#hooks = hooks;
    this.#words = new Uint32Array(spaceBytes / 4);
    const owners: Register[][] = [];
    for (const register of block.registers) {
      invariant(
        register.offset + register.bytes <= spaceBytes,
        `${block.name}: ${register.name} is outside the space`,
      );
      for (
        let w = register.offset >>> 2;
        w < Math.ceil((register.offset + register.bytes) / 4);
        w++
      ) {
        (owners[w] ??= []).push(register);
      }
      this.#masks.set(register, masksOf(register));
      this.#byName.set(register.name, register);
    }
    this.#owners = owners;
    const image = RESET_IMAGES.get(block);
    if (image?.length === this.#words.length) {
      this.#words.set(image);
    } else {
      this.reset();
      RESET_IMAGES.set(block, this.#words.slice());
    }
  }

  /** Puts every field to its reset value. `keep` names registers or access types that survive. */
  reset(keep: (register: Register, access: Access) => boolean = () => false): void {
    for (const register of this.block.registers) {
      for (const field of register.fields) {
        if (field.spec.role === 'value' && !keep(register, field.spec.access ?? 'RW')) {
          this.#setField(register, field.name, field.spec.reset ?? 0);
        }
      }
    }
  }

  register(name: string): Register {
    return defined(this.#byName.get(name), `Register ${name}`);
  }

  /** The register at an offset, if one is declared there. */
  registerAt(offset: number): Register | undefined {
    return this.#owners[offset >>> 2]?.find(
      (r) => offset >= r.offset && offset < r.offset + r.bytes,
    );
  }

  /** Software read. Bytes without a register read as zero. */
  read(offset: number, bytes: 1 | 2 | 4 | 8): bigint {
    if (this.#hooks.onWillRead !== undefined) {
      for (const register of this.#touched(offset, bytes)) {
        this.#hooks.onWillRead(register);
      }
    }
    const low = this.#visibleWord(offset >>> 2);
    if (bytes === 8) {
      return bigOf(this.#visibleWord((offset >>> 2) + 1), low);
    }
    const shifted = low >>> ((offset & 3) * 8);
    return BigInt(bytes === 4 ? shifted : shifted & (bytes === 2 ? 0xffff : 0xff));
  }

  /** Software write. Bytes without a register are dropped. */
  write(offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    for (const register of this.#touched(offset, bytes)) {
      this.#writeRegister(register, offset, bytes, value);
    }
  }

  /** Hardware view of a word, whatever the access types. */
  peek32(offset: number): number {
    return this.#words[offset >>> 2] ?? 0;
  }

  poke32(offset: number, value: number): void {
    this.#words[offset >>> 2] = value;
  }

  peek64(offset: number): bigint {
    return bigOf(this.peek32(offset + 4), this.peek32(offset));
  }

  poke64(offset: number, value: bigint): void {
    this.poke32(offset, lowOfBig(value));
    this.poke32(offset + 4, highOfBig(value));
  }

  /** One field, hardware view. Use `peek32` on hot paths. */
  get(registerName: string, fieldName: string): number {
    const register = this.register(registerName);
    return Number(this.getBig(register, fieldName));
  }

  getBig(register: Register, fieldName: string): bigint {
    return register.get(this.wordsOf(register), register.field(fieldName));
  }

  set(registerName: string, fieldName: string, value: number | bigint): void {
    this.#setField(this.register(registerName), fieldName, value);
  }

  /** A copy of the register's words, hardware view. */
  wordsOf(register: Register): Uint32Array {
    const words = new Uint32Array(register.words);
    const first = register.offset >>> 2;
    if (register.bytes < 4) {
      words[0] = this.#narrow(register);
      return words;
    }
    words.set(this.#words.subarray(first, first + register.words));
    return words;
  }

  snapshot(): Uint32Array {
    return this.#words.slice();
  }

  restore(state: Uint32Array): void {
    this.#words.set(state);
  }

  #narrow(register: Register): number {
    const word = (this.#words[register.offset >>> 2] ?? 0) >>> ((register.offset & 3) * 8);
    return register.bytes === 1 ? word & 0xff : word & 0xffff;
  }

  #store(register: Register, words: Uint32Array): void {
    const first = register.offset >>> 2;
    if (register.bytes >= 4) {
      this.#words.set(words, first);
      return;
    }
    const shift = (register.offset & 3) * 8;
    const mask = (register.bytes === 1 ? 0xff : 0xffff) << shift;
    this.#words[first] =
      ((this.#words[first] as number) & ~mask) | (((words[0] as number) << shift) & mask);
  }

  #setField(register: Register, fieldName: string, value: number | bigint): void {
    const words = this.wordsOf(register);
    register.set(words, fieldName as never, value);
    this.#store(register, words);
  }

  #touched(offset: number, bytes: number): Register[] {
    const found: Register[] = [];
    for (let word = offset >>> 2; word <= (offset + bytes - 1) >>> 2; word++) {
      for (const register of this.#owners[word] ?? []) {
        const overlaps =
          register.offset < offset + bytes && offset < register.offset + register.bytes;
        if (overlaps && !found.includes(register)) {
          found.push(register);
        }
      }
    }
    return found;
  }

  #visibleWord(index: number): number {
    let word = this.#words[index] ?? 0;
    for (const register of this.#owners[index] ?? []) {
      const hidden =
        (this.#masks.get(register) as Masks).hidden[index - (register.offset >>> 2)] ?? 0;
      word &= ~(hidden << ((register.offset & 3) * 8));
    }
    return word >>> 0;
  }

  #writeRegister(register: Register, offset: number, bytes: number, value: bigint): void {
    const masks = this.#masks.get(register) as Masks;
    const before = this.wordsOf(register);
    const after = before.slice();
    const written = new Uint32Array(register.words);
    const isLocked = this.#hooks.isLocked?.(register) ?? false;
    let byteMask = 0;
    const byteInWord = new Uint32Array(register.words);
    for (let b = 0; b < bytes; b++) {
      const at = offset + b - register.offset;
      if (at < 0 || at >= register.bytes) {
        continue;
      }
      byteMask |= 1 << at;
      const byte = Number((value >> BigInt(b * 8)) & 0xffn);
      written[at >>> 2] = ((written[at >>> 2] as number) | (byte << ((at & 3) * 8))) >>> 0;
      byteInWord[at >>> 2] = ((byteInWord[at >>> 2] as number) | (0xff << ((at & 3) * 8))) >>> 0;
    }
    for (let w = 0; w < register.words; w++) {
      const lockable = isLocked ? 0 : (masks.lockable[w] as number);
      const plain = ((masks.writable[w] as number) | lockable) & (byteInWord[w] as number);
      const clear = (masks.clearable[w] as number) & (written[w] as number);
      after[w] =
        (((before[w] as number) & ~plain & ~clear) | ((written[w] as number) & plain)) >>> 0;
    }
    this.#store(register, after);
    this.#hooks.onDidWrite?.({ register, before, written, after, byteMask });
  }
}

/** Refuses widths and alignments that a space does not take. Undefined when the access is fine. */
export function accessProblem(offset: number, bytes: number, largest: number): string | undefined {
  if (offset % bytes !== 0) {
    return `Access of ${bytes} bytes at ${toHex(offset)} is not aligned to its size`;
  }
  return bytes > largest ? `Access of ${bytes} bytes, expected at most ${largest}` : undefined;
}
