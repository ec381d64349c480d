import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { EBUSY, EINVAL, ENOSPC } from '../../../../src-main/linux/errno.ts';
import { INVALID_IOASID, type IoasidSet } from '../../../../src-main/linux/iommu/ioasid.ts';
import type { IommuDomain } from '../../../../src-main/linux/iommu/domain.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import { PGTT } from '../../../../src-main/spec/vtd/pasid-table-entry.ts';
import { ECAP_REG } from '../../../../src-main/spec/vtd/registers/capability.ts';
import {
  VCCAP_REG,
  VCMD_REG,
  VCRSP_REG,
} from '../../../../src-main/spec/vtd/registers/virtual-command.ts';
import {
  VCCAP_REG_REV_3_0,
  VCMD_REG_REV_3_0,
  VCRSP_REG_REV_3_0,
} from '../../../../src-main/spec/vtd/registers/virtual-command-rev-3-0.ts';
import type { ViommuOptions } from '../../../../src-main/vmm/viommu/viommu.ts';
import { Vm } from '../../../../src-main/vmm/vm.ts';
import {
  bootVsva,
  guestMove,
  guestStatus,
  hostEntry,
  hostPasidOf,
  openGuestApp,
  startGuest,
  type VsvaGuest,
  type VsvaLab,
} from '../../../support/linux-vsva.ts';

const UNIT = 0xfed9_0000;
const MIB = 2 ** 20;
const ALLOCATE = 1n;
const FREE = 2n;

/** A VM with a virtual unit and nothing else. */
function bareVm(lab: VsvaLab, viommu: ViommuOptions = {}, name = 'bare'): Vm {
  return new Vm(lab.kvm, { name, memoryBytes: 40 * MIB, vcpus: 1, viommu });
}

function setOf(lab: VsvaLab, { vm }: Pick<VsvaGuest, 'vm'>): IoasidSet {
  return defined(lab.kernel.ioasids.ioasid_find_mm_set(vm.qemu.process.mm) ?? undefined, 'Set');
}

/** The VM's domain, which guests' tables are nested on. */
function domainOf(lab: VsvaLab, { host }: VsvaGuest): IommuDomain {
  const { pasids } = defined(lab.kernel.iommu.groupOf(lab.dev), 'Group');
  const { domain } = defined(pasids.get(host.pasids.default), 'Attachment');
  return domain.type === 'nested' ? defined(domain.parent ?? undefined, 'Parent') : domain;
}

interface CommandPlaces {
  readonly command: number;
  readonly response: number;
  readonly capability: number;
  readonly operandShift: bigint;
  readonly noPasid: bigint;
}

const PLACES: Readonly<Record<'current' | 'rev-3.0', CommandPlaces>> = {
  current: {
    command: VCMD_REG.offset,
    response: VCRSP_REG.offset,
    capability: VCCAP_REG.offset,
    operandShift: 16n,
    noPasid: 16n,
  },
  'rev-3.0': {
    command: VCMD_REG_REV_3_0.offset,
    response: VCRSP_REG_REV_3_0.offset,
    capability: VCCAP_REG_REV_3_0.offset,
    operandShift: 8n,
    noPasid: 2n,
  },
};

