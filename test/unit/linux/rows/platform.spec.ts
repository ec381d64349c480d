import { describe, expect, it } from 'vitest';
import { ENODEV } from '../../../../src-main/linux/errno.ts';
import { IOMMU_DEV_FEAT_AUX } from '../../../../src-main/linux/iommu/aux-domain.ts';
import { parseBdf } from '../../../../src-main/linux/pci/pci-scan.ts';
import {
  bootIdxd,
  closeVdev,
  createVdev,
  dsaDevice,
  GUEST_RAM,
  mapPortal,
  moveWords,
  openVdev,
  startVdev,
  wqAt,
} from '../../../support/linux-idxd.ts';
import { bootLab, plainDevice, type Lab } from '../../../support/linux-machine.ts';

const PASID = 0x1b;
const ATS = 0x0f;
const PRI = 0x13;
const BDF = '6a:01.0';

/** ADDRESS_TYPE of a request that carries what a translation request gave. */
const TRANSLATED = 2;

type Capabilities = readonly Readonly<Record<string, unknown>>[];

const CHAINS: readonly Capabilities[] = [
  [
    { kind: 'dvsec', offset: 0x100 },
    { kind: 'pri', offset: 0x140 },
    { kind: 'ats', offset: 0x160 },
    { kind: 'pasid', offset: 0x170 },
  ],
  [
    { kind: 'aer', offset: 0x100 },
    { kind: 'pasid', offset: 0xe00 },
    { kind: 'ats', offset: 0x300 },
    { kind: 'dvsec', offset: 0xd00 },
    { kind: 'pri', offset: 0x2a0 },
  ],
];

function boot(capabilities: Capabilities): { lab: Lab; has: (feature: number) => boolean } {
  const lab = bootLab({
    profile: 'kvmforum2019',
    devices: [plainDevice(BDF, capabilities)],
  });
  const dev = lab.kernel.pci.deviceAt(parseBdf(BDF));
  if (dev === undefined) {
    throw new Error('No function');
  }
  return { lab, has: (feature) => lab.kernel.aux.iommu_dev_has_feature(dev, feature) };
}

describe('row 1: discovery', () => {
  it('finds the capabilities wherever the extended list has them', () => {
    for (const chain of CHAINS) {
      const { lab, has } = boot(chain);
      const dev = lab.kernel.pci.deviceAt(parseBdf(BDF));
      const at = (kind: string): unknown => chain.find((c) => c['kind'] === kind)?.['offset'];
      if (dev === undefined) {
        throw new Error('No function');
      }
      const { pci } = lab.kernel;
      expect(pci.pci_find_ext_capability(dev, PASID)).toBe(at('pasid'));
      expect(pci.pci_find_ext_capability(dev, ATS)).toBe(at('ats'));
      expect(pci.pci_find_ext_capability(dev, PRI)).toBe(at('pri'));
      expect(pci.pci_find_dvsec_capability(dev, 0x8086, 5)).toBe(at('dvsec'));
      expect(has(IOMMU_DEV_FEAT_AUX)).toBe(true);
    }
  });

  it('says no auxiliary domains without the DVSEC, and without PASID', () => {
    for (const missing of ['dvsec', 'pasid']) {
      const chain = CHAINS[1]?.filter((c) => c['kind'] !== missing) ?? [];
      expect(boot(chain).has(IOMMU_DEV_FEAT_AUX)).toBe(false);
    }
  });
});

describe('row 2: the DVSEC', () => {
  it('of another vendor or with another identifier is passed over, also before the right one', () => {
    const with0 = (first: Readonly<Record<string, unknown>>): Capabilities => [
      { kind: 'dvsec', offset: 0x100, ...first },
      { kind: 'pasid', offset: 0x130 },
      { kind: 'dvsec', offset: 0x140 },
    ];
    for (const other of [{ vendor: 0x8087 }, { id: 6 }]) {
      expect(boot(with0(other)).has(IOMMU_DEV_FEAT_AUX)).toBe(true);
      expect(boot(with0(other).slice(0, 2)).has(IOMMU_DEV_FEAT_AUX)).toBe(false);
    }
  });

  it('decides by bit 0 of its dword at 14h whether interrupts can be stored in the device', () => {
    const ims = (entries: number): number => {
      const { idxd } = bootIdxd({ dsa: { imsEntries: entries } });
      return idxd.ims?.ims_alloc_irq() ?? -1;
    };
    expect(ims(2048)).toBeGreaterThan(0);
    expect(ims(0)).toBe(-ENODEV);
    const without = bootIdxd({ params: { interrupt_remapping: false } });
    expect(without.idxd.ims?.ims_alloc_irq()).toBe(-ENODEV);
  });
});

