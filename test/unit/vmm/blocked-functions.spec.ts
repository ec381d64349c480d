/** A guest's function whose requests without a PASID its own unit would refuse: the host refuses them, the guest hears why. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../src-main/bits/invariant.ts';
import { IS_ERR } from '../../../src-main/linux/errno.ts';
import type { Kernel } from '../../../src-main/linux/kernel.ts';
import {
  contextCacheGlobal,
  pasidCacheGlobal,
} from '../../../src-main/linux/iommu/intel/invalidations.ts';
import type { IdxdVdev } from '../../../src-main/linux/idxd/vdcm/vdev.ts';
import type { PciDev } from '../../../src-main/linux/pci/pci-dev.ts';
import { FLAG } from '../../../src-main/spec/dsa/descriptor.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import { FAULT_REQUEST_TYPE, FRCD_REG } from '../../../src-main/spec/vtd/registers/fault.ts';
import { RTADDR_REG, TTM } from '../../../src-main/spec/vtd/registers/global-command.ts';
import { PGTT } from '../../../src-main/spec/vtd/pasid-table-entry.ts';
import { PLATFORM } from '../../../src-main/sim/index.ts';
import { OFFSETS } from '../../../src-main/spec/dsa/capability-registers.ts';
import { WqConfig } from '../../../src-main/spec/dsa/wq-config.ts';
import { VCMD_REG, VCRSP_REG } from '../../../src-main/spec/vtd/registers/virtual-command.ts';
import { highOfBig, lowOfBig } from '../../../src-main/bits/u64.ts';
import { EMPTY_TABLE } from '../../../src-main/vmm/viommu/empty-table.ts';
import type { Viommu } from '../../../src-main/vmm/viommu/viommu.ts';
import { Vm } from '../../../src-main/vmm/vm.ts';
import { createVdev, moveWords, wqAt } from '../../support/linux-idxd.ts';
import {
  bootVsva,
  guestMove,
  guestStatus,
  hostEntry,
  openGuestApp,
  startGuest,
  type VsvaLab,
} from '../../support/linux-vsva.ts';

const PROFILES = ['kvmforum2019', 'iommufd'] as const;
const MIB = 2 ** 20;
const PAGE = 4096;
const ENABLE_DEVICE = 1n << 20n;
const ENABLE_WQ = 6n << 20n;
const CMD = 0xa0;
/** Mode, PASID and what belongs to them. */
const WQ_MODE_DWORD = 8;
const WORD = 8;
const STATUS_MASK = 0x3f;
const VALUE = 0x5a;
/** Page Request Enable of a context entry. */
const PRE = 0x10n;
const FECTL = 0x38;
const MASKED = 2n ** 31n;
/** Above the guest's memory, below the host address width. */
const NOWHERE = 0x100_0000_0000n;

interface Scene {
  readonly lab: VsvaLab;
  readonly vm: Vm;
  readonly viommu: Viommu;
  readonly guest: Kernel;
  readonly host: IdxdVdev;
  readonly dev: PciDev;
  readonly portal: number;
  /** The device asks for translations and for pages. */
  readonly hasAts: boolean;
}

/** A VM with a VT-d unit whose kernel drives a dedicated queue by addresses of its DMA API. */
function scene(
  profile: (typeof PROFILES)[number],
  hasAts: boolean,
  prepare: (guest: Kernel, registers: number) => void = () => {},
): Scene {
  const lab = bootVsva(profile, ['dedicated']);
  if (!hasAts) {
    const { name } = wqAt(lab, 0);
    for (const [path, text] of [
      ['drivers/dsa/unbind', name],
      [`devices/${name}/block_on_fault`, '0'],
      [`devices/${name}/ats_disable`, '1'],
      ['drivers/dsa/bind', name],
    ] as const) {
      expect(lab.sysfsWrite(`bus/dsa/${path}`, text)).toBeGreaterThan(0);
    }
  }
  const host = createVdev(lab, 'dsa-1dwq-v1', 1);
  const vm = new Vm(lab.kvm, { name: 'vm1', memoryBytes: 40 * MIB, vcpus: 1, viommu: {} });
  const plugged = vm.plug(host.uuid);
  if (IS_ERR(plugged)) {
    throw new Error(`plug: ${plugged}`);
  }
  const guest = vm.boot();
  const dev = defined(guest.pci.deviceAt(plugged.rid), 'VDEV in the guest');
  guest.pci.pci_enable_device(dev);
  guest.pci.pci_set_master(dev);
  const registers = guest.pci.pci_resource_start(dev, 0);
  prepare(guest, registers);
  for (const command of [ENABLE_DEVICE, ENABLE_WQ]) {
    guest.core.hw.mmioWrite(registers + CMD, 4, command);
  }
  const portal = guest.pci.pci_resource_start(dev, 2);
  return { lab, vm, viommu: defined(vm.qemu.viommu, 'vIOMMU'), guest, host, dev, portal, hasAts };
}

