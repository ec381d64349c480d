import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { EFAULT, EINVAL, EPERM } from '../../../../src-main/linux/errno.ts';
import { parseBdf } from '../../../../src-main/linux/pci/pci-scan.ts';
import {
  ADDRESS_TYPE,
  onBehalfOf,
  type DefenceName,
  type MachineConfig,
} from '../../../../src-main/sim/index.ts';
import { COMMAND } from '../../../../src-main/spec/dsa/commands.ts';
import { PORTAL_PAGE } from '../../../../src-main/spec/dsa/portals.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import { breachesOf, type Breach } from '../../../support/isolation-breaches.ts';
import {
  BAR,
  bootIdxd,
  closeVdev,
  createVdev,
  dsaDevice,
  GUEST_RAM,
  mapPortal,
  moveWords,
  openVdev,
  startVdev,
  statusAt,
  vdevCommand,
  wqAt,
  type IdxdLab,
  type OpenVdev,
} from '../../../support/linux-idxd.ts';
import { plainDevice } from '../../../support/linux-machine.ts';
import {
  anonymous,
  bootSva,
  lazyMove,
  openApp,
  PAGE,
  statusOf,
  type SvaApp,
} from '../../../support/linux-sva.ts';

const SECRET = 0x53;

type Defences = NonNullable<MachineConfig['defences']>;

/** What an attack came to. */
interface Outcome {
  readonly breaches: readonly Breach[];
  /** The code, fault or error number that software sees. */
  readonly seen: unknown;
  /** Work of somebody who attacks nobody. */
  readonly isBenignGood: boolean;
}

interface Attack {
  readonly title: string;
  /** Taken away for the second run; null where only hardware stops the attack and nothing takes it away. */
  readonly defence: DefenceName | null;
  readonly run: (defences: Defences) => Outcome;
  readonly seenDefended: unknown;
  /** Owner of the page that is hit without the defence. */
  readonly victim?: string;
  readonly seenUndefended?: unknown;
}

function enqcmd(lab: IdxdLab, app: SvaApp, words: Uint32Array): string {
  const result = lab.kernel.instructions.enqcmd(app.process, app.portal, words);
  lab.kernel.core.advance(10_000_000);
  return result;
}

/** A copy inside one's own memory, from a page that holds something. */
function benign(lab: IdxdLab, app: SvaApp): boolean {
  app.process.mm.write(app.memory, new Uint8Array([SECRET]));
  const words = lazyMove(app, { at: 9 });
  if (wqAt(lab, 0).isDedicated) {
    lab.kernel.instructions.movdir64b(app.process, app.portal, words);
    lab.kernel.core.advance(10_000_000);
  } else {
    enqcmd(lab, app, words);
  }
  const copied = app.process.mm.read(app.memory + PAGE, 1);
  return statusOf(app, 9) === STATUS.success && typeof copied !== 'number' && copied[0] === SECRET;
}

/** An anonymous page of a process, filled. */
function filledPage(lab: IdxdLab, app: SvaApp): number {
  const address = anonymous(lab, app.process, 1, true);
  app.process.mm.write(address, new Uint8Array([1]));
  return address;
}

/** The device has the translation of a page in its TLB; then the page goes, and a victim gets it. */
function staleTranslation(defences: Defences): Outcome {
  const lab = bootSva({}, { defences });
  const [mallory, alice] = [openApp(lab, 'mallory', 0), openApp(lab, 'alice', 1)];
  const page = filledPage(lab, mallory);
  const source = filledPage(lab, mallory);
  const physical = mallory.process.mm.table.translate(page);
  enqcmd(lab, mallory, lazyMove(mallory, { from: source, to: page }));
  lab.kernel.calls.munmap(mallory.process, page, PAGE);
  const reused = anonymous(lab, alice.process, 1, true);
  expect(alice.process.mm.table.translate(reused)).toBe(physical);
  const words = lazyMove(mallory, { from: source, to: page, at: 1 });
  enqcmd(lab, mallory, words);
  return {
    breaches: breachesOf(lab),
    seen: statusOf(mallory, 1) & 0x7f,
    isBenignGood: benign(lab, alice),
  };
}

