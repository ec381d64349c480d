/** Registers as software meets them: reset, handshakes, access types, register-based invalidation. VT-d 5.10 chapter 11. */
import { describe, expect, it } from 'vitest';
import { TTM } from '../../../../src-main/spec/vtd/registers/global-command.ts';
import { IommuBench } from '../../../support/iommu-bench.ts';
import { LegacyCachedUnit, PAGES } from '../../../support/iommu-cached-unit.ts';
import { IommuTables } from '../../../support/iommu-tables.ts';

const TES = 1n << 31n;
const RTPS = 1n << 30n;
const QIES = 1n << 26n;
const IRES = 1n << 25n;
const IRTPS = 1n << 24n;
const CFIS = 1n << 23n;

describe('after reset', () => {
  const bench = new IommuBench();

  it.each(['FECTL_REG', 'IECTL_REG', 'PECTL_REG'])('%s is masked', (name) => {
    expect(bench.read(name)).toBe(0x8000_0000n);
  });

  it.each(['GSTS_REG', 'RTADDR_REG', 'FSTS_REG', 'IQH_REG', 'IQT_REG', 'IQA_REG', 'ICS_REG'])(
    '%s is zero',
    (name) => {
      expect(bench.read(name)).toBe(0n);
    },
  );

  it('the capabilities are those of the profile', () => {
    const { registers } = bench.unit.limits.capability;
    expect([bench.read('VER_REG'), bench.read('CAP_REG'), bench.read('ECAP_REG')]).toEqual([
      BigInt(registers.version),
      registers.cap,
      registers.ecap,
    ]);
  });
});

describe('global commands', () => {
  it('show in the status: levels while they are on, one-shot commands once they are done', () => {
    const bench = new IommuBench();
    bench.setRoot(new IommuTables(bench.memory).root, TTM.scalable);
    expect(bench.read('GSTS_REG')).toBe(RTPS);
    bench.setInterruptTable(0x20_0000, 7, true);
    bench.command('IRE');
    bench.startQueue();
    bench.command('TE');
    expect(bench.read('GSTS_REG')).toBe(TES | RTPS | QIES | IRES | IRTPS);
    bench.clear('TE');
    bench.clear('IRE');
    bench.clear('QIE');
    expect(bench.read('GSTS_REG')).toBe(RTPS | IRTPS);
  });

  it('cannot be read back', () => {
    const bench = new IommuBench();
    bench.write('GCMD_REG', 0xffff_ffff);
    expect(bench.read('GCMD_REG')).toBe(0n);
  });

  it('change nothing by a one-shot bit of zero', () => {
    const bench = new IommuBench();
    bench.setRoot(0x10_0000, TTM.scalable);
    bench.write('GCMD_REG', 0);
    expect(bench.read('GSTS_REG')).toBe(RTPS);
  });

  it('CFI passes compatibility interrupts', () => {
    const bench = new IommuBench();
    bench.command('CFI');
    expect(bench.read('GSTS_REG')).toBe(CFIS);
    bench.clear('CFI');
    expect(bench.read('GSTS_REG')).toBe(0n);
  });

  it('of absent parts do nothing', () => {
    const bench = new IommuBench({ flags: { QI: false, IR: false } });
    bench.write('GCMD_REG', Number(QIES | IRES | IRTPS | CFIS));
    expect(bench.read('GSTS_REG')).toBe(0n);
  });

  it('RTADDR_REG takes effect with SRTP, not when it is written', () => {
    const bench = new IommuBench();
    bench.setRoot(0x10_0000, TTM.scalable);
    bench.command('TE');
    bench.write('RTADDR_REG', 0xc00n);
    bench.request({ rid: 0x10, address: 0n });
    expect(bench.recordAt(0).FR).toBe(0x39);
    bench.command('SRTP');
    bench.request({ rid: 0x10, address: 0n });
    expect(bench.recordAt(1).FR).toBe(0x33);
  });
});

