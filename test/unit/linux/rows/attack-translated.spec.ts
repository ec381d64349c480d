/**
 * Row 71, attack 8.4: requests with translated addresses from what is plugged in below a port. PCIe Base section 6.12.1.1,
 * siov-stack 8.4.
 */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { parseBdf } from '../../../../src-main/linux/pci/pci-scan.ts';
import { ADDRESS_TYPE, COMPLETION, type DeviceConfig } from '../../../../src-main/sim/index.ts';
import { createTranslationCompletion } from '../../../../src-main/sim/pcie/ports.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import { rawRequest } from '../../../support/attacks/raw-requests.ts';
import { breachesOf } from '../../../support/isolation-breaches.ts';
import {
  createVdev,
  bootIdxd,
  dsaDevice,
  GUEST_RAM,
  mapPortal,
  moveWords,
  openVdev,
  startVdev,
  statusAt,
} from '../../../support/linux-idxd.ts';
import { bootLab, plainDevice, type Lab } from '../../../support/linux-machine.ts';

const PAGE = 4096;
const PORT = '6b:00.0';
const EVIL = '6d:00.0';
const ACS = { capability: 0x148, control: 0x14e, TB: 2, all: 0x1f } as const;
const AER_STATUS = 0x104;
const ACS_VIOLATION = 2 ** 21;
const SECONDARY_STATUS = 0x1e;
const TARGET_ABORT = 0x800;
/** A function that has no ATS sends a translated request, or asks for a translation. */
const NO_ATS = 0x44;

function port(options: { readonly isExternal?: boolean; readonly hasAcs?: boolean } = {}) {
  const { isExternal = true, ...rest } = options;
  return {
    kind: 'root-port',
    name: 'slot',
    bdf: PORT,
    isExternal,
    options: { secondaryBus: 0x6d, ...rest },
  } as const satisfies DeviceConfig;
}

interface Scene {
  readonly lab: Lab;
  /** Physical address of a page of `victim`. */
  readonly target: number;
  victimReads(): unknown;
}

function boot(slot: DeviceConfig = port()): Scene {
  const lab = bootLab({ devices: [slot, plainDevice(EVIL)] });
  const { kernel } = lab;
  const victim = kernel.processes.create('victim');
  const memory = kernel.calls.mmap(victim, {
    length: PAGE,
    prot: 3,
    flags: 0x8022,
    fd: -1,
    offset: 0,
  });
  victim.mm.write(memory, new Uint8Array([0x53]));
  kernel.pci.pci_set_master(deviceAt(lab, EVIL));
  return {
    lab,
    target: victim.mm.translate(memory, true),
    victimReads: () => victim.mm.read(memory, 1),
  };
}

function deviceAt({ kernel }: Lab, bdf: string) {
  return defined(kernel.pci.deviceAt(parseBdf(bdf)), bdf);
}

/** A write and a read with an address that nobody translated, and a question for a translation. */
function attack({ lab, target }: Scene) {
  const upstream = lab.machine.fabric.portOf(parseBdf(EVIL));
  const request = rawRequest(target, 8, { addressType: ADDRESS_TYPE.translated });
  const config = (at: number, bytes: 2 | 4): number => lab.hw.configRead(parseBdf(PORT), at, bytes);
  upstream.write(request, new Uint8Array(8).fill(0xee), 0);
  const afterWrite = config(SECONDARY_STATUS, 2) & TARGET_ABORT;
  const read = new Uint8Array(8);
  const status = upstream.read(request, read, 0);
  const completion = createTranslationCompletion();
  upstream.translate({ ...request, isNoWrite: false }, completion);
  return {
    read: [...read],
    status,
    translation: completion.status,
    blockedByPort: lab.rows('pcie.acs.violated').map((r) => r.values['type']),
    blockedByUnit: lab.rows('iommu.request.blocked').map((r) => r.values['reason']),
    logged: (config(AER_STATUS, 4) & ACS_VIOLATION) !== 0,
    aborted: [afterWrite, config(SECONDARY_STATUS, 2) & TARGET_ABORT],
  };
}

const NOTHING = [0, 0, 0, 0, 0, 0, 0, 0];
const STOPPED_BY_PORT = {
  read: NOTHING,
  status: COMPLETION.completerAbort,
  translation: COMPLETION.completerAbort,
  blockedByPort: [
    ADDRESS_TYPE.translated,
    ADDRESS_TYPE.translated,
    ADDRESS_TYPE.translationRequest,
  ],
  blockedByUnit: [],
  logged: true,
  // A write is posted: nobody is told that it was aborted.
  aborted: [0, TARGET_ABORT],
};

