/** Requests about hardware page tables and fault queues (drivers/iommu/iommufd/hw_pagetable.c, eventq.c). */
import { IOMMUFD_FLAGS as F } from '../../spec/vfio/ioctl-numbers.ts';
import {
  HWPT_ALLOC_MIN_BYTES,
  IommuFaultAlloc,
  IommuGetHwInfo,
  IommuHwInfoVtd,
  IommuHwptAlloc,
  IommuHwptGetDirtyBitmap,
  IommuHwptInvalidate,
  IommuHwptSetDirtyTracking,
  IommuHwptVtdS1,
  IommuHwptVtdS1Invalidate,
} from '../../spec/vfio/iommufd-structures.ts';
import type { Core } from '../core/core.ts';
import type { Caller, IoctlArgument } from '../core/files.ts';
import { decodeBytes, encodeBytes, UserArgument } from '../core/user-argument.ts';
import { EINVAL, EOPNOTSUPP, IS_ERR } from '../errno.ts';
import type { IommuDomain } from '../iommu/domain.ts';
import { readDirtyPages } from '../iommu/dirty-pages.ts';
import type { Iommu } from '../iommu/iommu.ts';
import { isPciDev } from '../pci/pci-dev.ts';
import { PCI_REGS } from '../pci/pci-regs.ts';
import type { PciConfig } from '../pci/pci-config.ts';
import { FaultQueue, FaultQueueFile } from './fault-queue.ts';
import type { FaultObject, HwptObject, IoasObject, IommufdContext } from './objects.ts';

export interface HwptPorts {
  readonly core: Core;
  readonly iommu: Iommu;
  readonly config: PciConfig;
}

const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const PAGE_BYTES = 4096;
const KNOWN_FLAGS =
  F.IOMMU_HWPT_ALLOC_NEST_PARENT |
  F.IOMMU_HWPT_ALLOC_DIRTY_TRACKING |
  F.IOMMU_HWPT_FAULT_ID_VALID |
  F.IOMMU_HWPT_ALLOC_PASID;
const NESTED_FLAGS = F.IOMMU_HWPT_FAULT_ID_VALID | F.IOMMU_HWPT_ALLOC_PASID;
const S1_FLAGS = F.IOMMU_VTD_S1_SRE | F.IOMMU_VTD_S1_EAFE | F.IOMMU_VTD_S1_WPE;

/** A page table that mirrors an IOAS, or a negative error number. */
export function newPagingHwpt(
  ports: HwptPorts,
  context: IommufdContext,
  ioas: IoasObject,
  flags: number,
  extra: { readonly fault: FaultObject | null; readonly isAuto: boolean },
): HwptObject | number {
  const { iommu } = ports;
  const isNestParent = (flags & F.IOMMU_HWPT_ALLOC_NEST_PARENT) !== 0;
  const isPasidCompatible = (flags & F.IOMMU_HWPT_ALLOC_PASID) !== 0;
  const domain = iommu.allocPaging({
    type: 'unmanaged',
    isNestParent,
    isPasidCompatible,
    hasDirtyTracking: (flags & F.IOMMU_HWPT_ALLOC_DIRTY_TRACKING) !== 0,
  });
  if (IS_ERR(domain)) {
    return domain;
  }
  domain.isCoherencyEnforced = iommu.driver?.unit.has('SC') === true;
  const mirrored = ioas.ioas.addDomain(domain);
  if (mirrored < 0) {
    iommu.iommu_domain_free(domain);
    return mirrored;
  }
  context.use(ioas);
  if (extra.fault !== null) {
    context.use(extra.fault);
  }
  return context.add<HwptObject>({
    kind: 'hwpt',
    id: context.nextId(),
    domain,
    ioas,
    parent: null,
    isNestParent,
    isPasidCompatible,
    fault: extra.fault,
    isAuto: extra.isAuto,
  });
}

/** Tears down what is behind a page table that nobody uses any more. */
export function dropHwpt(ports: HwptPorts, context: IommufdContext, hwpt: HwptObject): number {
  const result = context.remove(hwpt);
  if (result < 0) {
    return result;
  }
  if (hwpt.ioas !== null) {
    hwpt.ioas.ioas.removeDomain(hwpt.domain);
    context.unuse(hwpt.ioas);
  }
  if (hwpt.parent !== null) {
    context.unuse(hwpt.parent);
  }
  if (hwpt.fault !== null) {
    context.unuse(hwpt.fault);
  }
  ports.iommu.iommu_domain_free(hwpt.domain);
  return 0;
}

