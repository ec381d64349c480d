import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { EINVAL } from '../../../../src-main/linux/errno.ts';
import {
  contextCacheDevice,
  iotlbDomain,
  pasidCacheDomain,
  pasidCachePasid,
  pasidDeviceTlb,
  pasidIotlbAll,
  pasidIotlbPages,
  WHOLE_SPACE,
} from '../../../../src-main/linux/iommu/intel/invalidations.ts';
import type { QueueCommand } from '../../../../src-main/linux/iommu/intel/invalidation-queue.ts';
import { parseBdf } from '../../../../src-main/linux/pci/pci-scan.ts';
import { EXIT_REASON } from '../../../../src-main/spec/cpu/vm-exit.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import { PRS_REG } from '../../../../src-main/spec/vtd/registers/page-request.ts';
import { Vm } from '../../../../src-main/vmm/vm.ts';
import { dsaDevice } from '../../../support/linux-idxd.ts';
import { plainDevice } from '../../../support/linux-machine.ts';
import { pageRequest, responses } from '../../../support/linux-sva.ts';
import {
  bootVsva,
  guestMove,
  guestStatus,
  hostEntry,
  hostPasidOf,
  openGuestApp,
  startGuest,
  type VsvaApp,
  type VsvaGuest,
  type VsvaLab,
} from '../../../support/linux-vsva.ts';

const PROFILES = ['kvmforum2019', 'iommufd'] as const;
const IA32_PASID = 0xd93;
const VALID = 1n << 31n;
const PAGE = 4096;
const MIB = 2 ** 20;
const CONTEXT = 1;
const IOTLB = 2;
const WAIT = 5;
const PIOTLB = 6;
const PASID_CACHE = 7;
const DEVICE_TLB = 8;
const INVALID = 1;
const SUCCESS = 0;

interface Scene {
  readonly lab: VsvaLab;
  readonly device: VsvaGuest;
  readonly app: VsvaApp;
  /** The guest's number and the host's. */
  readonly pasid: number;
  readonly host: number;
}

function scene(profile: (typeof PROFILES)[number], mode: 'shared' | 'dedicated' = 'shared'): Scene {
  const lab = bootVsva(profile, [mode]);
  const device = startGuest(lab, 1, mode);
  const app = openGuestApp(device, 'app');
  const host = hostPasidOf(device, app);
  return { lab, device, app, pasid: app.process.mm.pasid ?? -1, host };
}

function submit({ device, app }: Pick<Scene, 'device' | 'app'>, words = guestMove(app)): string {
  return device.guest.instructions.enqcmd(app.process, app.portal, words);
}

/** Guest-physical address of the portal that the process has mapped. */
function portalOf(app: VsvaApp): number {
  return defined(app.process.mm.table.translate(app.portal), 'Portal');
}

function fill(app: VsvaApp, value = 7): void {
  app.process.mm.write(app.memory, new Uint8Array([value]));
}

function kinds(lab: VsvaLab, from: number): readonly number[] {
  return lab
    .rows('iommu.descriptor.executed')
    .filter((r) => r.seq >= from)
    .map((r) => Number(r.values['type']));
}

describe.each(PROFILES)('row 60: the nested walk, %s', (profile) => {
  it('takes a pointer of the guest’s process through both stages', () => {
    const { lab, device, app, host } = scene(profile);
    fill(app, 0x42);
    expect(submit({ device, app })).toBe('accepted');
    device.guest.core.advance(1_000_000);
    expect(guestStatus(app)).toBe(STATUS.success);
    expect(app.process.mm.read(app.memory + PAGE, 1)).toEqual(new Uint8Array([0x42]));
    const translated = lab
      .rows('iommu.request.translated')
      .filter((r) => r.values['pasid'] === host);
    expect(translated.length).toBeGreaterThan(0);
    // Where the page really is, the guest does not know: its own tables hold a guest-physical address.
    const gpa = app.process.mm.table.translate(app.memory) ?? -1;
    const hpa = device.vm.qemu.vm.ept.walk(gpa, 'read');
    expect(hpa.kind === 'mapped' && hpa.address !== gpa).toBe(true);
    expect(lab.rows('iommu.fault.recorded')).toEqual([]);
  });

  it('reads the guest’s tables through the second stage; a hole there is no page request of the guest', () => {
    const { lab, device, app, host } = scene(profile);
    fill(app);
    const domain = defined(
      lab.kernel.iommu.driver?.info(lab.dev)?.domains.get(host)?.parent ?? undefined,
      'Domain of the VM',
    );
    const memory = defined(
      domain.ranges.find((r) => r.iova <= app.process.mm.table.root && r.bytes > MIB),
      'Guest memory',
    );
    lab.kernel.iommu.iommu_unmap(domain, memory.iova, memory.bytes);
    const requests = lab.rows('vmm.viommu.page-request').length;
    submit({ device, app });
    lab.kernel.core.advance(10_000_000);
    // The walk ends at the guest's top table, in the second stage; with ATS nothing is recorded.
    const blocked = lab.rows('iommu.request.blocked').filter((r) => r.values['pasid'] === host);
    expect(blocked.at(-1)?.values['reason']).toBe(0x79);
    expect(responses(lab)).toEqual([[host, INVALID]]);
    expect(lab.rows('linux.warning.printed').map((r) => r.values['text'])).toContain(
      `iopf of PASID ${host}: the second stage has a hole`,
    );
    expect(lab.rows('vmm.viommu.page-request')).toHaveLength(requests);
  });
});