function forgedEnqcmd(): Outcome {
  const lab = bootSva();
  const [mallory, alice] = [openApp(lab, 'mallory', 0), openApp(lab, 'alice', 1)];
  const isBenignGood = benign(lab, alice) && benign(lab, mallory);
  const words = lazyMove(mallory, { to: alice.memory });
  words[0] = alice.process.mm.pasid ?? 0;
  const seen = enqcmd(lab, mallory, words);
  return { breaches: breachesOf(lab), seen, isBenignGood };
}

/** MOVDIR64B with somebody else's PASID in the bytes that a dedicated queue ignores. */
function forgedDedicated(): Outcome {
  const lab = bootSva({ mode: 'dedicated' });
  const mallory = openApp(lab, 'mallory');
  const source = filledPage(lab, mallory);
  const words = lazyMove(mallory, { from: source, to: filledPage(lab, mallory) });
  words[0] = 0x1234;
  lab.kernel.instructions.movdir64b(mallory.process, mallory.portal, words);
  lab.kernel.core.advance(1_000_000);
  const pasids = lab.rows('dsa.descriptor.completed').map((r) => r.values['pasid']);
  return {
    breaches: breachesOf(lab),
    seen: [statusOf(mallory), pasids[0] === mallory.process.mm.pasid],
    isBenignGood: benign(lab, mallory),
  };
}

interface TwoVdevs {
  readonly lab: IdxdLab;
  readonly victim: OpenVdev;
  readonly attacker: OpenVdev;
}

/** Two VMMs, each with a dedicated queue and its guest memory at the same guest-physical address. */
function twoVdevs(defences: Defences): TwoVdevs {
  const lab = bootIdxd({
    wqs: [
      { mode: 'dedicated', type: 'mdev' },
      { mode: 'dedicated', type: 'mdev' },
    ],
    defences,
  });
  const [attacker, victim] = ['attacker', 'victim'].map((name, i) => {
    const open = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1', i + 1), name);
    startVdev(open);
    open.user.process.mm.write(open.memory, new Uint8Array([SECRET]));
    return open;
  });
  return { lab, victim: defined(victim, 'Victim'), attacker: defined(attacker, 'Attacker') };
}

function vdevMove(at = 0x2000): Uint32Array {
  return moveWords({ from: GUEST_RAM, to: GUEST_RAM + PAGE, bytes: 64, record: GUEST_RAM + at });
}

function vdevSubmit(lab: IdxdLab, open: OpenVdev, portal: number, words = vdevMove()): void {
  lab.kernel.instructions.movdir64b(open.user.process, portal, words);
  lab.kernel.core.advance(1_000_000);
}

function vdevBenign(lab: IdxdLab, open: OpenVdev): boolean {
  vdevSubmit(lab, open, mapPortal(open, 0), vdevMove(0x3000));
  return statusAt(open, 0x3000) === STATUS.success;
}

function foreignPortal(defences: Defences): Outcome {
  const { lab, victim, attacker } = twoVdevs(defences);
  const portal = attacker.user.mmap(attacker.fd, BAR.portals * 2 ** 40 + 2 * PAGE);
  if (portal > 0) {
    vdevSubmit(lab, attacker, portal);
  }
  return {
    breaches: breachesOf(lab),
    seen: portal < 0 ? portal : 'mapped',
    isBenignGood: vdevBenign(lab, victim),
  };
}

