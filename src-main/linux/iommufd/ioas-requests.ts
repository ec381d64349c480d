/** Requests about I/O address spaces (drivers/iommu/iommufd/ioas.c). */
import { IOMMUFD_FLAGS as F } from '../../spec/vfio/ioctl-numbers.ts';
import {
  IommuIoasAlloc,
  IommuIoasAllowIovas,
  IommuIoasCopy,
  IommuIoasIovaRanges,
  IommuIoasMap,
  IommuIoasUnmap,
  IommuOption,
  IommuVfioIoas,
} from '../../spec/vfio/iommufd-structures.ts';
import type { Core } from '../core/core.ts';
import type { Caller, IoctlArgument } from '../core/files.ts';
import { UserArgument } from '../core/user-argument.ts';
import { EINVAL, EMSGSIZE, ENODEV, EOPNOTSUPP, EPERM, IS_ERR } from '../errno.ts';
import type { Iommu } from '../iommu/iommu.ts';
import { Ioas, protOf, type IovaSpan } from './ioas.ts';
import type { IoasObject, IommufdContext } from './objects.ts';

const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const PAGE = 4096n;
const SPAN_BYTES = 16;
const OPTION_RLIMIT_MODE = 0;
const OPTION_HUGE_PAGES = 1;
const OPTION_OP_SET = 0;

export function newIoas(core: Core, iommu: Iommu, context: IommufdContext): IoasObject {
  return context.add({ kind: 'ioas', id: context.nextId(), ioas: new Ioas(core, iommu) });
}

