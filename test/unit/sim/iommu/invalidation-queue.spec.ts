/** Fetching, checking and executing invalidation descriptors: VT-d 5.10 sections 6.5.2 and 11.4.9. */
import { describe, expect, it } from 'vitest';
import { IotlbInvalidate } from '../../../../src-main/spec/vtd/descriptors/cache-descriptors.ts';
import {
  DEVICE_TLB_EVERYTHING,
  DeviceTlbInvalidate,
  PasidDeviceTlbInvalidate,
} from '../../../../src-main/spec/vtd/descriptors/device-tlb-descriptors.ts';
import { PageGroupResponse } from '../../../../src-main/spec/vtd/descriptors/page-request-descriptors.ts';
import { InvalidationWait } from '../../../../src-main/spec/vtd/descriptors/wait-descriptor.ts';
import { IQEI } from '../../../../src-main/spec/vtd/invalidation-queue-error.ts';
import { TTM } from '../../../../src-main/spec/vtd/registers/global-command.ts';
import {
  HOLE,
  IommuBench,
  QUEUE_BASE,
  STATUS_WORD,
  type IommuBenchOptions,
} from '../../../support/iommu-bench.ts';
import { QUEUE_SCENARIOS } from '../../../support/iommu-queue-scenarios.ts';
import { PASID, RID } from '../../../support/iommu-setup.ts';
import { withBit } from '../../../support/interrupt-bench.ts';

const MESSAGE = { address: 0xfee0_2000n, data: 0x51 };
const FLUSH = IotlbInvalidate.encode({ G: 1 });

interface QueueOptions extends IommuBenchOptions {
  readonly ttm?: number;
  readonly isWide?: boolean;
}

function queueUnit(options: QueueOptions = {}): IommuBench {
  const bench = new IommuBench(options);
  bench.setRoot(0x10_0000, options.ttm ?? TTM.scalable);
  bench.write('FEDATA_REG', MESSAGE.data);
  bench.write('FEADDR_REG', MESSAGE.address);
  bench.write('FECTL_REG', 0);
  bench.startQueue({ isWide: options.isWide ?? true });
  bench.command('TE');
  return bench;
}

function wait(values: Parameters<typeof InvalidationWait.encode>[0]): Uint32Array {
  return InvalidationWait.encode({ STATUS_ADDR: BigInt(STATUS_WORD), ...values });
}

function status(bench: IommuBench): number {
  return bench.memory.read32(STATUS_WORD);
}

/** Error information, or `ok` when the queue took the descriptor. */
function verdict(bench: IommuBench, words: Uint32Array): number | 'ok' {
  bench.submit(words);
  const hasError = bench.field('FSTS_REG', 'IQE') === 1;
  expect(bench.read('IQH_REG')).toBe(hasError ? 0n : BigInt(bench.slotBytes));
  return hasError ? bench.field('IQERCD_REG', 'IQEI') : 'ok';
}

describe.each(QUEUE_SCENARIOS)('descriptor $type', (scenario) => {
  const { words, bytes, isLegacy, capability, reservedGranularity } = scenario;
  const flags = capability === undefined ? {} : { [capability]: true };

  it.each([
    [TTM.legacy, false],
    [TTM.legacy, true],
    [TTM.scalable, true],
    [TTM.abortDma, true],
  ])('is valid where the table of modes says so: TTM %i, wide %s', (ttm, isWide) => {
    const isValid = (ttm !== TTM.legacy || isLegacy) && (isWide || bytes === 16);
    expect(verdict(queueUnit({ flags, ttm, isWide }), words)).toBe(
      isValid ? 'ok' : IQEI.invalidType,
    );
  });

  it.each([TTM.scalable, TTM.abortDma])('needs 256-bit descriptors in TTM %i', (ttm) => {
    expect(verdict(queueUnit({ flags, ttm, isWide: false }), words)).toBe(IQEI.invalidWidth);
  });

  it('is invalid in the reserved mode', () => {
    expect(verdict(queueUnit({ flags, ttm: TTM.reserved }), words)).toBe(IQEI.invalidMode);
  });

  it('has reserved bits, among them those beyond its 128 bits', () => {
    for (const bit of [8, bytes === 16 ? 130 : 250]) {
      expect(verdict(queueUnit({ flags }), withBit(padded(words), bit))).toBe(expectedFor(bit));
    }

    /** Bit 8 is reserved in all types but one, which has MIP there. */
    function expectedFor(bit: number): number | 'ok' {
      return bit === 8 && scenario.type === 'pasidDeviceTlb' ? 'ok' : IQEI.reservedField;
    }
  });

  it('has a type of seven bits, of which the upper three are zero', () => {
    expect(verdict(queueUnit({ flags }), withBit(words, 9))).toBe(IQEI.invalidType);
  });

  if (capability !== undefined) {
    it(`is invalid without ${capability}`, () => {
      const bench = queueUnit({ flags: { [capability]: false } });
      expect(verdict(bench, words)).toBe(IQEI.invalidType);
    });
  }

  if (reservedGranularity !== undefined && scenario.type !== 'hostPermissionCache') {
    it('refuses a reserved granularity', () => {
      expect(verdict(queueUnit({ flags }), reservedGranularity)).toBe(IQEI.reservedField);
    });
  }
});

