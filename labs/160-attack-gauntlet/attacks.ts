// Benign work, and eight attacks. Attackers guess numbers; these know them, which saves time.
import { enqcmd, enqcmds } from 'asm/enqcmd';
import { advance, rdmsr } from 'hw';
import { load8, store_text } from 'lab/memory';
import { report } from 'lab/oracle';
import { exit, run_as, spawn } from 'lab/process';
import type { process } from 'lab/process';
import { echo } from 'lab/shell';
import { boot, exits_during, find_vm, plug, run_in } from 'lab/vm';
import type { vm } from 'lab/vm';
import { errname } from 'linux/errno';
import { pci_devices, pci_resource_start } from 'linux/pci';
import { vdcm_vdevs, vdev_translate_pasid } from 'linux/vdcm';
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
} from 'libc';
import {
  DSA_OPCODE_MEMMOVE,
  IDXD_OP_FLAG_BOF,
  IDXD_OP_FLAG_CRAV,
  IDXD_OP_FLAG_RCR,
  dsa_hw_desc,
  dsa_status_text,
} from 'uapi/idxd';
import { UUIDS } from './set-up.ts';
import { claim, inherit, leave, mapPage, move, openDevice, turnOn } from './vmm.ts';

const PAGE = 4096;
const MS = 1_000_000;
const RW = PROT_READ | PROT_WRITE;
const OWN = MAP_PRIVATE | MAP_ANONYMOUS;
const IA32_PASID = 0xd93;
const FLAGS = IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR;
/** The bit above tells that the fault was one of a write. */
const STATUS_MASK = 0x7f;

/** One attack or one piece of benign work: what happens meanwhile is what the checks look at. */
function scene(label: string, body: () => number): void {
  report('scene', label);
  const code = body();
  report('code', code);
  console.log(`${label}: ${code < 0 ? errname(code) : console.hex(code)}`);
}

// ---- guests ----

/** The device into the VM, and in its guest a queue for programs. */
function start(name: 'red' | 'blue' | 'old'): vm {
  const target = find_vm(name)!;
  const plugged = plug(target, UUIDS[name]);
  if (typeof plugged === 'number') {
    throw new Error(`The VMM cannot open the device of ${name}: ${errname(plugged)}`);
  }
  boot(target, { modules: ['idxd'] });
  run_in(target, () => {
    echo('user', '/sys/bus/dsa/devices/wq0.0/type');
    echo('app', '/sys/bus/dsa/devices/wq0.0/name');
    echo('dsa0', '/sys/bus/dsa/drivers/idxd/bind');
    echo('wq0.0', '/sys/bus/dsa/drivers/dsa/bind');
  });
  return target;
}

interface Program {
  readonly app: process;
  readonly memory: number;
  /** Submits a copy of 64 bytes from the first page to `to`. */
  readonly submit: (to: number, at: number) => void;
  /** Status of copy `at`, 0 while it waits. */
  readonly status: (at: number) => number;
}

/** A program of a guest, with the queue open: bound to the device, with the guest's PASID. */
function program(target: vm, name: string): Program {
  return run_in(target, () => {
    const app = spawn(name, { capabilities: ['CAP_SYS_RAWIO'] });
    return run_as(app, () => {
      const memory = mmap(4 * PAGE, RW, OWN | MAP_POPULATE, -1, 0);
      store_text(memory, name);
      const portal = mmap(PAGE, PROT_WRITE, MAP_SHARED, open('/dev/dsa/wq0.0'), 0);
      const record = (at: number): number => memory + 2 * PAGE + at * 32;
      const submit = (to: number, at: number): void =>
        run_in(target, () =>
          run_as(app, () => {
            const desc = dsa_hw_desc({
              opcode: DSA_OPCODE_MEMMOVE,
              flags: FLAGS,
              src_addr: memory,
              dst_addr: to,
              xfer_size: 64,
              completion_addr: record(at),
            });
            try {
              enqcmd(portal, desc);
            } catch (error) {
              console.log(`${name}: ${String(error)}`);
            }
          }),
        );
      const status = (at: number): number =>
        run_in(target, () => run_as(app, () => load8(record(at)) & STATUS_MASK));
      return { app, memory, submit, status };
    });
  });
}

/** A copy within the program's own memory. @returns its status */
function copy(target: vm, { memory, submit, status }: Program, at: number): number {
  const exits = exits_during(target, () => submit(memory + PAGE, at));
  run_in(target, () => advance(MS));
  console.log(`${dsa_status_text(status(at))} Exits: ${JSON.stringify(exits)}`);
  return status(at);
}

