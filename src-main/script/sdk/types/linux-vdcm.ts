/** What the editor shows of `linux/vdcm`. */
export const VDCM_TYPES = `import type { idxd_device, idxd_wq } from 'linux/idxd';
import type { ioasid_set } from 'linux/ioasid';
import type { mig_file } from 'linux/migration';
import type { vm_area_struct } from 'linux/mm';
import type { eventfd_ctx } from 'linux/vfio';

/** A virtual accelerator: a queue with everything that is composed around it (\`struct vdcm_idxd\`). */
export interface vdev {
  readonly uuid: string;
  /** The queue behind it: its ADI. */
  readonly wq: idxd_wq;
  readonly idxd: idxd_device;
  /** Of the virtual device, as its GENSTS says. */
  readonly state: 'disabled' | 'enabled' | 'busy' | 'halted';
  readonly is_open: boolean;
  /** Host PASID of the VM's address space, or -EINVAL before one is attached. */
  readonly default_pasid: number;
  /** PASID that the guest wrote into its WQCFG, in its own numbers; null while PASID enable is 0. */
  readonly guest_pasid: number | null;
  /** Bit of the guest's WQCFG: descriptors are privileged. */
  readonly guest_priv: boolean;
  /** KVM has told VFIO which VM is behind the device, and translates the PASIDs of its ENQCMD. A name of this simulator. */
  readonly is_pasid_translated: boolean;
}

/** One region as VFIO_DEVICE_GET_REGION_INFO tells it. */
export interface vdev_region {
  /** Bytes. */
  readonly size: number;
  /** VFIO_REGION_INFO_FLAG_READ, _WRITE, _MMAP. */
  readonly flags: number;
  /** Parts that user space may map; everything else is trapped. */
  readonly areas?: readonly { readonly offset: number; readonly size: number }[];
}

/** VFIO_DEVICE_SET_IRQS after VFIO's own checks. */
export interface irq_set_request {
  /** VFIO_PCI_MSIX_IRQ_INDEX or VFIO_PCI_REQ_IRQ_INDEX. */
  readonly index: number;
  readonly start: number;
  /** 0 turns the whole index off. */
  readonly count: number;
  /** One VFIO_IRQ_SET_DATA_* and one VFIO_IRQ_SET_ACTION_*. */
  readonly flags: number;
  /** Interrupts that are meant, from \`start\` on. */
  readonly which: readonly boolean[];
  /** With VFIO_IRQ_SET_DATA_EVENTFD: eventfds from \`start\` on, null for none. */
  readonly eventfds: readonly (eventfd_ctx | null)[];
}

/** Decisions of the VDCM. What is absent is the built-in one. Codes are 0 or a negative error number. */
export interface vdcm_ops {
  /** The guest reads its configuration space. @returns the value, or a negative error number */
  cfg_read?(vdev: vdev, offset: number, bytes: number): number;
  /** The guest writes its configuration space. */
  cfg_write?(vdev: vdev, offset: number, bytes: number, value: number): number;
  /** Size, flags and mappable areas of a region; null for one that is not there. */
  get_region_info?(vdev: vdev, index: number): vdev_region | null;
  /** The VMM wants pages of a region in its address space. \`offset\` counts from the start of the region. */
  mmap?(vdev: vdev, index: number, offset: number, vma: vm_area_struct): number;
  /** The guest gave Enable WQ and its checks passed. @returns 0, or the error code for CMDSTATUS */
  wq_enable?(vdev: vdev): number;
  /** Interrupts are installed, removed or fired. Also called, with count 0, when the device is closed. */
  set_irqs?(vdev: vdev, request: irq_set_request): number;
  /** \`is_full\`: function level reset or VFIO_DEVICE_RESET; else the guest's Reset Device command. */
  reset?(vdev: vdev, is_full: boolean): void;
  /**
   * The guest stored a descriptor to a portal page that it has not mapped, so the store trapped.
   * @param pasid in the guest's numbers, as in the descriptor
   * @returns 0; -EAGAIN makes it Retry for the guest; other negative numbers drop the descriptor
   */
  submit?(vdev: vdev, pasid: number, desc: Uint8Array): number;
  /**
   * The VMM wants another state of migration (\`struct vfio_migration_ops\`).
   * @returns the stream of that state, null for a state without one, or a negative error number
   */
  migration_set_state?(vdev: vdev, new_state: number): mig_file | null | number;
}

/**
 * Puts operations in place of the built-in ones of the accelerator's VDCM; all that were put before go.
 *
 * \`\`\`ts
 * vdcm_set_ops({ cfg_read: (vdev, offset, bytes) => vdcm_cfg_read(vdev, offset, bytes) });
 * \`\`\`
 */
export declare function vdcm_set_ops(ops: vdcm_ops): void;
/** VDEVs that exist. */
export declare function vdcm_vdevs(): vdev[];

/** The built-in answer to a read of configuration space. */
export declare function vdcm_cfg_read(vdev: vdev, offset: number, bytes: number): number;
/** What the built-in VDCM does with a write to configuration space. */
export declare function vdcm_cfg_write(vdev: vdev, offset: number, bytes: number, value: number): number;
/** The built-in description of a region. */
export declare function vdcm_get_region_info(vdev: vdev, index: number): vdev_region | null;
/** What the built-in VDCM does with an mmap. */
export declare function vdcm_mmap(vdev: vdev, index: number, offset: number, vma: vm_area_struct): number;
/** What the built-in VDCM does at Enable WQ: PASID into the queue, queue on. */
export declare function vdcm_wq_enable(vdev: vdev): number;
/** What the built-in VDCM does with VFIO_DEVICE_SET_IRQS. */
export declare function vdcm_set_irqs(vdev: vdev, request: irq_set_request): number;
/** What the built-in VDCM does at a reset. */
export declare function vdcm_reset(vdev: vdev, is_full: boolean): void;

/** Host PASID behind a PASID of the guest; 0 is the default one. @returns it, or -EINVAL for a foreign number */
export declare function vdev_translate_pasid(vdev: vdev, guest_pasid: number): number;
/** 2019: the ids of the VM that has the device open; null without a VM, or in the later profile. */
export declare function vdev_ioasid_set(vdev: vdev): ioasid_set | null;
/**
 * Bus mastering went away under an enabled device: software error 51h, and the device halts until it is reset. In any other
 * state of the device nothing happens (\`vidxd_report_pci_error\`).
 */
export declare function vidxd_report_pci_error(vdev: vdev): void;
/** The eventfd that the VDCM itself signals for vector 0, for finished commands and errors; null for none. */
export declare function vdev_set_misc_eventfd(vdev: vdev, ctx: eventfd_ctx | null): void;
/**
 * Tells the VDEV which IMS interrupt stands behind a vector, so that Request Interrupt Handle can answer; null for none.
 * @returns 0; -EINVAL for vector 0 or an interrupt without an IMS entry
 */
export declare function vdev_set_vector_irq(vdev: vdev, vector: number, irq: number | null): number;
`;
