import { describe, expect, it } from 'vitest';
import { EADDRINUSE, EBUSY, EINVAL, ENODEV, EPERM } from '../../../../src-main/linux/errno.ts';
import type { IommuDomain } from '../../../../src-main/linux/iommu/domain.ts';
import {
  createGather,
  IOMMU_PASID_INVALID,
  IOMMU_READ,
  IOMMU_WRITE,
} from '../../../../src-main/linux/iommu/iommu.ts';
import { PGTT } from '../../../../src-main/spec/vtd/pasid-table-entry.ts';
import { FakeFunction } from '../../../support/fake-function.ts';
import { bootHost, DSA_BDF, type Host, type HostOptions } from '../../../support/linux-host.ts';

const RW = IOMMU_READ | IOMMU_WRITE;

function withDomain(
  options: HostOptions = {},
  format?: 'first-stage',
): Host & { domain: IommuDomain } {
  const host = bootHost(options);
  const domain = host.kernel.iommu.iommu_domain_alloc(format);
  if (domain === null) {
    throw new Error('No domain');
  }
  return { ...host, domain };
}

function entry({ kernel, dev }: Host, pasid: number): Readonly<Record<string, number | bigint>> {
  return kernel.iommu.driver?.info(dev)?.pasidTable?.read(pasid) ?? {};
}

function names({ hw }: Host): readonly string[] {
  return hw.iommu?.take().map((d) => d.name.replace('Padded', '')) ?? [];
}

describe('mapping', () => {
  it('writes second-stage tables with the largest pages that fit', () => {
    const { kernel, domain, hw } = withDomain();
    const { iommu } = kernel;
    expect(iommu.iommu_map(domain, 0x20_0000, 0x80_0000, 0x20_1000, RW)).toBe(0);
    expect(domain.table?.leaves().map((l) => [l.level, l.input, l.address])).toEqual([
      [2, 0x20_0000, 0x80_0000],
      [1, 0x40_0000, 0xa0_0000],
    ]);
    const leaf = domain.table?.lookup(0x20_0000);
    expect(hw.memoryRead64(leaf?.entryAddress ?? 0)).toBe(0x80_0083n);
    expect(iommu.iommu_iova_to_phys(domain, 0x40_0123)).toBe(0xa0_0123);
    expect(iommu.iommu_iova_to_phys(domain, 0x50_0000)).toBe(0);
  });

  it('refuses what is misaligned, empty, without rights, out of the aperture or mapped already', () => {
    const { kernel, domain } = withDomain();
    const { iommu } = kernel;
    expect(iommu.iommu_map(domain, 0x1001, 0, 0x1000, RW)).toBe(-EINVAL);
    expect(iommu.iommu_map(domain, 0x1000, 0x800, 0x1000, RW)).toBe(-EINVAL);
    expect(iommu.iommu_map(domain, 0x1000, 0, 0, RW)).toBe(-EINVAL);
    expect(iommu.iommu_map(domain, 0x1000, 0, 0x1000, 0)).toBe(-EINVAL);
    expect(iommu.iommu_map(domain, 2 ** 48, 0, 0x1000, RW)).toBe(-EINVAL);
    expect(iommu.iommu_map(domain, 0x1000, 0, 0x1000, RW)).toBe(0);
    expect(iommu.iommu_map(domain, 0, 0x10_0000, 0x2000, RW)).toBe(-EADDRINUSE);
    expect(iommu.iommu_iova_to_phys(domain, 0)).toBe(0);
    expect(domain.table?.lookup(0)).toBeUndefined();
  });

  it('unmaps, frees empty tables and splits the published ranges', () => {
    const { kernel, domain, hw } = withDomain();
    const { iommu } = kernel;
    const before = kernel.pages.bytesInUse;
    iommu.iommu_map(domain, 0x1000, 0x10_0000, 0x4000, RW);
    expect(iommu.iommu_unmap(domain, 0x2000, 0x1000)).toBe(0x1000);
    const ranges = [...hw.published.keys()].filter((k) =>
      k.startsWith(`iommu/domain/${domain.id}/map`),
    );
    expect(ranges.map((k) => k.split('/').at(-1))).toEqual(['0x1000', '0x3000']);
    expect(iommu.iommu_unmap(domain, 0, 0x10_0000)).toBe(0x3000);
    expect(iommu.iommu_unmap(domain, 0, 0x10_0000)).toBe(0);
    expect(kernel.pages.bytesInUse).toBe(before);
  });

  it('records every entry with address, old and new value', () => {
    const { kernel, domain, hw } = withDomain();
    kernel.iommu.iommu_map(domain, 0x5000, 0x12_3000, 0x1000, IOMMU_READ);
    const record = hw.recordsOf('linux.paging-entry.written').at(-1);
    expect(record?.values).toMatchObject({ level: 1, input: 0x5000, old: 0n, new: 0x12_3001n });
    const call = hw.records.find((r) => r.seq === record?.cause);
    expect(call?.values['call']).toBe('iommu_map');
  });
});

