import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { EPERM } from '../../../../src-main/linux/errno.ts';
import { INVALID_IOASID } from '../../../../src-main/linux/iommu/ioasid.ts';
import { EXIT_REASON } from '../../../../src-main/spec/cpu/vm-exit.ts';
import { PORTAL_PAGE } from '../../../../src-main/spec/dsa/portals.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import {
  VFIO_CONTAINER_IOCTLS as C,
  VFIO_EXTENSIONS as E,
  VFIO_GROUP_IOCTLS as G,
} from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import { ADDRESS_TYPE, type MachineConfig } from '../../../../src-main/sim/index.ts';
import { Vm } from '../../../../src-main/vmm/vm.ts';
import { breachesOf } from '../../../support/isolation-breaches.ts';
import {
  BAR,
  becomeMaster,
  bootIdxd,
  closeVdev,
  createVdev,
  GUEST_RAM,
  moveWords,
  openVdev,
  startVdev,
  statusAt,
  wqAt,
  type IdxdLab,
} from '../../../support/linux-idxd.ts';
import { VfioUser } from '../../../support/linux-vfio.ts';
import {
  anonymous,
  bootSva,
  lazyMove,
  openApp,
  statusOf,
  type SvaApp,
} from '../../../support/linux-sva.ts';
import {
  bootVsva,
  guestMove,
  guestStatus,
  hostPasidOf,
  openGuestApp,
  startGuest,
  type VsvaApp,
  type VsvaGuest,
  type VsvaLab,
} from '../../../support/linux-vsva.ts';

const PAGE = 4096;
const PROFILES = ['kvmforum2019', 'iommufd'] as const;
const MDEV_SHARED = { mode: 'shared', type: 'mdev' } as const;
const MSI_WINDOW = 0xfee0_0000;

type Defences = NonNullable<MachineConfig['defences']>;

/** PASIDs go out as the guest writes them. */
const RAW: Defences = { 'pasid-translation': false, 'portal-after-translation': false };

interface TwoGuests {
  readonly lab: VsvaLab;
  readonly attacker: VsvaGuest;
  readonly victim: VsvaGuest;
  readonly attackerApp: VsvaApp;
  readonly victimApp: VsvaApp;
}

function twoGuests(profile: (typeof PROFILES)[number], defences: Defences): TwoGuests {
  const lab = bootVsva(profile, ['shared', 'shared'], { defences });
  const [attacker, victim] = [1, 2].map((n) => startGuest(lab, n, 'shared'));
  if (attacker === undefined || victim === undefined) {
    throw new Error('No guests');
  }
  const apps = [attacker, victim].map((device) => openGuestApp(device, 'app'));
  return {
    lab,
    attacker,
    victim,
    attackerApp: defined(apps[0], 'App'),
    victimApp: defined(apps[1], 'App'),
  };
}

function guestBenign({ guest }: VsvaGuest, app: VsvaApp): boolean {
  app.process.mm.write(app.memory, new Uint8Array([5]));
  guest.instructions.enqcmd(app.process, app.portal, guestMove(app, { at: 9 }));
  guest.core.advance(1_000_000);
  return guestStatus(app, 9) === STATUS.success;
}