describe('row 61: PASID translation of ENQCMD', () => {
  it('puts the host’s number into the command, without an exit', () => {
    const { lab, device, app, host } = scene('kvmforum2019');
    fill(app);
    submit({ device, app });
    const exits = device.vm.exitsDuring(() => submit({ device, app }, guestMove(app, { at: 1 })));
    expect(exits[EXIT_REASON.enqcmdPasid]).toBeUndefined();
    const pasids = lab.rows('dsa.descriptor.enqueued').map((r) => r.values['pasid']);
    expect(pasids).toEqual([host, host]);
    expect(device.vm.port.readMsr(0, IA32_PASID)).toBe(VALID | BigInt(app.process.mm.pasid ?? 0));
  });

  it('exits once where the VMM learns of a number late, and fills it', () => {
    const { lab, device, app, pasid, host } = scene('iommufd');
    fill(app);
    expect(device.vm.qemu.vm.pasids.lookup(pasid)).toBeUndefined();
    const first = device.vm.exitsDuring(() => expect(submit({ device, app })).toBe('accepted'));
    expect(first[EXIT_REASON.enqcmdPasid]).toBe(1);
    expect(device.vm.qemu.vm.pasids.lookup(pasid)).toBe(host);
    const second = device.vm.exitsDuring(() => submit({ device, app }, guestMove(app, { at: 1 })));
    expect(second[EXIT_REASON.enqcmdPasid]).toBeUndefined();
    expect(lab.rows('dsa.descriptor.enqueued').map((r) => r.values['pasid'])).toEqual([host, host]);
  });

  it.each(PROFILES)(
    'exits with 72 and 73 for a number that is not the guest’s: #GP (%s)',
    (profile) => {
      const { lab, device, app } = scene(profile);
      const { port } = device.vm;
      const portal = portalOf(app);
      const forged = 0x7_7777;
      port.writeMsr(0, IA32_PASID, VALID | BigInt(forged));
      const count = lab.rows('dsa.descriptor.enqueued').length;
      const user = device.vm.exitsDuring(() => {
        expect(port.enqcmd(0, portal, guestMove(app))).toBe('fault');
      });
      expect(user).toMatchObject({ [EXIT_REASON.enqcmdPasid]: 1 });
      const words = guestMove(app);
      words[0] = forged;
      const kernel = device.vm.exitsDuring(() => {
        expect(port.enqcmds(0, portal, words)).toBe('fault');
      });
      expect(kernel).toMatchObject({ [EXIT_REASON.enqcmdsPasid]: 1 });
      expect(lab.rows('dsa.descriptor.enqueued')).toHaveLength(count);
      expect(lab.rows('vmm.pasid.missed').map((r) => r.values['isFilled'])).toEqual([0, 0]);
    },
  );

  it('exits when an entry has a reserved bit', () => {
    const { lab, device, app, pasid } = scene('kvmforum2019');
    const { pasids } = device.vm.qemu.vm;
    const table = Number(lab.hw.memoryRead64(pasids.low + (pasid >>> 10) * 8) & ~0xfffn);
    const at = table + (pasid & 0x3ff) * 4;
    const bytes = lab.hw.memoryRead(at, 4);
    lab.hw.memoryWrite(at + 3, new Uint8Array([(bytes[3] ?? 0) | 0x40]));
    const exits = device.vm.exitsDuring(() => {
      expect(submit({ device, app })).toBe('sigsegv');
    });
    expect(exits[EXIT_REASON.enqcmdPasid]).toBeGreaterThan(0);
    expect(lab.rows('dsa.descriptor.enqueued')).toEqual([]);
  });

  it('is of one VM, and gone when the number is freed', () => {
    const lab = bootVsva('kvmforum2019', ['shared', 'shared']);
    const devices = [1, 2].map((n) => startGuest(lab, n, 'shared'));
    const apps = devices.map((device) => openGuestApp(device, 'app'));
    const hosts = devices.map((device, i) => hostPasidOf(device, defined(apps[i], 'App')));
    const guestPasid = apps[0]?.process.mm.pasid ?? -1;
    expect(apps[1]?.process.mm.pasid).toBe(guestPasid);
    const lookups = devices.map((d) => d.vm.qemu.vm.pasids.lookup(guestPasid));
    expect(lookups).toEqual(hosts);
    const [first, second] = devices;
    const [app] = apps;
    if (first === undefined || second === undefined || app === undefined) {
      throw new Error('No guests');
    }
    const { port } = first.vm;
    const portal = portalOf(app);
    submit({ device: first, app });
    first.guest.core.advance(1_000_000);
    port.writeMsr(0, IA32_PASID, VALID | BigInt(guestPasid));
    const from = lab.machine.trace.head;
    first.guest.processes.exit(app.process);
    expect(first.vm.qemu.vm.pasids.lookup(guestPasid)).toBeUndefined();
    expect(second.vm.qemu.vm.pasids.lookup(guestPasid)).toBe(hosts[1]);
    // The CPU lets go before the device is drained, and that before the entry.
    const seqOf = (kind: string, test: (v: Readonly<Record<string, unknown>>) => boolean): number =>
      lab.rows(kind).find((r) => r.seq >= from && test(r.values))?.seq ?? -1;
    const cleared = seqOf('vmm.pasid.set', (v) => v['hostPasid'] === -1);
    const torn = seqOf(
      'linux.pasid-entry.written',
      (v) => v['pasid'] === hosts[0] && v['word'] === 0,
    );
    expect(cleared).toBeGreaterThan(0);
    expect(cleared).toBeLessThan(torn);
    port.writeMsr(0, IA32_PASID, VALID | BigInt(guestPasid));
    expect(port.enqcmd(0, portal, guestMove(app))).toBe('fault');
  });
});

