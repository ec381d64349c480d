/**
 * vfio-pci: a whole function for user space (drivers/vfio/pci). Configuration space is passed through but for the BARs and
 * the MSI-X capability, BARs may be mapped page by page, interrupts end in eventfds.
 *
 * Functions of the first accelerator generation are refused: their portals are not safe for untrusted users
 * (INTEL-SA-01084).
 */
import { VFIO_DEVICE_IOCTLS as D, VFIO_FLAGS as F } from '../../spec/vfio/ioctl-numbers.ts';
import type { Core } from '../core/core.ts';
import type { Caller, IoctlArgument } from '../core/files.ts';
import { EFAULT, EINVAL, ENOTTY, IS_ERR } from '../errno.ts';
import type { IrqBypass } from '../irq/irq-bypass.ts';
import type { Irqs } from '../irq/irq.ts';
import type { VmArea } from '../mm/mm.ts';
import { PAGE_BYTES } from '../mm/page-allocator.ts';
import type { Msix } from '../pci/msix.ts';
import type { PciDev } from '../pci/pci-dev.ts';
import { PCI_REGS } from '../pci/pci-regs.ts';
import type { Pci, PciDriver } from '../pci/pci.ts';
import { DeviceIrqs } from './device-irqs.ts';
import {
  getDeviceInfo,
  getIrqInfo,
  getRegionInfo,
  regionOf,
  type RegionSpec,
} from './device-requests.ts';
import { SoftwareIrqs, setIrqs, type IrqSetTarget } from './irq-set.ts';
import type { VfioDevice, VfioDeviceOps } from './vfio-device.ts';
import type { Vfio } from './vfio.ts';

/** Vendor and device of functions that are never handed to user space. */
const DENYLIST: readonly (readonly [vendor: number, device: number])[] = [
  [0x8086, 0x0b25],
  [0x8086, 0x0cfe],
];

const RW = F.VFIO_REGION_INFO_FLAG_READ | F.VFIO_REGION_INFO_FLAG_WRITE;
const CONFIG_BYTES = 4096;
const EVENTFD_IRQ = F.VFIO_IRQ_INFO_EVENTFD | F.VFIO_IRQ_INFO_NORESIZE;

export interface VfioPciParts {
  readonly core: Core;
  readonly vfio: Vfio;
  readonly pci: Pci;
  readonly msix: Msix;
  readonly irqs: Irqs;
  readonly bypass: IrqBypass;
}

interface PciVdev {
  readonly dev: PciDev;
  readonly vdev: VfioDevice;
  readonly regions: ReadonlyMap<number, RegionSpec>;
  readonly request: SoftwareIrqs;
  vectors: DeviceIrqs | null;
}

export function createVfioPciDriver(parts: VfioPciParts): PciDriver {
  const vdevs = new Map<PciDev, PciVdev>();
  return {
    name: 'vfio-pci',
    id_table: [],
    driver_managed_dma: true,
    probe(dev) {
      if (DENYLIST.some(([vendor, id]) => dev.vendor === vendor && dev.device === id)) {
        parts.core.warn(
          `vfio-pci ${dev.name}: device is in the denylist, driver probing disallowed`,
        );
        return -EINVAL;
      }
      const vdev = parts.vfio.vfio_alloc_device(dev, opsOf(parts, vdevs, dev));
      if (IS_ERR(vdev)) {
        return vdev;
      }
      const made: PciVdev = {
        dev,
        vdev,
        regions: regionsOf(dev),
        request: new SoftwareIrqs(1),
        vectors: null,
      };
      vdevs.set(dev, made);
      return parts.vfio.vfio_register_group_dev(vdev);
    },
    remove(dev) {
      const made = vdevs.get(dev);
      if (made !== undefined) {
        parts.vfio.vfio_unregister_group_dev(made.vdev);
        parts.vfio.vfio_put_device(made.vdev);
        vdevs.delete(dev);
      }
    },
  };
}

function regionsOf(dev: PciDev): ReadonlyMap<number, RegionSpec> {
  const bars = dev.resources.map((r): [number, RegionSpec] => [
    r.bar,
    { size: r.bytes, flags: RW | F.VFIO_REGION_INFO_FLAG_MMAP },
  ]);
  return new Map([...bars, [F.VFIO_PCI_CONFIG_REGION_INDEX, { size: CONFIG_BYTES, flags: RW }]]);
}

