// What stands behind open() and close() of a queue: a driver that lets a device into the memory of a program, and out again.
import { enqcmds, umwait } from 'asm/enqcmd';
import { report } from 'lab/oracle';
import { run_as, spawn } from 'lab/process';
import { MAP_ANONYMOUS, MAP_POPULATE, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap } from 'libc';
import {
  IDXD_PORTAL_UNLIMITED,
  idxd_device_drain_pasid,
  idxd_from_pci,
  idxd_wq_portal,
} from 'linux/idxd';
import { PCI_DEVFN, pci_get_domain_bus_and_slot } from 'linux/pci';
import { iommu_sva_bind_device, iommu_sva_get_pasid, iommu_sva_unbind_device } from 'linux/sva';
import type { iommu_sva } from 'linux/sva';
import { DSA_COMP_SIZE, DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR, dsa_hw_desc } from 'uapi/idxd';

const PAGE = 4096;
const MOVES = 4;

const found = pci_get_domain_bus_and_slot(0, 0x6a, PCI_DEVFN(1, 0));
const accelerator = found === null ? null : idxd_from_pci(found);
if (found === null || accelerator === null) {
  throw new Error('No accelerator');
}
const dev = found;
const idxd = accelerator;
const portal = idxd_wq_portal(idxd.wqs[0], IDXD_PORTAL_UNLIMITED);

const client = spawn('client');
const memory = run_as(client, () =>
  mmap(9 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0),
);

/** open(): from now on the device may use the addresses of the client. */
function bind(): iommu_sva {
  const handle = iommu_sva_bind_device(dev, client);
  if (typeof handle === 'number') {
    throw new Error(`iommu_sva_bind_device: ${handle}`);
  }
  return handle;
}

/** The client's work, with its PASID in the descriptor: a kernel may say whose it is. */
function submit(pasid: number): void {
  for (let at = 0; at < MOVES; at++) {
    const desc = dsa_hw_desc({
      opcode: DSA_OPCODE_MEMMOVE,
      flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
      pasid,
      completion_addr: memory + 8 * PAGE + at * DSA_COMP_SIZE,
      src_addr: memory,
      dst_addr: memory + 4 * PAGE,
      xfer_size: 4 * PAGE,
    });
    while (enqcmds(portal, desc) !== 0) {
      umwait(1000);
    }
  }
}

/** close(): the client has gone away from the queue, its descriptors have not. */
function release(handle: iommu_sva): void {
  // #region solution release
  idxd_device_drain_pasid(idxd, iommu_sva_get_pasid(handle));
  iommu_sva_unbind_device(handle);
  // #region starter
  // Does the device know that it is over?
  iommu_sva_unbind_device(handle);
  // #endregion
  // #endregion
}

for (const opening of ['opened', 'opened again']) {
  const handle = bind();
  report(opening, iommu_sva_get_pasid(handle));
  submit(iommu_sva_get_pasid(handle));
  umwait(300);
  release(handle);
}
report('closed', MOVES * 2);
console.log('PASID of the client:', client.pasid);
