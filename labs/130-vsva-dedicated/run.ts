// Two VMs with guests whose programs hand pointers to a queue of their own.
import { movdir64b } from 'asm/enqcmd';
import { readl, writel } from 'asm/io';
import { advance } from 'hw';
import { load8, load_text, store_text } from 'lab/memory';
import { report, state, state_keys } from 'lab/oracle';
import { exit, run_as, spawn } from 'lab/process';
import type { process } from 'lab/process';
import { echo } from 'lab/shell';
import { boot, find_vm, plug, run_in } from 'lab/vm';
import type { vm } from 'lab/vm';
import { errname } from 'linux/errno';
import { pci_devices, pci_resource_start } from 'linux/pci';
import { MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE, close, mmap, munmap, open } from 'libc';
import {
  DSA_OPCODE_MEMMOVE,
  IDXD_OP_FLAG_BOF,
  IDXD_OP_FLAG_CRAV,
  IDXD_OP_FLAG_RCR,
  dsa_hw_desc,
  dsa_status_text,
} from 'uapi/idxd';

const PAGE = 4096;
const OFFSETS = 0x60;
const CMD = 0xa0;
const CMDSTATUS = 0xa8;
const ENABLE_WQ = 6 << 20;
const DISABLE_WQ = (7 << 20) | 1;
const PASID_ENABLE = 1 << 28;
const FLAGS = IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR;

function start(name: string, uuid: string): vm {
  const target = find_vm(name)!;
  const plugged = plug(target, uuid);
  if (typeof plugged === 'number') {
    throw new Error(`The VMM cannot open the device of ${name}: ${errname(plugged)}`);
  }
  boot(target, { modules: ['idxd'] });
  run_in(target, () => {
    echo('dedicated', '/sys/bus/dsa/devices/wq0.0/mode');
    echo(1, '/sys/bus/dsa/devices/wq0.0/block_on_fault');
    echo('user', '/sys/bus/dsa/devices/wq0.0/type');
    echo('app', '/sys/bus/dsa/devices/wq0.0/name');
    echo('dsa0', '/sys/bus/dsa/drivers/idxd/bind');
    echo('wq0.0', '/sys/bus/dsa/drivers/dsa/bind');
  });
  return target;
}

interface Client {
  readonly app: process;
  readonly copy: (text: string) => void;
  readonly leave: () => void;
}

/** A program of a guest that opens the queue, and so binds its address space to the device. */
function client(target: vm, name: string): Client {
  return run_in(target, () => {
    const app = spawn(name, { capabilities: ['CAP_SYS_RAWIO'] });
    const fd = run_as(app, () => open('/dev/dsa/wq0.0'));
    report(`${target.name} ${name} open`, fd);
    if (fd < 0) {
      console.log(`${target.name} ${name}: open gives ${errname(fd)}`);
      return { app, copy: () => {}, leave: () => {} };
    }
    const memory = run_as(app, () => mmap(3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    const portal = run_as(app, () => mmap(PAGE, PROT_WRITE, MAP_SHARED, fd, 0));
    const copy = (text: string): void =>
      run_in(target, () =>
        run_as(app, () => {
          const record = memory + 2 * PAGE;
          store_text(memory, text);
          store_text(memory + PAGE, '-');
          store_text(record, '');
          movdir64b(portal, dsa_hw_desc({ opcode: DSA_OPCODE_MEMMOVE, flags: FLAGS, src_addr: memory,
            dst_addr: memory + PAGE, xfer_size: 16, completion_addr: record }));
          advance(300_000);
          const found = load_text(memory + PAGE, 16);
          console.log(`${target.name} ${name}: ${dsa_status_text(load8(record))}, copied ${found}`);
          report(`${target.name} ${name}`, found);
        }),
      );
    const leave = (): void =>
      run_in(target, () =>
        run_as(app, () => {
          munmap(portal, PAGE);
          close(fd);
        }),
      );
    return { app, copy, leave };
  });
}

const red = start('red', '83b8f4f2-509f-382f-3c1e-e6bfe0fad001');
const blue = start('blue', '83b8f4f2-509f-382f-3c1e-e6bfe0fad002');

/** References of each PASID that a guest got from the host. */
function references(when: string): void {
  for (const key of state_keys('ioasid/').filter((k) => /^ioasid\/\d+$/.test(k))) {
    const { set, spid, references: count } = state(key) as { set: string | null; spid: number | null; references: number };
    // The guest's first number is its kernel's own.
    if (spid !== null && spid > 1) report(`${when} ${set} ${key.slice(7)}`, count);
  }
}

/** The guest's kernel writes a PASID of its choice into its queue and turns it on. */
function rogue(target: vm, pasid: number): void {
  run_in(target, () => {
    const bar0 = pci_resource_start(pci_devices()[0]!, 0);
    const wqcfg = bar0 + ((readl(bar0 + OFFSETS) >>> 16) & 0xffff) * 0x100;
    const before = readl(wqcfg + 8);
    writel(DISABLE_WQ, bar0 + CMD);
    writel((PASID_ENABLE | (pasid << 8) | (before & 0xff)) >>> 0, wqcfg + 8);
    writel(ENABLE_WQ, bar0 + CMD);
    const error = readl(bar0 + CMDSTATUS) & 0xff;
    console.log(`${target.name}, a number of nobody: error ${console.hex(error)}`);
    report('rogue', error);
    if (error === 0) writel(DISABLE_WQ, bar0 + CMD);
    writel(before, wqcfg + 8);
    writel(ENABLE_WQ, bar0 + CMD);
  });
}

const apple = client(red, 'apple');
apple.copy('apples of red');
const berry = client(blue, 'berry');
berry.copy('berries of blue');
references('busy');
apple.leave();
references('closed');
run_in(red, () => exit(apple.app));
rogue(red, 0x777);
berry.leave();
run_in(blue, () => exit(berry.app));
const damson = client(blue, 'damson');
const cherry = client(red, 'cherry');
references('again');
cherry.copy('cherries of red');
damson.copy('damsons of blue');
report('end', 'end');
