/**
 * A parent driver for tests of the VMM: it hands out queues of a DSA-class accelerator as VDEVs with one register page that
 * traps, portal pages that may be mapped, an interrupt of its own and one behind an IMS entry. It does what a VDCM must and
 * no more; virtual commands are one doorbell register.
 */
import { defined } from '../../src-main/bits/invariant.ts';
import { COMMAND } from '../../src-main/spec/dsa/commands.ts';
import { GENCFG } from '../../src-main/spec/dsa/general-registers.ts';
import { GroupConfig } from '../../src-main/spec/dsa/group-config.ts';
import { WQ_MODE, WqConfig } from '../../src-main/spec/dsa/wq-config.ts';
import {
  VFIO_DEVICE_IOCTLS as D,
  VFIO_FLAGS as F,
} from '../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  VfioDeviceInfo,
  VfioIrqInfo,
  VfioIrqSet,
  VfioRegionInfo,
} from '../../src-main/spec/vfio/vfio-structures.ts';
import type { InterruptMessage } from '../../src-main/spec/vtd/interrupt-message.ts';
import { EventfdFile } from '../../src-main/linux/core/eventfd.ts';
import type { Caller, IoctlArgument } from '../../src-main/linux/core/files.ts';
import { UserArgument } from '../../src-main/linux/core/user-argument.ts';
import { EAGAIN, EBUSY, EFAULT, EINVAL, IS_ERR } from '../../src-main/linux/errno.ts';
import { IOMMU_DEV_FEAT_AUX } from '../../src-main/linux/iommu/aux-domain.ts';
import type { BypassProducer } from '../../src-main/linux/irq/irq-bypass.ts';
import type { IrqChip } from '../../src-main/linux/irq/irq.ts';
import type { Kernel } from '../../src-main/linux/kernel.ts';
import type { MdevDevice, MdevDriver } from '../../src-main/linux/mdev/mdev-device.ts';
import type { VmArea } from '../../src-main/linux/mm/mm.ts';
import type { PciDev } from '../../src-main/linux/pci/pci-dev.ts';
import type { VfioDevice, VfioDeviceOps } from '../../src-main/linux/vfio/vfio-device.ts';

export const PAGE = 4096;
const REGION_SHIFT = 2 ** 40;
const CONFIG_BYTES = 4096;
export const BAR0_BYTES = 0x4000;
export const BAR2_BYTES = 0x4000;
export const MSIX_TABLE_OFFSET = 0x2000;
export const MSIX_PBA_OFFSET = 0x3000;
export const MSIX_VECTORS = 2;
/** Register: writing 1 enables the queue for the guest, 2 fires vector 0. Reads give the default PASID. */
export const DOORBELL = 0x10;
/** Register: IMS entry behind vector 1. */
export const HANDLE = 0x14;
const MSIX_CAPABILITY = 0x40;
const IMS_TABLE = 0x8000;
const WQCFG_TABLE = 0x800;
const WQCFG_BYTES = 32;

export type QueueMode = 'dedicated' | 'shared';

interface Vdev {
  readonly uuid: string;
  readonly wq: number;
  readonly mode: QueueMode;
  readonly config: Uint8Array;
  readonly bar0: Uint8Array;
  readonly eventfds: (EventfdFile | null)[];
  readonly slow: Uint8Array;
  readonly received: Set<number>;
  producer: BypassProducer | null;
  irq: number;
  pasid: number;
  request: EventfdFile | null;
}

function put(bytes: Uint8Array, at: number, width: number, value: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (width === 2) {
    view.setUint16(at, value, true);
  } else {
    view.setUint32(at, value >>> 0, true);
  }
}

