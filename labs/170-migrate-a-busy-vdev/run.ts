// A VM with work under way moves to another accelerator and back. Its neighbour works on.
import { enqcmd } from 'asm/enqcmd';
import { advance, now, rdmsr } from 'hw';
import { load8, store8, store_text } from 'lab/memory';
import { report } from 'lab/oracle';
import { exit, run_as, spawn } from 'lab/process';
import { exits_during, migration_state, run_in, set_migration_state } from 'lab/vm';
import type { vm } from 'lab/vm';
import { errname } from 'linux/errno';
import {
  idxd_device_request_int_handle,
  idxd_device_set_perm_entry,
  idxd_from_pci,
  idxd_on_int_handles_revoked,
} from 'linux/idxd';
import { irqd_to_hwirq, msi_domain_alloc_irqs, request_irq } from 'linux/irq';
import {
  VFIO_DEVICE_STATE_PRE_COPY,
  VFIO_DEVICE_STATE_RUNNING,
  VFIO_DEVICE_STATE_STOP,
  VFIO_DEVICE_STATE_STOP_COPY,
} from 'linux/migration';
import { pci_devices, pci_irq_vector } from 'linux/pci';
import { jiffies, mod_timer, timer_setup } from 'linux/timer';
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
  IDXD_OP_FLAG_RCI,
  IDXD_OP_FLAG_RCR,
  dsa_hw_desc,
  dsa_status_text,
} from 'uapi/idxd';
import { prepare, start } from './set-up.ts';
import { migrate } from './vmm.ts';

const PAGE = 4096;
const US = 1000;
const MS = 1000 * US;
const KIB = 1024;
const LONG = 256 * KIB;
const BIG = 2048 * KIB;
const IA32_PASID = 0xd93;
/** Numbers of copies. Each has a completion record of its own, in whichever VM. */
const STORES = 20;
const THERE = 30;
const BACK = 40;
const FIRST_OF_BERRY = 64;
const LAST = 127;
const FLAGS = IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR;
/** Interrupt handle invalid, revoked, or of another PASID. */
const REVOKED = 0x19;

interface Program {
  /** Hands in copy `at`. @returns 1 for Retry */
  readonly submit: (at: number, bytes: number, handle?: number) => 0 | 1;
  /** Status of copy `at`, 0 while it waits. */
  readonly status: (at: number) => number;
  readonly pasid: () => number;
  readonly end: () => void;
}

