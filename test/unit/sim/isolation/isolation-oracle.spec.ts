import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import type { IommuDomain } from '../../../../src-main/linux/iommu/domain.ts';
import { parseBdf } from '../../../../src-main/linux/pci/pci-scan.ts';
import { ADDRESS_TYPE, Replica } from '../../../../src-main/sim/index.ts';
import {
  bootSva,
  anonymous,
  lazyMove,
  openApp,
  PAGE,
  type SvaApp,
} from '../../../support/linux-sva.ts';
import { bootLab, type Lab } from '../../../support/linux-machine.ts';
import type { IdxdLab } from '../../../support/linux-idxd.ts';

const KIND = 'isolation.page.breached';

function submit(lab: IdxdLab, app: SvaApp, words: Uint32Array): void {
  lab.kernel.instructions.enqcmd(app.process, app.portal, words);
  lab.kernel.core.advance(10_000_000);
}

/** Both TLBs keep a translation whose page has a new owner. */
function stale(config: Parameters<typeof bootSva>[1] = {}): IdxdLab {
  const lab = bootSva({}, { defences: { 'sva-invalidate': false }, ...config });
  const [mallory, alice] = [openApp(lab, 'mallory', 0), openApp(lab, 'alice', 1)];
  const page = anonymous(lab, mallory.process, 1, true);
  const own = anonymous(lab, mallory.process, 1, true);
  submit(lab, mallory, lazyMove(mallory, { from: own, to: page }));
  submit(lab, mallory, lazyMove(mallory, { from: page, to: own, at: 1 }));
  expect(lab.rows(KIND)).toEqual([]);
  lab.kernel.calls.munmap(mallory.process, page, PAGE);
  anonymous(lab, alice.process, 1, true);
  submit(lab, mallory, lazyMove(mallory, { from: own, to: page, at: 2 }));
  submit(lab, mallory, lazyMove(mallory, { from: page, to: own, at: 3 }));
  return lab;
}

/** A function writes eight bytes, without PASID. */
function deviceWrite(lab: Lab, rid: number, address: number, addressType: 0 | 2): void {
  const request = {
    pasid: -1,
    isPrivileged: false,
    isExecute: false,
    addressType,
    high: Math.floor(address / 2 ** 32),
    low: address % 2 ** 32,
    bytes: 8,
    trafficClass: 0,
  };
  lab.machine.fabric.portOf(rid).write(request, new Uint8Array(8), 0);
}

describe('isolation oracle', () => {
  it('names who wrote and who read whose page, at the access', () => {
    const lab = stale();
    const rows = lab.rows(KIND);
    expect(
      rows.map(({ values }) => [values['principal'], values['owner'], values['access']]),
    ).toEqual([
      ['mallory', 'alice', 1],
      ['mallory', 'alice', 0],
    ]);
    const written = lab
      .rows('memory.bytes.written-by-device')
      .find((r) => r.seq === defined(rows[0], 'Breach').seq - 1);
    expect(written?.values['address']).toBe(rows[0]?.values['address']);
  });

  it('says nothing on a machine without it, where nothing else differs', () => {
    const [on, off] = [stale(), stale({ hasIsolationOracle: false })];
    expect(off.rows(KIND)).toEqual([]);
    expect(off.machine.isolation).toBeUndefined();
    expect(off.rows().map((r) => r.kind)).toEqual(
      on
        .rows()
        .map((r) => r.kind)
        .filter((kind) => kind !== KIND),
    );
    expect(off.machine.queue.nowNs).toBe(on.machine.queue.nowNs);
  });

  it('finds an address that a device invented, and leaves alone what its driver mapped', () => {
    const lab = bootLab();
    const { dma, pci, pages, processes, calls } = lab.kernel;
    const victim = processes.create('victim');
    const memory = calls.mmap(victim, {
      length: PAGE,
      prot: 3,
      flags: 0x8022,
      fd: -1,
      offset: 0,
    });
    const target = victim.mm.translate(memory, true);
    const dev = defined(pci.deviceAt(parseBdf('6a:01.0')), 'Function');
    pci.pci_set_master(dev);
    const write = (address: number, addressType: 0 | 2): void => {
      deviceWrite(lab, dev.rid, address, addressType);
    };
    const page = pages.alloc(1, { owner: 'ring' });
    const mapped = dma.dma_map_single(dev, page, PAGE);
    expect(mapped).not.toBe(page);
    write(mapped, ADDRESS_TYPE.untranslated);
    expect(lab.rows(KIND)).toEqual([]);
    write(target, ADDRESS_TYPE.translated);
    expect(lab.rows(KIND).map((r) => [r.values['owner'], r.values['translated']])).toEqual([
      ['victim', 1],
    ]);
    dma.dma_unmap_single(dev, mapped);
    write(page, ADDRESS_TYPE.translated);
    expect(lab.rows(KIND).at(-1)?.values['owner']).toBe('kernel (ring)');
  });

  it('lets a request that names no PASID reach what the kernel lent to any domain of its function', () => {
    const lab = bootLab();
    const { iommu, pages, pci } = lab.kernel;
    const dev = defined(pci.deviceAt(parseBdf('6a:01.0')), 'Function');
    pci.pci_set_master(dev);
    const page = pages.alloc(1, { owner: 'script' });
    const domain = iommu.iommu_paging_domain_alloc(dev) as IommuDomain;
    iommu.iommu_map(domain, 0x10_0000, page, PAGE, 3);
    const write = (): number => {
      deviceWrite(lab, dev.rid, page, ADDRESS_TYPE.translated);
      return lab.rows(KIND).length;
    };
    iommu.iommu_attach_device_pasid(domain, dev, 9);
    expect(write()).toBe(0);
    iommu.iommu_detach_device_pasid(domain, dev, 9);
    expect(write()).toBe(1);
  });

  it('can be stepped over, back and forth', () => {
    const lab = stale();
    const [first] = lab.rows(KIND);
    const end = lab.machine.trace.head;
    const replica = new Replica(lab.hw);
    replica.seek(end);
    const hash = replica.machine.stateHash();
    expect(replica.machine.isolation?.snapshot()).toEqual(lab.machine.isolation?.snapshot());
    replica.seek(defined(first, 'Breach').seq);
    replica.seek(end);
    expect(replica.machine.isolation?.snapshot()).toEqual(lab.machine.isolation?.snapshot());
    expect(replica.machine.stateHash()).toBe(hash);
  });
});
