/** What the editor shows of `linux/pci`. */
import { PCI_REGS } from '../../../linux/pci/pci-regs.ts';

const NOTES: Readonly<Partial<Record<keyof typeof PCI_REGS, string>>> = {
  PCI_EXT_CAP_ID_DVSEC:
    'Designated Vendor-Specific: several may be in one list; vendor and id tell which it is.',
  PCI_EXT_CAP_ID_PASID: 'PASID extended capability.',
  PCI_EXT_CAP_ID_ATS: 'Address Translation Services.',
  PCI_EXT_CAP_ID_PRI: 'Page Request Interface.',
  PCI_EXT_CAP_ID_SRIOV: 'Single Root I/O Virtualization.',
  PCI_DVSEC_HEADER1: 'DVSEC: vendor in bits 15:0, revision in 19:16, length in 31:20.',
  PCI_DVSEC_HEADER2: 'DVSEC: identifier in bits 15:0.',
  PCI_DVSEC_ID_INTEL_SIOV: 'DVSEC identifier of Intel Scalable IOV.',
  PCI_SIOV_SUPPORTED_PAGE_SIZES: 'Scalable IOV DVSEC: bit n stands for pages of 2^(n+12) bytes.',
  PCI_SIOV_SYSTEM_PAGE_SIZE: 'Scalable IOV DVSEC: page size in use, one bit set.',
  PCI_SIOV_CAPABILITIES: 'Scalable IOV DVSEC: capability bits.',
  PCI_SIOV_CAP_IMS: 'Scalable IOV DVSEC: interrupt message storage is supported.',
  PCI_PASID_CAP_PRIV: 'Requests with a PASID may be privileged.',
  PCI_PASID_CAP_EXEC: 'Requests with a PASID may ask for execute permission.',
  PCI_ATS_MIN_STU: 'Smallest page shift pci_enable_ats() takes: 12, pages of 4 KB.',
};

const constants = Object.entries(PCI_REGS)
  .map(([name, value]) => {
    const note = NOTES[name as keyof typeof PCI_REGS] ?? 'As in include/uapi/linux/pci_regs.h.';
    return `/** ${note} */\nexport declare const ${name}: ${value};`;
  })
  .join('\n');

