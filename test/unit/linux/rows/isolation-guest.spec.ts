/** Row 71, processes of one VM: what the guest's kernel takes for granted, the oracle sees by page and owner. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { IS_ERR } from '../../../../src-main/linux/errno.ts';
import { Replica, type MachineConfig } from '../../../../src-main/sim/index.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import { breachesOf } from '../../../support/isolation-breaches.ts';
import { moveWords } from '../../../support/linux-idxd.ts';
import {
  bootVsva,
  guestMove,
  guestStatus,
  openGuestApp,
  startGuest,
  type VsvaApp,
  type VsvaGuest,
  type VsvaLab,
} from '../../../support/linux-vsva.ts';

const PAGE = 4096;
const PROFILES = ['kvmforum2019', 'iommufd'] as const;
const PASID_VALID = 1n << 31n;

type Defences = NonNullable<MachineConfig['defences']>;

interface Scene {
  readonly lab: VsvaLab;
  readonly device: VsvaGuest;
  readonly mallory: VsvaApp;
  readonly alice: VsvaApp;
}

function boot(
  profile: (typeof PROFILES)[number],
  defences: Defences = {},
  mode: 'shared' | 'dedicated' = 'shared',
): Scene {
  const lab = bootVsva(profile, [mode], { defences });
  const device = startGuest(lab, 1, mode);
  const mallory = openGuestApp(device, 'mallory');
  return {
    lab,
    device,
    mallory,
    alice: mode === 'shared' ? openGuestApp(device, 'alice') : mallory,
  };
}

function copy({ device: { guest } }: Scene, app: VsvaApp, words: Uint32Array, at = 0): number {
  guest.instructions.enqcmd(app.process, app.portal, words);
  guest.core.advance(10_000_000);
  return guestStatus(app, at) & 0x7f;
}

const who = ({ lab }: Scene): unknown => [
  ...new Set(breachesOf(lab).map((b) => `${b.principal} -> ${b.owner}`)),
];

describe.each(PROFILES)('row 71: 8.3 within one VM, munmap in a guest (%s)', (profile) => {
  function attack(defences: Defences) {
    const scene = boot(profile, defences);
    const { device, mallory } = scene;
    const { calls, processes } = device.guest;
    const map = (process: typeof mallory.process): number =>
      calls.mmap(process, { length: PAGE, prot: 3, flags: 0x8022, fd: -1, offset: 0 });
    const page = map(mallory.process);
    copy(scene, mallory, guestMove(mallory, { from: mallory.records, to: page }));
    expect(who(scene)).toEqual([]);
    calls.munmap(mallory.process, page, PAGE);
    const heir = processes.create('heir');
    const reused = map(heir);
    heir.mm.write(reused, new Uint8Array([0x77]));
    const stale = guestMove(mallory, { from: mallory.records, to: page, at: 1 });
    const status = copy(scene, mallory, stale, 1);
    const { process } = mallory;
    const gpa = defined(heir.mm.table.translate(reused), 'Page');
    const host = device.vm.qemu.vm.ept.walk(gpa, 'read');
    return { ...scene, status, process, host: host.kind === 'mapped' ? host.address : -1 };
  }

  it('breaches nobody when the host forgets the translation', () => {
    const scene = attack({});
    expect(scene.status).toBe(STATUS.pageRequestInvalid);
    expect(who(scene)).toEqual([]);
  });

  it('is seen at the page’s next owner when the device TLB is forgotten', () => {
    const scene = attack({ 'device-tlb-flush': false });
    expect(scene.status).toBe(STATUS.success);
    expect(breachesOf(scene.lab)).toEqual([
      {
        principal: 'VM vm1 / process mallory',
        owner: 'VM vm1 / process heir',
        page: scene.host - (scene.host % PAGE),
      },
    ]);
  });

  it('is in the past where it was', () => {
    const { lab } = attack({ 'device-tlb-flush': false });
    const { machine } = lab;
    const [breach] = lab.rows('isolation.page.breached');
    const end = machine.trace.head;
    const replica = new Replica(lab.hw);
    replica.seek(end);
    const hash = replica.machine.stateHash();
    expect(replica.machine.isolation?.snapshot()).toEqual(machine.isolation?.snapshot());
    replica.seek(Math.floor(defined(breach, 'Breach').seq / 2));
    expect(replica.machine.isolation?.snapshot()).not.toEqual(machine.isolation?.snapshot());
    replica.seek(end);
    expect(replica.machine.isolation?.snapshot()).toEqual(machine.isolation?.snapshot());
    expect(replica.machine.stateHash()).toBe(hash);
  });
});

describe.each(PROFILES)('row 71: a wrong guest PASID (%s)', (profile) => {
  it('in IA32_PASID of a thread leads to the pages of the other process', () => {
    const scene = boot(profile);
    const { mallory, alice } = scene;
    expect(copy(scene, alice, guestMove(alice))).toBe(STATUS.success);
    expect(copy(scene, mallory, guestMove(mallory))).toBe(STATUS.success);
    expect(who(scene)).toEqual([]);
    // The guest's kernel forgets to load IA32_PASID when it switches from one to the other.
    scene.device.guest.instructions.switchTo(alice.process);
    mallory.process.pasidState = PASID_VALID | BigInt(alice.process.mm.pasid ?? 0);
    const words = guestMove(alice, { from: alice.records, to: alice.records + 0x800, at: 5 });
    copy(scene, mallory, words);
    expect(who(scene)).toEqual(['VM vm1 / process mallory -> VM vm1 / process alice']);
    expect(scene.lab.rows('isolation.page.breached').map((r) => r.values['access'])).toEqual([
      0, 1,
    ]);
  });

  it('in WQCFG lets a child use the space of its parent, by a portal that traps or not', () => {
    const scene = boot(profile, { 'dont-copy': false }, 'dedicated');
    const { device, mallory } = scene;
    const { guest } = device;
    guest.instructions.movdir64b(mallory.process, mallory.portal, guestMove(mallory));
    guest.core.advance(10_000_000);
    expect(guestStatus(mallory)).toBe(STATUS.success);
    const child = guest.processes.fork(mallory.process, 'child');
    if (IS_ERR(child)) {
      throw new Error(`fork: ${child}`);
    }
    guest.instructions.movdir64b(child, mallory.portal, guestMove(mallory, { at: 1 }));
    guest.core.advance(10_000_000);
    expect(guestStatus(mallory, 1)).toBe(STATUS.success);
    expect(who(scene)).toEqual(['VM vm1 / process child -> VM vm1 / process mallory']);
  });
});

describe.each(PROFILES)('what is no breach within a VM (%s)', (profile) => {
  it('is page faults, a fork, memory that is given back, and a driver’s own buffers', () => {
    const scene = boot(profile);
    const { lab, device, mallory, alice } = scene;
    const { guest, dev } = device;
    // Both programs have the same addresses, and touch pages that nobody had touched.
    [mallory, alice].forEach((app) => {
      app.process.mm.write(app.memory, new Uint8Array([1]));
      expect(copy(scene, app, guestMove(app, { bytes: 2 * PAGE, to: app.memory + 4 * PAGE }))).toBe(
        STATUS.success,
      );
    });
    const child = guest.processes.fork(mallory.process, 'child');
    expect(IS_ERR(child)).toBe(false);
    expect(copy(scene, mallory, guestMove(mallory, { at: 1 }), 1)).toBe(STATUS.success);
    guest.calls.madvise(mallory.process, mallory.memory, 16 * PAGE);
    alice.process.mm.write(alice.memory + 12 * PAGE, new Uint8Array([1]));
    expect(copy(scene, mallory, guestMove(mallory, { at: 2 }), 2)).toBe(STATUS.success);
    // A driver of the guest lends a page to the device for a while.
    const page = guest.pages.alloc(1, { owner: 'driver' });
    const mapped = guest.dma.dma_map_single(dev, page, PAGE);
    const words = moveWords({ from: mapped, to: mapped + 64, bytes: 8, record: mapped + 0x800 });
    guest.core.hw.memoryWrite(page, new Uint8Array([9]));
    const portal = defined(alice.process.mm.table.translate(alice.portal), 'Portal');
    expect(device.vm.port.enqcmds(0, portal, words)).not.toBe('retry');
    guest.core.advance(10_000_000);
    guest.dma.dma_unmap_single(dev, mapped);
    expect(lab.rows('isolation.page.breached')).toEqual([]);
  });

  it('is work in a VM that has the name of one that is gone', () => {
    const scene = boot(profile);
    copy(scene, scene.alice, guestMove(scene.alice));
    scene.device.vm.shutdown();
    const device = startGuest(scene.lab, 2, 'shared');
    expect(device.vm.name).toBe('vm2');
    const bob = openGuestApp(device, 'bob');
    expect(copy({ ...scene, device }, bob, guestMove(bob))).toBe(STATUS.success);
    expect(who(scene)).toEqual([]);
  });
});