describe('attaching a PASID', () => {
  it('writes a second-stage entry with the domain identifier of the domain', () => {
    const host = withDomain();
    const { kernel, dev, domain } = host;
    const pasid = kernel.iommu.iommu_alloc_global_pasid(dev);
    expect(pasid).toBe(1);
    expect(kernel.iommu.iommu_attach_device_pasid(domain, dev, pasid)).toBe(0);
    expect(entry(host, pasid)).toMatchObject({
      P: 1,
      PGTT: PGTT.secondStage,
      AW: 2,
      DID: domain.did,
      SSPTPTR: BigInt(domain.table?.root ?? 0),
    });
    expect(domain.did).toBeGreaterThan(1);
  });

  it('stores P last, together with DID and pointer', () => {
    const host = withDomain();
    host.kernel.iommu.iommu_attach_device_pasid(host.domain, host.dev, 5);
    const words = host.hw
      .recordsOf('linux.pasid-entry.written')
      .filter((r) => r.values['pasid'] === 5)
      .map((r) => r.values['word']);
    expect(words).toEqual([2, 1, 0]);
  });

  it('uses domain identifier 1 for first-stage entries', () => {
    const host = withDomain({}, 'first-stage');
    host.kernel.iommu.iommu_attach_device_pasid(host.domain, host.dev, 7);
    expect(entry(host, 7)).toMatchObject({ P: 1, PGTT: PGTT.firstStage, DID: 1, FSPM: 0 });
    expect(entry(host, 7)['FSPTPTR']).toBe(BigInt(host.domain.table?.root ?? 0));
  });

  it('invalidates nothing for an entry that was not present, unless the unit caches that', () => {
    const host = withDomain();
    names(host);
    host.kernel.iommu.iommu_attach_device_pasid(host.domain, host.dev, 5);
    expect(names(host)).toEqual([]);
    const caching = withDomain({ config: { iommu: { profile: 'virtual' } } });
    names(caching);
    caching.kernel.iommu.iommu_attach_device_pasid(caching.domain, caching.dev, 5);
    expect(names(caching)).toEqual(['PasidCacheInvalidate', 'IotlbInvalidate', 'InvalidationWait']);
  });

  it('tears down in the order entry, PASID cache, IOTLB, device TLB, page requests', () => {
    const host = withDomain();
    const { kernel, dev, domain } = host;
    kernel.iommu.iommu_attach_device_pasid(domain, dev, 5);
    names(host);
    kernel.iommu.iommu_detach_device_pasid(domain, dev, 5);
    expect(names(host)).toEqual([
      'PasidCacheInvalidate',
      'IotlbInvalidate',
      'PasidDeviceTlbInvalidate',
      'InvalidationWait',
      'InvalidationWait',
      'IotlbInvalidate',
      'PasidDeviceTlbInvalidate',
      'InvalidationWait',
    ]);
    expect(entry(host, 5)).toMatchObject({ P: 0, SSPTPTR: 0n, DID: 0 });
    expect(domain.did).toBe(0);
  });

  it('tears first-stage entries down with a PASID-selective IOTLB command', () => {
    const host = withDomain({}, 'first-stage');
    host.kernel.iommu.iommu_attach_device_pasid(host.domain, host.dev, 7);
    names(host);
    host.kernel.iommu.iommu_detach_device_pasid(host.domain, host.dev, 7);
    expect(names(host).slice(0, 2)).toEqual(['PasidCacheInvalidate', 'PasidIotlbInvalidate']);
  });

  it('replaces in place: the entry is present all the time', () => {
    const host = withDomain();
    const { kernel, dev, domain, hw } = host;
    const other = kernel.iommu.iommu_domain_alloc();
    expect(kernel.iommu.iommu_replace_device_pasid(domain, dev, 5)).toBe(-EINVAL);
    kernel.iommu.iommu_attach_device_pasid(domain, dev, 5);
    names(host);
    const from = hw.records.length;
    expect(kernel.iommu.iommu_replace_device_pasid(other as IommuDomain, dev, 5)).toBe(0);
    const firstWords = hw.records
      .slice(from)
      .filter((r) => r.kind === 'linux.pasid-entry.written' && r.values['word'] === 0);
    expect(firstWords.every((r) => (BigInt(r.values['new'] as bigint) & 1n) === 1n)).toBe(true);
    expect(names(host)).toEqual([
      'PasidCacheInvalidate',
      'IotlbInvalidate',
      'PasidDeviceTlbInvalidate',
      'InvalidationWait',
    ]);
    expect(domain.attachments).toEqual([]);
  });

  it('gives the errors of Linux', () => {
    const { kernel, dev, domain } = withDomain();
    const { iommu } = kernel;
    expect(iommu.iommu_attach_device_pasid(domain, dev, 0)).toBe(-EINVAL);
    expect(iommu.iommu_attach_device_pasid(domain, dev, 2 ** 20)).toBe(-EINVAL);
    expect(iommu.iommu_attach_device_pasid(domain, dev, 9)).toBe(0);
    expect(iommu.iommu_attach_device_pasid(domain, dev, 9)).toBe(-EBUSY);
    const plain = bootHost({ functions: [new FakeFunction({ bdf: DSA_BDF, extended: [] })] });
    const other = plain.kernel.iommu.iommu_domain_alloc() as IommuDomain;
    expect(plain.kernel.iommu.iommu_attach_device_pasid(other, plain.dev, 9)).toBe(-EINVAL);
    expect(plain.kernel.iommu.iommu_alloc_global_pasid(plain.dev)).toBe(IOMMU_PASID_INVALID);
  });
});