export function hwptAlloc(
  ports: HwptPorts,
  context: IommufdContext,
  argument: IoctlArgument,
  caller: Caller,
): number {
  const arg = UserArgument.iommufd(IommuHwptAlloc, argument, HWPT_ALLOC_MIN_BYTES);
  if (IS_ERR(arg)) {
    return arg;
  }
  const { flags, dev_id, pt_id, reserved, reserved2, data_type, data_len } = arg.values;
  if ((flags & ~KNOWN_FLAGS) !== 0 || reserved !== 0 || reserved2 !== 0) {
    return -EOPNOTSUPP;
  }
  if (data_type === F.IOMMU_HWPT_DATA_NONE && data_len !== 0) {
    return -EINVAL;
  }
  const device = context.get(dev_id, 'device');
  const parent = context.get(pt_id, 'ioas', 'hwpt');
  const fault =
    (flags & F.IOMMU_HWPT_FAULT_ID_VALID) === 0 ? null : context.get(arg.values.fault_id, 'fault');
  for (const object of [device, parent, fault]) {
    if (IS_ERR(object)) {
      return object;
    }
  }
  const hwpt =
    (parent as IoasObject | HwptObject).kind === 'ioas'
      ? data_type === F.IOMMU_HWPT_DATA_NONE
        ? newPagingHwpt(ports, context, parent as IoasObject, flags, {
            fault: fault as FaultObject | null,
            isAuto: false,
          })
        : -EOPNOTSUPP
      : newNestedHwpt(ports, context, parent as HwptObject, {
          flags,
          dataType: data_type,
          data: readData(caller, arg.values.data_uptr, data_len, IommuHwptVtdS1.bytes),
          fault: fault as FaultObject | null,
        });
  if (IS_ERR(hwpt)) {
    return hwpt;
  }
  arg.put({ out_hwpt_id: hwpt.id });
  return 0;
}

function readData(
  caller: Caller,
  address: bigint,
  length: number,
  expected: number,
): Uint8Array | number {
  return length < expected ? -EINVAL : caller.mm.read(Number(address), expected);
}

function newNestedHwpt(
  ports: HwptPorts,
  context: IommufdContext,
  parent: HwptObject,
  request: {
    readonly flags: number;
    readonly dataType: number;
    readonly data: Uint8Array | number;
    readonly fault: FaultObject | null;
  },
): HwptObject | number {
  const { flags, dataType, data, fault } = request;
  if (!parent.isNestParent) {
    return -EINVAL;
  }
  if ((flags & ~NESTED_FLAGS) !== 0 || dataType !== F.IOMMU_HWPT_DATA_VTD_S1) {
    return -EOPNOTSUPP;
  }
  if (IS_ERR(data)) {
    return data;
  }
  const domain = newNestedDomain(ports, parent.domain, decodeBytes(IommuHwptVtdS1, data));
  if (IS_ERR(domain)) {
    return domain;
  }
  context.use(parent);
  if (fault !== null) {
    context.use(fault);
  }
  return context.add<HwptObject>({
    kind: 'hwpt',
    id: context.nextId(),
    domain,
    ioas: null,
    parent,
    isNestParent: false,
    isPasidCompatible: (flags & F.IOMMU_HWPT_ALLOC_PASID) !== 0,
    fault,
    isAuto: false,
  });
}