/** The unlimited portal of a shared queue, which is the kernel's own. */
function unlimitedPortal(defences: Defences): Outcome {
  const lab = bootIdxd({ wqs: [{ mode: 'shared', type: 'mdev', size: 16 }], defences });
  const vdev = createVdev(lab, 'dsa-1swq-v1');
  const open = openVdev(lab, vdev, 'attacker');
  const portal = open.user.mmap(open.fd, BAR.portals * 2 ** 40);
  const own = moveWords({
    from: GUEST_RAM,
    to: GUEST_RAM + PAGE,
    bytes: 64,
    record: GUEST_RAM + 0x3000,
    pasid: vdev.pasids.default,
  });
  lab.hw.enqcmds(0, lab.idxd.portalAddress(vdev.wq.id, PORTAL_PAGE.limitedIms), own);
  lab.kernel.core.advance(1_000_000);
  return {
    breaches: breachesOf(lab),
    seen: portal < 0 ? portal : 'mapped',
    isBenignGood: mapPortal(open, 1) > 0 && statusAt(open, 0x3000) === STATUS.success,
  };
}

/** Virtual WQCFG of a dedicated queue with the host PASID of somebody else. */
function foreignPasidInWqcfg(defences: Defences): Outcome {
  const { lab, victim, attacker } = twoVdevs(defences);
  const [, host] = lab.kernel.idxd.vdcm.vdevs;
  const forged = defined(host, 'VDEV of the victim').pasids.default;
  vdevCommand(attacker, COMMAND.disableWq, 1);
  for (const [at, bytes, value] of [
    [0x106, 2, 0x8000],
    [0x126, 2, 0x5],
    [0x114, 2, 0x1],
  ] as const) {
    attacker.user.writeValue(attacker.fd, BAR.config, at, bytes, value);
  }
  const mode = (1 | (forged << 8) | (1 << 28)) >>> 0;
  attacker.user.writeValue(attacker.fd, BAR.registers, 0x508, 4, mode);
  const { error } = vdevCommand(attacker, COMMAND.enableWq);
  if (error === 0) {
    vdevSubmit(lab, attacker, mapPortal(attacker, 0));
  }
  return { breaches: breachesOf(lab), seen: error, isBenignGood: vdevBenign(lab, victim) };
}

/** A function that sends addresses which nobody translated. */
function translatedRequest(defences: Defences): Outcome {
  const evil = '6b:00.0';
  const lab = bootIdxd({
    devices: [dsaDevice(), { ...plainDevice(evil), isExternal: true }],
    defences,
  });
  const victim = lab.kernel.processes.create('victim');
  const memory = lab.kernel.calls.mmap(victim, {
    length: PAGE,
    prot: 3,
    flags: 0x8022,
    fd: -1,
    offset: 0,
  });
  const target = victim.mm.translate(memory, true);
  const dev = defined(lab.kernel.pci.deviceAt(parseBdf(evil)), 'Function');
  lab.kernel.pci.pci_set_master(dev);
  lab.machine.fabric.portOf(dev.rid).write(
    {
      pasid: -1,
      isPrivileged: false,
      isExecute: false,
      addressType: ADDRESS_TYPE.translated,
      high: Math.floor(target / 2 ** 32),
      low: target % 2 ** 32,
      bytes: 8,
      trafficClass: 0,
    },
    new Uint8Array(8).fill(0xee),
    0,
  );
  return {
    breaches: breachesOf(lab),
    seen: lab.rows('iommu.request.blocked').at(-1)?.values['reason'] ?? 'nothing',
    isBenignGood: victim.mm.read(memory, 1) instanceof Uint8Array,
  };
}

