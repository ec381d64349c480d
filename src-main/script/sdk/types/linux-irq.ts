/** What the editor shows of `linux/irq`. */
export const IRQ_TYPES = `import type { device } from 'linux/mdev';
import type { eventfd_ctx } from 'linux/vfio';

/**
 * Installs a handler and unmasks the interrupt.
 * @param irq from pci_irq_vector() or msi_domain_alloc_irqs()
 * @param name appears in the trace and in the panes
 * @returns 0; -EINVAL for an interrupt that does not exist; -EBUSY when it has a handler
 */
export declare function request_irq(irq: number, handler: (irq: number) => void, name: string): number;
/** Masks the interrupt and takes its handler away. The interrupt itself stays allocated. */
export declare function free_irq(irq: number): void;
/** Another CPU takes the interrupt. @returns 0, -EINVAL, or -ENOSPC when that CPU has no vector left */
export declare function irq_set_affinity(irq: number, cpu: number): number;

/**
 * Allocates entries of a device's interrupt message store (IMS), one interrupt each, masked and bound to no PASID. Each
 * gets an entry of the interrupt remapping table and the message that leads there.
 * @returns interrupt numbers; -ENODEV without IMS or without interrupt remapping; -ENOSPC when too few are left
 */
export declare function msi_domain_alloc_irqs(dev: device, nvec: number): number[] | number;
/** Gives entries back. Nothing may be on its way to them any more. */
export declare function msi_domain_free_irqs(dev: device, irqs: readonly number[]): void;
/** The IMS entry behind an interrupt, or -EINVAL. */
export declare function irqd_to_hwirq(irq: number): number;
/**
 * Writes what only this kind of interrupt has: the control word of an IMS entry.
 *
 * \`\`\`ts
 * irq_set_auxdata(irq, IMS_AUXDATA_CONTROL_WORD, ims_ctrl_pasid_aux(pasid, true));
 * \`\`\`
 * @returns 0, or -EINVAL for an interrupt without such an entry
 */
export declare function irq_set_auxdata(irq: number, which: number, value: number): number;
/** Control word that lets descriptors of one PASID name the entry; with \`enable\` false, descriptors without a PASID. */
export declare function ims_ctrl_pasid_aux(pasid: number, enable: boolean): number;
/** The control word of an IMS entry. */
export declare const IMS_AUXDATA_CONTROL_WORD: 0;

/** A device interrupt that may be posted to a virtual CPU (\`struct irq_bypass_producer\`). */
export interface irq_bypass_producer {
  /** The eventfd that the interrupt's handler signals; KVM's irqfd has the same. */
  readonly token: eventfd_ctx;
  readonly irq: number;
}
/**
 * Offers the interrupt to whoever consumes the same eventfd. KVM then has the remapping entry rewritten: the interrupt is
 * posted to the virtual CPU and the host's handler has no part in it. Without a consumer nothing changes.
 * @returns 0, or -EBUSY when the eventfd has a producer
 */
export declare function irq_bypass_register_producer(producer: irq_bypass_producer): number;
/** Takes the offer back: the interrupt goes to the host's handler again. */
export declare function irq_bypass_unregister_producer(producer: irq_bypass_producer): void;
`;
