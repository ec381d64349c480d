import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { EBUSY, EINVAL, EIO, ENODEV } from '../../../../src-main/linux/errno.ts';
import type { PciDev } from '../../../../src-main/linux/pci/pci-dev.ts';
import { parseBdf } from '../../../../src-main/linux/pci/pci-scan.ts';
import { ADDRESS_TYPE } from '../../../../src-main/sim/index.ts';
import {
  bootLab,
  plainDevice,
  SIOV_CAPABILITIES,
  type Lab,
} from '../../../support/linux-machine.ts';

const BDF = '6a:01.0';
const FIRST_OFFSET = 8;
const STRIDE = 2;
const PAGE = 4096;
const IOVA = 0x10_0000;

interface Interfaces {
  readonly total: number;
  readonly firstOffset: number;
  readonly stride: number;
}

function boot(sdi: Interfaces = { total: 4, firstOffset: FIRST_OFFSET, stride: STRIDE }): {
  readonly lab: Lab;
  readonly dev: PciDev;
} {
  const chain = [...SIOV_CAPABILITIES, { kind: 'sdi', offset: 0x280, ...sdi }];
  const lab = bootLab({ devices: [plainDevice(BDF, chain)] });
  return { lab, dev: defined(lab.kernel.pci.deviceAt(parseBdf(BDF)), 'Function') };
}

function interfaceOf(made: PciDev | number): PciDev {
  if (typeof made === 'number') {
    throw new Error(`enable gave ${made}`);
  }
  return made;
}

/** First byte that a Requester ID reads at an address, or the completion status. */
function readAs(lab: Lab, rid: number, address: number): number {
  const into = new Uint8Array(8);
  const status = lab.machine.fabric.portOf(rid).read(
    {
      pasid: -1,
      isPrivileged: false,
      isExecute: false,
      addressType: ADDRESS_TYPE.untranslated,
      high: 0,
      low: address,
      bytes: 8,
      trafficClass: 0,
    },
    into,
    0,
  );
  return status === 0 ? (into[0] ?? 0) : -status;
}

describe('row 73: scalable device interfaces', () => {
  it('lie at the first offset and then at strides, as many as there are', () => {
    const { lab, dev } = boot();
    const { sdi } = lab.kernel.iov;
    expect(sdi.pci_sdi_total(dev)).toBe(0);
    expect(sdi.pci_sdi_init(dev)).toBe(0);
    expect(sdi.pci_sdi_total(dev)).toBe(4);
    const rids = [0, 1, 2, 3].map((n) => sdi.pci_sdi_rid(dev, n));
    expect(rids).toEqual([0, 1, 2, 3].map((n) => dev.rid + FIRST_OFFSET + n * STRIDE));
    expect(sdi.pci_sdi_rid(dev, 4)).toBe(-EINVAL);
    expect(sdi.pci_sdi_rid(dev, -1)).toBe(-EINVAL);
  });

  it('each have a context entry and an address space of their own, and no PASID of the function', () => {
    const { lab, dev } = boot();
    const { iov, iommu, pages } = lab.kernel;
    iov.sdi.pci_sdi_init(dev);
    const contexts = (): readonly unknown[] =>
      lab.rows('linux.context-entry.written').map((r) => r.values['rid']);
    const before = contexts().length;
    const [first, second] = [0, 1].map((n) => interfaceOf(iov.sdi.pci_sdi_enable(dev, n)));
    if (first === undefined || second === undefined) {
      throw new Error('No interfaces');
    }
    expect(new Set(contexts().slice(before)).size).toBe(2);
    const tables = [dev, first, second].map((d) => iommu.driver?.info(d)?.pasidTable?.directory);
    expect(new Set(tables).size).toBe(3);
    [first, second].forEach((of, n) => {
      const domain = iommu.iommu_paging_domain_alloc(of);
      if (typeof domain === 'number') {
        throw new Error('No domain');
      }
      const page = pages.alloc(1, { owner: `tenant ${n}` });
      lab.hw.memoryWrite(page, new Uint8Array([0x10 + n]));
      iommu.iommu_map(domain, IOVA, page, PAGE, 1);
      expect(iommu.iommu_attach_device(domain, of)).toBe(0);
    });
    expect([first, second].map((of) => readAs(lab, of.rid, IOVA))).toEqual([0x10, 0x11]);
    // Nobody enabled the third: its requests find no context entry.
    const third = iov.sdi.pci_sdi_rid(dev, 2);
    expect(readAs(lab, third, IOVA)).toBeLessThan(0);
    expect(lab.rows('iommu.fault.recorded').at(-1)?.values).toMatchObject({
      reason: 0x41,
      rid: third,
    });
    iov.sdi.pci_sdi_disable(dev, 0);
    expect(readAs(lab, first.rid, IOVA)).toBeLessThan(0);
    expect(readAs(lab, second.rid, IOVA)).toBe(0x11);
  });

  it('have no configuration space: nothing answers there', () => {
    const { lab, dev } = boot();
    lab.kernel.iov.sdi.pci_sdi_init(dev);
    const made = interfaceOf(lab.kernel.iov.sdi.pci_sdi_enable(dev, 1));
    expect(lab.hw.configRead(made.rid, 0, 4)).toBe(0xffff_ffff);
    expect(made.resources).toEqual([]);
    expect(made.physfn).toBe(dev);
    expect(lab.kernel.iov.sdi.pci_sdi_enable(dev, 1)).toBe(-EBUSY);
    lab.kernel.iov.sdi.pci_sdi_disable(dev, 1);
    expect(lab.kernel.pci.deviceAt(made.rid)).toBeUndefined();
  });

  it.each([
    [{ total: 4, firstOffset: 0, stride: 2 }, -EIO],
    [{ total: 2, firstOffset: 8, stride: 0 }, -EIO],
    [{ total: 1, firstOffset: 8, stride: 0 }, 0],
    [{ total: 0, firstOffset: 0, stride: 0 }, 0],
  ] as const)('of %o give %i', (sdi, expected) => {
    const { lab, dev } = boot(sdi);
    expect(lab.kernel.iov.sdi.pci_sdi_init(dev)).toBe(expected);
    expect(lab.kernel.iov.sdi.pci_sdi_total(dev)).toBe(expected === 0 ? sdi.total : 0);
  });

  it('need the capability', () => {
    const lab = bootLab();
    const dev = defined(lab.kernel.pci.deviceAt(parseBdf(BDF)), 'Function');
    expect(lab.kernel.iov.sdi.pci_sdi_init(dev)).toBe(-ENODEV);
  });
});
