// Programs of two guests copy to pages that nobody has touched, and not every guest is in a state to answer.
import { enqcmd } from 'asm/enqcmd';
import { advance, mmio_read, mmio_write } from 'hw';
import { load8, store_text } from 'lab/memory';
import { report } from 'lab/oracle';
import { run_as, spawn } from 'lab/process';
import { find_vm, run_in, unplug } from 'lab/vm';
import type { vm } from 'lab/vm';
import {
  MAP_ANONYMOUS,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
  mmap,
  open,
} from 'libc';
import {
  DSA_OPCODE_MEMMOVE,
  IDXD_OP_FLAG_BOF,
  IDXD_OP_FLAG_CRAV,
  IDXD_OP_FLAG_RCR,
  dsa_hw_desc,
  dsa_status_text,
} from 'uapi/idxd';
import { devices } from './set-up.ts';

const PAGE = 4096;
const PAGES = 8;
const RECORDS = 1024;
/** The bit above tells that the fault was one of a write. */
const STATUS_MASK = 0x7f;
const MS = 1_000_000;
const FLAGS = IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR;
/** The IOMMU that a guest sees, and its registers for page requests (VT-d 5.10, section 11.4.11). */
const VIOMMU = 0xfed9_0000;
const PQH_REG = 0xc0;
const PQT_REG = 0xc8;
const ENTRY = 32;
/** Of the queue that the guest's kernel has set up. */
const QUEUE_BYTES = 65536;

interface Program {
  /** Submits a copy to page `at`, which nobody has touched, and does not wait. */
  readonly submit: (at: number) => void;
  /** Status of that copy, 0 while it waits. */
  readonly status: (at: number) => number;
}

function program(target: vm, name: string): Program {
  return run_in(target, () => {
    const app = spawn(name, { capabilities: ['CAP_SYS_RAWIO'] });
    const map = (pages: number, flags: number): number =>
      mmap(pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    const { source, lazy, portal } = run_as(app, () => ({
      source: map(1, MAP_POPULATE),
      lazy: map(PAGES, 0),
      portal: mmap(PAGE, PROT_WRITE, MAP_SHARED, open('/dev/dsa/wq0.0'), 0),
    }));
    run_as(app, () => store_text(source, name));
    return {
      submit: (at) => {
        report('copy', `${target.name} ${at}`);
        const desc = dsa_hw_desc({
          opcode: DSA_OPCODE_MEMMOVE,
          flags: FLAGS,
          src_addr: source,
          dst_addr: lazy + at * PAGE,
          xfer_size: 64,
          completion_addr: source + RECORDS + at * 32,
        });
        run_in(target, () => run_as(app, () => enqcmd(portal, desc)));
      },
      status: (at) => run_in(target, () => run_as(app, () => load8(source + RECORDS + at * 32))),
    };
  });
}

function vmOf(name: string): vm {
  const found = find_vm(name);
  if (found === null) {
    throw new Error(`No VM ${name}`);
  }
  return found;
}

const red = vmOf('red');
const blue = vmOf('blue');
const apple = program(red, 'apple');
const berry = program(blue, 'berry');

/** Lets a guest run. The other one does not get a CPU meanwhile. */
function runs(target: vm, milliseconds: number): void {
  run_in(target, () => advance(milliseconds * MS));
}

function tell(name: string, at: number, status: number): void {
  report(`${name} ${at}`, status);
  console.log(`${name} ${at}: ${status === 0 ? 'waits' : dsa_status_text(status & STATUS_MASK)}`);
}

// One fault, and a guest that runs.
report('part', 'first');
apple.submit(0);
advance(MS / 10);
runs(red, 1);
tell('red', 0, apple.status(0));

// A fault of each guest at the same time. Blue is the first to run.
report('part', 'both');
apple.submit(1);
berry.submit(0);
advance(MS / 10);
runs(blue, 1);
runs(red, 1);
tell('blue', 0, berry.status(0));
tell('red', 1, apple.status(1));

// Red gets no CPU for a while, so nobody there answers. Blue has a fault just before the time of red is over.
report('part', 'silent');
apple.submit(2);
advance(99 * MS);
berry.submit(1);
advance(3 * MS);
runs(blue, 1);
tell('blue', 1, berry.status(1));
tell('red', 2, apple.status(2));
// Now red runs again, and answers what it finds in its queue.
report('part', 'late');
runs(red, 1);

// Red's queue is full: the head is where one entry is left, the one that stays empty. A fault of blue waits meanwhile.
report('part', 'full');
berry.submit(2);
advance(MS / 10);
run_in(red, () => {
  const tail = Number(mmio_read(VIOMMU + PQT_REG, 8));
  mmio_write(VIOMMU + PQH_REG, 8, (tail + ENTRY) % QUEUE_BYTES);
});
apple.submit(3);
advance(MS / 10);
runs(blue, 1);
tell('blue', 2, berry.status(2));
tell('red', 3, apple.status(3));

// Blue's device leaves while a page of its program is missing.
report('part', 'leaves');
berry.submit(3);
advance(MS / 10);
const leaving = devices.get('blue');
if (leaving !== undefined) {
  unplug(blue, leaving);
}
advance(200 * MS);
report('part', 'end');