/** intel_iommu_domain_alloc_nested: the guest's stage 1 must fit the unit and the parent's address width. */
function newNestedDomain(
  { iommu }: HwptPorts,
  parent: IommuDomain,
  stage1: ReturnType<typeof IommuHwptVtdS1.decode>,
): IommuDomain | number {
  const unit = iommu.driver?.unit;
  if (unit?.has('NEST') !== true) {
    return -EOPNOTSUPP;
  }
  if ((Number(stage1.flags) & ~S1_FLAGS) !== 0 || stage1.reserved !== 0) {
    return -EOPNOTSUPP;
  }
  const isWidthOk = stage1.addr_width === 48 || (stage1.addr_width === 57 && unit.has('FS5LP'));
  const isRootOk =
    stage1.pgtbl_addr % BigInt(PAGE_BYTES) === 0n &&
    stage1.pgtbl_addr <= BigInt(parent.aperture.end);
  if (!isWidthOk || !isRootOk) {
    return -EINVAL;
  }
  const has = (flag: number): boolean => (Number(stage1.flags) & flag) !== 0;
  return (
    iommu.driver?.allocDomain({
      type: 'nested',
      format: 'first-stage',
      parent,
      stage1: {
        pgtbl_addr: Number(stage1.pgtbl_addr),
        addr_width: stage1.addr_width,
        isSupervisorAllowed: has(F.IOMMU_VTD_S1_SRE),
        hasExtendedAccessed: has(F.IOMMU_VTD_S1_EAFE),
        isWriteProtected: has(F.IOMMU_VTD_S1_WPE),
      },
    }) ?? -EOPNOTSUPP
  );
}

