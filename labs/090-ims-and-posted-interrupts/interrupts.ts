// Interrupts of a virtual accelerator: an eventfd of the VMM on one side, an entry of the device's message store on the other.
import { EFAULT } from 'linux/errno';
import { idxd_wq_drain } from 'linux/idxd';
import {
  IMS_AUXDATA_CONTROL_WORD,
  free_irq,
  ims_ctrl_pasid_aux,
  irq_bypass_register_producer,
  irq_bypass_unregister_producer,
  irq_set_affinity,
  irq_set_auxdata,
  msi_domain_alloc_irqs,
  msi_domain_free_irqs,
  request_irq,
} from 'linux/irq';
import { pci_get_device } from 'linux/pci';
import { vdcm_set_irqs, vdcm_set_ops, vdev_set_misc_eventfd, vdev_set_vector_irq } from 'linux/vdcm';
import type { irq_set_request, vdev } from 'linux/vdcm';
import { eventfd_signal } from 'linux/vfio';
import type { eventfd_ctx } from 'linux/vfio';
import { VFIO_PCI_MSIX_IRQ_INDEX } from 'uapi/vfio';

const pdev = pci_get_device(0x8086, 0x0b25)!;

interface Vector {
  readonly irq: number;
  readonly ctx: eventfd_ctx;
}

/** Vectors that are backed by an IMS entry, by device and number. */
const vectors = new Map<string, Vector>();
const keyOf = (dev: vdev, vector: number): string => `${dev.uuid} ${vector}`;

/** The interrupt of the accelerator that stands behind a vector from here on, or a negative error number. */
function allocate(dev: vdev): number {
  // #region solution attached
  if (dev.default_pasid < 0) {
    return -EFAULT;
  }
  // #region starter
  // Can the device have an address space at this time, and if not, whose PASID would the entry be bound to?
  // #endregion
  // #endregion
  // #region solution entry
  const irqs = msi_domain_alloc_irqs(pdev, 1);
  if (typeof irqs === 'number') {
    return irqs;
  }
  const [irq = -EFAULT] = irqs;
  irq_set_auxdata(irq, IMS_AUXDATA_CONTROL_WORD, ims_ctrl_pasid_aux(dev.default_pasid, true));
  return irq;
  // #region starter
  // Allocate one entry, and bind it to the PASID of the device.
  return -EFAULT;
  // #endregion
  // #endregion
}

function install(dev: vdev, vector: number, ctx: eventfd_ctx): number {
  if (vector === 0) {
    // Nothing in hardware raises vector 0: the VDCM signals it when a command is done.
    vdev_set_misc_eventfd(dev, ctx);
    return 0;
  }
  const irq = allocate(dev);
  if (irq < 0) {
    return irq;
  }
  // Where the guest runs, as irqbalance would have it: CPU 0 is the host's own.
  irq_set_affinity(irq, 1);
  // #region solution handler
  request_irq(irq, () => eventfd_signal(ctx), `vector ${vector} of ${dev.wq.name}`);
  // #region starter
  // Who is told when the interrupt comes?
  // #endregion
  // #endregion
  vectors.set(keyOf(dev, vector), { irq, ctx });
  // #region solution bypass
  irq_bypass_register_producer({ irq, token: ctx });
  // #region starter
  // KVM holds the same eventfd. Let it have the interrupt, too.
  // #endregion
  // #endregion
  // From now on the guest may ask for the handle of this vector.
  return vdev_set_vector_irq(dev, vector, irq);
}

function remove(dev: vdev, vector: number): void {
  if (vector === 0) {
    vdev_set_misc_eventfd(dev, null);
    return;
  }
  const known = vectors.get(keyOf(dev, vector));
  if (known === undefined) {
    return;
  }
  const { irq, ctx } = known;
  vectors.delete(keyOf(dev, vector));
  // #region solution drain
  idxd_wq_drain(dev.wq);
  // #region starter
  // Is anything still on its way to this entry?
  // #endregion
  // #endregion
  irq_bypass_unregister_producer({ irq, token: ctx });
  free_irq(irq);
  vdev_set_vector_irq(dev, vector, null);
  // #region solution unbind
  irq_set_auxdata(irq, IMS_AUXDATA_CONTROL_WORD, ims_ctrl_pasid_aux(0, false));
  // #region starter
  // What does the next owner of this entry find in it?
  // #endregion
  // #endregion
  msi_domain_free_irqs(pdev, [irq]);
}

function removeAll(dev: vdev): number {
  for (const vector of [0, 1]) {
    remove(dev, vector);
  }
  return 0;
}

/** VFIO_DEVICE_SET_IRQS: a block of eventfds goes in as a whole or not at all. */
function setIrqs(dev: vdev, request: irq_set_request): number {
  if (request.index !== VFIO_PCI_MSIX_IRQ_INDEX) {
    return vdcm_set_irqs(dev, request);
  }
  if (request.count === 0) {
    return removeAll(dev);
  }
  for (const [i, ctx] of request.eventfds.entries()) {
    const vector = request.start + i;
    remove(dev, vector);
    const rc = ctx === null ? 0 : install(dev, vector, ctx);
    if (rc < 0) {
      removeAll(dev);
      return rc;
    }
  }
  return 0;
}

vdcm_set_ops({ set_irqs: setIrqs });
