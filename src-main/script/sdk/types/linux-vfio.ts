/** What the editor shows of `linux/vfio`. */
export const VFIO_TYPES = `import type { device } from 'linux/mdev';
import type { vm_area_struct } from 'linux/mm';

/** A number or BigInt below 2^53. */
export type address = number | bigint;

/** What user space opens (\`struct vfio_device\`). */
export interface vfio_device {
  readonly name: string;
  /** Files that have it open. */
  readonly open_count: number;
  readonly dev: device;
}

/** The buffer that the third argument of an ioctl points to. */
export interface user_argument {
  /** Bytes of the caller's buffer. */
  readonly size: number;
}

/** An eventfd of user space. */
export interface eventfd_ctx {
  readonly name: string;
  /** Signals that nobody took yet. */
  readonly count: number;
}

/**
 * Operations of a driver (\`struct vfio_device_ops\`). All are optional; what is absent gives the error Linux gives. Codes
 * are 0 or more, or a negative error number.
 */
export interface vfio_device_ops {
  /** Appears in the trace. */
  readonly name?: string;
  /** The device comes to life: allocate what it is made of. */
  init?(vdev: vfio_device): number;
  /** The last reference is gone: give back what init took. */
  release?(vdev: vfio_device): void;
  /** The first user opened it. */
  open_device?(vdev: vfio_device): number;
  /** The last user closed it. */
  close_device?(vdev: vfio_device): void;
  /** Another page table for the device. @returns the id of what was attached */
  attach_ioas?(vdev: vfio_device, pt_id: number): number;
  detach_ioas?(vdev: vfio_device): void;
  /** Reads \`count\` bytes at a position of the file: the region is \`VFIO_PCI_OFFSET_TO_INDEX(position)\`. */
  read?(vdev: vfio_device, count: number, position: number): Uint8Array | number;
  /** Writes bytes at a position of the file. @returns bytes taken */
  write?(vdev: vfio_device, bytes: Uint8Array, position: number): number;
  /** A request; see the helpers vfio_pci_get_region_info() and the others. */
  ioctl?(vdev: vfio_device, command: number, argument: user_argument | number | string): number;
  /** A program wants a part of the device in its address space. \`vma.offset\` is the position in the file. */
  mmap?(vdev: vfio_device, vma: vm_area_struct): number;
  /** Somebody wants the device removed while it is open; called again every ten seconds. */
  request?(vdev: vfio_device, count: number): void;
  /** User memory behind these addresses goes away: unpin it. Without it, pages cannot be pinned. */
  dma_unmap?(vdev: vfio_device, iova: number, length: number): void;
}

/** One region as vfio_pci_get_region_info() tells it. */
export interface region_spec {
  readonly index: number;
  /** Bytes; 0 when the region does not exist. */
  readonly size: number;
  /** VFIO_REGION_INFO_FLAG_READ, _WRITE, _MMAP. */
  readonly flags: number;
  /** Parts that may be mapped; everything else is trapped. */
  readonly areas?: readonly { readonly offset: number; readonly size: number }[];
}

/** One interrupt index as vfio_pci_get_irq_info() tells it. */
export interface irq_spec {
  readonly index: number;
  readonly count: number;
  /** VFIO_IRQ_INFO_EVENTFD and the like. */
  readonly flags: number;
}

/** What a driver does with one interrupt index. */
export interface irq_target {
  readonly index: number;
  readonly count: number;
  /** Installs, replaces or (null) removes the eventfds of consecutive interrupts: all of them, or none and an error. */
  set_eventfds?(start: number, files: (eventfd_ctx | null)[]): number;
  /** The whole index goes. */
  disable?(): number;
  /** User space wants the eventfds signalled, as a test. */
  trigger?(start: number, which: boolean[]): number;
  mask?(start: number, which: boolean[]): number;
  unmask?(start: number, which: boolean[]): number;
}

/** Makes a VFIO device and calls its init. @returns the device, or the error of init */
export declare function vfio_alloc_device(dev: device, ops: vfio_device_ops): vfio_device | number;
/** Drops a reference; the last one calls release. */
export declare function vfio_put_device(vdev: vfio_device): void;
/** Registers a device whose own IOMMU group carries its DMA. @returns 0, or -EINVAL without a group */
export declare function vfio_register_group_dev(vdev: vfio_device): number;
/** Registers a device whose driver moves data, or pins pages and maps them, by itself. @returns 0 */
export declare function vfio_register_emulated_iommu_dev(vdev: vfio_device): number;
/**
 * Registers a device whose DMA leaves as requests of \`parent\` with a PASID: attaching a page table allocates the PASID and
 * attaches it. A name of this simulator; Linux has none yet.
 */
export declare function vfio_register_siov_dev(vdev: vfio_device, parent: device): number;
/** Takes the device from user space; waits for its users. */
export declare function vfio_unregister_group_dev(vdev: vfio_device): void;
/** The VFIO device of a mediated device, or null. */
export declare function vfio_find_device(dev: device): vfio_device | null;

/** For vfio_register_siov_dev(): attaches a page table to the VDEV's default PASID. @returns id of what was attached */
export declare function vfio_siov_attach_ioas(vdev: vfio_device, pt_id: number): number;
/** For vfio_register_siov_dev(): detaches; the PASID goes. */
export declare function vfio_siov_detach_ioas(vdev: vfio_device): void;
/** Host PASID of the VDEV's address space, or -EINVAL. */
export declare function vfio_siov_default_pasid(vdev: vfio_device): number;

/**
 * Keeps pages of the user where they are and tells where that is.
 * @param iova address the user mapped them at, whole pages
 * @param prot IOMMU_READ, IOMMU_WRITE
 * @returns physical addresses, or -EINVAL when nothing is mapped there or the driver has no dma_unmap
 */
export declare function vfio_pin_pages(vdev: vfio_device, iova: address, npage: number, prot: number): number[] | number;
/** Lets pages go. */
export declare function vfio_unpin_pages(vdev: vfio_device, iova: address, npage: number): void;
/** Reads user memory through the software. @returns the bytes, or a negative error number */
export declare function vfio_dma_read(vdev: vfio_device, iova: address, bytes: number): Uint8Array | number;
/** Writes user memory through the software. @returns 0 or a negative error number */
export declare function vfio_dma_write(vdev: vfio_device, iova: address, bytes: Uint8Array): number;

/** Answers VFIO_DEVICE_GET_INFO. @returns 0, or -EINVAL for a small argsz */
export declare function vfio_pci_get_info(argument: user_argument, flags: number): number;
/** Answers VFIO_DEVICE_GET_REGION_INFO with the sparse list of mappable areas. @returns 0 or -EINVAL */
export declare function vfio_pci_get_region_info(argument: user_argument, regions: readonly region_spec[]): number;
/** Answers VFIO_DEVICE_GET_IRQ_INFO. @returns 0, or -EINVAL for an index that is not offered */
export declare function vfio_pci_get_irq_info(argument: user_argument, irqs: readonly irq_spec[]): number;
/** Carries VFIO_DEVICE_SET_IRQS out: checks data type, action and range, then calls the target. */
export declare function vfio_pci_set_irqs(argument: user_argument, irqs: readonly irq_target[]): number;
/** Signals user space. */
export declare function eventfd_signal(ctx: eventfd_ctx): void;
/** Members of the structure that a request's argument points to. */
export declare function copy_from_user(argument: user_argument, command: number): { [member: string]: number | bigint };
/** Changes members of the structure that a request's argument points to. @returns 0 */
export declare function copy_to_user(argument: user_argument, command: number, members: { readonly [member: string]: number | bigint }): number;
/** Region behind a position of the device's file. */
export declare function VFIO_PCI_OFFSET_TO_INDEX(position: address): number;
/** Offset in its region of a position of the device's file. */
export declare function VFIO_PCI_OFFSET_IN_REGION(position: address): number;
/** Position in the device's file where a region begins. */
export declare function VFIO_PCI_INDEX_TO_OFFSET(index: number): number;
`;