describe.each(PROFILES)('row 71: 8.1b, a PASID forged by a guest’s kernel (%s)', (profile) => {
  function attack(defences: Defences) {
    const s = twoGuests(profile, defences);
    const { port } = s.attacker.vm;
    const portal = defined(
      s.attackerApp.process.mm.table.translate(s.attackerApp.portal),
      'Portal',
    );
    // The attacker knows the layout of the victim's process: both run the same program.
    const words = guestMove(s.attackerApp, {
      from: s.victimApp.records,
      to: s.victimApp.records + 0x800,
    });
    words[0] = hostPasidOf(s.victim, s.victimApp);
    const exits = s.attacker.vm.exitsDuring(() => {
      port.enqcmds(0, portal, words);
      s.attacker.guest.core.advance(1_000_000);
    });
    return { ...s, exits, breaches: breachesOf(s.lab) };
  }

  it('exits with 73 and reaches nobody; the victim works on', () => {
    const { exits, breaches, victim, victimApp } = attack({});
    expect(exits[EXIT_REASON.enqcmdsPasid]).toBe(1);
    expect(breaches).toEqual([]);
    expect(guestBenign(victim, victimApp)).toBe(true);
  });

  it('goes out raw without the translation: another VM’s memory is written, and no fault says so', () => {
    const { exits, breaches, lab } = attack(RAW);
    expect(exits[EXIT_REASON.enqcmdsPasid]).toBeUndefined();
    expect(new Set(breaches.map((b) => b.owner))).toEqual(new Set(['qemu-vm2']));
    expect(lab.rows('iommu.fault.recorded')).toEqual([]);
  });

  // 8.1e: the same VM, while KVM does not translate for it yet.
  it('8.1e: finds no portal mapped before translation is on, and is looked up by the host', () => {
    const { breaches, lab, victim, victimApp } = attack({ 'pasid-translation': false });
    expect(portalSlots(lab)).toEqual([]);
    expect(breaches).toEqual([]);
    expect(guestBenign(victim, victimApp)).toBe(true);
    expect(portalSlots(attack(RAW).lab)).toHaveLength(2);
  });
});

/** Portal pages that guests reach without an exit. */
function portalSlots(lab: VsvaLab): readonly unknown[] {
  const names = lab.rows('vmm.slot.set').map((r) => String(r.values['name']));
  return [...new Set(names.filter((name) => name.includes('BAR2')))];
}

describe.each(PROFILES)('row 71: 8.3, munmap in a guest (%s)', (profile) => {
  function attack(defences: Defences) {
    const s = twoGuests(profile, defences);
    const { guest } = s.attacker;
    const app = s.attackerApp;
    const { calls, processes } = guest;
    const map = (process: typeof app.process): number =>
      calls.mmap(process, { length: PAGE, prot: 3, flags: 0x8022, fd: -1, offset: 0 });
    const page = map(app.process);
    const gpa = app.process.mm.table.translate(page);
    guest.instructions.enqcmd(
      app.process,
      app.portal,
      guestMove(app, { from: app.records, to: page }),
    );
    guest.core.advance(1_000_000);
    calls.munmap(app.process, page, PAGE);
    const other = processes.create('other');
    const reused = map(other);
    expect(other.mm.table.translate(reused)).toBe(gpa);
    other.mm.write(reused, new Uint8Array([0x77]));
    const words = guestMove(app, { from: app.records, to: page, at: 1 });
    guest.instructions.enqcmd(app.process, app.portal, words);
    guest.core.advance(10_000_000);
    return { kept: other.mm.read(reused, 1), status: guestStatus(app, 1) & 0x7f };
  }

  it('is over when the host has forgotten the translation: the page’s next owner keeps its data', () => {
    const { kept, status } = attack({});
    expect(kept).toEqual(new Uint8Array([0x77]));
    expect(status).toBe(STATUS.pageRequestInvalid);
  });

  it('leaves the device a way into the next owner’s page when the device TLB is forgotten', () => {
    const { kept, status } = attack({ 'device-tlb-flush': false });
    expect(kept).not.toEqual(new Uint8Array([0x77]));
    expect(status).toBe(STATUS.success);
  });
});

