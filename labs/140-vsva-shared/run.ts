// VMs with guests whose programs hand pointers to one queue.
import { enqcmd, enqcmds } from 'asm/enqcmd';
import { advance, rdmsr } from 'hw';
import { load8, store_text } from 'lab/memory';
import { report } from 'lab/oracle';
import { exit, run_as, spawn } from 'lab/process';
import { echo } from 'lab/shell';
import { boot, exits_during, find_vm, plug, run_in } from 'lab/vm';
import type { vm } from 'lab/vm';
import { errname } from 'linux/errno';
import { pci_devices, pci_resource_start } from 'linux/pci';
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

const PAGE = 4096;
const LIMITED = PAGE;
const IA32_PASID = 0xd93;
const FORGED = 0x7777;
const FLAGS = IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR;
const UUIDS: { readonly [vm: string]: string } = {
  red: '83b8f4f2-509f-382f-3c1e-e6bfe0fae001',
  blue: '83b8f4f2-509f-382f-3c1e-e6bfe0fae002',
  old: '83b8f4f2-509f-382f-3c1e-e6bfe0fae003',
};

/** The device into the VM, and in its guest a queue for programs. */
function start(name: string): vm {
  const target = find_vm(name);
  if (target === null) {
    throw new Error(`No VM ${name}`);
  }
  const plugged = plug(target, UUIDS[name] ?? '');
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
  readonly copy: (at: number) => void;
  readonly end: () => void;
}

/** A program of a guest, with the queue open: bound to the device, with the guest's PASID. */
function program(target: vm, name: string): Program {
  return run_in(target, () => {
    const app = spawn(name, { capabilities: ['CAP_SYS_RAWIO'] });
    const memory = run_as(app, () => {
      const at = mmap(3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
      store_text(at, name);
      return at;
    });
    const portal = run_as(app, () => mmap(PAGE, PROT_WRITE, MAP_SHARED, open('/dev/dsa/wq0.0'), 0));
    const copy = (at: number): void => {
      const record = memory + 2 * PAGE + at * 32;
      const desc = dsa_hw_desc({
        opcode: DSA_OPCODE_MEMMOVE,
        flags: FLAGS,
        src_addr: memory,
        dst_addr: memory + PAGE + at * 64,
        xfer_size: 64,
        completion_addr: record,
      });
      const label = `${target.name} ${name} ${at}`;
      report('copy', label);
      const exits = exits_during(target, () =>
        run_as(app, () => {
          enqcmd(portal, desc);
          advance(200_000);
        }),
      );
      const status = run_in(target, () => run_as(app, () => load8(record)));
      console.log(`${label}: ${dsa_status_text(status)} Exits: ${JSON.stringify(exits)}`);
    };
    return { copy, end: () => run_in(target, () => exit(app)) };
  });
}

/** The guest's kernel sends a number of its choice. */
function forge(target: vm, what: string, pasid: number): void {
  report('forged', what);
  report('forged number', pasid);
  run_in(target, () => {
    const [dev] = pci_devices();
    const portal = pci_resource_start(dev!, 2) + LIMITED;
    const desc = dsa_hw_desc({ opcode: DSA_OPCODE_MEMMOVE, flags: 0, pasid, src_addr: 0, dst_addr: 0, xfer_size: 1 });
    try {
      enqcmds(portal, desc);
      console.log(`${what}: accepted`);
    } catch (error) {
      console.log(`${what}: ${String(error)}`);
    }
  });
}

const red = start('red');
const blue = start('blue');
const old = start('old');

const visitor = program(old, 'visitor');
visitor.copy(0);

const apple = program(red, 'apple');
apple.copy(0);
apple.copy(1);
// The register is the guest's: it holds the guest's number.
const number = run_in(red, () => Number(rdmsr(0, IA32_PASID) & 0xf_ffffn));
const berry = program(blue, 'berry');
berry.copy(0);
apple.copy(2);

forge(red, 'a number of nobody', FORGED);

// The program ends, its numbers are free on both sides, and the host gives its own to the next who asks.
apple.end();
const cherry = program(blue, 'cherry');
cherry.copy(0);
forge(red, `number ${number}, which was freed`, number);
report('end', 'end');
