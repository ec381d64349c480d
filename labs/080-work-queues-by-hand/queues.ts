// A program that gives its copies to the accelerator, descriptor by descriptor, without a library in between.
import { enqcmd, movdir64b, umwait } from 'asm/enqcmd';
import { load8, load_text, memset, store, store_text } from 'lab/memory';
import { report } from 'lab/oracle';
import { cat } from 'lab/shell';
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
  DSA_COMP_SIZE,
  DSA_DESC_SIZE,
  DSA_OPCODE_BATCH,
  DSA_OPCODE_MEMFILL,
  DSA_OPCODE_MEMMOVE,
  IDXD_OP_FLAG_CR,
  IDXD_OP_FLAG_CRAV,
  IDXD_OP_FLAG_RCR,
  dsa_hw_desc,
  dsa_status_text,
} from 'uapi/idxd';

const PAGE = 4096;
const TEXT = 'Every descriptor is 64 bytes.';

/** Opens a queue and maps the one portal page that the kernel gives to programs. */
function openPortal(wq: string): number {
  const fd = open(`/dev/dsa/${wq}`);
  const portal = mmap(PAGE, PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd < 0 || portal < 0) {
    throw new Error(`No portal of ${wq}: open ${fd}, mmap ${portal}`);
  }
  return portal;
}