describe('invalidation after unmap', () => {
  it('is page-selective by domain, then by device TLB of every user', () => {
    const host = withDomain();
    const { kernel, dev, domain, hw } = host;
    kernel.iommu.iommu_map(domain, 0x10_0000, 0x40_0000, 0x4000, RW);
    kernel.iommu.iommu_attach_device_pasid(domain, dev, 3);
    names(host);
    kernel.iommu.iommu_unmap(domain, 0x10_1000, 0x2000);
    const consumed = hw.iommu?.take() ?? [];
    expect(consumed.map((d) => d.name.replace('Padded', ''))).toEqual([
      'IotlbInvalidate',
      'PasidDeviceTlbInvalidate',
      'InvalidationWait',
    ]);
    expect(consumed[0]?.values).toMatchObject({
      G: 3,
      AM: 2,
      IH: 1,
      ADDR: 0x10_0000n,
      DID: domain.did,
    });
    expect(consumed[1]?.values).toMatchObject({ PASID: 3, S: 1 });
  });

  it('also reaches paging-structure caches when a table page goes', () => {
    const host = withDomain();
    const { kernel, dev, domain, hw } = host;
    kernel.iommu.iommu_map(domain, 0x10_0000, 0x40_0000, 0x1000, RW);
    kernel.iommu.iommu_attach_device_pasid(domain, dev, 3);
    names(host);
    kernel.iommu.iommu_unmap(domain, 0x10_0000, 0x1000);
    expect(hw.iommu?.take()[0]?.values).toMatchObject({ IH: 0 });
  });

  it('waits for iommu_iotlb_sync after iommu_unmap_fast', () => {
    const host = withDomain();
    const { kernel, dev, domain } = host;
    kernel.iommu.iommu_map(domain, 0x10_0000, 0x40_0000, 0x2000, RW);
    kernel.iommu.iommu_attach_device_pasid(domain, dev, 3);
    names(host);
    const gather = createGather();
    expect(kernel.iommu.iommu_unmap_fast(domain, 0x10_0000, 0x1000, gather)).toBe(0x1000);
    expect(names(host)).toEqual([]);
    kernel.iommu.iommu_iotlb_sync(domain, gather);
    expect(names(host)[0]).toBe('IotlbInvalidate');
  });

  it('is left out where the machine takes the defence away', () => {
    const host = withDomain({ config: { defences: { 'device-tlb-flush': false } } });
    const { kernel, dev, domain } = host;
    kernel.iommu.iommu_map(domain, 0x10_0000, 0x40_0000, 0x1000, RW);
    kernel.iommu.iommu_attach_device_pasid(domain, dev, 3);
    names(host);
    kernel.iommu.iommu_unmap(domain, 0x10_0000, 0x1000);
    expect(names(host)).toEqual(['IotlbInvalidate', 'InvalidationWait']);
  });

  it('takes note of a device that does not answer and tries again', () => {
    const host = withDomain();
    const { kernel, dev, domain, hw } = host;
    kernel.iommu.iommu_map(domain, 0x10_0000, 0x40_0000, 0x1000, RW);
    kernel.iommu.iommu_attach_device_pasid(domain, dev, 3);
    let timeouts = 1;
    const unit = hw.iommu;
    if (unit === undefined) {
      throw new Error('No unit');
    }
    unit.verdict = (d) =>
      d.name === 'PasidDeviceTlbInvalidate' && timeouts-- > 0 ? 'time-out' : 'pass';
    kernel.iommu.iommu_unmap(domain, 0x10_0000, 0x1000);
    expect(hw.recordsOf('linux.invalidation.failed').at(-1)?.values).toMatchObject({
      problem: 'device-TLB invalidation timed out',
    });
    expect(hw.recordsOf('linux.invalidation.finished').length).toBeGreaterThan(0);
    expect(kernel.iommu.driver?.unit.queue.submit([])).toBe(0);
  });

  it('repairs the queue after a bad descriptor', () => {
    const host = withDomain();
    const { kernel, hw } = host;
    const bad = { words: Uint32Array.of(0xe, 0, 0, 0, 0, 0, 0, 0) };
    expect(kernel.iommu.driver?.unit.queue.submit([bad])).toBe(-EINVAL);
    expect(kernel.iommu.driver?.unit.queue.submit([])).toBe(0);
    expect(hw.recordsOf('linux.invalidation.failed')).toHaveLength(1);
  });
});