describe.each(['current', 'rev-3.0'] as const)(
  'row 56: virtual commands, encoding %s',
  (encoding) => {
    const places = PLACES[encoding];

    function unit(options: ViommuOptions = {}) {
      const lab = bootVsva('kvmforum2019', ['shared']);
      const vm = bareVm(lab, { encoding, ...options });
      const read = (offset: number): bigint => vm.port.mmioRead(UNIT + offset, 8);
      const give = (command: bigint, operand = 0n): bigint => {
        vm.port.mmioWrite(UNIT + places.command, 8, command | (operand << places.operandShift));
        return read(places.response);
      };
      const result = (response: bigint): bigint => response >> places.operandShift;
      const status = (response: bigint): bigint => (response >> 1n) & 0x7fn;
      return { lab, vm, read, give, result, status };
    }

    it('say what they can do, give numbers and take them back', () => {
      const { read, give, result, status } = unit();
      expect(read(places.capability)).toBe(encoding === 'current' ? 7n : 1n);
      expect((read(ECAP_REG.offset) >> BigInt(ECAP_REG.field('VCS').low)) & 1n).toBe(1n);
      const given = [give(ALLOCATE), give(ALLOCATE)];
      expect(given.map(status)).toEqual([0n, 0n]);
      expect(given.map(result)).toEqual([1n, 2n]);
      expect(give(FREE, 1n)).toBe(0n);
      expect(status(give(FREE, 1n))).toBe(places.noPasid);
      expect(status(give(FREE, 0x777n))).toBe(places.noPasid);
      expect(result(give(ALLOCATE))).toBe(1n);
      expect(status(give(9n))).toBe(1n);
    });

    it('answer that none is available when the quota is used up', () => {
      const { lab, vm, give, result, status } = unit({ pasidQuota: 2 });
      const answers = [give(ALLOCATE), give(ALLOCATE), give(ALLOCATE)];
      expect(answers.map(status)).toEqual([0n, 0n, places.noPasid]);
      expect(answers.map(result)).toEqual([1n, 2n, 0n]);
      expect(lab.kernel.ioasids.pairsOf(setOf(lab, { vm }))).toHaveLength(2);
    });

    it('show IP while the VMM works, and drop what is written meanwhile', () => {
      const { lab, read, give, result } = unit({ commandLatencyNs: 10_000 });
      expect(give(ALLOCATE)).toBe(1n);
      expect(give(ALLOCATE)).toBe(1n);
      expect(lab.rows('iommu.virtual-command.dropped')).toHaveLength(1);
      lab.kernel.core.advance(20_000);
      expect(read(places.response) & 1n).toBe(0n);
      expect(result(read(places.response))).toBe(1n);
      expect(lab.rows('iommu.virtual-command.completed')).toHaveLength(1);
    });

    it('serve the guest’s own driver, which gets -ENOSPC when nothing is left', () => {
      const lab = bootVsva('kvmforum2019', ['shared']);
      const device = startGuest(lab, 1, 'shared', { encoding, pasidQuota: 3 });
      const { guest } = device;
      const taken = lab.kernel.ioasids.pairsOf(setOf(lab, device)).length;
      const processes = Array.from({ length: 4 - taken }, (_, i) =>
        guest.processes.create(`app${i}`),
      );
      const results = processes.map((p) => guest.sva.iommu_sva_bind_device(device.dev, p.mm));
      expect(results.at(-1)).toBe(-ENOSPC);
      expect(results.slice(0, -1).every((r) => typeof r !== 'number')).toBe(true);
      expect(lab.kernel.ioasids.pairsOf(setOf(lab, device))).toHaveLength(3);
    });
  },
);

describe('row 56: in the later profile', () => {
  it('there are no virtual commands: the guest has a PASID space of its own', () => {
    const lab = bootVsva('iommufd', ['shared']);
    const vm = bareVm(lab);
    const ecap = vm.port.mmioRead(UNIT + ECAP_REG.offset, 8);
    expect((ecap >> BigInt(ECAP_REG.field('VCS').low)) & 1n).toBe(0n);
    expect(vm.port.mmioRead(UNIT + VCCAP_REG.offset, 8)).toBe(0n);
    vm.port.mmioWrite(UNIT + VCMD_REG.offset, 8, ALLOCATE);
    expect(vm.port.mmioRead(UNIT + VCRSP_REG.offset, 8)).toBe(0n);
  });
});

describe('row 57: sets of PASIDs', () => {
  it('let two VMs use one number for different host PASIDs', () => {
    const lab = bootVsva('kvmforum2019', ['shared', 'shared']);
    const devices = [1, 2].map((n) => startGuest(lab, n, 'shared'));
    const apps = devices.map((device) => openGuestApp(device, 'app'));
    const [first = -1, second = -1] = apps.map((app) => app.process.mm.pasid ?? -1);
    expect(first).toBe(second);
    const hosts = devices.map((device) =>
      lab.kernel.ioasids.ioasid_find_by_spid(setOf(lab, device), first),
    );
    expect(new Set(hosts).size).toBe(2);
    const roots = hosts.map((pasid) => hostEntry(lab, pasid).SSPTPTR);
    expect(new Set(roots).size).toBe(2);
  });

  it('know nothing of numbers that are another’s or dead', () => {
    const lab = bootVsva('kvmforum2019', ['shared']);
    const { ioasids } = lab.kernel;
    const vms = ['a', 'b'].map((name) => bareVm(lab, { pasidQuota: 1 }, name));
    const sets = vms.map((vm) => setOf(lab, { vm }));
    const [mine, other] = sets;
    if (mine === undefined || other === undefined) {
      throw new Error('No sets');
    }
    const id = ioasids.ioasid_alloc(mine, 1, 100);
    expect(ioasids.ioasid_attach_spid(id, 101)).toBe(0);
    expect(ioasids.ioasid_find_by_spid(mine, 101)).toBe(id);
    expect(ioasids.ioasid_find_by_spid(other, 101)).toBe(INVALID_IOASID);
    expect(ioasids.ioasid_find(other, id)).toBeLessThan(0);
    expect(ioasids.ioasid_get(other, id)).toBe(-EINVAL);
    // The quota is of the set, not of the pool.
    expect(ioasids.ioasid_alloc(mine, 1, 100)).toBe(INVALID_IOASID);
    expect(ioasids.ioasid_alloc(other, 1, 100)).not.toBe(INVALID_IOASID);
    ioasids.ioasid_free(mine, id);
    expect(ioasids.ioasid_find_by_spid(mine, 101)).toBe(INVALID_IOASID);
    expect(ioasids.ioasid_alloc_set(mine.token, 1)).toBe(-EBUSY);
  });

  it('may hold numbers that are the same for guest and host', () => {
    const lab = bootVsva('kvmforum2019', ['shared', 'shared']);
    const devices = [1, 2].map((n) => startGuest(lab, n, 'shared', { isIdentity: true }));
    for (const device of devices) {
      const app = openGuestApp(device, 'app');
      expect(hostPasidOf(device, app)).toBe(app.process.mm.pasid);
    }
  });

  it('end with their VM: every number goes back', () => {
    const lab = bootVsva('kvmforum2019', ['shared', 'dedicated']);
    const before = lab.kernel.pasids.inUse;
    const devices = (['shared', 'dedicated'] as const).map((mode, i) =>
      startGuest(lab, i + 1, mode),
    );
    devices.forEach((device) => openGuestApp(device, 'app'));
    expect(lab.kernel.pasids.inUse).toBeGreaterThan(before);
    devices[0]?.vm.kill();
    devices[1]?.vm.shutdown();
    expect(lab.kernel.pasids.inUse).toBe(before);
    expect(lab.kernel.core.publishedKeys('ioasid/set/')).toEqual([]);
    const table = defined(lab.kernel.iommu.driver?.info(lab.dev)?.pasidTable, 'Table');
    const present = Array.from({ length: 64 }, (_, pasid) => table.read(pasid).P);
    // The function's own requests without PASID, and the driver's own PASID.
    expect(present.reduce((sum, p) => sum + p, 0)).toBeLessThanOrEqual(2);
  });
});