function padded(words: Uint32Array): Uint32Array {
  const out = new Uint32Array(8);
  out.set(words);
  return out;
}

describe('page-selective IOTLB invalidation', () => {
  it('is invalid without PSI', () => {
    const bench = queueUnit({ flags: { PSI: false } });
    expect(verdict(bench, IotlbInvalidate.encode({ G: 3 }))).toBe(IQEI.reservedField);
  });

  it.each([
    [18, 'ok'],
    [19, IQEI.reservedField],
  ] as const)('takes an address mask up to MAMV: %i', (AM, expected) => {
    expect(verdict(queueUnit(), IotlbInvalidate.encode({ G: 3, AM }))).toBe(expected);
  });
});

describe('the queue', () => {
  it('stops at a bad descriptor, tells why once, and goes on there after repair', () => {
    const bench = queueUnit();
    const bad = Uint32Array.of(0xf);
    bench.submit(FLUSH, bad, wait({ SW: 1, STATUS_DATA: 5 }));
    expect(bench.read('IQH_REG')).toBe(32n);
    expect(bench.field('IQERCD_REG', 'IQEI')).toBe(IQEI.invalidType);
    expect(bench.messages).toEqual([MESSAGE]);
    bench.submit(FLUSH);
    expect([bench.read('IQH_REG'), status(bench)]).toEqual([32n, 0]);
    bench.memory.writeWords(QUEUE_BASE + 32, padded(FLUSH));
    bench.write('FSTS_REG', 0x10);
    expect(bench.read('IQH_REG')).toBe(128n);
    expect([status(bench), bench.field('FSTS_REG', 'IQE')]).toEqual([5, 0]);
  });

  it('wraps at its end', () => {
    const bench = queueUnit();
    const last = 4096 - 32;
    for (let i = 0; i < 4096 / 32 - 1; i++) {
      bench.submit(FLUSH);
    }
    expect(bench.read('IQH_REG')).toBe(BigInt(last));
    bench.submit(FLUSH, wait({ SW: 1, STATUS_DATA: 9 }));
    expect([bench.read('IQH_REG'), status(bench)]).toEqual([32n, 9]);
  });

  it.each([
    ['tail outside', { tail: 4096 }, IQEI.tailOutsideQueue],
    ['tail not aligned to 32 bytes', { tail: 16 }, IQEI.tailNotAligned],
  ])('refuses a %s', (_name, { tail }, info) => {
    const bench = queueUnit();
    bench.write('IQT_REG', tail);
    expect([bench.field('FSTS_REG', 'IQE'), bench.field('IQERCD_REG', 'IQEI')]).toEqual([1, info]);
    expect(bench.read('IQH_REG')).toBe(0n);
  });

  it('refuses 256-bit descriptors on a unit that has no mode for them', () => {
    const bench = queueUnit({ ttm: TTM.legacy, flags: { SMTS: false, ADMS: false } });
    bench.submit(FLUSH);
    expect(bench.field('IQERCD_REG', 'IQEI')).toBe(IQEI.invalidWidth);
  });

  it('cannot fetch where there is no memory', () => {
    const bench = queueUnit();
    bench.write('IQA_REG', BigInt(HOLE) | 0x800n);
    bench.write('IQT_REG', 32);
    expect(bench.field('IQERCD_REG', 'IQEI')).toBe(IQEI.fetchError);
  });

  it('works while DMA remapping and interrupt remapping are off', () => {
    const bench = new IommuBench();
    bench.startQueue({ isWide: false });
    bench.submit(wait({ SW: 1, STATUS_DATA: 3 }));
    expect(status(bench)).toBe(3);
  });

  it('does nothing while it is disabled, and starts over at zero', () => {
    const bench = queueUnit();
    bench.submit(FLUSH);
    bench.clear('QIE');
    expect([bench.read('IQH_REG'), bench.field('GSTS_REG', 'QIES')]).toEqual([0n, 0]);
    bench.submit(wait({ SW: 1, STATUS_DATA: 4 }));
    expect(status(bench)).toBe(0);
  });

  it('takes a head left in the middle of a wide slot for its beginning', () => {
    const bench = queueUnit({ ttm: TTM.legacy, isWide: false });
    bench.submit(FLUSH);
    expect(bench.read('IQH_REG')).toBe(16n);
    bench.memory.writeWords(QUEUE_BASE, padded(FLUSH));
    bench.write('IQA_REG', BigInt(QUEUE_BASE) | 0x800n);
    bench.write('IQT_REG', 32);
    expect([bench.read('IQH_REG'), bench.field('FSTS_REG', 'IQE')]).toEqual([32n, 0]);
  });
});