describe('functions and owners', () => {
  it('moves a function from its default domain and back', () => {
    const host = withDomain();
    const { kernel, dev, domain } = host;
    const group = kernel.iommu.iommu_group_get(dev);
    expect(kernel.iommu.iommu_attach_device(domain, dev)).toBe(0);
    expect(entry(host, 0)['SSPTPTR']).toBe(BigInt(domain.table?.root ?? 0));
    const other = kernel.iommu.iommu_domain_alloc() as IommuDomain;
    expect(kernel.iommu.iommu_attach_device(other, dev)).toBe(-EBUSY);
    kernel.iommu.iommu_detach_device(domain, dev);
    expect(kernel.iommu.iommu_get_domain_for_dev(dev)).toBe(group?.default_domain);
  });

  it('blocks a claimed group until its owner attaches something', () => {
    const host = withDomain();
    const { kernel, dev, domain } = host;
    const { iommu } = kernel;
    const group = iommu.iommu_group_get(dev);
    if (group === null) {
      throw new Error('No group');
    }
    const owner = { name: 'qemu' };
    expect(iommu.iommu_group_claim_dma_owner(group, owner)).toBe(0);
    expect(entry(host, 0)['P']).toBe(0);
    expect(iommu.iommu_group_claim_dma_owner(group, {})).toBe(-EPERM);
    expect(iommu.iommu_device_claim_dma_owner(dev, {})).toBe(-EPERM);
    expect(iommu.iommu_device_claim_dma_owner(dev, owner)).toBe(0);
    expect(iommu.owners.useDefaultDomain(dev)).toBe(-EBUSY);
    expect(iommu.setGroupDomain(group, domain)).toBe(0);
    iommu.iommu_device_release_dma_owner(dev);
    iommu.iommu_group_release_dma_owner(group);
    expect(group.domain).toBe(group.default_domain);
    expect(iommu.owners.useDefaultDomain(dev)).toBe(0);
    expect(iommu.iommu_group_claim_dma_owner(group, owner)).toBe(-EPERM);
  });

  it('keeps functions of one device without ACS in one group', () => {
    const { kernel } = bootHost({
      functions: [
        new FakeFunction({ bdf: DSA_BDF }),
        new FakeFunction({ bdf: '6a:02.0', isMultifunction: true, extended: [] }),
        new FakeFunction({ bdf: '6a:02.1', isMultifunction: true, extended: [] }),
      ],
    });
    const groups = kernel.iommu.groups.map((g) => g.devices.map((d) => d.name.slice(8)));
    expect(groups).toEqual([['01.0'], ['02.0', '02.1']]);
    expect(kernel.sysfs.list('kernel/iommu_groups/1/devices')).toEqual([
      '0000:6a:02.0',
      '0000:6a:02.1',
    ]);
  });
});