describe('row 71: 8.4, translated requests of what is plugged in', () => {
  it('are an ACS violation at the port, and the remapping unit never sees them', () => {
    const scene = boot();
    expect(attack(scene)).toEqual(STOPPED_BY_PORT);
    expect(breachesOf(scene.lab)).toEqual([]);
    expect(scene.victimReads()).toEqual(new Uint8Array([0x53]));
    expect(dmaWorks(scene.lab)).toBe(true);
  });

  it('meet the remapping unit behind a port without the services', () => {
    const scene = boot(port({ hasAcs: false }));
    const { logged, blockedByPort, blockedByUnit, status } = attack(scene);
    expect({ logged, blockedByPort, status }).toEqual({
      logged: false,
      blockedByPort: [],
      status: COMPLETION.unsupportedRequest,
    });
    expect(new Set(blockedByUnit)).toEqual(new Set([NO_ATS]));
    expect(scene.victimReads()).toEqual(new Uint8Array([0x53]));
  });

  it('are no concern of a trusted port: an accelerator below it works with ATS', () => {
    const below = {
      ...port({ isExternal: false }),
      options: { secondaryBus: 0x6a },
      bdf: '69:00.0',
    };
    const { lab, isGood } = workBelow(below);
    expect(isGood).toBe(true);
    expect(lab.dev.ats.isEnabled).toBe(true);
    expect(lab.rows('iommu.request.translated').some((r) => r.values['type'] === 2)).toBe(true);
    expect(lab.rows('pcie.acs.violated')).toEqual([]);
  });

  it('are not needed: an accelerator below an external port works without ATS', () => {
    const { lab, isGood } = workBelow({
      ...port(),
      options: { secondaryBus: 0x6a },
      bdf: '69:00.0',
    });
    expect(isGood).toBe(true);
    expect([lab.dev.untrusted, lab.dev.ats.isEnabled]).toEqual([true, false]);
    expect(lab.rows('pcie.acs.violated')).toEqual([]);
  });
});

/** A VDEV of an accelerator below a port copies. */
function workBelow(slot: DeviceConfig) {
  const lab = bootIdxd({
    devices: [slot, dsaDevice()],
    wqs: [{ mode: 'dedicated', type: 'mdev' }],
  });
  const open = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1'));
  startVdev(open);
  open.user.process.mm.write(open.memory, new Uint8Array([0x53]));
  const words = moveWords({
    from: GUEST_RAM,
    to: GUEST_RAM + PAGE,
    bytes: 64,
    record: GUEST_RAM + 0x2000,
  });
  lab.kernel.instructions.movdir64b(open.user.process, mapPortal(open, 0), words);
  lab.kernel.core.advance(1_000_000);
  const copied = open.user.process.mm.read(open.memory + PAGE, 1);
  const isGood =
    statusAt(open, 0x2000) === STATUS.success && typeof copied !== 'number' && copied[0] === 0x53;
  return { lab, isGood };
}

/** The function in the slot writes to memory that the kernel mapped for it. */
function dmaWorks(lab: Lab): boolean {
  const dev = deviceAt(lab, EVIL);
  const buffer = defined(lab.kernel.dma.dma_alloc_coherent(dev, PAGE) ?? undefined, 'Buffer');
  const port = lab.machine.fabric.portOf(dev.rid);
  const status = port.write(rawRequest(buffer.dma, 8), new Uint8Array(8).fill(0x77), 0);
  return status === COMPLETION.success && lab.hw.memoryRead(buffer.cpu, 1)[0] === 0x77;
}

describe('a root port', () => {
  it('is found with what is below it, and keeps it apart', () => {
    const { lab } = boot();
    const [bridge, below] = [deviceAt(lab, PORT), deviceAt(lab, EVIL)];
    expect([bridge.class, bridge.secondaryBus, bridge.resources]).toEqual([0x06_0400, 0x6d, []]);
    expect(below.path).toBe(`devices/pci0000:6b/0000:${PORT}/0000:${EVIL}`);
    expect([bridge.external_facing, bridge.untrusted, below.untrusted]).toEqual([
      true,
      false,
      true,
    ]);
    expect(lab.hw.configRead(bridge.rid, ACS.capability + 4, 2)).toBe(ACS.all);
    expect(lab.hw.configRead(bridge.rid, ACS.control, 2)).toBe(ACS.all);
    const groups = [bridge, below].map((dev) => lab.kernel.iommu.iommu_group_get(dev)?.id);
    expect(new Set(groups).size).toBe(2);
  });

  it('blocks translated requests only where people plug in what they like', () => {
    const { lab } = boot(port({ isExternal: false }));
    expect(lab.hw.configRead(parseBdf(PORT), ACS.control, 2)).toBe(ACS.all & ~ACS.TB);
    expect(deviceAt(lab, EVIL).untrusted).toBe(false);
  });

  it('shares its group with what is below when it cannot keep it apart', () => {
    const { lab } = boot(port({ hasAcs: false }));
    const groups = [PORT, EVIL].map(
      (bdf) => lab.kernel.iommu.iommu_group_get(deviceAt(lab, bdf))?.id,
    );
    expect(new Set(groups).size).toBe(1);
  });

  it('is still there, with its violation, in a saved machine', () => {
    const scene = boot();
    const { machine, hw } = scene.lab;
    attack(scene);
    const state = machine.snapshot();
    hw.configWrite(parseBdf(PORT), AER_STATUS, 4, ACS_VIOLATION);
    hw.configWrite(parseBdf(PORT), SECONDARY_STATUS, 2, TARGET_ABORT);
    hw.configWrite(parseBdf(PORT), ACS.control, 2, 0);
    const read = (): readonly number[] => [
      hw.configRead(parseBdf(PORT), AER_STATUS, 4),
      hw.configRead(parseBdf(PORT), SECONDARY_STATUS, 2),
      hw.configRead(parseBdf(PORT), ACS.control, 2),
    ];
    expect(read()).toEqual([0, 0, 0]);
    machine.restore(state);
    expect(read()).toEqual([ACS_VIOLATION, TARGET_ABORT, ACS.all]);
    expect(attack(scene).status).toBe(COMPLETION.completerAbort);
    hw.configWrite(parseBdf(PORT), ACS.control, 2, ACS.all & ~ACS.TB);
    expect(attack(scene).status).toBe(COMPLETION.unsupportedRequest);
  });
});