interface Copy {
  /** 0 without a record. */
  readonly status: number;
  readonly byte: number;
}

/** One byte from the first half of a page to its second half, by the device's addresses of the page. */
function copy({ guest, dev, portal, hasAts }: Scene): Copy {
  const { hw } = guest.core;
  const page = guest.pages.alloc(1, { owner: 'copy' });
  hw.memoryWrite(page, Uint8Array.of(VALUE));
  const at = guest.dma.dma_map_single(dev, page, PAGE);
  const words = moveWords({ from: at, to: at + 0x400, bytes: 1, record: at + 0x800 });
  words[1] = ((words[1] ?? 0) | (hasAts ? FLAG.blockOnFault : 0)) >>> 0;
  hw.movdir64b(0, portal, words);
  guest.core.advance(5_000_000);
  return {
    status: (hw.memoryRead(page + 0x800, 1)[0] ?? 0) & STATUS_MASK,
    byte: hw.memoryRead(page + 0x400, 1)[0] ?? 0,
  };
}

const DONE: Copy = { status: STATUS.success, byte: VALUE };

/** Guest-physical addresses of what its unit reads for the device. */
function places({ guest, dev }: Scene) {
  const { unit } = defined(guest.iommu.driver ?? undefined, 'Driver of the guest');
  const table = defined(guest.iommu.driver?.info(dev)?.pasidTable ?? undefined, 'PASID table');
  return {
    root: unit.contexts.root,
    context: unit.contexts.entryAddress(dev.rid),
    directory: table.directory,
    entry: table.entryAddress(0),
  };
}

function invalidate({ guest }: Scene): void {
  guest.iommu.driver?.unit.queue.submit([contextCacheGlobal(), pasidCacheGlobal()]);
}

type Place = keyof ReturnType<typeof places>;
type Change = (old: bigint) => bigint;

/** Changes a qword of the guest's tables, tells the unit, and puts everything back after `body`. */
function withChange<T>(own: Scene, place: Place, word: number, change: Change, body: () => T): T {
  const { hw } = own.guest.core;
  const at = places(own)[place] + word * WORD;
  const old = hw.memoryRead64(at);
  hw.memoryWrite64(at, change(old));
  invalidate(own);
  const result = body();
  hw.memoryWrite64(at, old);
  invalidate(own);
  return result;
}

function qword(value: bigint): readonly [low: number, high: number] {
  return [lowOfBig(value), highOfBig(value)];
}

function recorded({ lab }: Scene): readonly Readonly<Record<string, unknown>>[] {
  return lab.rows('vmm.viommu.fault-recorded').map((row) => row.values);
}

const clear =
  (bit: bigint): Change =>
  (old) =>
    old & ~(1n << bit);
const set =
  (bit: bigint): Change =>
  (old) =>
    old | (1n << bit);
const pointNowhere: Change = (old) => (old & 0xfffn) | NOWHERE;
const translationType =
  (pgtt: bigint): Change =>
  (old) =>
    (old & ~(7n << 6n)) | (pgtt << 6n);

/** What is wrong, where, and the fault reason of VT-d 5.10 section 7.1.3. */
const FAULTS: readonly (readonly [string, Place, number, Change, number])[] = [
  ['half of the root entry not present', 'root', 0, clear(0n), 0x39],
  ['reserved bits in the root entry', 'root', 0, set(5n), 0x3a],
  ['context table outside memory', 'root', 0, pointNowhere, 0x40],
  ['context entry not present', 'context', 0, clear(0n), 0x41],
  ['reserved bits in the context entry', 'context', 2, set(0n), 0x42],
  ['page requests without device TLB', 'context', 0, (old) => (old | 0x10n) & ~4n, 0x43],
  ['directory outside memory', 'context', 0, pointNowhere, 0x50],
  ['directory entry not present', 'directory', 0, clear(0n), 0x51],
  ['reserved bits in the directory entry', 'directory', 0, set(2n), 0x52],
  ['PASID table outside memory', 'directory', 0, pointNowhere, 0x58],
  ['PASID entry not present', 'entry', 0, clear(0n), 0x59],
  ['reserved bits in the PASID entry', 'entry', 3, set(0n), 0x5a],
  ['translation type reserved', 'entry', 0, translationType(0n), 0x5b],
  ['second-stage type, which the unit does not have', 'entry', 0, translationType(2n), 0x5b],
  ['paging mode reserved', 'entry', 2, set(3n), 0x5b],
  ['first-stage table outside memory', 'entry', 2, pointNowhere, 0x73],
];

