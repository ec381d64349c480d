// Two tenants on one function. Each gets a queue, and an address space that nobody else's requests can enter.
import { movdir64b } from 'asm/enqcmd';
import { alloc_pages, read, wait_event } from 'hw';
import { report } from 'lab/oracle';
import { ls } from 'lab/shell';
import { errname } from 'linux/errno';
import {
  IDXD_PORTAL_UNLIMITED,
  idxd_from_pci,
  idxd_wq_disable,
  idxd_wq_enable,
  idxd_wq_portal,
  idxd_wq_set_pasid,
} from 'linux/idxd';
import type { idxd_wq } from 'linux/idxd';
import {
  IOMMU_DEV_FEAT_AUX,
  IOMMU_READ,
  IOMMU_WRITE,
  iommu_alloc_global_pasid,
  iommu_attach_device_pasid,
  iommu_aux_attach_device,
  iommu_aux_detach_device,
  iommu_aux_get_pasid,
  iommu_detach_device_pasid,
  iommu_dev_enable_feature,
  iommu_domain_free,
  iommu_free_global_pasid,
  iommu_get_domain_for_dev,
  iommu_map,
  iommu_paging_domain_alloc,
} from 'linux/iommu';
import type { iommu_domain } from 'linux/iommu';
import { PCI_DEVFN, pci_get_domain_bus_and_slot } from 'linux/pci';
import {
  DSA_OPCODE_MEMFILL,
  IDXD_OP_FLAG_CRAV,
  IDXD_OP_FLAG_RCR,
  dsa_hw_desc,
  dsa_status_text,
} from 'uapi/idxd';

/** The address that both tenants use. */
const IOVA = 0x10_0000;
const RECORD = 0x800;
const PAGE = 4096;

const found = pci_get_domain_bus_and_slot(0, 0x6a, PCI_DEVFN(1, 0));
if (found === null) {
  throw new Error('No accelerator');
}
const dev = found;
const queues = idxd_from_pci(dev)?.wqs ?? [];

/** The run's kernel: with iommufd, or that of 2019. */
const hasIommufd = ls('/dev').includes('iommu');

interface Adi {
  readonly wq: idxd_wq;
  readonly domain: iommu_domain;
  /** Physical address of the one page that is mapped at IOVA. */
  readonly page: number;
  readonly pasid: number;
}

// ---- attach ----

if (!hasIommufd) {
  // #region solution aux
  console.log('AUX:', iommu_dev_enable_feature(dev, IOMMU_DEV_FEAT_AUX));
  // #region starter
  // The function has to be told that it will have auxiliary domains.
  // #endregion
  // #endregion
}

/** Makes requests with some PASID use the domain. Returns the PASID, or a negative error number. */
function attach(domain: iommu_domain): number {
  if (hasIommufd) {
    // #region solution attach-pasid
    const pasid = iommu_alloc_global_pasid(dev);
    if (pasid < 0) {
      return pasid;
    }
    const result = iommu_attach_device_pasid(domain, dev, pasid);
    if (result < 0) {
      iommu_free_global_pasid(pasid);
      return result;
    }
    return pasid;
    // #region starter
    // Kernel with iommufd: allocate a number, attach the domain to it.
    return 0;
    // #endregion
    // #endregion
  }
  // #region solution attach-aux
  const result = iommu_aux_attach_device(domain, dev);
  return result < 0 ? result : iommu_aux_get_pasid(domain, dev);
  // #region starter
  // Kernel of 2019: attach the domain as an auxiliary one, and ask which PASID it got.
  return 0;
  // #endregion
  // #endregion
}

// ---- an ADI ----

function newDomain(): iommu_domain {
  // #region solution domain
  const domain = iommu_paging_domain_alloc(dev);
  // #region starter
  // The domain that the function uses already. Is it the tenant's?
  const domain = iommu_get_domain_for_dev(dev);
  // #endregion
  // #endregion
  if (domain === null || typeof domain === 'number') {
    throw new Error('No domain');
  }
  return domain;
}

