/** The accelerator at work: a process with shared virtual addressing, a VDEV of a user-space driver, faults, stale entries. */
import { defined } from '../../../src-main/bits/invariant.ts';
import type { Kernel } from '../../../src-main/linux/kernel.ts';
import { MAP, PROT } from '../../../src-main/linux/mm/mm.ts';
import { parseBdf } from '../../../src-main/linux/pci/pci-scan.ts';
import { FLAG, FLAGS_WORD } from '../../../src-main/spec/dsa/descriptor.ts';
import { COMMAND } from '../../../src-main/spec/dsa/commands.ts';
import { VFIO_FLAGS as F } from '../../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  createVdev,
  enablePlans,
  GUEST_RAM,
  mapPortal,
  moveWords,
  openVdev,
  startVdev,
  vdevCommand,
  wqAt,
  type IdxdHost,
  type OpenVdev,
} from '../linux-idxd.ts';
import { SCENE_BDF } from './scene-machine.ts';

const PAGE = 4096;
const MSIX = F.VFIO_PCI_MSIX_IRQ_INDEX;
const EVENTFD = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;
const LONG_NS = 1_000_000;

export const SCENE_QUEUES = [
  { mode: 'shared', type: 'user', size: 16 },
  { mode: 'dedicated', type: 'mdev', size: 16, group: 1 },
  { mode: 'shared', type: 'mdev', size: 32, group: 2 },
  { mode: 'dedicated', type: 'mdev', size: 8, group: 1 },
] as const;

export class AcceleratorScene {
  readonly host: IdxdHost;

  constructor(kernel: Kernel) {
    const dev = defined(kernel.pci.deviceAt(parseBdf(SCENE_BDF.dsa)), 'The accelerator');
    const idxd = defined(kernel.idxd.deviceOf(dev), 'Its driver');
    this.host = {
      kernel,
      dev,
      idxd,
      wqs: idxd.wqs,
      sysfsWrite: (path, text) => kernel.sysfs.write(path, text),
      sysfsRead: (path) => kernel.sysfs.read(path),
    };
    kernel.sysfs.write('bus/dsa/devices/wq0.0/block_on_fault', '1');
    enablePlans(this.host, SCENE_QUEUES);
  }

  /** A process on the shared queue: its pages come in by page requests; then it touches an address it does not own. */
  process(): void {
    const { kernel } = this.host;
    const { calls, instructions, processes, core } = kernel;
    const process = processes.create('app', { capabilities: ['CAP_SYS_RAWIO'], cpu: 1 });
    const fd = calls.open(process, `/dev/dsa/${wqAt(this.host, 0).name}`);
    const portal = calls.mmap(process, {
      length: PAGE,
      prot: PROT.WRITE,
      flags: MAP.SHARED,
      fd,
      offset: 0,
    });
    const memory = calls.mmap(process, {
      length: 16 * PAGE,
      prot: PROT.READ | PROT.WRITE,
      flags: MAP.ANONYMOUS | MAP.PRIVATE,
      fd: -1,
      offset: 0,
    });
    const submit = (from: number, record: number): void => {
      const words = moveWords({ from, to: memory + PAGE, bytes: 64, record: memory + record });
      words[FLAGS_WORD] = (words[FLAGS_WORD] ?? 0) | FLAG.blockOnFault;
      instructions.enqcmd(process, portal, words);
      core.advance(LONG_NS);
    };
    process.mm.write(memory, new TextEncoder().encode('shared virtual addressing'));
    submit(memory, 0x4000);
    submit(memory + 2 ** 30, 0x4040);
  }

  /** A VDEV on the dedicated queue, opened by a user-space driver; copies with an interrupt stored in the device. */
  vdev(): OpenVdev {
    const { kernel } = this.host;
    const open = openVdev(this.host, createVdev(this.host, 'dsa-1dwq-v1'), 'dpdk');
    const eventfds = [0, 1].map(() => kernel.calls.eventfd(open.user.process));
    open.user.setIrqs(open.fd, MSIX, EVENTFD, {}, eventfds);
    startVdev(open);
    const { result: handle } = vdevCommand(open, COMMAND.requestInterruptHandle, 1);
    const portal = mapPortal(open, 0);
    const copy = (from: number, at: number): void => {
      const words = moveWords({
        from,
        to: GUEST_RAM + 0x1000,
        bytes: 16,
        record: GUEST_RAM + at,
        handle,
      });
      kernel.instructions.movdir64b(open.user.process, portal, words);
      kernel.core.advance(LONG_NS);
    };
    copy(GUEST_RAM, 0x2000);
    copy(0xdead_0000, 0x2020);
    return open;
  }
}
