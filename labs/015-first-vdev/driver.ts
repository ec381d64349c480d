// A VDCM on one page: every dedicated queue of the accelerator can become one virtual device (VDEV).
import { ENODEV, EINVAL, IS_ERR } from 'linux/errno';
import {
  idxd_from_pci,
  idxd_wq_disable,
  idxd_wq_disable_pasid,
  idxd_wq_enable,
  idxd_wq_get,
  idxd_wq_portal,
  idxd_wq_put,
  idxd_wq_set_pasid,
  IDXD_PORTAL_UNLIMITED,
} from 'linux/idxd';
import type { idxd_wq } from 'linux/idxd';
import {
  IOMMU_READ,
  IOMMU_WRITE,
  iommu_alloc_global_pasid,
  iommu_attach_device_pasid,
  iommu_detach_device_pasid,
  iommu_domain_free,
  iommu_free_global_pasid,
  iommu_map,
  iommu_paging_domain_alloc,
} from 'linux/iommu';
import type { iommu_domain } from 'linux/iommu';
import { mdev_register_driver, mdev_register_parent } from 'linux/mdev';
import type { mdev_driver } from 'linux/mdev';
import { PAGE_SHIFT, PAGE_SIZE, remap_pfn_range } from 'linux/mm';
import { pci_get_domain_bus_and_slot, PCI_DEVFN } from 'linux/pci';
import {
  VFIO_PCI_OFFSET_IN_REGION,
  VFIO_PCI_OFFSET_TO_INDEX,
  vfio_alloc_device,
  vfio_find_device,
  vfio_pci_get_info,
  vfio_pci_get_region_info,
  vfio_pin_pages,
  vfio_put_device,
  vfio_register_emulated_iommu_dev,
  vfio_unpin_pages,
  vfio_unregister_group_dev,
} from 'linux/vfio';
import type { vfio_device, vfio_device_ops } from 'linux/vfio';
import {
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_GET_INFO,
  VFIO_DEVICE_GET_REGION_INFO,
  VFIO_PCI_BAR0_REGION_INDEX as BAR0,
  VFIO_PCI_BAR2_REGION_INDEX as BAR2,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
} from 'uapi/vfio';

const RW = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
/** Registers of our VDEV in BAR0: where the tenant's buffers are, how many pages, and a switch. */
const BUFFER_IOVA = 0x00;
const BUFFER_PAGES = 0x08;
const ENABLE = 0x10;

const pdev = pci_get_domain_bus_and_slot(0, 0x6a, PCI_DEVFN(1, 0))!;
const idxd = idxd_from_pci(pdev)!;

/** What one VDEV is made of. */
interface Vdev {
  readonly wq: idxd_wq;
  iova: number;
  pages: number;
  /** Present while the VDEV is switched on. */
  space: { readonly domain: iommu_domain; readonly pasid: number } | null;
}
const vdevs = new Map<string, Vdev>();

function freeQueues(): readonly idxd_wq[] {
  return idxd.wqs.filter((wq) => wq.type === 'mdev' && wq.mode === 'dedicated' && wq.clients === 0);
}

/** Gives the queue the tenant's address space: a domain behind a PASID of its own, and nothing else. */
function switchOn(vdev: vfio_device, own: Vdev): number {
  const pages = vfio_pin_pages(vdev, own.iova, own.pages, IOMMU_READ | IOMMU_WRITE);
  const domain = iommu_paging_domain_alloc(pdev);
  if (IS_ERR(pages) || IS_ERR(domain)) {
    return -EINVAL;
  }
  pages.forEach((paddr, i) => {
    iommu_map(domain, own.iova + i * PAGE_SIZE, paddr, PAGE_SIZE, IOMMU_READ | IOMMU_WRITE);
  });
  // #region solution attach
  const pasid = iommu_alloc_global_pasid(pdev);
  const rc = iommu_attach_device_pasid(domain, pdev, pasid);
  if (rc < 0) {
    return rc;
  }
  own.space = { domain, pasid };
  idxd_wq_disable(own.wq);
  idxd_wq_set_pasid(own.wq, pasid);
  return idxd_wq_enable(own.wq);
  // #region starter
  // The domain maps the tenant's pages, but nothing leads to it: which PASID will the queue put on its requests?
  return idxd_wq_enable(own.wq);
  // #endregion
  // #endregion
}

function switchOff(vdev: vfio_device, own: Vdev): void {
  if (own.space === null) {
    return;
  }
  const { domain, pasid } = own.space;
  idxd_wq_disable(own.wq);
  idxd_wq_disable_pasid(own.wq);
  iommu_detach_device_pasid(domain, pdev, pasid);
  iommu_free_global_pasid(pasid);
  iommu_domain_free(domain);
  vfio_unpin_pages(vdev, own.iova, own.pages);
  own.space = null;
}