function newConfig(): Uint8Array {
  const config = new Uint8Array(CONFIG_BYTES);
  put(config, 0x00, 4, 0x0b25_8086);
  put(config, 0x06, 2, 0x10);
  put(config, 0x08, 4, 0x0880_0000);
  put(config, 0x10, 4, 0x0c);
  put(config, 0x18, 4, 0x0c);
  put(config, 0x34, 2, MSIX_CAPABILITY);
  put(config, MSIX_CAPABILITY, 2, 0x0011);
  put(config, MSIX_CAPABILITY + 2, 2, MSIX_VECTORS - 1);
  put(config, MSIX_CAPABILITY + 4, 4, MSIX_TABLE_OFFSET);
  put(config, MSIX_CAPABILITY + 8, 4, MSIX_PBA_OFFSET);
  return config;
}

/** Writable bits of each configuration dword; everything else is read-only. */
const CONFIG_MASKS: Readonly<Record<number, number>> = {
  0x04: 0x0000_0006,
  0x10: ~(BAR0_BYTES - 1) >>> 0,
  0x14: 0xffff_ffff,
  0x18: ~(BAR2_BYTES - 1) >>> 0,
  0x1c: 0xffff_ffff,
  [MSIX_CAPABILITY]: 0xc000_0000,
};

export interface QueueParentOptions {
  /** One queue each, in order. */
  readonly queues: readonly QueueMode[];
  /** Portal pages that a VDEV maps; none makes every submission trap. */
  readonly mapsPortals?: boolean;
}

export class QueueParent implements IrqChip {
  readonly name = 'test IMS';
  readonly vdevs = new Map<string, Vdev>();
  readonly #kernel: Kernel;
  readonly #dev: PciDev;
  readonly #options: QueueParentOptions;
  readonly #bar0: number;
  readonly #bar2: number;
  readonly #messages = new Map<
    number,
    { message: InterruptMessage; isMasked: boolean; pasid: number }
  >();
  #nextIms = 0;
  readonly #handlers = new Map<number, Vdev>();

  constructor(kernel: Kernel, dev: PciDev, options: QueueParentOptions) {
    this.#kernel = kernel;
    this.#dev = dev;
    this.#options = options;
    kernel.pci.pci_enable_device(dev);
    kernel.pci.pci_set_master(dev);
    kernel.pci.pci_enable_pasid(dev, 0);
    this.#bar0 = kernel.pci.pci_resource_start(dev, 0);
    this.#bar2 = kernel.pci.pci_resource_start(dev, 2);
    this.#configure();
    this.#register();
  }

