/** Page requests: the queue in memory, overflow, automatic answers, implicit invalidation. VT-d 5.10 sections 7.4 and 7.5. */
import { beforeEach, describe, expect, it } from 'vitest';
import { PageRequestDescriptor } from '../../../../src-main/spec/vtd/descriptors/page-request-descriptors.ts';
import type { IommuBench } from '../../../support/iommu-bench.ts';
import {
  PASID,
  QUEUE_OF_PAGE_REQUESTS,
  RID,
  TranslatingUnit,
  type SetupOptions,
} from '../../../support/iommu-setup.ts';
import { CachedUnit, PAGES, PASID_OF, RIDS } from '../../../support/iommu-cached-unit.ts';

const MESSAGE = { address: 0xfee0_4000n, data: 0x71 };
const QUEUE_BYTES = 4096;
const LAST = QUEUE_BYTES - 32;

function armed(options: SetupOptions = {}): TranslatingUnit {
  const unit = new TranslatingUnit(options);
  const { bench } = unit;
  bench.write('PEDATA_REG', MESSAGE.data);
  bench.write('PEADDR_REG', MESSAGE.address);
  bench.write('PECTL_REG', 0);
  return unit;
}

function descriptorAt(bench: IommuBench, offset: number): Record<string, number | bigint> {
  const words = new Uint32Array(8);
  bench.memory.readWords(QUEUE_OF_PAGE_REQUESTS + offset, words);
  return PageRequestDescriptor.decode(words);
}

/** One slot is left before the queue is full. */
function nearlyFull(bench: IommuBench): void {
  bench.write('PQT_REG', LAST - 32);
  bench.write('PQH_REG', 0);
}

describe('a page request', () => {
  let unit: TranslatingUnit;
  let bench: IommuBench;
  beforeEach(() => {
    unit = armed();
    bench = unit.bench;
  });

  it('is written to the queue as the descriptor says', () => {
    bench.pageRequest(RID, {
      address: 0x7f00_0020_1abcn,
      pasid: PASID,
      isPrivileged: true,
      isExecute: true,
      isRead: true,
      isWrite: true,
      isLastInGroup: true,
      groupIndex: 0x1a5,
    });
    expect(descriptorAt(bench, 0)).toEqual({
      TYPE: 1,
      PP: 1,
      RID,
      PASID,
      EXR: 1,
      PMR: 1,
      RDR: 1,
      WRR: 1,
      LPIG: 1,
      PRGI: 0x1a5,
      ADDR: 0x7f00_0020_1000n,
    });
    expect(bench.read('PQT_REG')).toBe(32n);
    expect(bench.field('PRS_REG', 'PPR')).toBe(1);
    expect(bench.messages).toEqual([MESSAGE]);
    expect(bench.responses).toEqual([]);
  });

  it('without PASID leaves PASID and PP zero', () => {
    bench.pageRequest(RID, { address: 0x1000n });
    expect(descriptorAt(bench, 0)).toMatchObject({ PP: 0, PASID: 0 });
  });

  it('needs no mapping: no page table is walked', () => {
    unit.setEntries({ SSPTPTR: 0x3000_0000n });
    bench.pageRequest(RID, { address: 0x1000n, pasid: PASID });
    expect([bench.read('PQT_REG'), bench.records()]).toEqual([32n, []]);
  });

  it('sends one event while PPR is set', () => {
    bench.pageRequest(RID, { address: 0x1000n, pasid: PASID });
    bench.pageRequest(RID, { address: 0x2000n, pasid: PASID });
    expect(bench.messages).toHaveLength(1);
    bench.write('PRS_REG', 1);
    bench.pageRequest(RID, { address: 0x3000n, pasid: PASID });
    expect(bench.messages).toHaveLength(2);
  });

  it('raises a held event, which goes when software clears both conditions', () => {
    bench.write('PECTL_REG', 0x8000_0000);
    bench.pageRequest(RID, { address: 0x1000n, pasid: PASID });
    expect([bench.messages, bench.field('PECTL_REG', 'IP')]).toEqual([[], 1]);
    bench.write('PRS_REG', 1);
    expect(bench.field('PECTL_REG', 'IP')).toBe(0);
  });

  it('wraps with the queue', () => {
    bench.write('PQH_REG', 64);
    bench.write('PQT_REG', LAST);
    bench.pageRequest(RID, { address: 0x1000n, pasid: PASID });
    expect(bench.read('PQT_REG')).toBe(0n);
    expect(descriptorAt(bench, LAST)).toMatchObject({ TYPE: 1, ADDR: 0x1000n });
  });

  it('is dropped while DMA remapping is off', () => {
    bench.clear('TE');
    bench.pageRequest(RID, { address: 0x1000n, pasid: PASID });
    expect([bench.read('PQT_REG'), bench.responses, bench.records()]).toEqual([0n, [], []]);
  });

  it('is dropped by a unit without page requests', () => {
    const without = new TranslatingUnit({ flags: { PRS: false }, context: { PRE: 0 } }).bench;
    without.pageRequest(RID, { address: 0x1000n, pasid: PASID });
    expect([without.responses, without.records()]).toEqual([[], []]);
  });
});