describe('row 71: 8.5, interrupts', () => {
  function twoEntries(lab: IdxdLab): { readonly handle: number; readonly count: () => number } {
    const { ims } = lab.idxd;
    const irq = ims?.ims_alloc_irq() ?? -1;
    ims?.irq_set_auxdata(irq, 0x999);
    let count = 0;
    lab.kernel.irqs.request_irq(
      irq,
      () => {
        count += 1;
      },
      'victim',
    );
    return { handle: ims?.indexOf(irq) ?? -1, count: () => count };
  }

  it('8.5a: the handle of somebody else ends with 19h, and no vector comes', () => {
    const lab = bootIdxd({ wqs: [MDEV_SHARED] });
    const vdev = createVdev(lab, 'dsa-1swq-v1');
    const open = openVdev(lab, vdev);
    const victim = twoEntries(lab);
    const words = moveWords({
      from: GUEST_RAM,
      to: GUEST_RAM + PAGE,
      bytes: 8,
      record: GUEST_RAM + 0x2000,
      handle: victim.handle,
    });
    words[0] = (0x8000_0000 | vdev.pasids.default) >>> 0;
    lab.hw.enqcmds(0, lab.idxd.portalAddress(vdev.wq.id, PORTAL_PAGE.limitedIms), words);
    lab.kernel.core.advance(1_000_000);
    expect(statusAt(open, 0x2000)).toBe(STATUS.interruptHandle);
    expect(victim.count()).toBe(0);
  });

  it('8.5b: a queue that writes to the interrupt window raises no interrupt', () => {
    const lab = bootSva();
    const { kernel, dev } = lab;
    const domain = kernel.iommu.iommu_paging_domain_alloc(dev);
    if (typeof domain === 'number') {
      throw new Error('No domain');
    }
    const pasid = kernel.iommu.iommu_alloc_global_pasid(dev);
    kernel.iommu.iommu_attach_device_pasid(domain, dev, pasid);
    const reasonFor = (address: number): unknown => {
      lab.machine.fabric.portOf(dev.rid).write(
        {
          pasid,
          isPrivileged: false,
          isExecute: false,
          addressType: ADDRESS_TYPE.untranslated,
          high: 0,
          low: address,
          bytes: 4,
          trafficClass: 0,
        },
        new Uint8Array([0x31, 0, 0, 0]),
        0,
      );
      return lab.rows('iommu.request.blocked').at(-1)?.values['reason'];
    };
    // With a PASID it is an address like any other, which nobody mapped ...
    expect(reasonFor(MSI_WINDOW)).toBe(0x79);
    // ... and a table that leads into the window does not help.
    expect(kernel.iommu.iommu_map(domain, GUEST_RAM, MSI_WINDOW, PAGE, 3)).toBe(0);
    expect(reasonFor(GUEST_RAM)).toBe(0x87);
    kernel.core.settle();
    expect(lab.rows('linux.interrupt.not-expected')).toEqual([]);
  });

  it.each([
    [true, 0x25],
    [false, undefined],
  ] as const)('8.5c: a message in the old format, with remapping %s', (isRemapping, reason) => {
    const lab = bootIdxd({ params: { interrupt_remapping: isRemapping } });
    const from = lab.machine.trace.head;
    lab.machine.fabric.portOf(lab.dev.rid).interrupt(0, MSI_WINDOW, 0x77);
    lab.kernel.core.settle();
    const spurious = lab.rows('linux.interrupt.not-expected').filter((r) => r.seq >= from);
    const faults = lab.rows('iommu.fault.recorded').map((r) => r.values['reason']);
    expect(faults.at(-1)).toBe(reason);
    expect(spurious).toHaveLength(isRemapping ? 0 : 1);
  });

  it.each([
    [true, STATUS.interruptHandle],
    [false, STATUS.success],
  ] as const)('8.5d: an entry of a VM that is gone, cleared %s', (isDefended, status) => {
    const lab = bootIdxd({ wqs: [MDEV_SHARED], defences: { 'ims-pasid': isDefended } });
    const vdev = createVdev(lab, 'dsa-1swq-v1', 1);
    const { ims } = lab.idxd;
    const irq = ims?.ims_alloc_irq() ?? -1;
    const first = openVdev(lab, vdev, 'first');
    const pasid = vdev.pasids.default;
    ims?.irq_set_auxdata(irq, pasid);
    const handle = ims?.indexOf(irq) ?? -1;
    ims?.ims_free_irq(irq);
    closeVdev(first);
    const next = createVdev(lab, 'dsa-1swq-v1', 2);
    const second = openVdev(lab, next, 'second');
    expect(next.pasids.default).toBe(pasid);
    const words = moveWords({
      from: GUEST_RAM,
      to: GUEST_RAM + PAGE,
      bytes: 8,
      record: GUEST_RAM + 0x2000,
      handle,
    });
    words[0] = (0x8000_0000 | pasid) >>> 0;
    lab.hw.enqcmds(0, lab.idxd.portalAddress(next.wq.id, PORTAL_PAGE.limitedIms), words);
    lab.kernel.core.advance(1_000_000);
    expect(statusAt(second, 0x2000)).toBe(status);
  });
});