describe('the wait descriptor', () => {
  it.each([
    ['status', { SW: 1, STATUS_DATA: 0xcafe_f00d }, 0xcafe_f00d, 0],
    ['interrupt', { IF: 1, STATUS_DATA: 1 }, 0, 1],
    ['both', { IF: 1, SW: 1, STATUS_DATA: 2 }, 2, 1],
    ['fence alone', { FN: 1 }, 0, 0],
    ['neither', {}, 0, 0],
    ['page-request drain', { SW: 1, PD: 1, STATUS_DATA: 6 }, 6, 0],
  ])('completes with %s', (_name, values, data, iwc) => {
    const bench = queueUnit();
    bench.submit(wait(values));
    expect([status(bench), bench.field('ICS_REG', 'IWC')]).toEqual([data, iwc]);
    expect(bench.read('IQH_REG')).toBe(32n);
  });

  it('sends one invalidation event while IWC is set', () => {
    const bench = queueUnit();
    bench.write('IEDATA_REG', 0x61);
    bench.write('IEADDR_REG', 0xfee0_3000n);
    bench.write('IECTL_REG', 0);
    bench.submit(wait({ IF: 1 }), wait({ IF: 1 }));
    expect(bench.messages).toEqual([{ address: 0xfee0_3000n, data: 0x61 }]);
    bench.write('ICS_REG', 1);
    bench.submit(wait({ IF: 1 }));
    expect(bench.messages).toHaveLength(2);
  });

  it('ignores address bits above the host address width', () => {
    const bench = queueUnit();
    bench.submit(wait({ SW: 1, STATUS_DATA: 8, STATUS_ADDR: BigInt(STATUS_WORD) | (1n << 60n) }));
    expect(status(bench)).toBe(8);
  });

  it('has no page-request drain without PDS', () => {
    expect(verdict(queueUnit({ flags: { PDS: false } }), wait({ PD: 1 }))).toBe(IQEI.reservedField);
  });
});