function makeAdi(wq: idxd_wq): Adi {
  const page = alloc_pages(1);
  const domain = newDomain();
  console.log('map:', iommu_map(domain, IOVA, page, PAGE, IOMMU_READ | IOMMU_WRITE));
  const pasid = attach(domain);
  report(`page ${wq.id}`, page);
  report(`pasid ${wq.id}`, pasid);
  // #region solution program
  idxd_wq_set_pasid(wq, pasid);
  idxd_wq_enable(wq);
  // #region starter
  // The queue must put the PASID on its requests.
  idxd_wq_enable(wq);
  // #endregion
  // #endregion
  console.log(wq.name, 'PASID', pasid, 'page', console.hex(page));
  return { wq, domain, page, pasid };
}

const adis = queues.slice(0, 2).map(makeAdi);

// ---- one address, two places ----

/** Lets an ADI fill the beginning of its page. Returns the completion status, 0 when there is no record. */
function fill(adi: Adi, letter: string): number {
  const byte = BigInt(letter.charCodeAt(0));
  movdir64b(
    idxd_wq_portal(adi.wq, IDXD_PORTAL_UNLIMITED),
    dsa_hw_desc({
      opcode: DSA_OPCODE_MEMFILL,
      flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
      completion_addr: IOVA + RECORD,
      dst_addr: IOVA,
      xfer_size: 8,
      pattern: byte * 0x0101_0101_0101_0101n,
    }),
  );
  while (wait_event(100_000)) {
    // The device is still at work.
  }
  return read(adi.page + RECORD, 1)[0];
}

for (const [index, letter] of ['A', 'B'].entries()) {
  const adi = adis[index];
  const status = fill(adi, letter);
  const text = String.fromCharCode(...read(adi.page, 8)).replaceAll('\0', '.');
  console.log(adi.wq.name, `${status} ${dsa_status_text(status)}`, `page holds "${text}"`);
  report(`status ${index}`, status);
}

// ---- the end of an address space ----

/** Blocks the PASID of an ADI and gives the number back. */
function detach(adi: Adi): void {
  // #region solution detach
  if (hasIommufd) {
    iommu_detach_device_pasid(adi.domain, dev, adi.pasid);
    iommu_free_global_pasid(adi.pasid);
  } else {
    iommu_aux_detach_device(adi.domain, dev);
  }
  // #region starter
  // What attach() did, the other way round.
  // #endregion
  // #endregion
}

/** Takes an ADI apart so that nothing goes wrong on the way. */
function freeAdi(adi: Adi): void {
  // #region solution free
  idxd_wq_disable(adi.wq);
  detach(adi);
  iommu_domain_free(adi.domain);
  // #region starter
  // A queue, an attachment, a domain. In which order?
  detach(adi);
  // #endregion
  // #endregion
}

// The first tenant is cut off while its queue is on, to see what the IOMMU does about it.
const [first, second] = adis;
detach(first);
report('detached', first.pasid);
fill(first, 'X');
report('after detach', first.pasid);
idxd_wq_disable(first.wq);
iommu_domain_free(first.domain);

// The second one leaves in good order.
freeAdi(second);
report('freed', second.pasid);

// ---- what is refused ----

/** Tries to give a tenant the address space of requests without a PASID. Returns the error number. */
function tryTaken(): number {
  // #region solution taken
  const domain = iommu_get_domain_for_dev(dev);
  if (domain === null) {
    return 0;
  }
  return hasIommufd ? iommu_attach_device_pasid(domain, dev, 0) : iommu_aux_attach_device(domain, dev);
  // #region starter
  // With iommufd: attach to PASID 0. In 2019: attach the domain of the function once more, as an auxiliary one.
  return 0;
  // #endregion
  // #endregion
}

const refusal = tryTaken();
console.log('refusal:', errname(refusal));
report('refusal', refusal);
