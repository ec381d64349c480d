// In the guest: a driver turns both devices on, then submits four descriptors and counts what each of them costs.
import { enqcmds, movdir64b } from 'asm/enqcmd';
import { readl, writel } from 'asm/io';
import { advance, alloc_pages, read, write } from 'hw';
import { exits_during, find_vm } from 'lab/vm';
import {
  pci_devices,
  pci_enable_ats,
  pci_enable_device,
  pci_enable_pasid,
  pci_resource_start,
  pci_set_master,
} from 'linux/pci';
import type { pci_dev } from 'linux/pci';
import { DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR, dsa_hw_desc, dsa_status_text } from 'uapi/idxd';

const CMD = 0xa0;
const CMDSTATUS = 0xa8;
const ENABLE_DEVICE = 1 << 20;
const ENABLE_WQ = 6 << 20;
const UNLIMITED = 0;
const LIMITED = 4096;
const TEXT = 'past the hypervisor';

const vm = find_vm('vm0')!;
const [own, shared] = pci_devices() as [pci_dev, pci_dev];

function start(dev: pci_dev): void {
  pci_enable_device(dev);
  pci_set_master(dev);
  const bar0 = pci_resource_start(dev, 0);
  writel(ENABLE_DEVICE, bar0 + CMD);
  writel(ENABLE_WQ, bar0 + CMD);
  console.log(`${dev.name} is on, error ${readl(bar0 + CMDSTATUS) & 0xff}`);
}

/** One copy of a text from one page to another: what it costs, and what comes back. */
function copy(what: string, submit: (descriptor: Uint8Array) => void): void {
  const page = alloc_pages(1);
  write(page, new Uint8Array([...TEXT].map((c) => c.charCodeAt(0))));
  const descriptor = dsa_hw_desc({
    opcode: DSA_OPCODE_MEMMOVE,
    flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
    src_addr: page,
    dst_addr: page + 0x400,
    completion_addr: page + 0x800,
    xfer_size: TEXT.length,
  });
  const exits = exits_during(vm, () => {
    submit(descriptor);
    advance(50_000);
  });
  const status = read(page + 0x800, 1)[0] ?? 0;
  console.log(`  ${what}: ${dsa_status_text(status)} Exits: ${JSON.stringify(exits)}`);
}

start(own);
copy('dedicated, unlimited portal', (d) => movdir64b(pci_resource_start(own, 2) + UNLIMITED, d));
copy('dedicated, limited portal', (d) => movdir64b(pci_resource_start(own, 2) + LIMITED, d));

// A shared queue wants a PASID on each descriptor, and PASIDs want address translation by the device.
pci_enable_pasid(shared, 0);
pci_enable_ats(shared, 12);
start(shared);
copy('shared, limited portal', (d) => void enqcmds(pci_resource_start(shared, 2) + LIMITED, d));
copy('shared, unlimited portal', (d) => void enqcmds(pci_resource_start(shared, 2) + UNLIMITED, d));
