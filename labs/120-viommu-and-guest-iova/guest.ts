// The guest's driver. It knows of no VMM: it maps its buffers by the DMA API and hands out what it gets from there.
import { movdir64b } from 'asm/enqcmd';
import { readl, writel } from 'asm/io';
import { advance, alloc_pages, read, write } from 'hw';
import { report } from 'lab/oracle';
import { exits_during, find_vm } from 'lab/vm';
import { dma_map_single, dma_unmap_single, iommu_group_claim_dma_owner, iommu_group_get } from 'linux/iommu';
import { pci_devices, pci_enable_device, pci_resource_start, pci_set_master } from 'linux/pci';
import type { pci_dev } from 'linux/pci';
import { DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR, dsa_hw_desc, dsa_status_text } from 'uapi/idxd';

const CMD = 0xa0;
const CMDSTATUS = 0xa8;
const ENABLE_DEVICE = 1 << 20;
const ENABLE_WQ = 6 << 20;
const PAGE = 4096;

const vm = find_vm('vm0')!;
const [first, second] = pci_devices() as [pci_dev, pci_dev];

function start(dev: pci_dev): void {
  pci_enable_device(dev);
  pci_set_master(dev);
  const bar0 = pci_resource_start(dev, 0);
  writel(ENABLE_DEVICE, bar0 + CMD);
  writel(ENABLE_WQ, bar0 + CMD);
  console.log(`${dev.name} is on, error ${readl(bar0 + CMDSTATUS) & 0xff}`);
}

/** Copies the first byte of `from` to `to` and puts the completion record at `record`, all in the device's addresses. */
function submit(dev: pci_dev, from: number, to: number, record: number): void {
  const descriptor = dsa_hw_desc({
    opcode: DSA_OPCODE_MEMMOVE,
    flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
    src_addr: from,
    dst_addr: to,
    xfer_size: 1,
    completion_addr: record,
  });
  movdir64b(pci_resource_start(dev, 2), descriptor);
  advance(50_000);
}

/** One buffer after the other at one address of the device: does the device see what the driver mapped last? */
function remap(what: string, dev: pci_dev): void {
  const target = alloc_pages(1);
  const to = dma_map_single(dev, target, PAGE);
  let before = 0;
  for (const value of [0x11, 0x22]) {
    const source = alloc_pages(1);
    write(source, Uint8Array.of(value));
    write(target, new Uint8Array(64));
    const from = dma_map_single(dev, source, PAGE);
    const exits = exits_during(vm, () => submit(dev, from, to + 32, to));
    const status = read(target, 1)[0] ?? 0;
    const got = read(target + 32, 1)[0] ?? 0;
    console.log(`${what}: ${console.hex(from)} holds ${console.hex(value)}, copied ${console.hex(got)}, ${dsa_status_text(status)} Exits: ${JSON.stringify(exits)}`);
    report(`${what} ${before === 0 ? 'first' : 'second'}`, got);
    if (before !== 0) report(`${what} same address`, before === from);
    before = from;
    dma_unmap_single(dev, from);
  }
}

start(first);
start(second);
remap('first device', first);
remap('second device', second);

// Another program may take the device now: the kernel withdraws its own address space from it.
const group = iommu_group_get(second);
if (group !== null) report('claim', iommu_group_claim_dma_owner(group));