describe('row 58: references of a PASID', () => {
  it('are those of the allocation, the IOMMU, the CPU and the queue, and go in reverse', () => {
    const lab = bootVsva('kvmforum2019', ['dedicated']);
    const device = startGuest(lab, 1, 'dedicated');
    const { ioasids } = lab.kernel;
    const seen: number[] = [];
    const app = openGuestApp(device, 'app');
    const id = hostPasidOf(device, app);
    // Allocation, nested entry, translation of the CPU, WQCFG.
    seen.push(ioasids.referencesOf(id));
    device.guest.calls.munmap(app.process, app.portal, 4096);
    device.guest.calls.close(app.process, app.fd);
    seen.push(ioasids.referencesOf(id));
    device.guest.processes.exit(app.process);
    seen.push(ioasids.referencesOf(id));
    // The unbind takes queue, CPU and IOMMU away; the number stays with the process until it ends.
    expect(seen).toEqual([4, 1, 0]);
    expect(lab.kernel.pasids.ownerOf(id)).toBeUndefined();
  });

  it('keep a number that is freed early; users hear of it in the order CPU, device, IOMMU', () => {
    const lab = bootVsva('kvmforum2019', ['dedicated']);
    const device = startGuest(lab, 1, 'dedicated');
    const { ioasids } = lab.kernel;
    const set = setOf(lab, device);
    const app = openGuestApp(device, 'app');
    const pasid = app.process.mm.pasid ?? -1;
    const id = hostPasidOf(device, app);
    const states: string[] = [];
    ioasids.ioasid_register_notifier(set, {
      name: 'last',
      priority: 0,
      call: () => {
        states.push(String((lab.kernel.core.published(`ioasid/${id}`) as { state: string }).state));
      },
    });
    ioasids.ioasid_get(set, id);
    const from = lab.machine.trace.head;
    device.vm.port.mmioWrite(UNIT + VCMD_REG.offset, 8, FREE | (BigInt(pasid) << 16n));
    const told = lab
      .rows('linux.callback.called')
      .filter((r) => r.seq >= from && r.values['callback'] === 'ioasid FREE')
      .map((r) => r.values['owner']);
    expect(told).toEqual([`kvm vm1`, `vdev ${device.host.uuid}`, 'iommu', 'last']);
    expect(states).toEqual(['FREE_PENDING']);
    // Somebody still holds it: nobody can find it, nobody gets it again.
    expect(ioasids.referencesOf(id)).toBe(1);
    expect(ioasids.ioasid_find_by_spid(set, pasid)).toBe(INVALID_IOASID);
    expect(ioasids.ioasid_get(set, id)).toBe(-EINVAL);
    expect(ioasids.ioasid_alloc(set, id, id)).toBe(INVALID_IOASID);
    expect(hostEntry(lab, id).P).toBe(0);
    expect(device.vm.qemu.vm.pasids.lookup(pasid)).toBeUndefined();
    expect(device.host.wq.pasid?.pasid).not.toBe(id);
    ioasids.ioasid_put(set, id);
    expect(lab.kernel.pasids.ownerOf(id)).toBeUndefined();
    // The guest’s late unbind finds nothing, and harms nobody.
    device.guest.processes.exit(app.process);
    expect(lab.kernel.pasids.ownerOf(id)).toBeUndefined();
  });
});

