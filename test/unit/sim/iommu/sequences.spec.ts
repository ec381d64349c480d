/** Sequences of software and devices from beginning to end: VT-d 5.10 sections 6.6, 7.4.1, 7.8 and 7.10. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_IOMMU_CACHES } from '../../../../src-main/sim/machine-config.ts';
import {
  PASID_CACHE_GRANULARITY,
  PASID_IOTLB_GRANULARITY,
  PasidCacheInvalidate,
  PasidIotlbInvalidate,
} from '../../../../src-main/spec/vtd/descriptors/cache-descriptors.ts';
import {
  DEVICE_TLB_EVERYTHING,
  PasidDeviceTlbInvalidate,
} from '../../../../src-main/spec/vtd/descriptors/device-tlb-descriptors.ts';
import { PageGroupResponse } from '../../../../src-main/spec/vtd/descriptors/page-request-descriptors.ts';
import { InvalidationWait } from '../../../../src-main/spec/vtd/descriptors/wait-descriptor.ts';
import { STATUS_WORD } from '../../../support/iommu-bench.ts';
import { PASID, RID, SUCCESS, TranslatingUnit, hpaOf } from '../../../support/iommu-setup.ts';
import { FIRST_STAGE, FIRST_STAGE_LEAF, FIRST_STAGE_TABLE } from '../../../support/iommu-tables.ts';

const DID = 7;
const NEW_PAGE = 0x1_4000_9000n;
const ADDRESS = 0x7f00_0040_0000n;

/** A process bound to a PASID, its unit with caches and a running queue. */
function bound(): TranslatingUnit {
  const unit = new TranslatingUnit({ walk: 'first', caches: DEFAULT_IOMMU_CACHES });
  unit.bench.startQueue();
  return unit;
}

function wait(
  data: number,
  values: { readonly PD?: number; readonly FN?: number } = {},
): Uint32Array {
  return InvalidationWait.encode({
    SW: 1,
    STATUS_DATA: data,
    STATUS_ADDR: BigInt(STATUS_WORD),
    ...values,
  });
}

const status = (unit: TranslatingUnit): number => unit.bench.memory.read32(STATUS_WORD);

function mapAt(unit: TranslatingUnit, input: bigint, output: bigint): void {
  unit.tables.map(unit.firstTop, 4, input, output, {
    leaf: FIRST_STAGE_LEAF,
    table: FIRST_STAGE_TABLE,
  });
}

describe('shared virtual addressing', () => {
  it('an access: no translation, page request, mapping, response, translation, access', () => {
    const unit = bound();
    const { bench } = unit;
    const first = unit.request('TP', { address: ADDRESS });
    expect([first.status, first.answer.canRead]).toEqual([SUCCESS, false]);
    bench.pageRequest(RID, { address: ADDRESS, pasid: PASID, groupIndex: 7, isWrite: true });
    expect(bench.read('PQT_REG')).toBe(32n);
    mapAt(unit, ADDRESS, NEW_PAGE);
    bench.write('PRS_REG', 1);
    bench.write('PQH_REG', 32);
    bench.submit(PageGroupResponse.encode({ RID, PP: 1, PASID, PRGI: 7, RC: 0 }));
    expect(bench.responses).toEqual([{ rid: RID, pasid: PASID, groupIndex: 7, code: 0 }]);
    const second = unit.request('TP', { address: ADDRESS });
    expect([second.answer.canWrite, hpaOf(second.answer)]).toEqual([true, NEW_PAGE]);
    expect(unit.request('X', { address: NEW_PAGE }).status).toBe(SUCCESS);
    expect(bench.records()).toEqual([]);
  });

  it('an unmapping: entry, PASID-based IOTLB, device TLB, wait', () => {
    const unit = bound();
    const { bench } = unit;
    unit.request('UP');
    unit.tables.patch(unit.firstStageEntry(1), 0n, FIRST_STAGE.P);
    bench.submit(
      PasidIotlbInvalidate.encode({
        G: PASID_IOTLB_GRANULARITY.page,
        DID,
        PASID,
        ADDR: unit.input,
        IH: 1,
      }),
      PasidDeviceTlbInvalidate.encode({ SID: RID, PASID, ADDR: unit.input }),
      wait(1),
    );
    expect(status(unit)).toBe(0);
    bench.answerInvalidations();
    expect(status(unit)).toBe(1);
    unit.request('UP');
    expect(bench.recordAt(0).FR).toBe(0x71);
  });

  it('an unbinding: late faults stay silent, and the drain ends with the page requests queued', () => {
    const unit = bound();
    const { bench } = unit;
    unit.request('UP');
    const entry = unit.tables.pasidEntryOf(unit.directory, PASID);
    unit.tables.patch(entry, 2n, 1n);
    bench.submit(
      wait(1, { FN: 1 }),
      PasidCacheInvalidate.encode({ G: PASID_CACHE_GRANULARITY.pasid, DID, PASID }),
      PasidIotlbInvalidate.encode({ G: PASID_IOTLB_GRANULARITY.pasid, DID, PASID }),
      PasidDeviceTlbInvalidate.encode({ SID: RID, PASID, S: 1, ADDR: DEVICE_TLB_EVERYTHING }),
      wait(2, { PD: 1 }),
    );
    expect(status(unit)).toBe(1);
    // The device sends what it still has to say before it answers.
    bench.pageRequest(RID, { address: 0x1000n, pasid: PASID });
    bench.answerInvalidations();
    expect(status(unit)).toBe(2);
    expect(unit.request('UP').status).toBe(1);
    expect(bench.unit.answer.reason).toBe(0x59);
    expect(bench.records()).toEqual([]);
    expect(bench.responses).toEqual([{ rid: RID, pasid: PASID, groupIndex: 0, code: 1 }]);
  });

  it('a page request that overflows is answered, and the device asks again after the drain', () => {
    const unit = bound();
    const { bench } = unit;
    bench.write('PQT_REG', 4096 - 32);
    bench.pageRequest(RID, { address: ADDRESS, pasid: PASID, groupIndex: 1 });
    expect([bench.field('PRS_REG', 'PRO'), bench.responses.length]).toEqual([1, 1]);
    bench.write('PQH_REG', 4096 - 32);
    bench.write('PRS_REG', 2);
    bench.pageRequest(RID, { address: ADDRESS, pasid: PASID, groupIndex: 1 });
    expect([bench.read('PQT_REG'), bench.responses.length]).toEqual([0n, 1]);
  });
});