  /** Writes a UUID to a `create` file. */
  create(uuid: string, mode: QueueMode): number {
    const { calls, mdev } = this.#kernel;
    const type = mdev.parentOf(this.#dev)?.types.find((t) => t.id.includes(mode));
    const id = defined(type, `Type ${mode}`).id;
    return calls.sysfsWrite(`${this.#dev.path}/mdev_supported_types/${id}/create`, uuid);
  }

  // ---- IMS chip ------------------------------------------------------------------------------------------------------

  writeMessage(hwirq: number, message: InterruptMessage): void {
    this.#storeIms(hwirq, { message });
  }

  mask(hwirq: number): void {
    this.#storeIms(hwirq, { isMasked: true });
  }

  unmask(hwirq: number): void {
    this.#storeIms(hwirq, { isMasked: false });
  }

  #storeIms(
    index: number,
    change: { message?: InterruptMessage; isMasked?: boolean; pasid?: number },
  ): void {
    const old = this.#messages.get(index) ?? {
      message: { address: 0xfee0_0000, data: 0 },
      isMasked: true,
      pasid: 0,
    };
    const next = { ...old, ...change };
    this.#messages.set(index, next);
    const at = this.#bar0 + IMS_TABLE + index * 16;
    const { io } = this.#kernel;
    io.writel(next.message.address, at);
    io.writel(next.message.data, at + 8);
    const control = Number(next.isMasked) | (next.pasid > 0 ? 8 : 0) | (next.pasid << 12);
    io.writel(control >>> 0, at + 12);
  }

  // ---- the function --------------------------------------------------------------------------------------------------

  #configure(): void {
    const { queues } = this.#options;
    const { io } = this.#kernel;
    const group = GroupConfig.encode({
      wqs: (1n << BigInt(queues.length)) - 1n,
      engines: 1n,
      readBuffersAllowed: 8,
    });
    const groupTable = (io.readl(this.#bar0 + 0x60) & 0xffff) * 0x100;
    group.forEach((word, i) => io.writel(word, this.#bar0 + groupTable + i * 4));
    queues.forEach((mode, wq) => this.#writeWq(wq, mode, 0));
    // Descriptors of a guest kernel are unprivileged ones here: they may ask for interrupts all the same.
    const [general = 0] = GENCFG.encode({ userInterrupts: 1 });
    io.writel(general, this.#bar0 + GENCFG.offset);
    this.#command(COMMAND.enableDevice, 0);
    queues.forEach((mode, wq) => {
      if (mode === 'shared') {
        this.#command(COMMAND.enableWq, wq);
      }
    });
  }

  #writeWq(wq: number, mode: QueueMode, pasid: number): void {
    const words = WqConfig.encode({
      size: 16,
      threshold: 16,
      mode: mode === 'shared' ? WQ_MODE.shared : WQ_MODE.dedicated,
      priority: 10,
      pasidEnable: 1,
      pasid,
      maxTransferShift: 21,
      maxBatchShift: 5,
    });
    words.subarray(0, WQCFG_BYTES / 4).forEach((word, i) => {
      if (i !== 6) {
        this.#kernel.io.writel(word, this.#bar0 + WQCFG_TABLE + wq * WQCFG_BYTES + i * 4);
      }
    });
  }

  /** Error code of the command. */
  #command(code: number, operand: number): number {
    const { io, core } = this.#kernel;
    io.writel(((code << 20) | operand) >>> 0, this.#bar0 + 0xa0);
    core.poll(() => (io.readl(this.#bar0 + 0xa8) & 0x8000_0000) === 0, 1e9);
    return io.readl(this.#bar0 + 0xa8) & 0xff;
  }

  // ---- mdev ----------------------------------------------------------------------------------------------------------

  #register(): void {
    const kernel = this.#kernel;
    const create = (mdev: MdevDevice, type: string): number => {
      const mode: QueueMode = type.includes('shared') ? 'shared' : 'dedicated';
      const taken = [...this.vdevs.values()].filter((v) => v.mode === 'dedicated').map((v) => v.wq);
      const wq = this.#options.queues.findIndex((m, i) => m === mode && !taken.includes(i));
      if (wq < 0) {
        return -EBUSY;
      }
      this.vdevs.set(mdev.uuid, {
        uuid: mdev.uuid,
        wq,
        mode,
        config: newConfig(),
        bar0: new Uint8Array(BAR0_BYTES),
        eventfds: [null, null],
        slow: new Uint8Array(64),
        received: new Set(),
        producer: null,
        irq: -1,
        pasid: 0,
        request: null,
      });
      return 0;
    };
    if (kernel.core.profile === 'kvmforum2019') {
      kernel.aux.iommu_dev_enable_feature(this.#dev, IOMMU_DEV_FEAT_AUX);
      const find = (mdev: MdevDevice): Vdev => defined(this.vdevs.get(mdev.uuid), mdev.uuid);
      kernel.mdev.mdev_register_device(this.#dev, {
        name: 'test_parent_ops',
        supported_type_groups: ['dedicated', 'shared'].map((mode) => ({
          name: `test-${mode}`,
          attributes: { device_api: () => 'vfio-pci', available_instances: () => '1' },
        })),
        create: (mdev) => {
          const result = create(mdev, mdev.type.id);
          kernel.mdev.mdev_set_iommu_device(mdev, this.#dev);
          return result;
        },
        remove: () => 0,
        open: () => 0,
        release: (mdev) => this.#close(find(mdev)),
        read: (mdev, count, position) => this.#read(find(mdev), count, position),
        write: (mdev, bytes, position) => this.#write(find(mdev), bytes, position),
        ioctl: (mdev, command, argument) =>
          this.#ioctl(find(mdev), command, argument, this.#owner(mdev.uuid)),
        mmap: (mdev, area) => this.#mmap(find(mdev), area as VmArea),
      });
      return;
    }
    const find = (vdev: VfioDevice): Vdev => defined(this.vdevs.get(vdev.name), vdev.name);
    const ops: VfioDeviceOps = {
      name: 'test_vdev_ops',
      open_device: () => 0,
      close_device: (vdev) => this.#close(find(vdev)),
      read: (vdev, count, position) => this.#read(find(vdev), count, position),
      write: (vdev, bytes, position) => this.#write(find(vdev), bytes, position),
      ioctl: (vdev, command, argument, caller) =>
        this.#ioctl(find(vdev), command, argument, caller),
      mmap: (vdev, area) => this.#mmap(find(vdev), area),
      request: (vdev) => find(vdev).request?.signal('the driver asks for the device'),
    };
    const driver: MdevDriver = {
      name: 'test_mdev',
      device_api: 'vfio-pci',
      get_available: () => 1,
      probe: (mdev) => {
        const made = create(mdev, mdev.type.id);
        if (made < 0) {
          return made;
        }
        const vdev = kernel.vfio.vfio_alloc_device(mdev, ops);
        return IS_ERR(vdev) ? vdev : kernel.vfio.vfio_register_siov_dev(vdev, this.#dev);
      },
      remove: (mdev) => {
        const vdev = kernel.vfio.deviceOf(mdev);
        if (vdev !== undefined) {
          kernel.vfio.vfio_unregister_group_dev(vdev);
        }
        this.vdevs.delete(mdev.uuid);
      },
    };
    kernel.mdev.mdev_register_driver(driver);
    kernel.mdev.mdev_register_parent(this.#dev, driver, [
      { sysfs_name: 'dedicated' },
      { sysfs_name: 'shared' },
    ]);
  }

  /** 2019: operations get no caller; the VM's process is the one that has the group open. */
  #owner(uuid: string): Caller {
    const owner = this.#kernel.processes
      .list()
      .find((p) => p.files.entries().some(([, file]) => file.name === `vfio device ${uuid}`));
    return defined(owner ?? this.#kernel.processes.list()[0], 'A process');
  }

  // ---- VFIO ----------------------------------------------------------------------------------------------------------

  #read(vdev: Vdev, count: number, position: number): Uint8Array | number {
    const index = Math.floor(position / REGION_SHIFT);
    const offset = position % REGION_SHIFT;
    const space = index === 7 ? vdev.config : vdev.bar0;
    if (index === 2) {
      return new Uint8Array(count).fill(0xff);
    }
    if (index === 0 && offset === DOORBELL) {
      put(vdev.bar0, DOORBELL, 4, this.#pasidOf(vdev));
    }
    return offset + count > space.length ? -EINVAL : space.slice(offset, offset + count);
  }

  #write(vdev: Vdev, bytes: Uint8Array, position: number): number {
    const index = Math.floor(position / REGION_SHIFT);
    const offset = position % REGION_SHIFT;
    if (index === 7) {
      bytes.forEach((byte, i) => {
        const at = offset + i;
        const mask = ((CONFIG_MASKS[at - (at % 4)] ?? 0) >>> ((at % 4) * 8)) & 0xff;
        vdev.config[at] = ((vdev.config[at] ?? 0) & ~mask) | (byte & mask);
      });
      return bytes.length;
    }
    if (index === 2) {
      return this.#slowPortal(vdev, offset, bytes);
    }
    if (offset + bytes.length > vdev.bar0.length) {
      return -EFAULT;
    }
    vdev.bar0.set(bytes, offset);
    if (offset === DOORBELL) {
      this.#doorbell(vdev, bytes[0] ?? 0);
    }
    return bytes.length;
  }

  #doorbell(vdev: Vdev, value: number): void {
    if (value === 2) {
      vdev.eventfds[0]?.signal('command done');
      return;
    }
    if (vdev.mode === 'dedicated') {
      this.#writeWq(vdev.wq, vdev.mode, this.#pasidOf(vdev));
      this.#command(COMMAND.enableWq, vdev.wq);
    }
  }

  /** Eight stores make a descriptor, which software submits with the PASID the VM really has. */
  #slowPortal(vdev: Vdev, offset: number, bytes: Uint8Array): number {
    const at = offset % 64;
    vdev.slow.set(bytes, at);
    vdev.received.add(at);
    if (vdev.received.size < 8) {
      return bytes.length;
    }
    vdev.received.clear();
    const view = new DataView(vdev.slow.buffer);
    const words = Uint32Array.from({ length: 16 }, (_, i) => view.getUint32(i * 4, true));
    const portal = this.#portal(vdev, 0);
    if (vdev.mode === 'dedicated') {
      this.#kernel.io.iosubmit_cmds512(portal, words);
      return bytes.length;
    }
    words[0] = this.#pasidOf(vdev);
    return this.#kernel.io.enqcmds(portal, words) === -EAGAIN ? -EAGAIN : bytes.length;
  }

  /** The IMS portals of the queue stand at both portal pages of the VDEV. */
  #portal(vdev: Vdev, page: number): number {
    return this.#bar2 + vdev.wq * 0x4000 + (page + 2) * PAGE;
  }

  #mmap(vdev: Vdev, area: VmArea): number {
    const page = (area.offset % REGION_SHIFT) / PAGE;
    const bytes = area.vm_end - area.vm_start;
    const isAllowed = this.#areas(vdev).includes(page) && bytes === PAGE && area.isShared;
    return isAllowed
      ? area.mm.remap(area, area.vm_start, this.#portal(vdev, page), bytes)
      : -EINVAL;
  }

  #areas(vdev: Vdev): readonly number[] {
    if (this.#options.mapsPortals === false) {
      return [];
    }
    return vdev.mode === 'dedicated' ? [0, 1] : [1];
  }

  #ioctl(vdev: Vdev, command: number, argument: IoctlArgument, caller: Caller): number {
    switch (command) {
      case D.VFIO_DEVICE_GET_INFO: {
        const arg = UserArgument.vfio(VfioDeviceInfo, argument);
        if (IS_ERR(arg)) {
          return arg;
        }
        arg.put({
          flags: F.VFIO_DEVICE_FLAGS_PCI | F.VFIO_DEVICE_FLAGS_RESET,
          num_regions: 9,
          num_irqs: 5,
        });
        return 0;
      }
      case D.VFIO_DEVICE_GET_REGION_INFO:
        return this.#regionInfo(vdev, argument);
      case D.VFIO_DEVICE_GET_IRQ_INFO: {
        const arg = UserArgument.vfio(VfioIrqInfo, argument);
        if (IS_ERR(arg)) {
          return arg;
        }
        const { index } = arg.values;
        if (index !== F.VFIO_PCI_MSIX_IRQ_INDEX && index !== F.VFIO_PCI_REQ_IRQ_INDEX) {
          return -EINVAL;
        }
        arg.put({
          flags: F.VFIO_IRQ_INFO_EVENTFD,
          count: index === F.VFIO_PCI_REQ_IRQ_INDEX ? 1 : MSIX_VECTORS,
        });
        return 0;
      }
      case D.VFIO_DEVICE_SET_IRQS:
        return this.#setIrqs(vdev, argument, caller);
      case D.VFIO_DEVICE_RESET:
        this.#close(vdev);
        return 0;
      default:
        return -EINVAL;
    }
  }

  #regionInfo(vdev: Vdev, argument: IoctlArgument): number {
    const arg = UserArgument.vfio(VfioRegionInfo, argument);
    if (IS_ERR(arg)) {
      return arg;
    }
    const { index } = arg.values;
    const sizes: Readonly<Record<number, number>> = {
      0: BAR0_BYTES,
      2: BAR2_BYTES,
      7: CONFIG_BYTES,
    };
    const size = sizes[index] ?? 0;
    const offset = BigInt(index) * BigInt(REGION_SHIFT);
    const areas = index === 2 ? this.#areas(vdev) : [];
    const data = new Uint8Array(8 + areas.length * 16);
    const view = new DataView(data.buffer);
    view.setUint32(0, areas.length, true);
    areas.forEach((page, i) => {
      view.setBigUint64(8 + i * 16, BigInt(page * PAGE), true);
      view.setBigUint64(16 + i * 16, BigInt(PAGE), true);
    });
    const flags = size === 0 ? 0 : 3 | (areas.length > 0 ? F.VFIO_REGION_INFO_FLAG_MMAP : 0);
    const capabilities =
      areas.length === 0 ? [] : [{ id: F.VFIO_REGION_INFO_CAP_SPARSE_MMAP, data }];
    arg.putWithCapabilities({ size: BigInt(size), offset }, capabilities, {
      flags,
      capsFlag: F.VFIO_REGION_INFO_FLAG_CAPS,
    });
    return 0;
  }

  #setIrqs(vdev: Vdev, argument: IoctlArgument, caller: Caller): number {
    const arg = UserArgument.vfio(VfioIrqSet, argument);
    if (IS_ERR(arg)) {
      return arg;
    }
    const { index, start, count, flags } = arg.values;
    if ((flags & F.VFIO_IRQ_SET_DATA_NONE) !== 0) {
      this.#releaseInterrupts(vdev);
      return 0;
    }
    const view = new DataView(arg.buffer.buffer, arg.buffer.byteOffset);
    for (let i = 0; i < count; i++) {
      const fd = view.getInt32(VfioIrqSet.bytes + i * 4, true);
      const file = caller.files.get(fd);
      const eventfd = file instanceof EventfdFile ? file : null;
      if (index === F.VFIO_PCI_REQ_IRQ_INDEX) {
        vdev.request = eventfd;
      } else {
        vdev.eventfds[start + i] = eventfd;
      }
    }
    if (index === F.VFIO_PCI_MSIX_IRQ_INDEX) {
      this.#bindIms(vdev);
    }
    return 0;
  }

  #bindIms(vdev: Vdev): void {
    const token = vdev.eventfds[1];
    if (token === undefined || token === null || vdev.irq >= 0) {
      return;
    }
    const { irqs, bypass } = this.#kernel;
    const entry = this.#nextIms++;
    vdev.irq = irqs.alloc({ chip: this, hwirq: entry, rid: this.#dev.rid });
    this.#storeIms(entry, { pasid: this.#pasidOf(vdev) });
    this.#handlers.set(vdev.irq, vdev);
    irqs.request_irq(
      vdev.irq,
      (irq) => this.#handlers.get(irq)?.eventfds[1]?.signal(`irq ${irq}`),
      `ims${entry}`,
    );
    put(vdev.bar0, HANDLE, 4, entry);
    vdev.producer = { name: `ims${entry}`, token, irq: vdev.irq };
    bypass.irq_bypass_register_producer(vdev.producer);
  }

  #releaseInterrupts(vdev: Vdev): void {
    if (vdev.producer !== null) {
      this.#kernel.bypass.irq_bypass_unregister_producer(vdev.producer);
      vdev.producer = null;
    }
    if (vdev.irq >= 0) {
      this.#kernel.irqs.free_irq(vdev.irq);
      this.#kernel.irqs.free(vdev.irq);
      vdev.irq = -1;
    }
    vdev.eventfds.fill(null);
  }

  #close(vdev: Vdev): void {
    this.#releaseInterrupts(vdev);
    if (vdev.mode === 'dedicated') {
      this.#command(COMMAND.disableWq, ((vdev.wq >>> 4) << 16) | (1 << (vdev.wq & 15)));
    }
    vdev.config.set(newConfig());
    vdev.bar0.fill(0);
  }

  #pasidOf(vdev: Vdev): number {
    const device = this.#kernel.vfio.devices.find((d) => d.name === vdev.uuid);
    if (device === undefined) {
      return 0;
    }
    const pasid =
      this.#kernel.core.profile === 'kvmforum2019'
        ? this.#kernel.vfio.defaultPasid(device)
        : this.#kernel.iommufd.defaultPasid(device);
    return Math.max(0, pasid);
  }
}