/** Carries entries out in order; a bad one stops, and `entry_num` says how many were done. */
export function hwptInvalidate(
  { iommu }: HwptPorts,
  context: IommufdContext,
  argument: IoctlArgument,
  caller: Caller,
): number {
  const arg = UserArgument.iommufd(IommuHwptInvalidate, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  const { hwpt_id, data_uptr, data_type, entry_len, entry_num, reserved } = arg.values;
  if (reserved !== 0) {
    return -EOPNOTSUPP;
  }
  const finish = (done: number, result: number): number => {
    arg.put({ entry_num: done });
    return result;
  };
  const hwpt = context.get(hwpt_id, 'hwpt');
  if (IS_ERR(hwpt)) {
    return finish(0, hwpt);
  }
  if (hwpt.domain.type !== 'nested') {
    return finish(0, -EOPNOTSUPP);
  }
  const isTypeOk = data_type === F.IOMMU_HWPT_INVALIDATE_DATA_VTD_S1;
  if (!isTypeOk || (entry_num > 0 && entry_len < IommuHwptVtdS1Invalidate.bytes)) {
    return finish(0, -EINVAL);
  }
  for (let i = 0; i < entry_num; i++) {
    const bytes = caller.mm.read(Number(data_uptr) + i * entry_len, IommuHwptVtdS1Invalidate.bytes);
    if (IS_ERR(bytes)) {
      return finish(i, bytes);
    }
    const result = invalidateOne(iommu, hwpt.domain, decodeBytes(IommuHwptVtdS1Invalidate, bytes));
    if (result < 0) {
      return finish(i, result);
    }
  }
  return finish(entry_num, 0);
}

function invalidateOne(
  iommu: Iommu,
  domain: IommuDomain,
  entry: ReturnType<typeof IommuHwptVtdS1Invalidate.decode>,
): number {
  if ((entry.flags & ~F.IOMMU_VTD_INV_FLAGS_LEAF) !== 0 || entry.reserved !== 0) {
    return -EOPNOTSUPP;
  }
  if (entry.addr % BigInt(PAGE_BYTES) !== 0n || (entry.npages === ALL_ONES && entry.addr !== 0n)) {
    return -EINVAL;
  }
  if (entry.npages === ALL_ONES) {
    iommu.driver?.flush.all(domain);
    return 0;
  }
  const isLeafOnly = (entry.flags & F.IOMMU_VTD_INV_FLAGS_LEAF) !== 0;
  iommu.driver?.flush.range(
    domain,
    Number(entry.addr),
    Number(entry.npages) * PAGE_BYTES,
    isLeafOnly,
  );
  return 0;
}

export function setDirtyTracking(
  { iommu }: HwptPorts,
  context: IommufdContext,
  argument: IoctlArgument,
): number {
  const arg = UserArgument.iommufd(IommuHwptSetDirtyTracking, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  const { flags, hwpt_id } = arg.values;
  if ((flags & ~F.IOMMU_HWPT_DIRTY_TRACKING_ENABLE) !== 0) {
    return -EOPNOTSUPP;
  }
  const hwpt = context.get(hwpt_id, 'hwpt');
  if (IS_ERR(hwpt)) {
    return hwpt;
  }
  if (!hwpt.domain.hasDirtyTracking) {
    return -EOPNOTSUPP;
  }
  iommu.driver?.setDirtyTracking(hwpt.domain, flags !== 0);
  return 0;
}

export function getDirtyBitmap(
  { core, iommu }: HwptPorts,
  context: IommufdContext,
  argument: IoctlArgument,
  caller: Caller,
): number {
  const arg = UserArgument.iommufd(IommuHwptGetDirtyBitmap, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  const { hwpt_id, flags, iova, length, page_size, data, reserved } = arg.values;
  if ((flags & ~F.IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR) !== 0 || reserved !== 0) {
    return -EOPNOTSUPP;
  }
  const hwpt = context.get(hwpt_id, 'hwpt');
  if (IS_ERR(hwpt)) {
    return hwpt;
  }
  if (!hwpt.domain.hasDirtyTracking) {
    return -EOPNOTSUPP;
  }
  if (page_size === 0n || iova % page_size !== 0n || length === 0n || length % page_size !== 0n) {
    return -EINVAL;
  }
  const clears = (flags & F.IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR) === 0;
  const range = { iova: Number(iova), bytes: Number(length), pageBytes: Number(page_size) };
  const bitmap = readDirtyPages(core, hwpt.domain, range, clears);
  if (clears) {
    iommu.driver?.flush.range(hwpt.domain, range.iova, range.bytes, true);
  }
  return caller.mm.write(Number(data), bitmap);
}

export function getHwInfo(
  { iommu, config }: HwptPorts,
  context: IommufdContext,
  argument: IoctlArgument,
  caller: Caller,
): number {
  const arg = UserArgument.iommufd(IommuGetHwInfo, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  const { flags, dev_id, data_len, data_uptr } = arg.values;
  if (flags !== 0) {
    return -EOPNOTSUPP;
  }
  const device = context.get(dev_id, 'device');
  if (IS_ERR(device)) {
    return device;
  }
  const unit = iommu.driver?.unit;
  const { dma } = device;
  if (unit === undefined || !isPciDev(dma)) {
    arg.put({ out_data_type: F.IOMMU_HW_INFO_TYPE_NONE, data_len: 0 });
    return 0;
  }
  const { cap, ecap } = unit.capability.registers;
  const info = encodeBytes(IommuHwInfoVtd, { cap_reg: cap, ecap_reg: ecap });
  const stored =
    data_len === 0 ? 0 : caller.mm.write(Number(data_uptr), info.subarray(0, data_len));
  if (stored < 0) {
    return stored;
  }
  const pasidCap = config.findExtended(dma, PCI_REGS.PCI_EXT_CAP_ID_PASID);
  const features = pasidCap === 0 ? 0 : config.read(dma, pasidCap + PCI_REGS.PCI_PASID_CAP, 2);
  const hasDirty = unit.has('SSADS');
  const max = iommu.maxPasids(dma);
  arg.put({
    data_len: info.length,
    out_data_type: F.IOMMU_HW_INFO_TYPE_INTEL_VTD,
    out_max_pasid_log2: max === 0 ? 0 : Math.log2(max),
    out_capabilities: BigInt(
      (hasDirty ? F.IOMMU_HW_CAP_DIRTY_TRACKING : 0) |
        ((features & PCI_REGS.PCI_PASID_CAP_EXEC) === 0 ? 0 : F.IOMMU_HW_CAP_PCI_PASID_EXEC) |
        ((features & PCI_REGS.PCI_PASID_CAP_PRIV) === 0 ? 0 : F.IOMMU_HW_CAP_PCI_PASID_PRIV) |
        (dma.ats.isEnabled ? 0 : F.IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED),
    ),
  });
  return 0;
}

export function faultAlloc(
  core: Core,
  context: IommufdContext,
  argument: IoctlArgument,
  caller: Caller,
): number {
  const arg = UserArgument.iommufd(IommuFaultAlloc, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  if (arg.values.flags !== 0) {
    return -EOPNOTSUPP;
  }
  const queue = new FaultQueue();
  const object = context.add<FaultObject>({ kind: 'fault', id: context.nextId(), queue });
  const fd = caller.files.install(new FaultQueueFile(core, queue, object.id));
  arg.put({ out_fault_id: object.id, out_fault_fd: fd });
  return 0;
}
