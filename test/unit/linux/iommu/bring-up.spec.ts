import { describe, expect, it } from 'vitest';
import { ScalableContextEntry } from '../../../../src-main/spec/vtd/context-entry.ts';
import { ScalableRootEntry } from '../../../../src-main/spec/vtd/root-entry.ts';
import { PasidTableEntry, PGTT } from '../../../../src-main/spec/vtd/pasid-table-entry.ts';
import { FakeFunction } from '../../../support/fake-function.ts';
import { bootHost, DSA_BDF, DSA_RID, type Host } from '../../../support/linux-host.ts';

function contextOf({ hw, kernel }: Host): ReturnType<typeof ScalableContextEntry.decode> {
  const unit = kernel.iommu.driver?.unit;
  const bytes = hw.memoryRead(unit?.contexts.entryAddress(DSA_RID) ?? 0, 32);
  return ScalableContextEntry.decode(new Uint32Array(bytes.slice().buffer));
}

describe('bringing the unit up', () => {
  it('gives the commands in the order of the specification', () => {
    const { hw } = bootHost();
    const commands = hw.iommu?.log.filter((l) => !l.startsWith('write'));
    expect(commands).toEqual(['QIE', 'SIRTP', 'IRE', 'SRTP', 'TE']);
  });

  it('uses 256-bit descriptors, and latches tables in scalable mode', () => {
    const { hw, kernel } = bootHost();
    const iqa = hw.iommu?.peek64(0x90) ?? 0n;
    expect(iqa & 0xfffn).toBe(0x801n);
    const rtaddr = hw.iommu?.peek64(0x20) ?? 0n;
    expect(rtaddr & 0xfffn).toBe(0x400n);
    expect(Number(rtaddr & ~0xfffn)).toBe(kernel.iommu.driver?.unit.contexts.root);
    expect(hw.published.get('iommu/unit/dmar0')).toMatchObject({ mode: 'scalable', slots: 256 });
  });

  it('flushes everything by itself only where latching does not', () => {
    const esrtps = bootHost();
    expect(esrtps.hw.iommu?.consumed.map((d) => d.name)).not.toContain('PasidCacheInvalidate');
    const cap = 0x59d2_078c_6078_0c06n;
    const { hw } = bootHost({
      config: { iommu: { profile: 'lab', cap: `0x${cap.toString(16)}` } },
    });
    const names = hw.iommu?.consumed.map((d) => d.name.replace('Padded', ''));
    expect(names?.slice(-4)).toEqual([
      'ContextCacheInvalidate',
      'PasidCacheInvalidate',
      'IotlbInvalidate',
      'InvalidationWait',
    ]);
  });

  it('gives each function a context entry and a default domain at RID_PASID 0', () => {
    const host = bootHost();
    expect(contextOf(host)).toMatchObject({
      P: 1,
      DTE: 1,
      PASIDE: 1,
      PRE: 1,
      PDTS: 7,
      RID_PASID: 0,
    });
    const table = host.kernel.iommu.driver?.info(host.dev)?.pasidTable;
    expect(table?.read(0)).toMatchObject({ P: 1, PGTT: PGTT.secondStage, DID: 2, AW: 2, PWSNP: 1 });
    expect(host.dev.ats.isEnabled && host.dev.pasid.isEnabled && host.dev.pri.isEnabled).toBe(true);
  });

  it('puts functions of devices 16 to 31 behind the upper half of the root entry', () => {
    const { hw, kernel } = bootHost({
      functions: [
        new FakeFunction({ bdf: DSA_BDF }),
        new FakeFunction({ bdf: '6a:1f.0', extended: [] }),
      ],
    });
    const root = kernel.iommu.driver?.unit.contexts.root ?? 0;
    const words = new Uint32Array(hw.memoryRead(root + 0x6a * 16, 16).slice().buffer);
    expect(ScalableRootEntry.decode(words)).toMatchObject({ LP: 1, UP: 1 });
  });

  it('lets requests with PASIDs through only after AUX is enabled in the 2019 profile', () => {
    const host = bootHost({ profile: 'kvmforum2019' });
    expect(contextOf(host).PASIDE).toBe(0);
    host.hw.iommu?.take();
    expect(host.kernel.aux.iommu_dev_enable_feature(host.dev, 0)).toBe(0);
    expect(contextOf(host).PASIDE).toBe(1);
    const names = host.hw.iommu?.take().map((d) => d.name.replace('Padded', ''));
    expect(names).toEqual([
      'ContextCacheInvalidate',
      'PasidCacheInvalidate',
      'IotlbInvalidate',
      'DeviceTlbInvalidate',
      'InvalidationWait',
    ]);
  });

  it('falls back to legacy tables on a unit without scalable mode', () => {
    const { hw, kernel } = bootHost({
      config: { iommu: { profile: 'client', hostAddressWidth: 39 } },
    });
    expect(hw.published.get('iommu/unit/dmar0')).toMatchObject({ mode: 'legacy' });
    const context = kernel.iommu.driver?.unit.contexts.read(DSA_RID);
    expect(context?.[0] && context[0] & 1).toBe(1);
  });

  it('leaves everything untranslated with intel_iommu=off', () => {
    const { hw, kernel, dev } = bootHost({ params: { intel_iommu: false } });
    expect(hw.iommu?.log).toEqual([]);
    expect(kernel.dma.dma_map_single(dev, 0x12_3000, 16)).toBe(0x12_3000);
  });

  it('encodes entries as the test vectors of the reference have them', () => {
    const words = PasidTableEntry.encode({
      P: 1,
      AW: 2,
      PGTT: 2,
      SSADE: 1,
      SSPTPTR: 0x50000n,
      DID: 7,
      PWSNP: 1,
    });
    expect([words[0], words[2]]).toEqual([0x50289, 0x800007]);
  });
});