describe('auxiliary domains', () => {
  const e19 = { profile: 'kvmforum2019' } as const;

  it('attach by a default PASID and tear down with it', () => {
    const host = withDomain(e19);
    const { kernel, dev, domain } = host;
    const { aux } = kernel;
    expect(aux.iommu_aux_attach_device(domain, dev)).toBe(-EINVAL);
    expect(aux.iommu_dev_enable_feature(dev, 0)).toBe(0);
    expect(aux.iommu_aux_attach_device(domain, dev)).toBe(0);
    const pasid = aux.iommu_aux_get_pasid(domain, dev);
    expect(pasid).toBe(1);
    expect(entry(host, pasid)).toMatchObject({ P: 1, PGTT: PGTT.secondStage, DID: domain.did });
    expect(aux.iommu_aux_attach_device(domain, dev)).toBe(0);
    expect(aux.iommu_dev_disable_feature(dev, 0)).toBe(-EBUSY);
    aux.iommu_aux_detach_device(domain, dev);
    expect(kernel.pasids.inUse).toBe(1);
    aux.iommu_aux_detach_device(domain, dev);
    expect(kernel.pasids.inUse).toBe(0);
    expect(aux.iommu_aux_get_pasid(domain, dev)).toBe(-EINVAL);
    expect(aux.iommu_dev_disable_feature(dev, 0)).toBe(0);
  });

  it('refuse a domain that is the primary one of the function', () => {
    const { kernel, dev, domain } = withDomain(e19);
    kernel.aux.iommu_dev_enable_feature(dev, 0);
    kernel.iommu.iommu_attach_device(domain, dev);
    expect(kernel.aux.iommu_aux_attach_device(domain, dev)).toBe(-EPERM);
  });

  it('need a Scalable IOV capability and a unit', () => {
    const { kernel, dev } = bootHost({
      ...e19,
      functions: [
        new FakeFunction({ bdf: DSA_BDF, extended: [{ id: 0x1b, at: 0x100, words: [0x1404, 0] }] }),
      ],
    });
    expect(kernel.aux.iommu_dev_has_feature(dev, 0)).toBe(false);
    expect(kernel.aux.iommu_dev_enable_feature(dev, 0)).toBe(-ENODEV);
    const off = bootHost({ ...e19, params: { intel_iommu: false } });
    expect(off.kernel.aux.iommu_dev_enable_feature(off.dev, 0)).toBe(-EINVAL);
  });

  it('end in the same PASID entry as the later calls', () => {
    const old = withDomain(e19);
    old.kernel.aux.iommu_dev_enable_feature(old.dev, 0);
    old.kernel.aux.iommu_aux_attach_device(old.domain, old.dev);
    const now = withDomain();
    const pasid = now.kernel.iommu.iommu_alloc_global_pasid(now.dev);
    now.kernel.iommu.iommu_attach_device_pasid(now.domain, now.dev, pasid);
    const words = (h: Host): readonly number[] => [
      ...(h.kernel.iommu.driver?.info(h.dev)?.pasidTable?.readWords(pasid) ?? []),
    ];
    expect(words(old)).toEqual(words(now));
  });
});
