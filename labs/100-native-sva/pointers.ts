// A program and its worker. The worker hands plain pointers to the accelerator, and the two share one set of page tables.
import { enqcmd, umwait } from 'asm/enqcmd';
import { load, load8, load_text, memset, store8, store_text } from 'lab/memory';
import { report } from 'lab/oracle';
import { create_thread, current, fork, run_as } from 'lab/process';
import type { process } from 'lab/process';
import { cat } from 'lab/shell';
import {
  MAP_ANONYMOUS,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
  mmap,
  munmap,
  open,
  usleep,
} from 'libc';
import {
  DSA_COMP_SIZE,
  DSA_COMP_SUCCESS,
  DSA_OPCODE_MEMMOVE,
  IDXD_OP_FLAG_BOF,
  IDXD_OP_FLAG_CRAV,
  IDXD_OP_FLAG_RCR,
  dsa_completion_record,
  dsa_hw_desc,
  dsa_status_text,
} from 'uapi/idxd';
import type { dsa_completion_record_members } from 'uapi/idxd';

const PAGE = 4096;
const TEXT = 'A pointer is enough.';
const PAGES = Number(cat('/sys/bus/dsa/devices/wq0.0/size'));
const BYTES = PAGES * PAGE;
const ANSWER = IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR;

/** Opens the queue for the calling process, and maps the portal. Returns the portal. */
function openQueue(): number {
  const fd = open('/dev/dsa/wq0.0');
  const portal = mmap(PAGE, PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd < 0 || portal < 0) {
    throw new Error(`No portal: open ${fd}, mmap ${portal}`);
  }
  return portal;
}

function forked(parent: process, name: string): process {
  const child = fork(parent, name);
  if (typeof child === 'number') {
    throw new Error(`fork: ${child}`);
  }
  return child;
}

/** Memory of the calling process. Its pages come with the first touch, or at once with MAP_POPULATE. */
function anonymous(bytes: number, flags = 0): number {
  return mmap(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

// ---- the worker ----

const app = current();
// #region solution bind
const worker = forked(app, 'worker');
const early = create_thread(worker, 'early');
const portal = run_as(worker, openQueue);
// #region starter
// Opened once, for parent and child?
const portal = openQueue();
const worker = forked(app, 'worker');
const early = create_thread(worker, 'early');
// #endregion
// #endregion

const source = run_as(worker, () => anonymous(BYTES, MAP_POPULATE));
const records = run_as(worker, () => anonymous(PAGE, MAP_POPULATE));

/** Hands a Move to the device, from `source` to `to`. Its record goes to place `at`. */
function submit(to: number, done = 0, bytes = TEXT.length, flags = ANSWER, at = 0): number {
  const record = records + at * DSA_COMP_SIZE;
  memset(record, 0, DSA_COMP_SIZE);
  const desc = dsa_hw_desc({
    opcode: DSA_OPCODE_MEMMOVE,
    flags,
    completion_addr: record,
    src_addr: source + done,
    dst_addr: to + done,
    xfer_size: bytes - done,
  });
  while (enqcmd(portal, desc) !== 0) {
    umwait(1000);
  }
  return record;
}

/** Waits for a record, and reads it. */
function wait(record: number): dsa_completion_record_members {
  while (load8(record) === 0 && umwait(100_000)) {
    // Something happened in the machine: look again.
  }
  return dsa_completion_record(load(record, DSA_COMP_SIZE));
}

run_as(worker, () => {
  for (let page = 0; page < PAGES; page++) {
    store_text(source + page * PAGE, TEXT);
  }
  const target = anonymous(PAGE, MAP_POPULATE);
  const { status } = wait(submit(target));
  report('first', status);
  console.log('first:', load_text(target, TEXT.length));
});

// ---- threads ----

const COPIES = 6;

/** Makes copy number `index`, as the thread that calls. */
function copy(target: number, index: number): void {
  wait(submit(target + index * 64));
}

function copyInThreads(target: number): void {
  // #region solution pool
  const pool = [early, create_thread(worker, 'late')];
  for (let index = 0; index < COPIES; index++) {
    run_as(pool[index % 2] ?? early, () => copy(target, index));
  }
  // #region starter
  // A new thread for each copy: simple.
  for (let index = 0; index < COPIES; index++) {
    run_as(create_thread(worker, `helper ${index}`), () => copy(target, index));
  }
  // #endregion
  // #endregion
}

copyInThreads(run_as(worker, () => anonymous(PAGE, MAP_POPULATE)));
report('threads', COPIES);

// ---- pages that nobody has touched ----

/** Copies everything to pages that are not there yet. The device shall wait for them. */
function copyLazily(to: number): number {
  // #region solution lazy
  return wait(submit(to, 0, BYTES, ANSWER | IDXD_OP_FLAG_BOF)).status;
  // #region starter
  // May this descriptor wait for a page?
  return wait(submit(to, 0, BYTES, ANSWER)).status;
  // #endregion
  // #endregion
}

run_as(worker, () => {
  const target = anonymous(BYTES);
  const status = copyLazily(target);
  report('lazy', status);
  report('lazy again', copyLazily(target));
  console.log('lazy:', dsa_status_text(status));
});

// ---- the same without waiting ----

/** Copies everything, page for page if need be: a descriptor that may not wait stops at the first missing page. */
function copyInParts(to: number): number {
  // #region solution parts
  let done = 0;
  for (;;) {
    const found = wait(submit(to, done, BYTES));
    if (found.status === DSA_COMP_SUCCESS) {
      return found.status;
    }
    done += found.bytes_completed;
    store8(found.fault_addr, 0);
  }
  // #region starter
  // What does the record say besides the status?
  return wait(submit(to, 0, BYTES)).status;
  // #endregion
  // #endregion
}

run_as(worker, () => {
  const target = anonymous(BYTES);
  const status = copyInParts(target);
  report('parts', status);
  console.log('parts:', dsa_status_text(status));
});

// ---- munmap while the device works ----

/** How long the device works before the memory goes. */
const HEAD_START_US = { blocking: 60, plain: 1 };

/** Takes the destination away while the device writes to it. */
function unmapUnder(kind: 'blocking' | 'plain'): void {
  const isBlocking = kind === 'blocking';
  const to = anonymous(BYTES, isBlocking ? 0 : MAP_POPULATE);
  const record = submit(to, 0, BYTES, isBlocking ? ANSWER | IDXD_OP_FLAG_BOF : ANSWER);
  // #region solution unmap
  usleep(HEAD_START_US[kind]);
  munmap(to, BYTES);
  const found = wait(record);
  // #region starter
  // The careful order.
  const found = wait(record);
  munmap(to, BYTES);
  // #endregion
  // #endregion
  report(`unmapped ${kind}`, found.status);
  console.log(kind, dsa_status_text(found.status), found.bytes_completed, console.hex(found.fault_addr));
}

run_as(worker, () => {
  unmapUnder('blocking');
  unmapUnder('plain');
});