const dedicated = openPortal('wq0.0');
const shared = openPortal('wq0.1');
const memory = mmap(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

const source = memory;
const target = memory + PAGE;
const list = memory + 2 * PAGE;
const record = memory + 3 * PAGE;
/** A completion record of its own for each descriptor of a crowd. */
const recordOf = (index: number): number => memory + 4 * PAGE + index * DSA_COMP_SIZE;

/** Waits for a completion record. Returns its status, 0 when the device has nothing left to do and wrote none. */
function wait(at: number): number {
  while (load8(at) === 0 && umwait(10_000)) {
    // Something happened in the machine: look again.
  }
  return load8(at);
}

// ---- one descriptor ----

/** Copies `bytes` from one place to another; the answer goes to `completion`. */
function moveDescriptor(from: number, to: number, bytes: number, completion: number): Uint8Array {
  // #region solution move
  return dsa_hw_desc({
    opcode: DSA_OPCODE_MEMMOVE,
    flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
    completion_addr: completion,
    src_addr: from,
    dst_addr: to,
    xfer_size: bytes,
  });
  // #region starter
  // The device is told what to do. Is it told that you want an answer, and where?
  return dsa_hw_desc({
    opcode: DSA_OPCODE_MEMMOVE,
    src_addr: from,
    dst_addr: to,
    xfer_size: bytes,
  });
  // #endregion
  // #endregion
}

/** Submits a descriptor whose record is `record`, and waits. */
function run(desc: Uint8Array): number {
  // #region solution fresh
  memset(record, 0, DSA_COMP_SIZE);
  // #region starter
  // What lies in the record now?
  // #endregion
  // #endregion
  movdir64b(dedicated, desc);
  return wait(record);
}

store_text(source, TEXT);
report('move', run(moveDescriptor(source, target, TEXT.length, record)));
console.log('move:', load_text(target, TEXT.length));

// ---- the record is used again ----

/** Fills `bytes` with the eight bytes of `pattern`, again and again. */
function fillDescriptor(to: number, bytes: number, pattern: bigint): Uint8Array {
  // #region solution fill
  return dsa_hw_desc({
    opcode: DSA_OPCODE_MEMFILL,
    flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
    completion_addr: record,
    dst_addr: to,
    xfer_size: bytes,
    pattern,
  });
  // #region starter
  // DSA_OPCODE_MEMFILL has a pattern in place of a source.
  return moveDescriptor(source, to, bytes, record);
  // #endregion
  // #endregion
}

/** Puts descriptors into memory as a list, and makes one descriptor of them. */
function batchDescriptor(members: readonly Uint8Array[]): Uint8Array {
  // #region solution batch
  members.forEach((member, index) => store(list + index * DSA_DESC_SIZE, member));
  return dsa_hw_desc({
    opcode: DSA_OPCODE_BATCH,
    flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
    completion_addr: record,
    desc_list_addr: list,
    desc_count: members.length,
  });
  // #region starter
  // DSA_OPCODE_BATCH names a list in memory and how many descriptors stand in it.
  return members[0];
  // #endregion
  // #endregion
}

report('fill', run(fillDescriptor(target, 64, 0x2e2e_2e2e_2e2e_2e2en)));
console.log('fill:', load_text(target, 8));
const members = [0, 1, 2].map((i) => moveDescriptor(source, target + i * 64, TEXT.length, recordOf(i)));
report('batch', run(batchDescriptor(members)));
console.log('batch:', load_text(target + 128, TEXT.length));

// ---- six refusals ----

/** Make each of them wrong in the one way that its name says. All are Moves but for `count`. */
const refusals: { readonly [name: string]: () => Uint8Array } = {
  // #region solution refusals
  opcode: () => dsa_hw_desc({ opcode: 0x16, flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR, completion_addr: record }),
  flags: () => {
    const desc = moveDescriptor(source, target, 8, record);
    desc[4] |= IDXD_OP_FLAG_CR;
    return desc;
  },
  reserved: () => {
    const desc = moveDescriptor(source, target, 8, record);
    desc[40] = 1;
    return desc;
  },
  size: () => moveDescriptor(source, target, 0, record),
  count: () => batchDescriptor([moveDescriptor(source, target, 8, recordOf(0))]),
  misaligned: () => moveDescriptor(source, target, 8, record + 8),
  // #region starter
  opcode: () => moveDescriptor(source, target, 8, record),
  flags: () => moveDescriptor(source, target, 8, record),
  reserved: () => moveDescriptor(source, target, 8, record),
  size: () => moveDescriptor(source, target, 8, record),
  count: () => batchDescriptor([moveDescriptor(source, target, 8, recordOf(0)), moveDescriptor(source, target, 8, recordOf(1))]),
  misaligned: () => moveDescriptor(source, target, 8, record),
  // #endregion
  // #endregion
};

for (const [name, make] of Object.entries(refusals)) {
  const status = run(make());
  report(`refusal ${name}`, status);
  console.log(name, console.hex(status), dsa_status_text(status));
}

// ---- a crowd for the dedicated queue ----

/** Copies `count` times through the dedicated queue, which has `size` entries. */
function copyDedicated(count: number, size: number): void {
  // #region solution credits
  let answered = 0;
  for (let index = 0; index < count; index++) {
    if (index - answered === size) {
      wait(recordOf(answered));
      answered++;
    }
    movdir64b(dedicated, moveDescriptor(source, target, TEXT.length, recordOf(index)));
  }
  for (; answered < count; answered++) {
    wait(recordOf(answered));
  }
  // #region starter
  // All at once. Who says that there is room? console.log(size) tells how much there is.
  for (let index = 0; index < count; index++) {
    movdir64b(dedicated, moveDescriptor(source, target, TEXT.length, recordOf(index)));
  }
  for (let index = 0; index < count; index++) {
    wait(recordOf(index));
  }
  // #endregion
  // #endregion
}

const size = Number(cat('/sys/bus/dsa/devices/wq0.0/size'));
const crowd = size + 8;
memset(recordOf(0), 0, crowd * DSA_COMP_SIZE);
copyDedicated(crowd, size);
report('dedicated', crowd);

// ---- a crowd for the shared queue ----

const MAX_TRIES = 64;

/** Submits until the queue takes the descriptor. Returns how many times it answered Retry. */
function enqueue(desc: Uint8Array): number {
  // #region solution retry
  for (let retries = 0; retries < MAX_TRIES; retries++) {
    if (enqcmd(shared, desc) === 0) {
      return retries;
    }
    umwait(1000);
  }
  throw new Error(`No room after ${MAX_TRIES} tries`);
  // #region starter
  // ENQCMD has an answer. Who listens to it?
  enqcmd(shared, desc);
  return 0;
  // #endregion
  // #endregion
}

memset(recordOf(0), 0, crowd * DSA_COMP_SIZE);
let retries = 0;
for (let index = 0; index < crowd; index++) {
  retries += enqueue(moveDescriptor(source, target, TEXT.length, recordOf(index)));
}
for (let index = 0; index < crowd; index++) {
  wait(recordOf(index));
}
report('shared', crowd);
report('retries', retries);