/** A VM is closed with work in its queue; the next one gets the same PASID. */
function reuseBeforeDrain(defences: Defences): Outcome {
  const lab = bootIdxd({
    wqs: [
      { mode: 'shared', type: 'mdev', size: 32 },
      { mode: 'shared', type: 'mdev', size: 16 },
    ],
    defences,
  });
  const old = createVdev(lab, 'dsa-1swq-v1', 1);
  const first = openVdev(lab, old, 'first', 64);
  const pasid = old.pasids.default;
  onBehalfOf(lab.hw.isolation, 'first', () => {
    for (let n = 0; n < 12; n++) {
      const words = moveWords({
        from: GUEST_RAM,
        to: GUEST_RAM + 16 * PAGE,
        bytes: 16 * PAGE,
        record: GUEST_RAM + 40 * PAGE + n * 64,
        pasid,
      });
      lab.hw.enqcmds(0, lab.idxd.portalAddress(old.wq.id, PORTAL_PAGE.unlimitedIms), words);
    }
  });
  lab.kernel.core.advance(2_000);
  closeVdev(first);
  const next = createVdev(lab, 'dsa-1swq-v1', 2);
  const second = openVdev(lab, next, 'second', 64);
  expect(next.pasids.default).toBe(pasid);
  lab.kernel.core.advance(10_000_000);
  const own = moveWords({
    from: GUEST_RAM,
    to: GUEST_RAM + PAGE,
    bytes: 64,
    record: GUEST_RAM + 50 * PAGE,
    pasid,
  });
  lab.hw.enqcmds(0, lab.idxd.portalAddress(next.wq.id, PORTAL_PAGE.unlimitedIms), own);
  lab.kernel.core.advance(1_000_000);
  return {
    breaches: breachesOf(lab),
    seen: lab
      .rows('linux.idxd.command-given')
      .map((r) => r.values['command'])
      .filter((command) => command === 'Drain PASID' || command === 'Abort PASID'),
    isBenignGood: statusAt(second, 50 * PAGE) === STATUS.success,
  };
}

/** Who has no right to bypass the check gets no portal of first-generation parts (INTEL-SA-01084). */
function rawPortal(defences: Defences): Outcome {
  const lab = bootSva({}, { defences });
  const { kernel } = lab;
  const plain = kernel.processes.create('plain');
  const fd = kernel.calls.open(plain, `/dev/dsa/${wqAt(lab, 0).name}`);
  const portal = kernel.calls.mmap(plain, { length: PAGE, prot: 2, flags: 1, fd, offset: 0 });
  return {
    breaches: [],
    seen: portal < 0 ? portal : 'mapped',
    isBenignGood: benign(lab, openApp(lab, 'trusted')),
  };
}

/** The file of a queue in the hands of another process. */
function passedFile(defences: Defences): Outcome {
  const lab = bootSva({}, { defences });
  const { kernel } = lab;
  const owner = openApp(lab, 'owner');
  const other = kernel.processes.create('other', { capabilities: ['CAP_SYS_RAWIO'] });
  const fd = other.files.install(defined(owner.process.files.get(owner.fd), 'File'));
  const portal = kernel.calls.mmap(other, { length: PAGE, prot: 2, flags: 1, fd, offset: 0 });
  return {
    breaches: [],
    seen: portal < 0 ? portal : 'mapped',
    isBenignGood: benign(lab, owner),
  };
}

/** Registers of a VDEV with widths that no instruction has. */
function oddWidth(defences: Defences): Outcome {
  const { lab, victim, attacker } = twoVdevs(defences);
  const result = attacker.user.write(attacker.fd, BAR.registers, 0x90, new Uint8Array(7));
  const bug = lab
    .rows('linux.warning.printed')
    .map((r) => String(r.values['text']))
    .find((text) => text.startsWith('BUG: KASAN'));
  return {
    breaches: [],
    seen: bug === undefined ? result : 'VDCM assertion',
    isBenignGood: vdevBenign(lab, victim),
  };
}