export const PCI_TYPES = `/** One PCI function (\`struct pci_dev\`). Get one with pci_get_device(). */
export interface pci_dev {
  /** \`0000:6a:01.0\` */
  readonly name: string;
  readonly vendor: number;
  readonly device: number;
  /** Class code, 24 bits. */
  readonly class: number;
  /** Device number in bits 7:3, function number in bits 2:0. */
  readonly devfn: number;
  /** Requester ID, 16 bits: bus in bits 15:8, devfn in bits 7:0. What the IOMMU knows the function by. */
  readonly rid: number;
  readonly is_busmaster: boolean;
  readonly pasid_enabled: boolean;
  readonly pri_enabled: boolean;
  readonly ats_enabled: boolean;
  readonly is_virtfn: boolean;
}

/** What functions that take a \`struct device *\` accept. */
export type device = pci_dev | { readonly name: string };

/**
 * The next function with these ids behind \`from\`, or null. Start with null (or leave it out).
 * @param vendor Vendor id, for example 0x8086
 * @param device Device id, for example 0x0b25
 */
export declare function pci_get_device(vendor: number, device: number, from?: pci_dev | null): pci_dev | null;
/** The function at a place of the bus, or null. \`domain\` is 0. */
export declare function pci_get_domain_bus_and_slot(domain: number, bus: number, devfn: number): pci_dev | null;
/** All functions in the order of their Requester IDs. */
export declare function pci_devices(): readonly pci_dev[];
/** devfn from device and function number. */
export declare function PCI_DEVFN(slot: number, func: number): number;

/**
 * Reads 8 bits of configuration space. Linux stores the value through a pointer; here it is the result.
 * @returns the value, or -EFAULT for an offset that is beyond the space
 */
export declare function pci_read_config_byte(dev: pci_dev, where: number): number;
/** Reads 16 bits of configuration space. @returns the value, or -EFAULT when \`where\` is not aligned to 2 */
export declare function pci_read_config_word(dev: pci_dev, where: number): number;
/** Reads 32 bits of configuration space. @returns the value, or -EFAULT when \`where\` is not aligned to 4 */
export declare function pci_read_config_dword(dev: pci_dev, where: number): number;
/** Writes 8 bits of configuration space. @returns 0 or -EFAULT */
export declare function pci_write_config_byte(dev: pci_dev, where: number, value: number): number;
/** Writes 16 bits of configuration space. @returns 0 or -EFAULT */
export declare function pci_write_config_word(dev: pci_dev, where: number, value: number): number;
/** Writes 32 bits of configuration space. @returns 0 or -EFAULT */
export declare function pci_write_config_dword(dev: pci_dev, where: number, value: number): number;

/** Offset of the first capability with this id, 0 when there is none. */
export declare function pci_find_capability(dev: pci_dev, cap: number): number;
/** Offset of the next capability with this id behind the one at \`pos\`, 0 when there is none. */
export declare function pci_find_next_capability(dev: pci_dev, pos: number, cap: number): number;
/**
 * Offset of the first extended capability with this id, 0 when there is none. Extended capabilities begin at 0x100 and
 * may be in any order.
 */
export declare function pci_find_ext_capability(dev: pci_dev, cap: number): number;
/** Offset of the next extended capability with this id behind the one at \`pos\`, 0 when there is none. */
export declare function pci_find_next_ext_capability(dev: pci_dev, pos: number, cap: number): number;
/** Offset of the DVSEC with this vendor and identifier, 0 when there is none. */
export declare function pci_find_dvsec_capability(dev: pci_dev, vendor: number, dvsec: number): number;

/** Turns memory decoding on, so that the BARs answer. @returns 0 */
export declare function pci_enable_device(dev: pci_dev): number;
/** Turns bus mastering off when the last user is gone. */
export declare function pci_disable_device(dev: pci_dev): void;
/** Lets the function send requests (Bus Master Enable). */
export declare function pci_set_master(dev: pci_dev): void;
/** Stops the function from sending requests. */
export declare function pci_clear_master(dev: pci_dev): void;
/** Function Level Reset; takes 100 ms. @returns 0, or -ENODEV when the function has none */
export declare function pcie_flr(dev: pci_dev): number;
/** Physical address of a BAR, 0 when there is none. */
export declare function pci_resource_start(dev: pci_dev, bar: number): number;
/** Bytes of a BAR, 0 when there is none. */
export declare function pci_resource_len(dev: pci_dev, bar: number): number;
/** Address of a BAR for readl() and writel(), 0 (NULL) when there is none. */
export declare function pci_iomap(dev: pci_dev, bar: number, maxlen?: number): number;
/** Entries of the MSI-X table, or -EINVAL. */
export declare function pci_msix_vec_count(dev: pci_dev): number;
/** Allocates MSI-X vectors. @returns how many, or -ENOSPC, -ENODEV, -EBUSY */
export declare function pci_alloc_irq_vectors(dev: pci_dev, min_vecs: number, max_vecs: number): number;
/** Gives all MSI-X vectors back. */
export declare function pci_free_irq_vectors(dev: pci_dev): void;
/** Interrupt number of an MSI-X entry, or -EINVAL. */
export declare function pci_irq_vector(dev: pci_dev, nr: number): number;

/**
 * Lets the function send requests with PASIDs.
 * @param features PCI_PASID_CAP_EXEC, PCI_PASID_CAP_PRIV or 0
 * @returns 0; -EBUSY when it is on already; -EINVAL without the capability or for a feature it lacks
 */
export declare function pci_enable_pasid(dev: pci_dev, features: number): number;
/** Turns PASIDs off. */
export declare function pci_disable_pasid(dev: pci_dev): void;
/** PCI_PASID_CAP_EXEC and PCI_PASID_CAP_PRIV as the function supports them, or -EINVAL without the capability. */
export declare function pci_pasid_features(dev: pci_dev): number;
/** Number of PASIDs the function can use, or -EINVAL without the capability. */
export declare function pci_max_pasids(dev: pci_dev): number;
/**
 * Lets the function ask for pages.
 * @param reqs requests it may have outstanding
 * @returns 0; -EBUSY when it is on already or has not stopped; -EINVAL without the capability
 */
export declare function pci_enable_pri(dev: pci_dev, reqs: number): number;
/** Turns page requests off. */
export declare function pci_disable_pri(dev: pci_dev): void;
/** Resets the page request interface. @returns 0, -EBUSY while it is on, -EINVAL without the capability */
export declare function pci_reset_pri(dev: pci_dev): number;
/**
 * Lets the function ask for translations and keep them.
 * @param ps page shift of the smallest translation, at least 12
 * @returns 0; -EBUSY when it is on already; -EINVAL without the capability, for an untrusted function, or for a small \`ps\`
 */
export declare function pci_enable_ats(dev: pci_dev, ps: number): number;
/** Turns translation requests off. */
export declare function pci_disable_ats(dev: pci_dev): void;
/** Invalidations the function can queue, or -EINVAL. */
export declare function pci_ats_queue_depth(dev: pci_dev): number;

/**
 * Turns virtual functions on: each is a function of its own with a Requester ID, configuration space and BARs.
 * @returns 0; -ENOSYS without SR-IOV; -EINVAL for more than there can be, or while some exist; -ENOMEM when their Requester
 * IDs do not fit on the bus
 */
export declare function pci_enable_sriov(dev: pci_dev, nr_virtfn: number): number;
/** Turns all virtual functions off. */
export declare function pci_disable_sriov(dev: pci_dev): void;
/** Virtual functions that are on. */
export declare function pci_num_vf(dev: pci_dev): number;
/** Virtual functions that there can be; 0 without SR-IOV. */
export declare function pci_sriov_get_totalvfs(dev: pci_dev): number;
/** The physical function of a virtual one; another function itself. */
export declare function pci_physfn(dev: pci_dev): pci_dev;
/** Number of a virtual function from 0, or -EINVAL. */
export declare function pci_iov_vf_id(dev: pci_dev): number;

${constants}
`;