describe('row 71: 8.8, what the former VM left behind', () => {
  it.each([true, false])('a canary in a VDEV that is reset on close: %s', (isDefended) => {
    const lab = bootIdxd({
      wqs: [{ mode: 'dedicated', type: 'mdev' }],
      defences: { 'reset-on-close': isDefended },
    });
    const vdev = createVdev(lab, 'dsa-1dwq-v1');
    const first = openVdev(lab, vdev, 'first');
    becomeMaster(first);
    const canary = 0xa5;
    first.user.writeValue(first.fd, BAR.config, 0x3c, 1, canary);
    closeVdev(first);
    const second = openVdev(lab, vdev, 'second');
    const found = second.user.readValue(second.fd, BAR.config, 0x3c, 1) === canary;
    expect(found).toBe(!isDefended);
    startVdev(second);
  });
});

describe('row 71: 8.9, denial of service', () => {
  /** A flooder keeps a shared queue at its threshold; the kernel wants to submit. */
  function flood(threshold: number): { lab: IdxdLab; flooder: SvaApp; kernel: string } {
    const lab = bootSva({ size: 8, threshold });
    const flooder = openApp(lab, 'flooder');
    for (let n = 0; n < 64; n++) {
      const words = lazyMove(flooder, { to: flooder.memory + 2 * PAGE, bytes: 0x2000 });
      lab.kernel.instructions.enqcmd(flooder.process, flooder.portal, words);
    }
    const own = lazyMove(flooder);
    own[0] = flooder.process.mm.pasid ?? 0;
    const kernel = lab.hw.enqcmds(0, wqAt(lab, 0).portal('unlimitedMsix'), own);
    return { lab, flooder, kernel };
  }

  it('8.9a: a threshold below the size keeps the kernel’s portal open', () => {
    const { lab, flooder, kernel } = flood(6);
    expect(kernel).toBe('accepted');
    lab.kernel.core.advance(100_000_000);
    expect(statusOf(flooder)).toBe(STATUS.success);
    expect(flood(8).kernel).toBe('retry');
  });

  it('8.9c: page faults of one process are answered in the end, and another gets its own', () => {
    const lab = bootSva({}, { dsa: { pageRequestCapacity: 32 } });
    const [flooder, quiet] = [openApp(lab, 'flooder', 0), openApp(lab, 'quiet', 1)];
    for (let n = 0; n < 12; n++) {
      const words = lazyMove(flooder, { from: 0x1000_0000 + n * PAGE, at: n });
      lab.kernel.instructions.enqcmd(flooder.process, flooder.portal, words);
    }
    quiet.process.mm.write(quiet.memory, new Uint8Array([1]));
    lab.kernel.core.advance(100_000);
    lab.kernel.instructions.enqcmd(quiet.process, quiet.portal, lazyMove(quiet));
    lab.kernel.core.advance(100_000_000);
    expect(statusOf(quiet)).toBe(STATUS.success);
    const failed = Array.from({ length: 12 }, (_, n) => statusOf(flooder, n));
    expect(new Set(failed)).toEqual(new Set([STATUS.pageRequestInvalid]));
  });
});