describe('register accesses', () => {
  it('of 64 bits may come as halves', () => {
    const bench = new IommuBench();
    const { offset } = bench.unit.registers.register('PQA_REG');
    bench.unit.write(offset, 4, 0x1234_5007n);
    bench.unit.write(offset + 4, 4, 0x2n);
    expect(bench.read('PQA_REG')).toBe(0x2_1234_5007n);
    expect(bench.unit.read(offset + 4, 4)).toBe(2n);
  });

  it.each([
    ['one byte', 0x34, 1],
    ['two bytes', 0x34, 2],
    ['eight bytes that are not aligned', 0x34, 8],
    ['four bytes that are not aligned', 0x3a, 4],
  ] as const)('of %s are refused', (_name, offset, bytes) => {
    const bench = new IommuBench();
    bench.unit.write(offset, bytes, 0x0102_0304n & ((1n << BigInt(bytes * 8)) - 1n));
    expect(bench.unit.read(offset, bytes)).toBe((1n << BigInt(bytes * 8)) - 1n);
    expect([bench.read('FECTL_REG'), bench.read('FEDATA_REG')]).toEqual([0x8000_0000n, 0n]);
  });

  it.each([
    ['page requests', 'PRS', 0xd0],
    ['virtual commands', 'VCS', 0xe00],
    ['protected memory', 'PLMR', 0x68],
  ])('to absent %s read zero and change nothing', (_name, flag, offset) => {
    const bench = new IommuBench({ flags: { [flag]: false } });
    bench.unit.write(offset, 4, 0xffff_ffffn);
    expect(bench.unit.read(offset, 4)).toBe(0n);
  });

  it('to places without a register read zero', () => {
    const bench = new IommuBench();
    bench.unit.write(0x58, 8, 0xffff_ffff_ffff_ffffn);
    expect(bench.unit.read(0x58, 8)).toBe(0n);
  });

  it('cannot set what is read-only, nor clear it', () => {
    const bench = new IommuBench();
    bench.write('IQH_REG', 0xfff0n);
    bench.write('FSTS_REG', 0xffff_ffff);
    bench.write('IQERCD_REG', 0xffff_ffff_ffff_ffffn);
    expect([bench.read('IQH_REG'), bench.read('FSTS_REG'), bench.read('IQERCD_REG')]).toEqual([
      0n,
      0n,
      0n,
    ]);
  });

  it('clear a status bit by a one and keep the others', () => {
    const bench = new IommuBench();
    bench.unit.registers.set('PRS_REG', 'PPR', 1);
    bench.unit.registers.set('PRS_REG', 'PRO', 1);
    bench.write('PRS_REG', 1);
    expect(bench.read('PRS_REG')).toBe(2n);
  });

  it('leave EIME zero where extended interrupts are not reported', () => {
    const bench = new IommuBench({ flags: { EIM: false } });
    bench.write('IRTA_REG', 0xfffn);
    expect(bench.read('IRTA_REG')).toBe(0xfn);
  });

  it('leave upper message addresses zero where extended interrupts are not reported', () => {
    const [without, with32Bits] = [false, true].map((EIM) => {
      const bench = new IommuBench({ flags: { EIM } });
      bench.write('FEUADDR_REG', 0xffff_ffff);
      return bench.read('FEUADDR_REG');
    });
    expect([without, with32Bits]).toEqual([0n, 0xffff_ffffn]);
  });

  it('leave SSIRWE zero where it is not reported', () => {
    const bench = new IommuBench();
    bench.write('RTADDR_REG', 0xfffn);
    expect(bench.read('RTADDR_REG')).toBe(0xc00n);
  });
});

describe('register-based invalidation', () => {
  /** Version 5 is the last that can. */
  const USABLE = 0x50;
  const [A, B, C] = LegacyCachedUnit.functions.map((f) => f.rid) as [number, number, number];
  const ICC = 1n << 63n;
  const context = (granularity: bigint, did = 0n, sid = 0n): bigint =>
    ICC | (granularity << 61n) | (sid << 16n) | did;
  const iotlb = (granularity: bigint, did = 0n): bigint =>
    ICC | (granularity << 60n) | (did << 32n);

  it.each([
    ['global', context(1n), [], 1n],
    ['domain', context(2n, 1n), [C], 2n],
    ['device', context(3n, 1n, BigInt(A)), [B, C], 3n],
    ['reserved', context(0n), [A, B, C], 0n],
  ] as const)('of contexts: %s', (_name, command, left, granted) => {
    const unit = new LegacyCachedUnit(USABLE);
    unit.bench.write('CCMD_REG', command);
    expect(unit.contexts).toEqual(left);
    const answer = unit.bench.read('CCMD_REG');
    expect([answer >> 63n, (answer >> 59n) & 3n]).toEqual([0n, granted]);
  });

  it.each([
    ['global', iotlb(1n), 0n, [], 1n],
    ['domain', iotlb(2n, 1n), 0n, [C], 2n],
    ['page', iotlb(3n, 1n), PAGES[0], [C], 3n],
    ['another page', iotlb(3n, 1n), PAGES[1], [A, B, C], 3n],
    ['address mask beyond MAMV', iotlb(3n, 1n), PAGES[0] | 63n, [A, B, C], 0n],
  ] as const)('of translations: %s', (_name, command, address, left, granted) => {
    const unit = new LegacyCachedUnit(USABLE);
    unit.bench.write('IVA_REG', address);
    unit.bench.write('IOTLB_REG', command);
    expect(unit.translations).toEqual(left);
    const answer = unit.bench.read('IOTLB_REG');
    expect([answer >> 63n, (answer >> 57n) & 3n]).toEqual([0n, granted]);
  });

  it('acts when the top byte is written, not before', () => {
    const unit = new LegacyCachedUnit(USABLE);
    const { offset } = unit.bench.unit.registers.register('CCMD_REG');
    unit.bench.unit.write(offset, 4, 1n);
    expect(unit.contexts).toEqual([A, B, C]);
    unit.bench.unit.write(offset + 4, 4, context(2n) >> 32n);
    expect(unit.contexts).toEqual([C]);
  });

  it.each([
    ['from version 6 on', (): LegacyCachedUnit => new LegacyCachedUnit(0x60)],
    [
      'while the queue is enabled',
      (): LegacyCachedUnit => {
        const unit = new LegacyCachedUnit(USABLE);
        unit.bench.startQueue({ isWide: false });
        return unit;
      },
    ],
  ])('ends with an error %s', (_name, make) => {
    const unit = make();
    unit.bench.write('CCMD_REG', context(1n));
    unit.bench.write('IOTLB_REG', iotlb(1n));
    expect((unit.bench.read('CCMD_REG') >> 59n) & 3n).toBe(0n);
    expect((unit.bench.read('IOTLB_REG') >> 57n) & 3n).toBe(0n);
    expect([unit.contexts, unit.translations]).toEqual([
      [A, B, C],
      [A, B, C],
    ]);
  });
});
