// The guest's driver: two devices, two vectors each. Vector 0 tells of commands, vector 1 of finished work.
import { movdir64b } from 'asm/enqcmd';
import { readl, writel } from 'asm/io';
import { advance, alloc_pages, read } from 'hw';
import { exits_during, find_vm } from 'lab/vm';
import { request_irq } from 'linux/irq';
import {
  pci_alloc_irq_vectors,
  pci_devices,
  pci_enable_device,
  pci_free_irq_vectors,
  pci_irq_vector,
  pci_resource_start,
  pci_set_master,
} from 'linux/pci';
import type { pci_dev } from 'linux/pci';
import {
  DSA_OPCODE_MEMMOVE,
  IDXD_OP_FLAG_CRAV,
  IDXD_OP_FLAG_RCI,
  IDXD_OP_FLAG_RCR,
  dsa_hw_desc,
  dsa_status_text,
} from 'uapi/idxd';

const CMD = 0xa0;
const CMDSTATUS = 0xa8;
const ENABLE_DEVICE = 1;
const DRAIN_ALL = 3;
const ENABLE_WQ = 6;
const REQUEST_INT_HANDLE = 13;
const WITH_INTERRUPT = 0x8000_0000;

const vm = find_vm('vm0')!;
const [first, second] = pci_devices() as [pci_dev, pci_dev];

/** Gives a command and waits for its end. @returns its result, or its error code as a negative number */
function command(dev: pci_dev, code: number, operand = 0, flags = 0): number {
  const bar0 = pci_resource_start(dev, 0);
  writel(((code << 20) | operand | flags) >>> 0, bar0 + CMD);
  const status = readl(bar0 + CMDSTATUS);
  const error = status & 0xff;
  return error === 0 ? (status >>> 8) & 0xffff : -error;
}

function start(dev: pci_dev): void {
  pci_enable_device(dev);
  pci_set_master(dev);
  pci_alloc_irq_vectors(dev, 2, 2);
  for (const vector of [0, 1]) {
    request_irq(pci_irq_vector(dev, vector), () => console.log(`    interrupt: ${dev.name}, vector ${vector}`), `${dev.name} vector ${vector}`);
  }
  command(dev, ENABLE_DEVICE);
  command(dev, ENABLE_WQ);
}

/** What a descriptor must name to have its interrupt raised. */
function requestHandle(dev: pci_dev): number {
  // #region solution handle
  return command(dev, REQUEST_INT_HANDLE, 1);
  // #region starter
  // A first guess: the first vector.
  return command(dev, REQUEST_INT_HANDLE, 0);
  // #endregion
  // #endregion
}

/** Submits one copy. @returns address of its completion record */
function copy(dev: pci_dev, bytes: number, handle: number): number {
  const pages = Math.ceil(bytes / 4096);
  const source = alloc_pages(2 * pages + 1);
  const record = source + 2 * pages * 4096;
  const flags = IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR | (handle < 0 ? 0 : IDXD_OP_FLAG_RCI);
  const descriptor = dsa_hw_desc({
    opcode: DSA_OPCODE_MEMMOVE,
    flags,
    src_addr: source,
    dst_addr: source + pages * 4096,
    xfer_size: bytes,
    completion_addr: record,
    ...(handle < 0 ? {} : { int_handle: handle }),
  });
  movdir64b(pci_resource_start(dev, 2), descriptor);
  return record;
}

function copyAndWait(what: string, dev: pci_dev, handle: number): void {
  let record = 0;
  const exits = exits_during(vm, () => {
    record = copy(dev, 64, handle);
    advance(50_000);
  });
  const status = read(record, 1)[0] ?? 0;
  console.log(`  ${what}: ${dsa_status_text(status)} Exits: ${JSON.stringify(exits)}`);
}

start(first);
start(second);
command(first, DRAIN_ALL, 0, WITH_INTERRUPT);
advance(10_000);

const own = requestHandle(first);
const other = requestHandle(second);
console.log(`handles: ${own < 0 ? `error ${console.hex(-own)}` : own} and ${other < 0 ? `error ${console.hex(-other)}` : other}`);
copyAndWait('first device, its own handle', first, own);
copyAndWait('second device, its own handle', second, other);
copyAndWait('first device, the handle of the second', first, other);

// A long copy, and the driver does not wait for it: it turns the interrupts off at once.
copy(first, 1 << 18, own);
pci_free_irq_vectors(first);
advance(1_000_000);
