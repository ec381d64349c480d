// Which pages of a virtual accelerator does the guest reach by itself, and what stands behind them?
import {
  IDXD_PORTAL_LIMITED,
  IDXD_PORTAL_LIMITED_IMS,
  IDXD_PORTAL_UNLIMITED,
  IDXD_PORTAL_UNLIMITED_IMS,
  idxd_wq_portal,
} from 'linux/idxd';
import { EINVAL } from 'linux/errno';
import { PAGE_SIZE, remap_pfn_range } from 'linux/mm';
import type { vm_area_struct } from 'linux/mm';
import { vdcm_set_ops } from 'linux/vdcm';
import type { vdev, vdev_region } from 'linux/vdcm';
import {
  VFIO_PCI_BAR0_REGION_INDEX,
  VFIO_PCI_BAR2_REGION_INDEX,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
} from 'uapi/vfio';

interface Area {
  readonly offset: number;
  readonly size: number;
}

const READ_WRITE = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
const BAR0_BYTES = 0x2000;
/** Two pages: the unlimited portal, then the limited one. */
const BAR2_BYTES = 2 * PAGE_SIZE;
const UNLIMITED = 0;
const LIMITED = PAGE_SIZE;

/** Parts of BAR2 that the VMM may map. All the rest of the device is trapped. */
function portalAreas(dev: vdev): readonly Area[] {
  // #region solution areas
  const limited = { offset: LIMITED, size: PAGE_SIZE };
  return dev.wq.mode === 'dedicated' ? [{ offset: UNLIMITED, size: PAGE_SIZE }, limited] : [limited];
  // #region starter
  // A first guess: all of it, for everybody.
  return [{ offset: UNLIMITED, size: BAR2_BYTES }];
  // #endregion
  // #endregion
}

function regionInfo(dev: vdev, index: number): vdev_region | null {
  switch (index) {
    case VFIO_PCI_BAR0_REGION_INDEX:
      return { size: BAR0_BYTES, flags: READ_WRITE };
    case VFIO_PCI_BAR2_REGION_INDEX:
      return { size: BAR2_BYTES, flags: READ_WRITE | VFIO_REGION_INFO_FLAG_MMAP, areas: portalAreas(dev) };
    case VFIO_PCI_CONFIG_REGION_INDEX:
      return { size: 4096, flags: READ_WRITE };
    default:
      return null;
  }
}

/** May this program have these pages? `offset` counts from the start of the region. */
function isAllowed(dev: vdev, index: number, offset: number, vma: vm_area_struct): boolean {
  // #region solution allowed
  return (
    index === VFIO_PCI_BAR2_REGION_INDEX &&
    vma.is_shared &&
    vma.vm_end - vma.vm_start === PAGE_SIZE &&
    portalAreas(dev).some((area) => area.offset === offset)
  );
  // #region starter
  // Whoever asks gets what they ask for.
  return true;
  // #endregion
  // #endregion
}

/** Physical address behind a page of the VDEV's BAR2, 0 for none. */
function portalBehind(dev: vdev, offset: number): number {
  // #region solution portal
  const page = offset === UNLIMITED ? IDXD_PORTAL_UNLIMITED_IMS : IDXD_PORTAL_LIMITED_IMS;
  return idxd_wq_portal(dev.wq, page);
  // #region starter
  // The queue has four portal pages. Which of them?
  return 0;
  // #endregion
  // #endregion
}

function mapPortal(dev: vdev, index: number, offset: number, vma: vm_area_struct): number {
  if (!isAllowed(dev, index, offset, vma)) {
    return -EINVAL;
  }
  const portal = portalBehind(dev, offset);
  return portal === 0 ? -EINVAL : remap_pfn_range(vma, vma.vm_start, portal / PAGE_SIZE, vma.vm_end - vma.vm_start);
}

vdcm_set_ops({ get_region_info: regionInfo, mmap: mapPortal });
