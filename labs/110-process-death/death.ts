// A driver whose clients die. Each client has work in the device when it gets SIGKILL, and somebody else comes after it.
import { enqcmds, movdir64b, umwait } from 'asm/enqcmd';
import { load8, memset } from 'lab/memory';
import { report } from 'lab/oracle';
import { kill, run_as, spawn } from 'lab/process';
import type { process } from 'lab/process';
import { MAP_ANONYMOUS, MAP_POPULATE, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, open, pwrite } from 'libc';
import {
  IDXD_PORTAL_UNLIMITED,
  idxd_device_drain_pasid,
  idxd_from_pci,
  idxd_wq_disable,
  idxd_wq_disable_pasid,
  idxd_wq_enable,
  idxd_wq_portal,
  idxd_wq_set_pasid,
} from 'linux/idxd';
import type { idxd_wq } from 'linux/idxd';
import { PCI_DEVFN, pci_get_domain_bus_and_slot } from 'linux/pci';
import { iommu_sva_bind_device, iommu_sva_get_pasid, iommu_sva_unbind_device } from 'linux/sva';
import type { iommu_sva } from 'linux/sva';
import { DSA_COMP_SIZE, DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR, dsa_hw_desc } from 'uapi/idxd';

const PAGE = 4096;
const MOVES = 4;
/** Pages that each Move copies. */
const PAGES = 16;

const found = pci_get_domain_bus_and_slot(0, 0x6a, PCI_DEVFN(1, 0));
const accelerator = found === null ? null : idxd_from_pci(found);
if (found === null || accelerator === null) {
  throw new Error('No accelerator');
}
const dev = found;
const idxd = accelerator;
const shared = idxd.wqs[0];
const dedicated = idxd.wqs[1];

/** Memory of a client: source, destination, records. It lies at the same address in every new process. */
function memoryOf(client: process): number {
  return run_as(client, () =>
    mmap((2 * PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0),
  );
}

/** A Move of the client's pages, with its PASID. */
function moveOf(memory: number, pasid: number, at: number): Uint8Array {
  return dsa_hw_desc({
    opcode: DSA_OPCODE_MEMMOVE,
    flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
    pasid,
    completion_addr: memory + 2 * PAGES * PAGE + at * DSA_COMP_SIZE,
    src_addr: memory,
    dst_addr: memory + PAGES * PAGE,
    xfer_size: PAGES * PAGE,
  });
}

/** Whether nobody has written to the client's destination yet. */
function isUntouched(memory: number): boolean {
  const pages = Array.from({ length: PAGES }, (_, page) => memory + (PAGES + page) * PAGE);
  return pages.every((page) => load8(page) === 0);
}

/** Lets the device work for some nanoseconds. */
function pass(nanoseconds: number): void {
  for (let at = 0; at < nanoseconds; at += 50) {
    umwait(50);
  }
}

// ---- what the kernel does by itself ----

const orphan = spawn('orphan');
const orphanMemory = memoryOf(orphan);
run_as(orphan, () => {
  const fd = open('/dev/dsa/wq0.0');
  for (let at = 0; at < MOVES; at++) {
    pwrite(fd, moveOf(orphanMemory, 0, at), 0);
  }
});
pass(600);
report('orphan dies', MOVES);
kill(orphan, 'SIGKILL');

/** What happened after SIGKILL, first to last: put it in order. */
const ORDER = [
  // #region solution order
  'blocked',
  'flushed',
  'unmapped',
  'drained',
  'unbound',
  'freed',
  // #region starter
  'drained',
  'unbound',
  'freed',
  'blocked',
  'flushed',
  'unmapped',
  // #endregion
  // #endregion
];
report('order', ORDER.join(' '));

// ---- a driver with a dedicated queue ----

/** What the driver keeps for an open file. */
interface Context {
  readonly client: process;
  readonly wq: idxd_wq;
  readonly handle: iommu_sva;
  readonly pasid: number;
}

function bind(client: process, wq: idxd_wq): Context {
  const handle = iommu_sva_bind_device(dev, client);
  if (typeof handle === 'number') {
    throw new Error(`iommu_sva_bind_device: ${handle}`);
  }
  return { client, wq, handle, pasid: iommu_sva_get_pasid(handle) };
}

/** open() of the dedicated queue. */
function openDedicated(client: process): Context {
  const context = bind(client, dedicated);
  idxd_wq_disable(dedicated);
  idxd_wq_set_pasid(dedicated, context.pasid);
  idxd_wq_enable(dedicated);
  return context;
}

/** The last close of a dedicated queue, by exit_files. */
function releaseDedicated(context: Context): void {
  // #region solution dedicated
  idxd_wq_disable(context.wq);
  idxd_wq_disable_pasid(context.wq);
  idxd_wq_enable(context.wq);
  iommu_sva_unbind_device(context.handle);
  // #region starter
  // The process is dead. Is the device?
  iommu_sva_unbind_device(context.handle);
  // #endregion
  // #endregion
}

/** Kill points: how many nanoseconds the device works before the client dies. Each seed has its own. */
const KILL_POINTS = Array.from({ length: 8 }, () => Math.floor(Math.random() * 4000));
/** Clients whose memory changed before they had submitted anything. */
let damaged = 0;

for (const [round, head] of KILL_POINTS.entries()) {
  const client = spawn(`victim ${round}`);
  const memory = memoryOf(client);
  run_as(client, () => memset(memory, round + 1, PAGES * PAGE));
  const context = openDedicated(client);
  damaged += run_as(client, () => (isUntouched(memory) ? 0 : 1));
  for (let at = 0; at < MOVES; at++) {
    movdir64b(idxd_wq_portal(dedicated, IDXD_PORTAL_UNLIMITED), moveOf(memory, context.pasid, at));
  }
  pass(head);
  kill(client, 'SIGKILL');
  releaseDedicated(context);
}
report('damaged', damaged);
console.log('clients damaged by their predecessor:', damaged);

// ---- the same with a shared queue ----

/** The last close of a shared queue, by exit_files. */
function releaseShared(context: Context): void {
  // #region solution shared
  idxd_device_drain_pasid(idxd, context.pasid);
  iommu_sva_unbind_device(context.handle);
  // #region starter
  // What is good for a dedicated queue?
  idxd_wq_disable(context.wq);
  iommu_sva_unbind_device(context.handle);
  // #endregion
  // #endregion
}

const neighbour = spawn('neighbour');
const neighbourMemory = memoryOf(neighbour);
const stays = bind(neighbour, shared);

/** Times that the neighbour's submission found no room. */
let refused = 0;
function submitShared(memory: number, pasid: number): void {
  for (let at = 0; at < MOVES; at++) {
    refused += enqcmds(idxd_wq_portal(shared, IDXD_PORTAL_UNLIMITED), moveOf(memory, pasid, at));
  }
}
for (const [round, head] of KILL_POINTS.slice(0, 2).entries()) {
  const client = spawn(`sharer ${round}`);
  const memory = memoryOf(client);
  const context = bind(client, shared);
  submitShared(memory, context.pasid);
  pass(head);
  kill(client, 'SIGKILL');
  releaseShared(context);
  submitShared(neighbourMemory, stays.pasid);
  idxd_device_drain_pasid(idxd, stays.pasid);
}
report('refused', refused);
console.log('submissions of the neighbour refused:', refused);