export function ioasAlloc(
  core: Core,
  iommu: Iommu,
  context: IommufdContext,
  argument: IoctlArgument,
): number {
  const arg = UserArgument.iommufd(IommuIoasAlloc, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  if (arg.values.flags !== 0) {
    return -EOPNOTSUPP;
  }
  arg.put({ out_ioas_id: newIoas(core, iommu, context).id });
  return 0;
}

export function ioasMap(context: IommufdContext, argument: IoctlArgument, caller: Caller): number {
  const arg = UserArgument.iommufd(IommuIoasMap, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  const { flags, ioas_id, user_va, length, iova, reserved } = arg.values;
  const known =
    F.IOMMU_IOAS_MAP_FIXED_IOVA | F.IOMMU_IOAS_MAP_READABLE | F.IOMMU_IOAS_MAP_WRITEABLE;
  if ((flags & ~known) !== 0 || reserved !== 0) {
    return -EOPNOTSUPP;
  }
  const prot = protOf(
    (flags & F.IOMMU_IOAS_MAP_READABLE) !== 0,
    (flags & F.IOMMU_IOAS_MAP_WRITEABLE) !== 0,
  );
  if (prot === 0) {
    return -EINVAL;
  }
  const object = context.get(ioas_id, 'ioas');
  if (IS_ERR(object)) {
    return object;
  }
  const isFixed = (flags & F.IOMMU_IOAS_MAP_FIXED_IOVA) !== 0;
  const at = object.ioas.map(
    caller,
    Number(user_va),
    Number(length),
    prot,
    isFixed ? Number(iova) : undefined,
  );
  if (at < 0) {
    return at;
  }
  arg.put({ iova: BigInt(at) });
  context.publish(object);
  return 0;
}

export function ioasCopy(context: IommufdContext, argument: IoctlArgument): number {
  const arg = UserArgument.iommufd(IommuIoasCopy, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  const { flags, dst_ioas_id, src_ioas_id, length, dst_iova, src_iova } = arg.values;
  const source = context.get(src_ioas_id, 'ioas');
  const target = context.get(dst_ioas_id, 'ioas');
  if (IS_ERR(source) || IS_ERR(target)) {
    return IS_ERR(source) ? source : (target as number);
  }
  const prot = protOf(
    (flags & F.IOMMU_IOAS_MAP_READABLE) !== 0,
    (flags & F.IOMMU_IOAS_MAP_WRITEABLE) !== 0,
  );
  const isFixed = (flags & F.IOMMU_IOAS_MAP_FIXED_IOVA) !== 0;
  const at = target.ioas.copyFrom(
    source.ioas,
    Number(src_iova),
    Number(length),
    prot,
    isFixed ? Number(dst_iova) : undefined,
  );
  if (at < 0) {
    return at;
  }
  arg.put({ dst_iova: BigInt(at) });
  context.publish(target);
  return 0;
}

export function ioasUnmap(context: IommufdContext, argument: IoctlArgument): number {
  const arg = UserArgument.iommufd(IommuIoasUnmap, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  const { ioas_id, iova, length } = arg.values;
  const object = context.get(ioas_id, 'ioas');
  if (IS_ERR(object)) {
    return object;
  }
  const isEverything = iova === 0n && length === ALL_ONES;
  const bytes = isEverything
    ? object.ioas.unmapAll()
    : object.ioas.unmap(Number(iova), Number(length));
  if (bytes < 0) {
    return bytes;
  }
  arg.put({ length: BigInt(bytes) });
  context.publish(object);
  return 0;
}

export function ioasIovaRanges(
  context: IommufdContext,
  argument: IoctlArgument,
  caller: Caller,
): number {
  const arg = UserArgument.iommufd(IommuIoasIovaRanges, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  const { ioas_id, num_iovas, allowed_iovas, reserved } = arg.values;
  if (reserved !== 0) {
    return -EOPNOTSUPP;
  }
  const object = context.get(ioas_id, 'ioas');
  if (IS_ERR(object)) {
    return object;
  }
  const spans = object.ioas.usable;
  const bytes = encodeSpans(spans.slice(0, num_iovas));
  const stored = bytes.length === 0 ? 0 : caller.mm.write(Number(allowed_iovas), bytes);
  if (stored < 0) {
    return stored;
  }
  arg.put({ num_iovas: spans.length, out_iova_alignment: PAGE });
  return spans.length > num_iovas ? -EMSGSIZE : 0;
}

export function ioasAllowIovas(
  context: IommufdContext,
  argument: IoctlArgument,
  caller: Caller,
): number {
  const arg = UserArgument.iommufd(IommuIoasAllowIovas, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  const { ioas_id, num_iovas, allowed_iovas, reserved } = arg.values;
  if (reserved !== 0) {
    return -EOPNOTSUPP;
  }
  const object = context.get(ioas_id, 'ioas');
  if (IS_ERR(object)) {
    return object;
  }
  const bytes = caller.mm.read(Number(allowed_iovas), num_iovas * SPAN_BYTES);
  if (IS_ERR(bytes)) {
    return bytes;
  }
  const spans = decodeSpans(bytes);
  if (spans.some((s) => s.end < s.start)) {
    return -EINVAL;
  }
  return object.ioas.allow(spans.length === 0 ? null : spans);
}

export function option(context: IommufdContext, argument: IoctlArgument, caller: Caller): number {
  const arg = UserArgument.iommufd(IommuOption, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  const { option_id, op, object_id, val64, reserved } = arg.values;
  if (reserved !== 0) {
    return -EOPNOTSUPP;
  }
  if (option_id === OPTION_RLIMIT_MODE) {
    if (object_id !== 0) {
      return -EOPNOTSUPP;
    }
    if (op === OPTION_OP_SET) {
      return caller.hasCapability('CAP_SYS_RESOURCE') ? 0 : -EPERM;
    }
    arg.put({ val64: 0n });
    return 0;
  }
  if (option_id !== OPTION_HUGE_PAGES) {
    return -EOPNOTSUPP;
  }
  const object = context.get(object_id, 'ioas');
  if (IS_ERR(object)) {
    return object;
  }
  if (op === OPTION_OP_SET) {
    object.ioas.hasHugePages = val64 !== 0n;
  } else {
    arg.put({ val64: object.ioas.hasHugePages ? 1n : 0n });
  }
  return 0;
}

/** The IOAS that a group file finds when it is given this descriptor as container. */
export function vfioIoas(context: IommufdContext, argument: IoctlArgument): number {
  const arg = UserArgument.iommufd(IommuVfioIoas, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  const { op, ioas_id, reserved } = arg.values;
  if (reserved !== 0) {
    return -EOPNOTSUPP;
  }
  switch (op) {
    case F.IOMMU_VFIO_IOAS_GET:
      if (context.compatIoas === null) {
        return -ENODEV;
      }
      arg.put({ ioas_id: context.compatIoas.id });
      return 0;
    case F.IOMMU_VFIO_IOAS_SET: {
      const object = context.get(ioas_id, 'ioas');
      if (IS_ERR(object)) {
        return object;
      }
      context.compatIoas = object;
      return 0;
    }
    case F.IOMMU_VFIO_IOAS_CLEAR:
      context.compatIoas = null;
      return 0;
    default:
      return -EOPNOTSUPP;
  }
}

function encodeSpans(spans: readonly IovaSpan[]): Uint8Array {
  const bytes = new Uint8Array(spans.length * SPAN_BYTES);
  const view = new DataView(bytes.buffer);
  spans.forEach((span, i) => {
    view.setBigUint64(i * SPAN_BYTES, BigInt(span.start), true);
    view.setBigUint64(i * SPAN_BYTES + 8, BigInt(span.end), true);
  });
  return bytes;
}

function decodeSpans(bytes: Uint8Array): readonly IovaSpan[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / SPAN_BYTES }, (_, i) => ({
    start: Number(view.getBigUint64(i * SPAN_BYTES, true)),
    end: Number(view.getBigUint64(i * SPAN_BYTES + 8, true)),
  }));
}