describe('row 3: one Requester ID', () => {
  it('has one context entry, whatever the number of VDEVs, and a PASID entry for each', () => {
    const lab = bootIdxd({
      devices: [dsaDevice({ wqs: 4 })],
      wqs: [
        { mode: 'shared', type: 'mdev' },
        { mode: 'dedicated', type: 'mdev' },
      ],
    });
    const contexts = (): number =>
      new Set(lab.rows('linux.context-entry.written').map((r) => r.values['address'])).size;
    const before = contexts();
    const opened = [1, 2, 3, 4].map((n) =>
      openVdev(lab, createVdev(lab, n === 4 ? 'dsa-1dwq-v1' : 'dsa-1swq-v1', n), `vm${n}`),
    );
    expect(contexts()).toBe(before);
    const pasids = lab.kernel.idxd.vdcm.vdevs.map((v) => v.pasids.default);
    expect(new Set(pasids).size).toBe(4);
    const info = lab.kernel.iommu.driver?.info(lab.dev);
    const entries = pasids.map((pasid) => info?.pasidTable?.read(pasid));
    expect(entries.map((e) => e?.P)).toEqual([1, 1, 1, 1]);
    expect(new Set(entries.map((e) => e?.SSPTPTR)).size).toBe(4);
    opened.forEach(closeVdev);
    expect(pasids.map((pasid) => info?.pasidTable?.read(pasid).P)).toEqual([0, 0, 0, 0]);
  });
});

describe('row 5: requests of a queue', () => {
  it('carry the function’s Requester ID and the PASID of WQCFG or of the descriptor', () => {
    const lab = bootIdxd({
      wqs: [
        { mode: 'dedicated', type: 'mdev' },
        { mode: 'shared', type: 'user' },
      ],
    });
    const vdev = createVdev(lab, 'dsa-1dwq-v1');
    const open = openVdev(lab, vdev);
    startVdev(open);
    const { kernel } = lab;
    const plan = { from: GUEST_RAM, to: GUEST_RAM + 64, bytes: 8, record: GUEST_RAM + 0x2000 };
    // The number in the descriptor means nothing on a dedicated queue.
    const words = moveWords({ ...plan, pasid: 0x1234 });
    kernel.instructions.movdir64b(open.user.process, mapPortal(open, 0), words);
    kernel.core.advance(50_000);
    const translated = (): readonly unknown[] =>
      lab
        .rows('iommu.request.translated', 'pcie.translation.received')
        // A translated address stands for itself: it needs no PASID any more.
        .filter((r) => r.values['type'] !== TRANSLATED)
        .map((r) => r.values['pasid']);
    expect(new Set(translated())).toEqual(new Set([wqAt(lab, 0).read().pasid]));
    const rids = lab.rows('iommu.request.translated').map((r) => r.values['rid']);
    expect(new Set(rids)).toEqual(new Set([lab.dev.rid]));

    const app = kernel.processes.create('app', { capabilities: ['CAP_SYS_RAWIO'] });
    const fd = kernel.calls.open(app, `/dev/dsa/${wqAt(lab, 1).name}`);
    const memory = kernel.calls.mmap(app, {
      length: 0x4000,
      prot: 3,
      flags: 0x8022,
      fd: -1,
      offset: 0,
    });
    const portal = kernel.calls.mmap(app, { length: 4096, prot: 2, flags: 1, fd, offset: 0 });
    const own = moveWords({
      from: memory,
      to: memory + 64,
      bytes: 8,
      record: memory + 0x2000,
    });
    const seen = translated().length;
    expect(kernel.instructions.enqcmd(app, portal, own)).toBe('accepted');
    kernel.core.advance(50_000);
    expect(app.mm.read(memory + 0x2000, 1)).toEqual(new Uint8Array([1]));
    expect(new Set(translated().slice(seen))).toEqual(new Set([app.mm.pasid]));
  });
});