/** The guest's kernel sends a number of its choice. @returns 0 when the queue has taken the descriptor, 0Dh for #GP */
function forge(target: vm, pasid: number, address: number): number {
  return run_in(target, () => {
    const portal = pci_resource_start(pci_devices()[0]!, 2) + PAGE;
    const desc = dsa_hw_desc({
      opcode: DSA_OPCODE_MEMMOVE,
      flags: 0,
      pasid,
      src_addr: address,
      dst_addr: address,
      xfer_size: 8,
    });
    try {
      enqcmds(portal, desc);
    } catch (error) {
      console.log(String(error));
      return 0x0d;
    }
    advance(MS);
    return 0;
  });
}

/** Host PASID behind a number of a tenant. */
function hostPasid(tenant: keyof typeof UUIDS, number: number): number {
  const dev = vdcm_vdevs().find(({ uuid }) => uuid === UUIDS[tenant]);
  return dev === undefined ? -1 : vdev_translate_pasid(dev, number);
}

/** The number of a program in its guest. IA32_PASID is the guest's. */
const numberOf = (target: vm, { app }: Program): number =>
  run_in(target, () => run_as(app, () => Number(rdmsr(0, IA32_PASID) & 0xf_ffffn)));

// ---- the gauntlet ----

const red = start('red');
const blue = start('blue');
const old = start('old');
const mallory = openDevice('mallory', UUIDS.mallory);
const dora = openDevice('dora', UUIDS.dora);
turnOn(mallory);
turnOn(dora);

const apple = program(red, 'apple');
const berry = program(blue, 'berry');
const doraPortal = mapPage(dora, 0);
for (const at of [0, 1, 2]) {
  scene(`benign red ${at}`, () => copy(red, apple, at));
  scene(`benign blue ${at}`, () => copy(blue, berry, at));
  scene(`benign dora ${at}`, () => (doraPortal < 0 ? doraPortal : move(dora, doraPortal)));
}

// A page that nobody has touched yet: the guest brings it in, in its time.
scene('benign red fault', () => {
  const lazy = run_in(red, () => run_as(apple.app, () => mmap(PAGE, RW, OWN, -1, 0)));
  apple.submit(lazy, 3);
  run_in(red, () => advance(MS));
  return apple.status(3);
});

scene('8.1e', () => forge(old, hostPasid('red', numberOf(red, apple)), apple.memory));

scene('8.2a', () => {
  const portal = mapPage(mallory, 2 * PAGE);
  if (portal > 0) {
    move(mallory, portal);
  }
  return Math.min(portal, 0);
});

scene('8.1b', () => forge(red, hostPasid('blue', numberOf(blue, berry)), berry.memory));

// A program ends, its number is free on both sides, and the host gives its own to the next who asks.
const plum = program(red, 'plum');
copy(red, plum, 0);
const number = numberOf(red, plum);
run_in(red, () => exit(plum.app));
const cherry = program(blue, 'cherry');
copy(blue, cherry, 0);
scene('8.7', () => forge(red, number, cherry.memory));

scene('8.1d', () => {
  const error = claim(mallory, hostPasid('dora', 0));
  const portal = mapPage(mallory, 0);
  if (error === 0 && portal > 0) {
    move(mallory, portal);
  }
  return error;
});

// A page of a program is unmapped, and another program of the same guest gets it.
scene('8.3', () => {
  const page = run_in(red, () => run_as(apple.app, () => mmap(PAGE, RW, OWN | MAP_POPULATE, -1, 0)));
  apple.submit(page, 8);
  run_in(red, () => advance(MS));
  const heir = run_in(red, () => {
    run_as(apple.app, () => munmap(page, PAGE));
    return spawn('heir');
  });
  run_in(red, () => run_as(heir, () => mmap(PAGE, RW, OWN | MAP_POPULATE, -1, 0)));
  apple.submit(page, 9);
  run_in(red, () => advance(10 * MS));
  return apple.status(9);
});

// Red's guest gets no CPU, and its device waits for a page that only red can bring in.
scene('8.9b', () => {
  const lazy = run_in(red, () => run_as(apple.app, () => mmap(PAGE, RW, OWN, -1, 0)));
  apple.submit(lazy, 10);
  advance(150 * MS);
  return apple.status(10);
});

scene('8.8', () => {
  leave(mallory);
  return inherit(openDevice('eve', UUIDS.mallory));
});

report('scene', 'end');
