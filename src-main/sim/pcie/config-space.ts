/**
 * Configuration space of one function: the register file of its declared block, with aligned accesses of 1, 2 and 4 bytes,
 * BARs, and reset. PCIe Base, "Configuration Space".
 *
 * Bytes without a register read as zero and drop writes. What a written bit does is up to the listener: see
 * `function-capabilities.ts`.
 */
import { bigOf } from '../../bits/u64.ts';
import type { Access } from '../../bits/field.ts';
import type { RegisterBlock } from '../../bits/register-block.ts';
import { CONFIG_SPACE_BYTES } from '../../spec/pcie/capability-id.ts';
import { CONFIG_WRITE_IGNORED } from '../../spec/events/pcie.ts';
import { RegisterFile, type RegisterWrite } from '../core/register-file.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { Trace } from '../core/trace.ts';
import type { ResetKind } from './ports.ts';

const BAR_COUNT = 6;
const BAR_TYPE_64 = 2;
/** Software learns by all ones which BARs there are and how large: such a write is no mistake, whatever it finds. */
const FIRST_BAR = 0x10;
const LAST_BAR = 0x24;
/** Survive every reset but power-on. */
const STICKY: ReadonlySet<Access> = new Set(['RW1CS', 'RWS', 'ROS', 'HwInit']);

export interface ConfigSpaceOptions {
  readonly block: RegisterBlock;
  readonly trace: Trace;
  readonly source: number;
  /** Called for every register that a write touched, after the write. */
  readonly onDidWrite?: (write: RegisterWrite) => void;
}

export class ConfigSpace implements Snapshotable<Uint32Array> {
  readonly registers: RegisterFile;
  readonly #trace: Trace;
  readonly #source: number;
  #hasEffect = false;

  constructor({ block, trace, source, onDidWrite }: ConfigSpaceOptions) {
    this.#trace = trace;
    this.#source = source;
    this.registers = new RegisterFile(block, CONFIG_SPACE_BYTES, {
      onDidWrite: (write) => {
        this.#hasEffect ||= hasEffect(write);
        onDidWrite?.(write);
      },
    });
  }

  read(offset: number, bytes: 1 | 2 | 4): number {
    return isConfigAccess(offset, bytes)
      ? Number(this.registers.read(offset, bytes))
      : onesOf(bytes);
  }

  write(offset: number, bytes: 1 | 2 | 4, value: number): void {
    this.#hasEffect = false;
    if (isConfigAccess(offset, bytes)) {
      this.registers.write(offset, bytes, BigInt(value >>> 0));
    }
    const isQuestion = offset >= FIRST_BAR && offset <= LAST_BAR;
    if (!this.#hasEffect && value !== 0 && !isQuestion && this.#trace.isOn) {
      this.#trace.record(CONFIG_WRITE_IGNORED, this.#source, offset, value >>> 0, bytes);
    }
  }

  /** One field, hardware view. */
  get(register: string, field: string): number {
    return this.registers.get(register, field);
  }

  set(register: string, field: string, value: number): void {
    this.registers.set(register, field, value);
  }

  /** Whether the next BAR register is the upper half of this one. */
  isWideBar(index: number): boolean {
    const register = this.registers.block.registers.find((r) => r.name === `BAR${index}`);
    const hasType = register?.fields.some((field) => field.name === 'TYPE') ?? false;
    return hasType && this.registers.get(`BAR${index}`, 'TYPE') === BAR_TYPE_64;
  }

  /** Address that software gave a BAR, 0 when it has none. */
  barAddress(index: number): bigint {
    const { registers } = this;
    if (index >= BAR_COUNT || registers.block.registers.every((r) => r.name !== `BAR${index}`)) {
      return 0n;
    }
    const at = FIRST_BAR + 4 * index;
    const low = registers.peek32(at);
    const high = this.isWideBar(index) ? registers.peek32(at + 4) : 0;
    return bigOf(high, low) & ~0xfn;
  }

  reset(kind: ResetKind): void {
    this.registers.reset((_, access) => kind !== 'power-on' && STICKY.has(access));
  }

  snapshot(): Uint32Array {
    return this.registers.snapshot();
  }

  restore(state: Uint32Array): void {
    this.registers.restore(state);
  }
}

function isConfigAccess(offset: number, bytes: number): boolean {
  return offset >= 0 && offset + bytes <= CONFIG_SPACE_BYTES && offset % bytes === 0;
}

function onesOf(bytes: 1 | 2 | 4): number {
  return bytes === 4 ? 0xffff_ffff : 2 ** (8 * bytes) - 1;
}

/**
 * A write to a place where software may write something counts as one that took effect, even when the value is the old
 * one: drivers write registers back. Only writes that can never change a bit are worth a word.
 */
function hasEffect({ register, byteMask }: RegisterWrite): boolean {
  return register.fields.some((field) => {
    const access = field.spec.access ?? 'RW';
    const isWritten = field.pieces.some((piece) => ((byteMask >>> (piece.word * 4)) & 0xf) !== 0);
    const isFixed = access === 'RO' || access === 'ROS' || access === 'HwInit';
    return field.spec.role === 'value' && !isFixed && isWritten;
  });
}