describe('row 71: 8.9b, long work of one client', () => {
  /** Time until a neighbour's small copy is done behind an attacker's long ones; the limit is of the queue. */
  function latency(maxTransfer: number): { readonly ns: number; readonly attacker: number } {
    const lab = bootIdxd({ wqs: [{ mode: 'shared', type: 'user', enable: false }] });
    const { name } = wqAt(lab, 0);
    const limit = `bus/dsa/devices/${name}/max_transfer_size`;
    expect(lab.sysfsWrite(limit, String(maxTransfer))).toBeGreaterThan(0);
    expect(lab.sysfsWrite('bus/dsa/drivers/dsa/bind', name)).toBeGreaterThan(0);
    const [attacker, neighbour] = [openApp(lab, 'attacker', 0), openApp(lab, 'neighbour', 1)];
    const { instructions, core } = lab.kernel;
    const source = anonymous(lab, attacker.process, 64, true);
    const target = anonymous(lab, attacker.process, 64, true);
    const submit = (app: SvaApp, words: Uint32Array): void => {
      // Blocking on faults is not what this is about.
      words[1] = ((words[1] ?? 0) & ~2) >>> 0;
      expect(instructions.enqcmd(app.process, app.portal, words)).toBe('accepted');
    };
    for (let n = 0; n < 8; n++) {
      submit(attacker, lazyMove(attacker, { from: source, to: target, bytes: 64 * PAGE, at: n }));
    }
    const { records } = neighbour;
    const start = core.nowNs;
    submit(neighbour, lazyMove(neighbour, { from: records, to: records + 0x800, at: 4 }));
    expect(core.waitFor(() => statusOf(neighbour, 4) !== 0, 100_000_000)).toBe(true);
    expect(statusOf(neighbour, 4)).toBe(STATUS.success);
    const ns = core.nowNs - start;
    core.advance(100_000_000);
    return { ns, attacker: statusOf(attacker) };
  }

  it('is refused by the limit of the queue, and costs every neighbour without one', () => {
    const [defended, undefended] = [latency(16 * PAGE), latency(2 ** 20)];
    expect(defended.attacker).toBe(STATUS.transferSize);
    expect(undefended.attacker).toBe(STATUS.success);
    expect(undefended.ns).toBeGreaterThan(defended.ns * 2);
  });
});

describe('row 71: 8.9d, PASIDs that one VM takes', () => {
  /** All PASIDs that the platform has in this scene. */
  const MAX = 20;

  it.each([
    [8, true],
    [1000, false],
  ] as const)('with a quota of %i leave some for others: %s', (pasidQuota, isKept) => {
    const lab = bootVsva('kvmforum2019', ['shared']);
    const { ioasids } = lab.kernel;
    const sets = ['flooder', 'other'].map((name) => {
      const viommu = { pasidQuota };
      const vm = new Vm(lab.kvm, { name, memoryBytes: 40 * 2 ** 20, vcpus: 1, viommu });
      return defined(ioasids.ioasid_find_mm_set(vm.qemu.process.mm) ?? undefined, 'Set');
    });
    const [flooder, other] = sets.map((set) => () => ioasids.ioasid_alloc(set, 1, MAX));
    let taken = 0;
    while (flooder !== undefined && flooder() !== INVALID_IOASID) {
      taken += 1;
    }
    expect(taken).toBeGreaterThan(0);
    expect(other?.() !== INVALID_IOASID).toBe(isKept);
  });
});

describe('row 71: 8.11, isolation that the administrator takes away', () => {
  it.each([
    [false, -EPERM],
    [true, 0],
  ] as const)('unsafe interrupts allowed: %s', (isAllowed, expected) => {
    const lab = bootIdxd({
      profile: 'kvmforum2019',
      wqs: [MDEV_SHARED],
      params: {
        modules: ['idxd'],
        interrupt_remapping: false,
        allow_unsafe_interrupts: isAllowed,
      },
    });
    const vdev = createVdev(lab, 'dsa-1swq-v1');
    const user = new VfioUser(lab.kernel, 'vmm');
    const container = user.open('/dev/vfio/vfio');
    const group = user.open(user.groupOf(vdev.uuid));
    expect(user.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, container)).toBe(0);
    expect(user.ioctl(container, C.VFIO_SET_IOMMU, E.VFIO_TYPE1v2_IOMMU)).toBe(expected);
  });
});