describe('what a guest’s unit would refuse, kvmforum2019', () => {
  it('is refused by the host and recorded with the code of the first check that fails', () => {
    const own = scene('kvmforum2019', false);
    expect(copy(own)).toEqual(DONE);
    expect(recorded(own)).toEqual([]);
    for (const [what, place, word, change, reason] of FAULTS) {
      const before = recorded(own).length;
      const { byte } = withChange(own, place, word, change, () => copy(own));
      expect({ what, byte }).toEqual({ what, byte: 0 });
      const [first] = recorded(own).slice(before);
      expect({ what, ...first }).toMatchObject({ what, reason, rid: own.dev.rid, pasid: -1 });
      expect({ what, ...copy(own) }).toEqual({ what, ...DONE });
    }
    // The guest's driver has read and cleared every record.
    own.guest.core.settle();
    const logged = own.lab.rows('linux.fault.logged').map((r) => String(r.values['text']));
    expect(logged.some((text) => text.includes('NO_PASID] Request device [00:03.0]'))).toBe(true);
  });

  it.each([
    ['context entry', 'context', 0],
    ['directory entry', 'directory', 0],
    ['PASID entry', 'entry', 0],
  ] as const)('stays silent with FPD in the %s', (_, place, word) => {
    const own = scene('kvmforum2019', false);
    const silence: Change = (old) => (old & ~1n) | 2n;
    expect(withChange(own, place, word, silence, () => copy(own)).byte).toBe(0);
    expect(recorded(own)).toEqual([]);
  });

  it('names a PASID that the guest allocated and gave no entry', () => {
    let pasid = 0;
    const own = scene('kvmforum2019', false, ({ core: { hw } }, registers) => {
      hw.mmioWrite(PLATFORM.iommuBase + VCMD_REG.offset, 8, 1n);
      const response = hw.mmioRead(PLATFORM.iommuBase + VCRSP_REG.offset, 8);
      pasid = Number(response >> 16n);
      const { wqConfig } = OFFSETS.decode(qword(hw.mmioRead(registers + OFFSETS.offset, 8)));
      const at = registers + wqConfig * 0x100 + WQ_MODE_DWORD;
      const words = new Uint32Array(WqConfig.words);
      words[WQ_MODE_DWORD / 4] = Number(hw.mmioRead(at, 4));
      WqConfig.set(words, 'pasidEnable', 1);
      WqConfig.set(words, 'pasid', pasid);
      hw.mmioWrite(at, 4, BigInt(words[WQ_MODE_DWORD / 4] ?? 0));
    });
    expect(copy(own).byte).toBe(0);
    withChange(own, 'context', 0, set(3n), () => copy(own));
    // The guest's driver asked for no PASIDs; and with them, this one has no entry.
    const faults = recorded(own).map((fault) => [fault['reason'], fault['rid'], fault['pasid']]);
    expect(faults.at(0)).toEqual([0x45, own.dev.rid, pasid]);
    expect(faults.at(-1)).toEqual([0x59, own.dev.rid, pasid]);
  });

  it('is everything in abort-DMA mode', () => {
    const own = scene('kvmforum2019', false);
    const { root } = places(own);
    own.viommu.write(RTADDR_REG.offset, 8, BigInt(root) | (BigInt(TTM.abortDma) << 10n));
    own.viommu.write(0x18, 4, (1n << 31n) | (1n << 30n) | (1n << 26n));
    invalidate(own);
    expect(copy(own).byte).toBe(0);
    const hasAborts = own.viommu.registers.get('ECAP_REG', 'ADMS') === 1;
    expect(recorded(own)[0]).toMatchObject({ reason: hasAborts ? 0x33 : 0x30 });
  });
});

describe.each(PROFILES)('a function without an entry for PASID 0, %s', (profile) => {
  it('reaches nothing, and everything again with its entry', () => {
    const own = scene(profile, true);
    expect(copy(own)).toEqual(DONE);
    const nested = hostEntry(own.lab, own.host.pasids.default);
    const result = withChange(own, 'entry', 0, clear(0n), () => {
      const entry = hostEntry(own.lab, own.host.pasids.default);
      // Both profiles end in the same bytes: the VM's second stage under a first stage without entries.
      expect(entry).toEqual({ ...nested, FSPTPTR: BigInt(EMPTY_TABLE) });
      expect(entry.PGTT).toBe(PGTT.nested);
      return copy(own);
    });
    expect(result.byte).toBe(0);
    expect(own.viommu.shadow.entries.map((e) => e.pasid)).toContain(0);
    expect(copy(own)).toEqual(DONE);
    const changes = own.lab.rows('vmm.viommu.function-blocked').map((r) => r.values);
    expect(changes).toMatchObject([{ device: own.host.uuid, reason: 0x59, isBlocked: 1 }]);
  });

  it('has guest-physical memory in pass-through, and while the unit does not translate', () => {
    const own = scene(profile, true);
    const passed = (): boolean =>
      hostEntry(own.lab, own.host.pasids.default).PGTT === PGTT.secondStage;
    expect(passed()).toBe(false);
    expect(withChange(own, 'entry', 0, translationType(4n), passed)).toBe(true);
    withChange(own, 'entry', 0, clear(0n), () => {
      own.viommu.write(0x18, 4, 1n << 26n);
      expect(passed()).toBe(true);
      own.viommu.write(0x18, 4, (1n << 31n) | (1n << 26n));
      expect(passed()).toBe(false);
    });
  });
});