function opsOf(
  parts: VfioPciParts,
  vdevs: ReadonlyMap<PciDev, PciVdev>,
  dev: PciDev,
): VfioDeviceOps {
  const made = (): PciVdev | undefined => vdevs.get(dev);
  return {
    name: 'vfio_pci_ops',
    open_device: () => {
      parts.pci.pci_enable_device(dev);
      return 0;
    },
    close_device: () => {
      const state = made();
      state?.vectors?.disable();
      state?.request.disable();
      if (state !== undefined) {
        releaseVectors(parts, state);
      }
      parts.pci.pci_disable_device(dev);
    },
    read: (_vdev, count, position) => readRegion(parts, made(), count, position),
    write: (_vdev, bytes, position) => writeRegion(parts, made(), bytes, position),
    mmap: (_vdev, area) => mapBar(dev, area),
    request: () => made()?.request.signal(0, 'please release the device'),
    ioctl: (_vdev, command, argument, caller) =>
      deviceIoctl(parts, made(), command, argument, caller),
    pasid_attach_ioas: (vdev, pasid, ptId) => parts.vfio.attachPasid(vdev, pasid, ptId),
    pasid_detach_ioas: (vdev, pasid) => parts.vfio.detachPasid(vdev, pasid),
  };
}

function deviceIoctl(
  parts: VfioPciParts,
  state: PciVdev | undefined,
  command: number,
  argument: IoctlArgument,
  caller: Caller,
): number {
  if (state === undefined) {
    return -EINVAL;
  }
  const canReset = parts.pci.hasFlr(state.dev);
  switch (command) {
    case D.VFIO_DEVICE_GET_INFO:
      return getDeviceInfo(
        argument,
        F.VFIO_DEVICE_FLAGS_PCI | (canReset ? F.VFIO_DEVICE_FLAGS_RESET : 0),
      );
    case D.VFIO_DEVICE_GET_REGION_INFO:
      return getRegionInfo(argument, (index) => state.regions.get(index));
    case D.VFIO_DEVICE_GET_IRQ_INFO:
      return getIrqInfo(argument, irqInfo(parts, state.dev));
    case D.VFIO_DEVICE_SET_IRQS:
      return setIrqs(argument, irqTargets(parts, state), caller);
    case D.VFIO_DEVICE_RESET:
      return canReset ? parts.pci.pci_reset_function(state.dev) : -EINVAL;
    default:
      return -ENOTTY;
  }
}

function irqInfo(
  parts: VfioPciParts,
  dev: PciDev,
): ReadonlyMap<number, { count: number; flags: number }> {
  const vectors = parts.msix.pci_msix_vec_count(dev);
  return new Map([
    ...(vectors > 0
      ? [[F.VFIO_PCI_MSIX_IRQ_INDEX, { count: vectors, flags: EVENTFD_IRQ }] as const]
      : []),
    [F.VFIO_PCI_REQ_IRQ_INDEX, { count: 1, flags: EVENTFD_IRQ }] as const,
  ]);
}

function irqTargets(parts: VfioPciParts, state: PciVdev): ReadonlyMap<number, IrqSetTarget> {
  const count = parts.msix.pci_msix_vec_count(state.dev);
  const targets = new Map<number, IrqSetTarget>([[F.VFIO_PCI_REQ_IRQ_INDEX, state.request]]);
  if (count <= 0) {
    return targets;
  }
  state.vectors ??= new DeviceIrqs({
    name: `vfio-msix ${state.dev.name}`,
    count,
    irqs: parts.irqs,
    bypass: parts.bypass,
    source: {
      acquire: (vector) => acquireVector(parts, state.dev, vector, count),
      release: () => {},
    },
  });
  return targets.set(F.VFIO_PCI_MSIX_IRQ_INDEX, state.vectors);
}

function acquireVector(parts: VfioPciParts, dev: PciDev, vector: number, count: number): number {
  if (dev.msix_irqs.length === 0) {
    const allocated = parts.msix.pci_alloc_irq_vectors(dev, 1, count);
    if (IS_ERR(allocated)) {
      return allocated;
    }
  }
  return parts.msix.pci_irq_vector(dev, vector);
}

function releaseVectors(parts: VfioPciParts, state: PciVdev): void {
  if (state.dev.msix_irqs.length > 0) {
    parts.msix.pci_free_irq_vectors(state.dev);
  }
  state.vectors = null;
}