describe('a full queue', () => {
  let bench: IommuBench;
  beforeEach(() => {
    ({ bench } = armed());
    nearlyFull(bench);
    bench.pageRequest(RID, { address: 0x1000n, pasid: PASID, groupIndex: 1 });
    bench.messages.splice(0);
    bench.write('PRS_REG', 1);
  });

  it('keeps one slot free, sets PRO with an event and answers the group with success', () => {
    expect(bench.read('PQT_REG')).toBe(BigInt(LAST));
    bench.pageRequest(RID, { address: 0x2000n, pasid: PASID, groupIndex: 2 });
    expect([bench.read('PQT_REG'), bench.field('PRS_REG', 'PRO')]).toEqual([BigInt(LAST), 1]);
    expect(bench.responses).toEqual([{ rid: RID, pasid: PASID, groupIndex: 2, code: 0 }]);
    expect(bench.messages).toEqual([MESSAGE]);
  });

  it('drops requests that end no group', () => {
    bench.pageRequest(RID, { address: 0x2000n, pasid: PASID, isLastInGroup: false });
    expect([bench.responses, bench.field('PRS_REG', 'PRO')]).toEqual([[], 1]);
  });

  it('takes nothing until PRO is cleared, even with room', () => {
    bench.pageRequest(RID, { address: 0x2000n, pasid: PASID });
    bench.write('PQH_REG', LAST);
    bench.pageRequest(RID, { address: 0x3000n, pasid: PASID, groupIndex: 3 });
    expect(bench.read('PQT_REG')).toBe(BigInt(LAST));
    expect(bench.responses).toHaveLength(2);
    expect(bench.messages).toHaveLength(1);
    bench.write('PRS_REG', 2);
    bench.pageRequest(RID, { address: 0x4000n, pasid: PASID });
    expect(bench.read('PQT_REG')).toBe(0n);
  });

  it('drops a stop marker silently where SMS is reported', () => {
    bench.pageRequest(RID, { address: 0n, pasid: PASID, isRead: false });
    expect([bench.responses, bench.field('PRS_REG', 'PRO'), bench.messages]).toEqual([[], 0, []]);
  });

  it('overflows by a stop marker where SMS is not reported', () => {
    const without = armed({ flags: { SMS: false } }).bench;
    nearlyFull(without);
    without.pageRequest(RID, { address: 0x1000n, pasid: PASID });
    without.pageRequest(RID, { address: 0n, pasid: PASID, isRead: false });
    expect(without.field('PRS_REG', 'PRO')).toBe(1);
    expect(without.responses).toHaveLength(1);
  });
});

describe('a stop marker', () => {
  it('is queued like a request and needs no answer', () => {
    const { bench } = armed();
    bench.pageRequest(RID, { address: 0n, pasid: PASID, isRead: false });
    const words = new Uint32Array(8);
    bench.memory.readWords(QUEUE_OF_PAGE_REQUESTS, words);
    expect(Array.from(words.subarray(0, 4))).toEqual([0x0318_0101, PASID, 4, 0]);
    expect(bench.responses).toEqual([]);
  });

  it('that meets a fault is recorded and gets no answer', () => {
    const { bench } = armed({ context: { PRE: 0 } });
    bench.pageRequest(RID, { address: 0n, pasid: PASID, isRead: false });
    expect([bench.records().length, bench.responses]).toEqual([1, []]);
  });
});

describe('implicit invalidation by a page request (section 6.5.3.1)', () => {
  const ask = (unit: CachedUnit, pasid: number): void => {
    unit.bench.write('PQA_REG', BigInt(QUEUE_OF_PAGE_REQUESTS));
    unit.bench.pageRequest(RIDS[0], { address: PAGES[0], pasid });
  };
  const keys = (unit: CachedUnit, pasid: number): readonly string[] =>
    unit.contents.translations.filter((t) => t.startsWith(`0318:${pasid}:`));

  it.each([
    ['first stage: the page', PASID_OF.first, [PAGES[1]]],
    ['second stage: the page of the domain', PASID_OF.second, [PAGES[1]]],
    ['nested: the domain', PASID_OF.nested, []],
  ])('drops with a %s', (_name, pasid, left) => {
    const unit = new CachedUnit();
    expect(keys(unit, pasid)).toHaveLength(2);
    ask(unit, pasid);
    expect(keys(unit, pasid)).toEqual(left.map((page) => `0318:${pasid}:${page.toString(16)}`));
  });

  it('drops the paging structures of the page, which have no hint', () => {
    const unit = new CachedUnit();
    ask(unit, PASID_OF.first);
    expect(unit.contents.firstStage).toEqual(['3:2', '3:3', '3:4']);
  });

  it('does not happen for a request that is not queued', () => {
    const unit = new CachedUnit();
    unit.bench.write('PRS_REG', 0);
    unit.bench.unit.registers.set('PRS_REG', 'PRO', 1);
    ask(unit, PASID_OF.first);
    expect(keys(unit, PASID_OF.first)).toHaveLength(2);
  });
});
