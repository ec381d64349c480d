/** 8.2 and 8.12: portals in the hands of those who may not have them. DSA 3.0 section 7.5.4; Linux drivers/dma/idxd/cdev.c. */
import { defined, invariant } from '../../../src-main/bits/invariant.ts';
import { EBUSY, EINVAL, EPERM } from '../../../src-main/linux/errno.ts';
import { parseBdf } from '../../../src-main/linux/pci/pci-scan.ts';
import { PORTAL_PAGE } from '../../../src-main/spec/dsa/portals.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import {
  BAR,
  bootIdxd,
  createVdev,
  dsaDevice,
  GUEST_RAM,
  mapPortal,
  moveWords,
  openVdev,
  statusAt,
  wqAt,
  type IdxdLab,
} from '../linux-idxd.ts';
import { anonymous, bootSva, openApp, PAGE, type SvaApp } from '../linux-sva.ts';
import { prepareCopy } from '../vm-idxd.ts';
import { lacking, type Attack, type Outcome, type Switches } from './attack.ts';
import { copiesMapped, guestMemoryMove, submitMapped, twoVdevs } from './mediated-clients.ts';
import { mount } from './mount.ts';
import { copiesOwn, filledPage, moveFor, submit } from './native-clients.ts';
import { FREE } from './toll.ts';
import { copiesInVm, twoVms } from './virtual-machines.ts';

const OTHER_BDF = '6b:01.0';
const PORTALS = BAR.portals * 2 ** 40;
const RECORD = 0x3000;
/** Pages from the first address on that cover all that a client of a queue has mapped. */
const SAME_LAYOUT = 24;
const NEVER_PAID = { attack: FREE, benign: FREE };

/** An offset of mmap, or the address it gave. */
const seenOf = (address: number): number | string => (address < 0 ? address : 'mapped');

/** Beyond the two pages of one's own VDEV lies the queue of the next. */
function byOffset(without: Switches): Outcome {
  const { lab, victim, attacker } = twoVdevs(without);
  return mount(lab, {
    attack: () => {
      const portal = attacker.user.mmap(attacker.fd, PORTALS + 2 * PAGE);
      if (portal > 0) {
        submitMapped(lab, attacker, portal, guestMemoryMove(0x2000));
      }
      return { mmap: seenOf(portal) };
    },
    benign: () => copiesMapped(lab, victim),
  });
}

/** A guest stores to the page behind its own portals, where the physical device has the next queue's. */
function behindOwnPortals(without: Switches): Outcome {
  const { lab, attacker, victim } = twoVms(without);
  const { guest, dev } = attacker;
  const portals = guest.pci.pci_resource_start(dev, 2);
  const behind = portals + guest.pci.pci_resource_len(dev, 2);
  return mount(lab, {
    attack: () => {
      const enqueued = lab.rows('dsa.descriptor.enqueued').length;
      const read = guest.io.readl(behind);
      guest.io.iosubmit_cmds512(behind, prepareCopy(attacker, 'stray').words);
      guest.core.advance(1_000_000);
      return { read, arrived: lab.rows('dsa.descriptor.enqueued').length - enqueued };
    },
    benign: () => copiesInVm(victim),
  });
}

/** The unlimited portal of a shared queue, which is the kernel's own. */
function unlimited(without: Switches): Outcome {
  const lab = bootIdxd({ wqs: [{ mode: 'shared', type: 'mdev', size: 16 }], ...without });
  const vdev = createVdev(lab, 'dsa-1swq-v1');
  const open = openVdev(lab, vdev, 'attacker');
  return mount(lab, {
    attack: () => ({ mmap: seenOf(open.user.mmap(open.fd, PORTALS)) }),
    benign: () => {
      open.user.process.mm.write(open.memory + RECORD, new Uint8Array(32));
      const words = moveWords({
        from: GUEST_RAM,
        to: GUEST_RAM + PAGE,
        bytes: 64,
        record: GUEST_RAM + RECORD,
        pasid: vdev.pasids.default,
      });
      lab.hw.enqcmds(0, lab.idxd.portalAddress(vdev.wq.id, PORTAL_PAGE.limitedIms), words);
      lab.kernel.core.advance(1_000_000);
      return mapPortal(open, 1) > 0 && statusAt(open, RECORD) === STATUS.success;
    },
  });
}

interface DedicatedOwner {
  readonly lab: IdxdLab;
  readonly owner: SvaApp;
  readonly words: Uint32Array;
}

/** A process with a dedicated queue, and a move between pages of its own. */
function dedicatedOwner(without: Switches): DedicatedOwner {
  const lab = bootSva({ mode: 'dedicated' }, without);
  const owner = openApp(lab, 'owner');
  const [from, to] = [filledPage(lab, owner), filledPage(lab, owner)];
  return { lab, owner, words: moveFor(lab, owner, { from, to }) };
}

/** The file of a queue, passed to another process by SCM_RIGHTS. */
function passedFile(without: Switches): Outcome {
  const { lab, owner, words } = dedicatedOwner(without);
  const { calls, processes } = lab.kernel;
  const other = processes.create('other', { capabilities: ['CAP_SYS_RAWIO'] });
  const fd = other.files.install(defined(owner.process.files.get(owner.fd), 'File'));
  return mount(lab, {
    attack: () => {
      const portal = calls.mmap(other, { length: PAGE, prot: 2, flags: 1, fd, offset: 0 });
      if (portal > 0) {
        submit(lab, { ...owner, process: other, portal }, words);
      }
      return { mmap: seenOf(portal) };
    },
    benign: () => copiesOwn(lab, owner),
  });
}