/** Accesses of 1, 2, 4 or 8 bytes; larger ones are cut. */
function piecesOf(offset: number, bytes: number): readonly { at: number; size: 1 | 2 | 4 | 8 }[] {
  const pieces: { at: number; size: 1 | 2 | 4 | 8 }[] = [];
  for (let done = 0; done < bytes;) {
    const at = offset + done;
    const sizes = [8, 4, 2, 1] as const;
    const size = sizes.find((s) => at % s === 0 && s <= bytes - done) ?? 1;
    pieces.push({ at, size });
    done += size;
  }
  return pieces;
}

function readRegion(
  parts: VfioPciParts,
  state: PciVdev | undefined,
  count: number,
  position: number,
): Uint8Array | number {
  const { index, offset } = regionOf(position);
  const region = state?.regions.get(index);
  if (state === undefined || region === undefined || offset + count > region.size) {
    return -EINVAL;
  }
  const out = new Uint8Array(count);
  const view = new DataView(out.buffer);
  for (const { at, size } of piecesOf(offset, count)) {
    const value =
      index === F.VFIO_PCI_CONFIG_REGION_INDEX
        ? readConfig(parts, state.dev, at, size)
        : parts.core.hw.mmioRead(barStart(state.dev, index) + at, size);
    putValue(view, at - offset, size, value);
  }
  return out;
}

function writeRegion(
  parts: VfioPciParts,
  state: PciVdev | undefined,
  bytes: Uint8Array,
  position: number,
): number {
  const { index, offset } = regionOf(position);
  const region = state?.regions.get(index);
  if (state === undefined || region === undefined || offset + bytes.length > region.size) {
    return -EINVAL;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const { at, size } of piecesOf(offset, bytes.length)) {
    const value = getValue(view, at - offset, size);
    if (index === F.VFIO_PCI_CONFIG_REGION_INDEX) {
      writeConfig(parts, state.dev, at, size, value);
    } else {
      parts.core.hw.mmioWrite(barStart(state.dev, index) + at, size, value);
    }
  }
  return bytes.length;
}

function barStart(dev: PciDev, bar: number): number {
  return dev.resources.find((r) => r.bar === bar)?.start ?? 0;
}

function readConfig(parts: VfioPciParts, dev: PciDev, at: number, size: number): bigint {
  if (size === 8) {
    const low = parts.pci.config.read(dev, at, 4);
    return BigInt(low) | (BigInt(parts.pci.config.read(dev, at + 4, 4)) << 32n);
  }
  return BigInt(parts.pci.config.read(dev, at, size as 1 | 2 | 4));
}

/** Where the function lies and how it interrupts is the host's business. */
function writeConfig(
  parts: VfioPciParts,
  dev: PciDev,
  at: number,
  size: number,
  value: bigint,
): void {
  const msix = parts.pci.config.findCapability(dev, PCI_REGS.PCI_CAP_ID_MSIX);
  const isBar = at >= PCI_REGS.PCI_BASE_ADDRESS_0 && at < PCI_REGS.PCI_BASE_ADDRESS_0 + 24;
  const isMsix = msix !== 0 && at >= msix && at < msix + 12;
  if (!isBar && !isMsix && size <= 4) {
    parts.pci.config.write(dev, at, size as 1 | 2 | 4, Number(value));
  }
}

function mapBar(dev: PciDev, area: VmArea): number {
  const { index, offset } = regionOf(area.offset);
  const resource = dev.resources.find((r) => r.bar === index);
  const bytes = area.vm_end - area.vm_start;
  if (!area.isShared || resource === undefined || offset + bytes > resource.bytes) {
    return -EINVAL;
  }
  area.isNotCopied = true;
  for (let done = 0; done < bytes; done += PAGE_BYTES) {
    const result = area.mm.remap(
      area,
      area.vm_start + done,
      resource.start + offset + done,
      PAGE_BYTES,
    );
    if (result < 0) {
      return -EFAULT;
    }
  }
  return 0;
}

function putValue(view: DataView, at: number, size: 1 | 2 | 4 | 8, value: bigint): void {
  for (let i = 0; i < size; i++) {
    view.setUint8(at + i, Number((value >> BigInt(i * 8)) & 0xffn));
  }
}

function getValue(view: DataView, at: number, size: 1 | 2 | 4 | 8): bigint {
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) {
    value = (value << 8n) | BigInt(view.getUint8(at + i));
  }
  return value;
}