/** A program of a guest, with the queue open. Its copies have up to `largest` bytes. */
function program(vmNow: () => vm, name: string, largest: number): Program {
  const { app, memory, records, portal } = run_in(vmNow(), () => {
    const app = spawn(name, { capabilities: ['CAP_SYS_RAWIO'] });
    return run_as(app, () => {
      const map = (bytes: number): number =>
        mmap(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
      const memory = map(2 * largest);
      store_text(memory, name);
      const portal = mmap(PAGE, PROT_WRITE, MAP_SHARED, open('/dev/dsa/wq0.0'), 0);
      return { app, memory, records: map(PAGE), portal };
    });
  });
  const within = <T>(body: () => T): T => run_in(vmNow(), () => run_as(app, body));
  return {
    submit: (at, bytes, handle) =>
      within(() => {
        store8(records + at * 32, 0);
        const desc = dsa_hw_desc({
          opcode: DSA_OPCODE_MEMMOVE,
          flags: FLAGS | (handle === undefined ? 0 : IDXD_OP_FLAG_RCI),
          src_addr: memory,
          dst_addr: memory + largest,
          xfer_size: bytes,
          completion_addr: records + at * 32,
          ...(handle === undefined ? {} : { int_handle: handle }),
        });
        return enqcmd(portal, desc);
      }),
    status: (at) => within(() => load8(records + at * 32)),
    pasid: () => within(() => Number(rdmsr(0, IA32_PASID) & 0xf_ffffn)),
    end: () => run_in(vmNow(), () => exit(app)),
  };
}

// ---- three programs in two VMs ----

let red = start('red');
const blue = start('blue');
// Two VMMs that wait for red: one for the way there, and one for the way back.
const there = prepare('red-there');
const back = prepare('red-back');
/** Where the guest of red runs now. */
const redNow = (): vm =>
  [red, there, back].map(({ vm }) => vm).find((vm) => vm.is_booted) ?? red.vm;
const apple = program(redNow, 'apple', LONG);
const berry = program(() => blue.vm, 'berry', BIG);
const plum = program(() => blue.vm, 'plum', PAGE);
apple.submit(0, 64);
berry.submit(FIRST_OF_BERRY, 64);
plum.submit(LAST, 64);
run_in(red.vm, () => advance(MS));
run_in(blue.vm, () => advance(MS));

// The guest's driver lets descriptors of apple name vector 1, and listens.
let handle = -1;
let interrupts = 0;
let isRevoked = false;
run_in(red.vm, () => {
  const dev = pci_devices()[0]!;
  const idxd = idxd_from_pci(dev)!;
  idxd_device_set_perm_entry(idxd, 1, apple.pasid());
  request_irq(
    pci_irq_vector(dev, 1),
    () => {
      interrupts += 1;
    },
    'apple',
  );
  handle = idxd_device_request_int_handle(idxd, 1);
  idxd_on_int_handles_revoked(idxd, () => {
    isRevoked = true;
  });
});
report('guest PASID', apple.pasid());
console.log(`red: vector 1 has handle ${handle}`);

function scene(label: string): void {
  report('scene', label);
  console.log(`---- ${label}`);
}

/** Asks for a state as a VMM does. */
function ask(what: string, state: number): void {
  report('asked', what);
  const rc = set_migration_state(red.device, state);
  report('answer', rc);
  report('state', migration_state(red.device));
  console.log(`${what}: ${rc === 0 ? 'done' : errname(rc)}, state ${migration_state(red.device)}`);
}

/** Does something at the next tick of the host, 50 us from now, whatever the host does then. */
function soon(body: () => void): void {
  advance(MS - (now() % MS) - 50 * US);
  mod_timer(timer_setup(body), jiffies() + 1);
}

/** A store whose answer the checks want to know. */
function store(at: number): void {
  report(`answer ${at}`, apple.submit(at, 64, handle));
}

function tell(at: number): void {
  const status = apple.status(at);
  report(`status ${at}`, status);
  console.log(`copy ${at}: ${status === 0 ? 'lost' : dsa_status_text(status)}`);
}

// ---- states, with nothing to do ----

scene('states');
ask('RUNNING to STOP', VFIO_DEVICE_STATE_STOP);
ask('STOP to RUNNING', VFIO_DEVICE_STATE_RUNNING);
ask('RUNNING to PRE_COPY', VFIO_DEVICE_STATE_PRE_COPY);
ask('PRE_COPY to STOP_COPY', VFIO_DEVICE_STATE_STOP_COPY);
ask('STOP_COPY to RUNNING', VFIO_DEVICE_STATE_RUNNING);
ask('RUNNING to STOP_COPY', VFIO_DEVICE_STATE_STOP_COPY);
ask('STOP_COPY to PRE_COPY', VFIO_DEVICE_STATE_PRE_COPY);
ask('STOP_COPY to a state that does not exist', 99);
set_migration_state(red.device, VFIO_DEVICE_STATE_RUNNING);

// ---- a migration that is given up ----

scene('given up');
set_migration_state(red.device, VFIO_DEVICE_STATE_PRE_COPY);
let taken = 0;
for (let at = 1; at <= STORES; at += 1) {
  taken += 1 - apple.submit(at, 64);
}
report('taken', taken);
run_in(red.vm, () => advance(MS));
report('given up', 'now');
set_migration_state(red.device, VFIO_DEVICE_STATE_RUNNING);
run_in(red.vm, () => advance(MS));
console.log(`${taken} of ${STORES} stores were taken`);
// The portal is direct again: one exit finds the page, the next store has none.
apple.submit(STORES + 1, 64);
report('exits', Object.keys(exits_during(red.vm, () => apple.submit(STORES + 2, 64))).length);
run_in(red.vm, () => advance(MS));

// ---- to the other accelerator ----

scene('there');
soon(() => {
  // The VMM waits for the device, and the guest still runs.
  store(THERE + 2);
  // A program of blue ends at the same time. Its guest has the PASID drained.
  const begin = now();
  plum.end();
  const microseconds = Math.round((now() - begin) / US);
  report('neighbour', microseconds);
  console.log(`blue: the PASID of plum was drained after ${microseconds} us`);
});
// Blue has much to do, and a copy of apple is in the middle of it.
for (let i = 1; i <= 14; i += 1) {
  berry.submit(FIRST_OF_BERRY + i, BIG);
  if (i === 5) {
    apple.submit(THERE, LONG);
  }
}
red = migrate(red, there, () => store(THERE + 1));
run_in(red.vm, () => advance(3 * MS));
[THERE, THERE + 1, THERE + 2].forEach(tell);
report('interrupts', interrupts);

// ---- and back, where a driver of the host has taken the entry that was free ----

const [irq = -1] = msi_domain_alloc_irqs(pci_devices()[0]!, 1) as number[];
console.log(`the host's own driver has entry ${irqd_to_hwirq(irq)} of the message store`);
scene('back');
report('revoked before', isRevoked);
apple.submit(BACK, LONG);
red = migrate(red, back, () => store(BACK + 1));
run_in(red.vm, () => advance(MS));
[BACK, BACK + 1].forEach(tell);
report('revoked', isRevoked);
if (isRevoked) {
  // What ended with 19h is handed in once more, with a handle of today.
  scene('again');
  handle = run_in(red.vm, () => idxd_device_request_int_handle(idxd_from_pci(pci_devices()[0]!)!, 1));
  for (const at of [BACK, BACK + 1]) {
    if (apple.status(at) === REVOKED) {
      apple.submit(at, 64, handle);
    }
  }
  run_in(red.vm, () => advance(MS));
  [BACK, BACK + 1].forEach(tell);
}
report('interrupts at the end', interrupts);
scene('end');
