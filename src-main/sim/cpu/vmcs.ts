/**
 * The control fields of one virtual CPU, read and written by their VMREAD/VMWRITE encodings. Intel SDM volume 3, "Virtual
 * Machine Control Structures". The format in memory is left open by the architecture, so the fields are kept here.
 */
import { bigOf, highOfBig, lowOfBig, numberOf } from '../../bits/u64.ts';
import { invariant } from '../../bits/invariant.ts';
import { VMCS_FIELD, VMCS_FIELDS, type VmcsFieldName } from '../../spec/cpu/vmcs.ts';
import type { Snapshotable } from '../core/snapshot.ts';

const SLOT_OF = new Map(VMCS_FIELDS.map((field, slot) => [field.encoding, slot]));

function slotOf(name: VmcsFieldName): number {
  const slot = SLOT_OF.get(VMCS_FIELD[name]);
  invariant(slot !== undefined, `VMCS field ${name} is not in the table`);
  return slot;
}

const SLOTS = Object.fromEntries(
  Object.keys(VMCS_FIELD).map((name) => [name, slotOf(name as VmcsFieldName)]),
) as Readonly<Record<VmcsFieldName, number>>;

export class Vmcs implements Snapshotable<Uint32Array> {
  readonly #words = new Uint32Array(VMCS_FIELDS.length * 2);

  /** VMREAD; undefined for a field that does not exist (VMfailValid, error 12). */
  read(encoding: number): bigint | undefined {
    const slot = SLOT_OF.get(encoding);
    return slot === undefined
      ? undefined
      : bigOf(this.#words[slot * 2 + 1] as number, this.#words[slot * 2] as number);
  }

  /** VMWRITE; bits beyond the field's width are dropped. False for a field that does not exist. */
  write(encoding: number, value: bigint): boolean {
    const slot = SLOT_OF.get(encoding);
    const width = slot === undefined ? undefined : VMCS_FIELDS[slot]?.bits;
    if (slot === undefined || width === undefined) {
      return false;
    }
    this.#words[slot * 2] = width === 16 ? lowOfBig(value) & 0xffff : lowOfBig(value);
    this.#words[slot * 2 + 1] = width === 64 ? highOfBig(value) : 0;
    return true;
  }

  low(name: VmcsFieldName): number {
    return this.#words[SLOTS[name] * 2] as number;
  }

  high(name: VmcsFieldName): number {
    return this.#words[SLOTS[name] * 2 + 1] as number;
  }

  /** A physical address field; exact below 2^53, which VM entry checks. */
  address(name: VmcsFieldName): number {
    return numberOf(this.high(name), this.low(name));
  }

  setLow(name: VmcsFieldName, value: number): void {
    this.#words[SLOTS[name] * 2] = value;
  }

  snapshot(): Uint32Array {
    return this.#words.slice();
  }

  restore(state: Uint32Array): void {
    this.#words.set(state);
  }
}