function writeRegister(vdev: vfio_device, own: Vdev, offset: number, value: number): number {
  switch (offset) {
    case BUFFER_IOVA:
      own.iova = value;
      return 0;
    case BUFFER_PAGES:
      own.pages = value;
      return 0;
    case ENABLE:
      return value === 1 ? switchOn(vdev, own) : (switchOff(vdev, own), 0);
    default:
      return -EINVAL;
  }
}

const ops: vfio_device_ops = {
  name: 'tiny_vdev_ops',

  /** The VDEV comes to life: it needs hardware of its own. */
  init(vdev) {
    // #region solution create
    const [wq] = freeQueues();
    if (wq === undefined) {
      return -ENODEV;
    }
    idxd_wq_get(wq);
    vdevs.set(vdev.name, { wq, iova: 0, pages: 0, space: null });
    return 0;
    // #region starter
    // Which queue does this VDEV get? Without one there is no device.
    return -ENODEV;
    // #endregion
    // #endregion
  },

  release(vdev) {
    const own = vdevs.get(vdev.name);
    if (own !== undefined) {
      idxd_wq_put(own.wq);
      vdevs.delete(vdev.name);
    }
  },

  close_device(vdev) {
    const own = vdevs.get(vdev.name);
    if (own !== undefined) {
      switchOff(vdev, own);
    }
  },

  ioctl(_vdev, command, argument) {
    if (typeof argument !== 'object') {
      return -EINVAL;
    }
    switch (command) {
      case VFIO_DEVICE_GET_INFO:
        return vfio_pci_get_info(argument, VFIO_DEVICE_FLAGS_PCI);
      case VFIO_DEVICE_GET_REGION_INFO:
        return vfio_pci_get_region_info(argument, [
          { index: BAR0, size: PAGE_SIZE, flags: RW },
          {
            index: BAR2,
            size: PAGE_SIZE,
            flags: RW | VFIO_REGION_INFO_FLAG_MMAP,
            areas: [{ offset: 0, size: PAGE_SIZE }],
          },
        ]);
      default:
        return -EINVAL;
    }
  },

  /** The slow path: a store to BAR0 comes here. */
  write(vdev, bytes, position) {
    const own = vdevs.get(vdev.name);
    if (own === undefined || VFIO_PCI_OFFSET_TO_INDEX(position) !== BAR0 || bytes.length !== 8) {
      return -EINVAL;
    }
    const value = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const rc = writeRegister(vdev, own, VFIO_PCI_OFFSET_IN_REGION(position), value);
    return rc < 0 ? rc : bytes.length;
  },

  /** The fast path: the tenant gets the portal page of its queue, once, and we are out of the way. */
  mmap(vdev, vma) {
    const own = vdevs.get(vdev.name);
    const isPortal = VFIO_PCI_OFFSET_TO_INDEX(vma.offset) === BAR2 && VFIO_PCI_OFFSET_IN_REGION(vma.offset) === 0;
    if (own === undefined || !isPortal || !vma.is_shared || vma.vm_end - vma.vm_start !== PAGE_SIZE) {
      return -EINVAL;
    }
    // #region solution portal
    const portal = idxd_wq_portal(own.wq, IDXD_PORTAL_UNLIMITED);
    return remap_pfn_range(vma, vma.vm_start, portal / 2 ** PAGE_SHIFT, PAGE_SIZE);
    // #region starter
    // Which page of which queue may this tenant write to?
    return -EINVAL;
    // #endregion
    // #endregion
  },

  dma_unmap(vdev) {
    const own = vdevs.get(vdev.name);
    if (own !== undefined) {
      switchOff(vdev, own);
    }
  },
};

const vdcm: mdev_driver = {
  name: 'tiny_vdcm',
  device_api: 'vfio-pci',
  get_available: () => freeQueues().length,

  probe(mdev) {
    const vdev = vfio_alloc_device(mdev, ops);
    return IS_ERR(vdev) ? vdev : vfio_register_emulated_iommu_dev(vdev);
  },

  remove(mdev) {
    const vdev = vfio_find_device(mdev);
    if (vdev !== null) {
      vfio_unregister_group_dev(vdev);
      vfio_put_device(vdev);
    }
  },
};

// #region solution parent
mdev_register_driver(vdcm);
mdev_register_parent(pdev, vdcm, [{ sysfs_name: '1dwq', pretty_name: 'One dedicated work queue' }]);
// #region starter
// Tell the mdev core who we are, and what can be created on pdev: one type, 1dwq.
// #endregion
// #endregion