describe('row 62: types of PASIDs in one VM', () => {
  it.each(PROFILES)('do not mix: the CPU would translate for both (%s)', (profile) => {
    const bdf = '6b:00.0';
    const { options } = plainDevice(bdf);
    const lab = bootVsva(profile, ['shared', 'shared'], {
      // Functions of the accelerator itself are in the denylist of vfio-pci.
      devices: [dsaDevice(), { ...plainDevice(bdf), options: { ...options, deviceId: 0x1234 } }],
    });
    const { kernel } = lab;
    const function0 = defined(kernel.pci.deviceAt(parseBdf(bdf)), 'Function');
    expect(kernel.pci.bind(function0, kernel.vfioPci)).toBe(0);
    const device = startGuest(lab, 1, 'shared');
    expect(device.vm.plug(function0.name)).toBe(-EINVAL);
    // Without PASIDs of its own a VM may have both.
    const plain = new Vm(lab.kvm, { name: 'plain', memoryBytes: 40 * MIB, vcpus: 1 });
    expect(typeof plain.plug(function0.name)).not.toBe('number');
  });
});

describe.each(PROFILES)('row 63: invalidations of a guest, %s', (profile) => {
  /** The guest queues a command by its own driver; what the host's unit does meanwhile. */
  function forwarded(
    s: Scene,
    command: (s: Scene) => QueueCommand,
  ): { readonly types: readonly number[]; readonly isWaitLast: boolean } {
    const { lab, device } = s;
    const unit = defined(device.guest.iommu.driver, 'Driver').unit;
    const from = lab.machine.trace.head;
    expect(unit.queue.submit([command(s)])).toBe(0);
    const rows = lab.rows('iommu.wait.completed', 'vmm.viommu.descriptor-trapped');
    const hostWait = rows.filter((r) => r.kind === 'iommu.wait.completed' && r.seq >= from).at(-1);
    const guestWait = rows
      .filter((r) => r.kind === 'vmm.viommu.descriptor-trapped' && r.values['type'] === WAIT)
      .at(-1);
    return {
      types: kinds(lab, from).filter((type) => type !== WAIT),
      isWaitLast: (hostWait?.seq ?? -1) < (guestWait?.seq ?? -1),
    };
  }

  const target = ({ device }: Scene) => ({ rid: device.dev.rid, pfRid: 0, depth: 1 });
  const cases: readonly (readonly [string, (s: Scene) => QueueCommand, readonly number[]])[] = [
    ['PASID IOTLB, all', (s) => pasidIotlbAll(1, s.pasid), [PIOTLB, DEVICE_TLB]],
    [
      'PASID IOTLB, pages',
      (s) => pasidIotlbPages(1, s.pasid, { address: s.app.memory, am: 1 }, true),
      [PIOTLB, DEVICE_TLB],
    ],
    [
      'PASID device TLB',
      (s) => pasidDeviceTlb(target(s), s.pasid, WHOLE_SPACE),
      profile === 'iommufd' ? [PIOTLB, DEVICE_TLB] : [DEVICE_TLB],
    ],
    ['PASID cache of an entry that did not change', (s) => pasidCachePasid(1, s.pasid), []],
    ['PASID cache of the domain', () => pasidCacheDomain(1), []],
    ['context cache', (s) => contextCacheDevice(s.device.dev.rid, 0), []],
  ];

  it.each(cases)('%s', (_title, command, expected) => {
    const s = scene(profile);
    const { types, isWaitLast } = forwarded(s, command);
    expect(types).toEqual(expected);
    expect(isWaitLast).toBe(true);
    expect(types).not.toContain(CONTEXT);
  });

  it('of a domain mean every PASID that has its number', () => {
    const s = scene(profile);
    const bound = s.device.viommu.shadow.entries.length;
    expect(bound).toBeGreaterThan(1);
    const { types } = forwarded(s, () => iotlbDomain(1));
    expect(types).toEqual(Array.from({ length: bound }, () => [PIOTLB, DEVICE_TLB]).flat());
    expect(types).not.toContain(IOTLB);
  });

  it('of the PASID cache bind, rebind and unbind what changed in the table', () => {
    const s = scene(profile);
    const { lab, device, pasid } = s;
    const { guest, viommu } = device;
    const table = defined(guest.iommu.driver?.info(device.dev)?.pasidTable, 'Guest table');
    const { queue } = defined(guest.iommu.driver, 'Driver').unit;
    const other = guest.processes.create('other').mm.table.root;
    const values = table.read(pasid);
    table.write(pasid, { ...values, FSPTPTR: BigInt(other) });
    // Nothing happens before the guest says so.
    const before = (): bigint => hostEntry(lab, hostPasidOf(device, s.app)).FSPTPTR;
    expect(before()).toBe(BigInt(s.app.process.mm.table.root));
    queue.submit([pasidCachePasid(1, pasid)]);
    expect(before()).toBe(BigInt(other));
    table.write(pasid, {});
    queue.submit([pasidCachePasid(1, pasid)]);
    expect(viommu.shadow.find(device.host.uuid, pasid)).toBeUndefined();
    expect(hostEntry(lab, s.host).P).toBe(0);
  });

  it('reach the host before munmap in the guest returns: the page cannot be used any more', () => {
    const s = scene(profile);
    const { lab, device, app, host } = s;
    fill(app);
    submit(s);
    device.guest.core.advance(1_000_000);
    expect(guestStatus(app)).toBe(STATUS.success);
    const from = lab.machine.trace.head;
    expect(device.guest.calls.munmap(app.process, app.memory, 16 * PAGE)).toBe(0);
    const types = kinds(lab, from);
    expect(types.slice(0, 3)).toEqual([PIOTLB, DEVICE_TLB, WAIT]);
    const tlb = lab
      .rows('iommu.device-tlb-invalidation.sent')
      .filter((r) => r.seq >= from && r.values['pasid'] === host);
    expect(tlb.length).toBeGreaterThan(0);
    submit(s, guestMove(app, { to: app.memory, at: 1 }));
    device.guest.core.advance(10_000_000);
    expect(guestStatus(app, 1) & 0x7f).toBe(STATUS.pageRequestInvalid);
    expect(types).not.toContain(PASID_CACHE);
  });
});

