/** Reading and comparing `ObjectRefs`: what a row, a field or a picture stands for. */
import type { ObjectRefs } from '../../src-main/protocol/views.ts';
import { isSameHex } from './hex.ts';

const DEVICES_PER_BUS = 32;
const FUNCTIONS_PER_DEVICE = 8;

/** `0x6a08` as `6a:01.0`. Returns the text unchanged when it is no requester ID. */
export function formatBdf(rid: string): string {
  const value = Number(rid);
  if (!Number.isInteger(value) || value < 0 || value > 0xffff) return rid;
  const perBus = DEVICES_PER_BUS * FUNCTIONS_PER_DEVICE;
  const bus = Math.floor(value / perBus);
  const device = Math.floor((value % perBus) / FUNCTIONS_PER_DEVICE);
  const fn = value % FUNCTIONS_PER_DEVICE;
  const hex = (part: number): string => part.toString(16).padStart(2, '0');
  return `${hex(bus)}:${hex(device)}.${String(fn)}`;
}

/** `6a:01.0` or `0000:6a:01.0` as `0x6a08`; a number passes; null when it is neither. */
export function parseRid(text: string): string | null {
  const bdf = /^(?:[0-9a-f]{4}:)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])$/i.exec(text.trim());
  if (bdf === null) {
    return /^0x[0-9a-f]{1,4}$/i.test(text.trim()) ? text.trim().toLowerCase() : null;
  }
  const [, bus = '', device = '', fn = ''] = bdf;
  const deviceNumber = Number.parseInt(device, 16);
  if (deviceNumber >= DEVICES_PER_BUS) return null;
  const value =
    Number.parseInt(bus, 16) * DEVICES_PER_BUS * FUNCTIONS_PER_DEVICE +
    deviceNumber * FUNCTIONS_PER_DEVICE +
    Number(fn);
  return `0x${value.toString(16)}`;
}

/** Null when either side does not name it, else whether both name the same. */
function compare<T>(
  a: T | undefined,
  b: T | undefined,
  same: (a: T, b: T) => boolean,
): boolean | null {
  if (a === undefined || b === undefined) return null;
  return same(a, b);
}

const identical = <T>(a: T, b: T): boolean => a === b;

/**
 * Whether two references point at one object. Identities must not contradict each other, and one of them must be
 * shared; the unit alone is enough only when the selection names nothing else, or everything on a unit would light up.
 */
export function refersToSame(selected: ObjectRefs, other: ObjectRefs): boolean {
  const identities = [
    compare(selected.event, other.event, identical),
    compare(selected.queue, other.queue, identical),
    compare(selected.pasid, other.pasid, identical),
    compare(selected.rid, other.rid, isSameHex),
  ];
  const sameUnit = compare(selected.unit, other.unit, identical);
  if (identities.includes(false) || sameUnit === false) return false;
  if (identities.includes(true)) return true;
  if (compare(selected.address, other.address, isSameHex) === true) return true;
  if (
    compare(selected.script, other.script, (a, b) => a.path === b.path && a.line === b.line) ===
    true
  ) {
    return true;
  }
  return sameUnit === true && isUnitOnly(selected);
}

function isUnitOnly(refs: ObjectRefs): boolean {
  return (
    refs.rid === undefined &&
    refs.pasid === undefined &&
    refs.event === undefined &&
    refs.queue === undefined &&
    refs.address === undefined &&
    refs.script === undefined
  );
}

export function isEmptyRefs(refs: ObjectRefs | undefined): boolean {
  return refs === undefined || (isUnitOnly(refs) && refs.unit === undefined);
}

export interface RefChip {
  readonly key: keyof ObjectRefs;
  readonly label: string;
  readonly value: string;
}

/** The parts of a reference, most telling first. */
export function toRefChips(refs: ObjectRefs): readonly RefChip[] {
  const chips: RefChip[] = [];
  if (refs.unit !== undefined) chips.push({ key: 'unit', label: 'unit', value: refs.unit });
  if (refs.rid !== undefined) chips.push({ key: 'rid', label: 'RID', value: formatBdf(refs.rid) });
  if (refs.pasid !== undefined) {
    chips.push({ key: 'pasid', label: 'PASID', value: String(refs.pasid) });
  }
  if (refs.queue !== undefined) chips.push({ key: 'queue', label: 'queue', value: refs.queue });
  if (refs.address !== undefined) {
    chips.push({ key: 'address', label: 'address', value: refs.address });
  }
  if (refs.script !== undefined) {
    chips.push({
      key: 'script',
      label: 'line',
      value: `${refs.script.path}:${String(refs.script.line)}`,
    });
  }
  if (refs.event !== undefined) {
    chips.push({ key: 'event', label: 'event', value: `#${String(refs.event)}` });
  }
  return chips;
}