describe('two functions of one parent in a VM', () => {
  it.each([
    ['kvmforum2019', 'other-table'],
    ['iommufd', 'first-stage'],
  ] as const)('have tables of their own where the host tells them apart, %s', (profile, reach) => {
    const lab = bootVsva(profile, ['dedicated', 'dedicated']);
    const vdevs = [1, 2].map((n) => createVdev(lab, 'dsa-1dwq-v1', n));
    const vm = new Vm(lab.kvm, { name: 'vm1', memoryBytes: 40 * MIB, vcpus: 1, viommu: {} });
    vdevs.forEach(({ uuid }) => expect(IS_ERR(vm.plug(uuid))).toBe(false));
    vm.boot();
    const { shadow } = defined(vm.qemu.viommu, 'vIOMMU');
    expect(vdevs.map(({ uuid }) => shadow.stateOf(uuid).reach)).toEqual(['first-stage', reach]);
    const warned = lab.rows('linux.warning.printed').map((r) => String(r.values['text']));
    // 2019: requests without a PASID of both have one host PASID, which has one table (-EBUSY).
    const isRefused = warned.some((text) => text.includes('does not bind PASID 0'));
    expect(isRefused).toBe(profile === 'kvmforum2019');
    vm.qemu.unplug(defined(vm.qemu.devices[0], 'First device'));
    vm.qemu.viommu?.plugged();
    expect(shadow.stateOf(defined(vdevs[1], 'Second').uuid).reach).toBe('first-stage');
  });
});

describe.each(PROFILES)('a page request that the guest’s unit would not queue, %s', (profile) => {
  it('is recorded there and answered by the VMM; the guest is not asked', () => {
    const lab = bootVsva(profile, ['shared']);
    const own = startGuest(lab, 1, 'shared');
    const app = openGuestApp(own, 'app');
    const { unit } = defined(own.guest.iommu.driver ?? undefined, 'Driver of the guest');
    const at = unit.contexts.entryAddress(own.dev.rid);
    const { hw } = own.guest.core;
    hw.memoryWrite64(at, hw.memoryRead64(at) & ~PRE);
    unit.queue.submit([contextCacheGlobal()]);
    own.viommu.write(FECTL, 4, MASKED);
    own.guest.instructions.enqcmd(app.process, app.portal, guestMove(app));
    own.guest.core.advance(5_000_000);
    expect(guestStatus(app) & STATUS_MASK).toBe(STATUS.pageRequestInvalid);
    const answers = lab.rows('vmm.viommu.page-response').map((r) => r.values);
    const { pasid } = app.process.mm;
    expect(answers).toMatchObject([{ pasid, code: 1, by: 'the VMM: the guest’s unit refuses it' }]);
    expect(lab.rows('vmm.viommu.page-request')).toEqual([]);
    const base = unit.capability.faultRecordOffset;
    const record = FRCD_REG.decode(
      Uint32Array.from({ length: 4 }, (_, i) => Number(own.viommu.read(base + i * 4, 4))),
    );
    expect(record).toMatchObject({ F: 1, FR: 0x47, PP: 1, PV: pasid, SID: own.dev.rid });
    expect(record.T1 * 2 + record.T2).toBe(FAULT_REQUEST_TYPE.pageRequest);
  });

  it('would else be the guest’s, whose answer the host’s kernel hears from the VMM', () => {
    const lab = bootVsva(profile, ['shared']);
    const own = startGuest(lab, 1, 'shared');
    const app = openGuestApp(own, 'app');
    own.guest.instructions.enqcmd(app.process, app.portal, guestMove(app));
    own.guest.core.advance(5_000_000);
    expect(guestStatus(app)).toBe(STATUS.success);
    const [decided] = lab.rows('vmm.viommu.page-response').map((r) => r.values);
    expect(decided).toMatchObject({ pasid: app.process.mm.pasid, code: 0, by: 'the guest' });
    const why = { kvmforum2019: 'answered by the VMM', iommufd: 'answered by user space' }[profile];
    const host = lab.rows('linux.page-request.answered').map((r) => r.values);
    expect(host.find((v) => v['rid'] === lab.dev.rid)).toMatchObject({ code: 0, why });
  });
});