describe.each(PROFILES)('row 64: page requests through a guest, %s', (profile) => {
  it('go into its queue with its own numbers, and its answer comes back to the device', () => {
    const s = scene(profile);
    const { lab, device, app, pasid, host } = s;
    fill(app, 9);
    submit(s);
    device.guest.core.advance(1_000_000);
    const asked = lab.rows('vmm.viommu.page-request').map((r) => r.values);
    expect(asked).toEqual([expect.objectContaining({ pasid, address: BigInt(app.memory + PAGE) })]);
    const answered = lab
      .rows('linux.page-request.answered')
      .map((r) => [r.source, r.values['pasid']]);
    expect(answered).toEqual([
      ['vm1', pasid],
      ['linux', host],
    ]);
    expect(responses(lab)).toEqual([[host, SUCCESS]]);
    expect(guestStatus(app)).toBe(STATUS.success);
    expect(device.viommu.faults.unanswered).toBe(0);
  });

  it('that the guest refuses end the descriptor, not the guest', () => {
    const s = scene(profile);
    fill(s.app);
    submit(s, guestMove(s.app, { from: 0x1000_0000 }));
    s.device.guest.core.advance(10_000_000);
    expect(responses(s.lab)).toEqual([[s.host, INVALID]]);
    expect(guestStatus(s.app)).toBe(STATUS.pageRequestInvalid);
    expect(s.app.process.isAlive).toBe(true);
  });

  it('that it never answers are answered in its place', () => {
    const s = scene(profile);
    fill(s.app);
    submit(s);
    // The guest's CPU does not run: only the host's clock goes on.
    s.lab.kernel.core.advance(50_000_000);
    expect(s.device.viommu.faults.unanswered).toBe(1);
    expect(responses(s.lab)).toEqual([]);
    s.lab.kernel.core.advance(100_000_000);
    expect(s.device.viommu.faults.unanswered).toBe(0);
    expect(responses(s.lab)).toEqual([[s.host, INVALID]]);
    // Its answer comes too late to change anything.
    s.device.guest.core.advance(1_000_000);
    expect(responses(s.lab)).toHaveLength(1);
  });

  it('that overflow its queue are its own matter', () => {
    const lab = bootVsva(profile, ['shared', 'shared']);
    const [loud, quiet] = [1, 2].map((n) => startGuest(lab, n, 'shared'));
    if (loud === undefined || quiet === undefined) {
      throw new Error('No guests');
    }
    const apps = [loud, quiet].map((device) => openGuestApp(device, 'app'));
    const [app, other] = apps;
    if (app === undefined || other === undefined) {
      throw new Error('No apps');
    }
    const host = hostPasidOf(loud, app);
    for (let n = 0; n < 2100; n++) {
      pageRequest(lab, lab.dev.rid, {
        pasid: host,
        high: Math.floor(app.memory / 2 ** 32),
        low: app.memory % 2 ** 32,
        groupIndex: n % 512,
      });
      if (n % 500 === 0) {
        lab.kernel.core.advance(1_000_000);
      }
    }
    lab.kernel.core.advance(10_000_000);
    const virtual = loud.viommu.registers.peek32(PRS_REG.offset);
    expect(virtual & 2).toBe(2);
    expect(lab.kernel.iommu.driver?.unit.registers.read(PRS_REG).PRO).toBe(0);
    // 2047 wait in the guest's queue; the rest was answered for it.
    expect(responses(lab)).toHaveLength(2100 - 2047);
    expect(responses(lab).every(([pasid, code]) => pasid === host && code === INVALID)).toBe(true);
    expect(quiet.viommu.registers.peek32(PRS_REG.offset)).toBe(0);
    fill(other);
    submit({ device: quiet, app: other });
    quiet.guest.core.advance(1_000_000);
    expect(guestStatus(other)).toBe(STATUS.success);
  });
});

describe('row 65: both profiles', () => {
  it.each(['shared', 'dedicated'] as const)('end in the same PASID entries (%s queue)', (mode) => {
    const entries = PROFILES.map((profile) => {
      const s = scene(profile, mode);
      const { lab, device, app, host } = s;
      const strip = (pasid: number): unknown => {
        const { SSPTPTR, FSPTPTR, ...rest } = hostEntry(lab, pasid);
        return { ...rest, hasTables: SSPTPTR > 0n && FSPTPTR > 0n };
      };
      expect(hostEntry(lab, host).FSPTPTR).toBe(BigInt(app.process.mm.table.root));
      return [strip(host), strip(device.host.pasids.default)];
    });
    expect(entries[0]).toEqual(entries[1]);
    expect(entries[0]?.[0]).toMatchObject({ P: 1, PGTT: 3, hasTables: true });
  });
});