describe('device-TLB invalidation', () => {
  const everything = DeviceTlbInvalidate.encode({ SID: RID, S: 1, ADDR: DEVICE_TLB_EVERYTHING });
  const done = wait({ SW: 1, STATUS_DATA: 1 });

  it.each([
    ['one page', { S: 0, ADDR: 0x5000n }, 12],
    ['two pages', { S: 1, ADDR: 0x4000n }, 13],
    ['2 MB', { S: 1, ADDR: 0x7f00_002f_f000n }, 21],
    ['everything', { S: 1, ADDR: DEVICE_TLB_EVERYTHING }, 64],
  ])('names %s by the lowest zero bit', (_name, values, sizeShift) => {
    const bench = queueUnit();
    bench.submit(DeviceTlbInvalidate.encode({ SID: RID, ...values }));
    expect(bench.invalidations).toEqual([
      { rid: RID, itag: 0, pasid: -1, isGlobal: false, address: values.ADDR, sizeShift },
    ]);
  });

  it('carries the PASID, or all of them', () => {
    const bench = queueUnit();
    bench.submit(
      PasidDeviceTlbInvalidate.encode({ SID: RID, PASID, ADDR: 0x1000n }),
      PasidDeviceTlbInvalidate.encode({ SID: RID, PASID, GI: 1, ADDR: 0x1000n }),
    );
    expect(bench.invalidations.map((i) => [i.pasid, i.isGlobal])).toEqual([
      [PASID, false],
      [PASID, true],
    ]);
  });

  it('holds the next wait back until the device has answered', () => {
    const bench = queueUnit();
    bench.submit(everything, everything, done, FLUSH);
    expect([bench.read('IQH_REG'), status(bench)]).toEqual([64n, 0]);
    bench.unit.invalidationComplete(RID, 0b01, 1);
    expect(status(bench)).toBe(0);
    bench.unit.invalidationComplete(RID, 0b10, 1);
    expect([bench.read('IQH_REG'), status(bench)]).toEqual([128n, 1]);
  });

  it('is complete after as many messages as the completion count says, 0 meaning 8', () => {
    const bench = queueUnit();
    bench.submit(everything, done);
    for (let i = 0; i < 7; i++) {
      bench.unit.invalidationComplete(RID, 1, 0);
    }
    expect(status(bench)).toBe(0);
    bench.unit.invalidationComplete(RID, 1, 0);
    expect(status(bench)).toBe(1);
  });

  it('waits for a free tag, and goes on as soon as one is free', () => {
    const bench = queueUnit();
    bench.submit(...Array.from({ length: 34 }, () => everything));
    expect(bench.invalidations).toHaveLength(32);
    bench.unit.invalidationComplete(RID, 1 << 5, 1);
    expect(bench.invalidations.at(-1)).toMatchObject({ itag: 5 });
    expect(bench.invalidations).toHaveLength(33);
  });

  it('that is not answered times out: ITE, no wait completes, nothing is fetched', () => {
    const bench = queueUnit();
    bench.submit(everything, done, FLUSH);
    bench.settle();
    expect(bench.field('FSTS_REG', 'ITE')).toBe(1);
    expect(bench.field('IQERCD_REG', 'ITESID')).toBe(RID);
    expect(bench.messages).toEqual([MESSAGE]);
    expect([bench.read('IQH_REG'), status(bench)]).toEqual([32n, 0]);
    bench.submit(FLUSH);
    expect(bench.read('IQH_REG')).toBe(32n);
    bench.write('FSTS_REG', 0x40);
    expect([bench.read('IQH_REG'), bench.field('FSTS_REG', 'ITE')]).toEqual([128n, 0]);
  });

  it('answered by the wrong function, or with the wrong tag, is an error that does not stop the queue', () => {
    const bench = queueUnit();
    bench.submit(everything);
    bench.unit.invalidationComplete(0x0100, 1, 1);
    expect(bench.field('FSTS_REG', 'ICE')).toBe(1);
    expect(bench.field('IQERCD_REG', 'ICESID')).toBe(0x0100);
    expect(bench.messages).toEqual([MESSAGE]);
    bench.unit.invalidationComplete(RID, 0b11, 1);
    expect(bench.field('IQERCD_REG', 'ICESID')).toBe(0x0100);
    bench.submit(done);
    expect(status(bench)).toBe(1);
    bench.write('FSTS_REG', 0x20);
    expect(bench.field('FSTS_REG', 'ICE')).toBe(0);
  });

  it('is never complete while DMA remapping is off: answers are refused', () => {
    const bench = queueUnit();
    bench.submit(everything, done);
    bench.clear('TE');
    bench.unit.invalidationComplete(RID, 1, 1);
    expect(status(bench)).toBe(0);
    bench.settle();
    expect(bench.field('FSTS_REG', 'ITE')).toBe(1);
  });
});

describe('page group responses', () => {
  it.each([
    ['with PASID', { PP: 1, PASID }, PASID],
    ['without PASID', { PP: 0, PASID }, -1],
  ])('go to the device %s', (_name, values, pasid) => {
    const bench = queueUnit();
    bench.submit(PageGroupResponse.encode({ RID, PRGI: 0x155, RC: 1, ...values }));
    expect(bench.responses).toEqual([{ rid: RID, pasid, groupIndex: 0x155, code: 1 }]);
  });
});

describe('the fault event', () => {
  it('is not sent again for a second condition while the first stands', () => {
    const bench = queueUnit();
    bench.submit(DeviceTlbInvalidate.encode({ SID: RID, ADDR: 0n }));
    bench.unit.invalidationComplete(1, 1, 1);
    bench.submit(Uint32Array.of(0xf));
    expect([bench.field('FSTS_REG', 'ICE'), bench.field('FSTS_REG', 'IQE')]).toEqual([1, 1]);
    expect(bench.messages).toEqual([MESSAGE]);
  });
});
