/**
 * The third argument of `ioctl()` as scripts pass it: a number, a string, bytes, or a plain object with the members of the
 * request's structure. The object gets the kernel's answer, as the structure behind a pointer would.
 *
 * The size member (`argsz`, `size`) is filled in when it is absent. Two members stand for what lies behind a structure:
 * `data` for bytes or 32-bit numbers to pass, `caps` for the capability chain that came back.
 */
import type { Structure } from '../../bits/structure.ts';
import { VFIO_FLAGS as F } from '../../spec/vfio/ioctl-numbers.ts';
import { VfioInfoCapHeader } from '../../spec/vfio/vfio-structures.ts';
import { decodeBytes } from '../../linux/core/user-argument.ts';
import { asArray, asInteger } from './arguments.ts';
import { structureBytes, structureMembers } from './c-structures.ts';
import type { ScriptRecord, ScriptValue } from './sdk-module.ts';

const U32_BYTES = 4;
const CAPABILITY_BYTES = 8;
const RANGE_BYTES = 16;
const IOVA_RANGE = F.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;

/** The buffer that a script's object stands for. */
export function ioctlBuffer(structure: Structure, argument: ScriptRecord): Uint8Array {
  const { data, caps: _answer, ...members } = argument;
  const tail = tailBytes(data);
  const sizeName = structure.fields[0]?.name ?? '';
  const declared = members[sizeName];
  const size =
    declared === undefined ? structure.bytes + tail.length : asInteger(declared, sizeName);
  const head = structureBytes(structure, { ...members, [sizeName]: size }, 'argument');
  const buffer = new Uint8Array(Math.max(size, head.length + tail.length));
  buffer.set(head);
  buffer.set(tail, head.length);
  return buffer;
}

/** What the object gets after the call. */
export function ioctlAnswer(structure: Structure, buffer: Uint8Array): ScriptRecord {
  const members = structureMembers(structure, buffer);
  const first = Number(members['cap_offset'] ?? 0);
  return first === 0 ? members : { ...members, caps: capabilities(structure, buffer, first) };
}

/** Bytes as they are; numbers as 32 bits each, signed: file descriptors. */
function tailBytes(data: ScriptValue): Uint8Array {
  if (data === undefined) return new Uint8Array(0);
  if (data instanceof Uint8Array) return data;
  const numbers = asArray(data, 'argument.data');
  const bytes = new Uint8Array(numbers.length * U32_BYTES);
  const view = new DataView(bytes.buffer);
  numbers.forEach((value, i) => {
    view.setInt32(i * U32_BYTES, asInteger(value, `argument.data[${String(i)}]`), true);
  });
  return bytes;
}

function capabilities(structure: Structure, buffer: Uint8Array, first: number): ScriptRecord[] {
  const found: ScriptRecord[] = [];
  for (let at = first; at !== 0 && at + CAPABILITY_BYTES <= buffer.length;) {
    const { id, version, next } = decodeBytes(VfioInfoCapHeader, buffer.subarray(at));
    const end = next === 0 ? buffer.length : next;
    const body = buffer.slice(at + CAPABILITY_BYTES, end);
    found.push({ id, version, ...contents(structure, id, body), data: body });
    at = next;
  }
  return found;
}

/** Capabilities with a known shape, decoded. Ids count per structure. */
function contents(structure: Structure, id: number, body: Uint8Array): ScriptRecord {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const u32 = (at: number): number =>
    at + U32_BYTES <= body.length ? view.getUint32(at, true) : 0;
  const pairs = (count: number): (readonly [number, number])[] =>
    Array.from({ length: count }, (_, i) => 8 + i * RANGE_BYTES)
      .filter((at) => at + RANGE_BYTES <= body.length)
      .map((at) => [Number(view.getBigUint64(at, true)), Number(view.getBigUint64(at + 8, true))]);
  if (structure.name === 'vfio_region_info') {
    if (id === F.VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
      return { areas: pairs(u32(0)).map(([offset, size]) => ({ offset, size })) };
    }
    return id === F.VFIO_REGION_INFO_CAP_TYPE ? { type: u32(0), subtype: u32(4) } : {};
  }
  if (structure.name === 'vfio_iommu_type1_info') {
    if (id === IOVA_RANGE) {
      return { ranges: pairs(u32(0)).map(([start, end]) => ({ start, end })) };
    }
    return id === F.VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL ? { avail: u32(0) } : {};
  }
  return {};
}