const ATTACKS: readonly (readonly [string, Attack])[] = [
  [
    '8.1a',
    {
      title: 'a forged PASID in ENQCMD',
      defence: null,
      run: forgedEnqcmd,
      seenDefended: 'sigsegv',
    },
  ],
  [
    '8.1c',
    {
      title: 'a forged PASID in a descriptor for a dedicated queue',
      defence: null,
      run: forgedDedicated,
      seenDefended: [STATUS.success, true],
    },
  ],
  [
    '8.1d',
    {
      title: 'another VM’s PASID in virtual WQCFG',
      defence: 'gpasid-ownership',
      run: foreignPasidInWqcfg,
      seenDefended: expect.any(Number),
      victim: 'victim',
      seenUndefended: 0,
    },
  ],
  [
    '8.2a',
    {
      title: 'another VM’s portal by offset',
      defence: 'portal-offset-check',
      run: foreignPortal,
      seenDefended: -EINVAL,
      victim: 'victim',
      seenUndefended: 'mapped',
    },
  ],
  [
    '8.2a (area)',
    {
      title: 'the unlimited portal of a shared queue',
      defence: 'portal-area-check',
      run: unlimitedPortal,
      seenDefended: -EINVAL,
      seenUndefended: 'mapped',
    },
  ],
  [
    '8.2c',
    {
      title: 'a queue’s file passed to another process',
      defence: 'mm-check',
      run: passedFile,
      seenDefended: -EPERM,
      seenUndefended: 'mapped',
    },
  ],
  [
    '8.3 (device TLB)',
    {
      title: 'a stale translation in the device TLB',
      defence: 'device-tlb-flush',
      run: staleTranslation,
      seenDefended: STATUS.pageRequestInvalid,
      victim: 'alice',
      seenUndefended: STATUS.success,
    },
  ],
  [
    '8.3 (notifier)',
    {
      title: 'munmap that tells no device',
      defence: 'sva-invalidate',
      run: staleTranslation,
      seenDefended: STATUS.pageRequestInvalid,
      victim: 'alice',
      seenUndefended: STATUS.success,
    },
  ],
  [
    '8.4',
    {
      title: 'translated requests with invented addresses',
      defence: 'ats-only-trusted',
      run: translatedRequest,
      seenDefended: 0x44,
      victim: 'victim',
      seenUndefended: 'nothing',
    },
  ],
  [
    '8.7',
    {
      title: 'a PASID used again before its work is drained',
      defence: 'drain-before-free',
      run: reuseBeforeDrain,
      seenDefended: ['Drain PASID'],
      victim: 'second',
      seenUndefended: [],
    },
  ],
  [
    '8.10',
    {
      title: 'register accesses of odd widths',
      defence: 'mmio-size-check',
      run: oddWidth,
      seenDefended: -EFAULT,
      seenUndefended: 'VDCM assertion',
    },
  ],
  [
    '8.12',
    {
      title: 'a portal of first-generation silicon for the unprivileged',
      defence: 'rawio-check',
      run: rawPortal,
      seenDefended: -EPERM,
      seenUndefended: 'mapped',
    },
  ],
];

describe('row 71: attacks', () => {
  it.each(ATTACKS)('%s is stopped, and work goes on', (_id, { run, seenDefended, defence }) => {
    const outcome = run({});
    expect(outcome.seen).toEqual(seenDefended);
    expect(outcome.breaches).toEqual([]);
    expect(outcome.isBenignGood).toBe(true);
    if (defence === 'gpasid-ownership') {
      expect(outcome.seen).not.toBe(0);
    }
  });

  it.each(ATTACKS.filter(([, attack]) => attack.defence !== null))(
    '%s succeeds without its defence, and the oracle names page and owner',
    (_id, { run, defence, victim, seenUndefended }) => {
      const outcome = run(defence === null ? {} : { [defence]: false });
      if (seenUndefended !== undefined) {
        expect(outcome.seen).toEqual(seenUndefended);
      }
      const owners = new Set(outcome.breaches.map((b) => b.owner));
      expect(owners.has(victim ?? 'none')).toBe(victim !== undefined);
      expect(outcome.breaches.every((b) => b.page > 0 && b.page % PAGE === 0)).toBe(true);
    },
  );
});
