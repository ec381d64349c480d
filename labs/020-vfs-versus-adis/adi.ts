// One ADI of an accelerator: a work queue with an address space of its own.
import { idxd_from_pci, idxd_wq_enable, idxd_wq_set_pasid } from 'linux/idxd';
import type { idxd_wq } from 'linux/idxd';
import {
  IOMMU_DEV_FEAT_AUX,
  iommu_alloc_global_pasid,
  iommu_attach_device_pasid,
  iommu_aux_attach_device,
  iommu_aux_get_pasid,
  iommu_dev_enable_feature,
  iommu_dev_feature_enabled,
  iommu_paging_domain_alloc,
} from 'linux/iommu';
import type { iommu_domain } from 'linux/iommu';
import type { pci_dev } from 'linux/pci';
import { ls } from 'lab/shell';

export interface Adi {
  /** The function it is a part of. */
  readonly parent: pci_dev;
  readonly wq: idxd_wq;
  /** What the device puts on every request of this ADI. */
  readonly pasid: number;
}

/** Kernels with iommufd attach a domain to a PASID, those of 2019 have auxiliary domains for that. */
const hasIommufd = ls('/dev').includes('iommu');

function attach(domain: iommu_domain, parent: pci_dev): number {
  if (hasIommufd) {
    const pasid = iommu_alloc_global_pasid(parent);
    return iommu_attach_device_pasid(domain, parent, pasid) < 0 ? -1 : pasid;
  }
  if (!iommu_dev_feature_enabled(parent, IOMMU_DEV_FEAT_AUX)) {
    iommu_dev_enable_feature(parent, IOMMU_DEV_FEAT_AUX);
  }
  return iommu_aux_attach_device(domain, parent) < 0 ? -1 : iommu_aux_get_pasid(domain, parent);
}

/** Takes the next free queue of the function, gives it a domain under a PASID of its own, and turns it on. */
export function adi_alloc(parent: pci_dev): Adi {
  const wq = idxd_from_pci(parent)?.wqs.find((queue) => !queue.is_enabled);
  const domain = iommu_paging_domain_alloc(parent);
  if (wq === undefined || typeof domain === 'number') {
    throw new Error(`${parent.name} has no queue or no domain left`);
  }
  const pasid = attach(domain, parent);
  idxd_wq_set_pasid(wq, pasid);
  const result = idxd_wq_enable(wq);
  if (pasid < 0 || result < 0) {
    throw new Error(`No ADI: PASID ${pasid}, enable ${result}`);
  }
  return { parent, wq, pasid };
}