describe('row 59: binding', () => {
  it('nests the guest’s table on the VM’s second stage', () => {
    const lab = bootVsva('kvmforum2019', ['shared']);
    const device = startGuest(lab, 1, 'shared');
    const app = openGuestApp(device, 'app');
    // The unit took every command of the guest's boot.
    expect(lab.rows('linux.invalidation.failed')).toEqual([]);
    const domain = domainOf(lab, device);
    expect(hostEntry(lab, hostPasidOf(device, app))).toMatchObject({
      P: 1,
      PGTT: PGTT.nested,
      DID: domain.did,
      SSPTPTR: BigInt(domain.table?.root ?? 0),
      FSPTPTR: BigInt(app.process.mm.table.root),
      SRE: 0,
    });
    // What the guest programs for requests without PASID is nested in the default PASID's place. A kernel makes them, and
    // the queue sends them with a PASID and privilege.
    const own = device.viommu.shadow.find(device.host.uuid, 0);
    expect(hostEntry(lab, device.host.pasids.default)).toMatchObject({
      PGTT: PGTT.nested,
      FSPTPTR: BigInt(own?.stage1.root ?? 0),
      SRE: 1,
    });
  });

  it('is refused twice, for tables that do not fit, and for another VM’s number', () => {
    const lab = bootVsva('kvmforum2019', ['shared', 'shared']);
    const [device, other] = [1, 2].map((n) => startGuest(lab, n, 'shared'));
    if (device === undefined || other === undefined) {
      throw new Error('No guests');
    }
    const app = openGuestApp(device, 'app');
    const { guestPasids } = lab.kernel;
    const data = {
      mm: device.vm.qemu.process.mm,
      hpasid: hostPasidOf(device, app),
      gpasid: app.process.mm.pasid ?? -1,
      gpgd: app.process.mm.table.root,
      addr_width: 48,
      isSupervisorAllowed: false,
      hasExtendedAccessed: false,
      isWriteProtected: false,
    };
    const bind = (change: Partial<typeof data> = {}): number =>
      guestPasids.iommu_uapi_sva_bind_gpasid(domainOf(lab, device), lab.dev, {
        ...data,
        ...change,
      });
    expect(bind()).toBe(-EBUSY);
    const fresh = lab.kernel.ioasids.ioasid_alloc(setOf(lab, device), 1, 500);
    const foreign = lab.kernel.ioasids.ioasid_alloc(setOf(lab, other), 1, 500);
    expect(bind({ hpasid: foreign })).toBe(-EINVAL);
    expect(bind({ hpasid: 0x4_0000 })).toBe(-EINVAL);
    expect(bind({ hpasid: fresh, addr_width: 39 })).toBe(-EINVAL);
    expect(bind({ hpasid: fresh, gpgd: 0x1234 })).toBe(-EINVAL);
    expect(bind({ hpasid: fresh, gpgd: 2 ** 50 })).toBe(-EINVAL);
    expect(bind({ hpasid: fresh })).toBe(0);
    expect(guestPasids.iommu_uapi_sva_unbind_gpasid(domainOf(lab, device), lab.dev, fresh)).toBe(0);
    expect(guestPasids.iommu_uapi_sva_unbind_gpasid(domainOf(lab, device), lab.dev, fresh)).toBe(
      -EINVAL,
    );
  });

  it('ends with the entry gone, caches clean and page requests drained', () => {
    const lab = bootVsva('kvmforum2019', ['shared']);
    const device = startGuest(lab, 1, 'shared');
    const app = openGuestApp(device, 'app');
    app.process.mm.write(app.memory, new Uint8Array([3]));
    device.guest.instructions.enqcmd(app.process, app.portal, guestMove(app));
    device.guest.core.advance(1_000_000);
    expect(guestStatus(app)).toBe(STATUS.success);
    const id = hostPasidOf(device, app);
    const from = lab.machine.trace.head;
    device.guest.processes.exit(app.process);
    const rows = lab
      .rows('iommu.descriptor.executed', 'linux.pasid.freed')
      .filter((r) => r.seq >= from);
    const freed = rows.findIndex((r) => r.source === 'linux' && r.values['pasid'] === id);
    const types = rows.slice(0, freed).map((r) => Number(r.values['type']));
    // PASID cache, IOTLB of the domain, device TLB, wait; then the drain.
    const at = types.lastIndexOf(7);
    expect(types.slice(at, at + 4)).toEqual([7, 2, 8, 5]);
    expect(types.slice(at + 4)).toEqual(expect.arrayContaining([5, 2, 8, 5]));
    expect(hostEntry(lab, id).P).toBe(0);
  });
});