function childAfterFork(without: Switches): Outcome {
  const { lab, owner, words } = dedicatedOwner(without);
  return mount(lab, {
    attack: () => {
      const child = lab.kernel.processes.fork(owner.process, 'child');
      invariant(typeof child !== 'number', 'The child is there');
      return { result: submit(lab, { ...owner, process: child }, words) };
    },
    benign: () => copiesOwn(lab, owner),
  });
}

/** The queue has one PASID, of whoever opened it last: the first client's work goes there. Both run the same program. */
function secondClient(without: Switches): Outcome {
  const lab = bootSva({ mode: 'dedicated' }, without);
  const { calls, processes } = lab.kernel;
  const first = openApp(lab, 'first');
  const second = processes.create('second', { capabilities: ['CAP_SYS_RAWIO'], cpu: 1 });
  return mount(lab, {
    attack: () => {
      const fd = calls.open(second, `/dev/dsa/${wqAt(lab, 0).name}`);
      anonymous(lab, second, SAME_LAYOUT, true);
      submit(lab, first, moveFor(lab, first, {}));
      return { open: fd < 0 ? fd : 'opened' };
    },
    benign: () => copiesOwn(lab, first),
  });
}

/** INTEL-SA-01084: who may not bypass the kernel's checks gets no portal, and a VM no whole device. */
function firstGeneration(without: Switches): Outcome {
  const lab = bootSva({}, { devices: [dsaDevice(), dsaDevice({}, OTHER_BDF)], ...without });
  const { calls, pci, processes, vfioPci } = lab.kernel;
  const trusted = openApp(lab, 'trusted');
  const other = defined(pci.deviceAt(parseBdf(OTHER_BDF)), 'The other accelerator');
  pci.unbind(other);
  const plain = processes.create('plain');
  return mount(lab, {
    attack: () => {
      const fd = calls.open(plain, `/dev/dsa/${wqAt(lab, 0).name}`);
      const mapped = calls.mmap(plain, { length: PAGE, prot: 2, flags: 1, fd, offset: 0 });
      return { mmap: seenOf(mapped), vfioPci: pci.bind(other, vfioPci) };
    },
    benign: () => copiesOwn(lab, trusted),
  });
}

export const FOREIGN_PORTALS: readonly Attack[] = [
  {
    id: '8.2a',
    title: 'another VM’s portal, by its offset',
    run: byOffset,
    defended: { seen: { mmap: -EINVAL }, budget: NEVER_PAID },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'breach',
        without: lacking('portal-offset-check'),
        breached: [{ principal: 'attacker', owner: 'victim' }],
        seen: { mmap: 'mapped' },
      },
    ],
  },
  {
    id: '8.2a',
    title: 'the page behind a guest’s own portals',
    run: behindOwnPortals,
    defended: {
      seen: { read: 0xffff_ffff, arrived: 0 },
      budget: {
        // KVM marks the page after the first access.
        attack: { ...FREE, exits: { eptViolation: 1, eptMisconfiguration: 1 } },
        benign: FREE,
      },
    },
    stoppedBy: 'hardware',
    because: 'the EPT has the pages of the VM’s own devices only',
  },
  {
    id: '8.2a',
    title: 'the unlimited portal of a shared queue',
    run: unlimited,
    defended: { seen: { mmap: -EINVAL }, budget: NEVER_PAID },
    stoppedBy: 'software',
    undefended: [
      { kind: 'admission', without: lacking('portal-area-check'), seen: { mmap: 'mapped' } },
    ],
  },
  {
    id: '8.2c',
    title: 'a queue’s file passed to another process',
    run: passedFile,
    defended: { seen: { mmap: -EPERM }, budget: NEVER_PAID },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'breach',
        without: lacking('mm-check'),
        breached: [{ principal: 'other', owner: 'owner' }],
        seen: { mmap: 'mapped' },
      },
    ],
  },
  {
    id: '8.2c',
    title: 'a portal in a child after fork',
    run: childAfterFork,
    defended: { seen: { result: 'sigsegv' }, budget: NEVER_PAID },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'breach',
        without: lacking('dont-copy'),
        breached: [{ principal: 'child', owner: 'owner' }],
        seen: { result: 'posted' },
      },
    ],
  },
  {
    id: '8.2c',
    title: 'a second client of a dedicated queue',
    run: secondClient,
    defended: { seen: { open: -EBUSY }, budget: NEVER_PAID },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'breach',
        without: lacking('dwq-exclusive'),
        breached: [{ principal: 'first', owner: 'second' }],
        alsoDenies: true,
        seen: { open: 'opened' },
      },
    ],
  },
];

export const FIRST_GENERATION: readonly Attack[] = [
  {
    id: '8.12',
    title: 'direct submission to parts with INTEL-SA-01084',
    run: firstGeneration,
    defended: { seen: { mmap: -EPERM, vfioPci: -EINVAL }, budget: NEVER_PAID },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'admission',
        without: lacking('rawio-check'),
        seen: { mmap: 'mapped', vfioPci: -EINVAL },
      },
    ],
  },
];
