/** Fault recording registers: ring, overflow, collapse, status and event. VT-d 5.10 sections 7.2.1, 7.3 and 11.4.7. */
import { beforeEach, describe, expect, it } from 'vitest';
import { FAULT_LOST, FAULT_RECORDED } from '../../../../src-main/spec/events/iommu.ts';
import { FRCD_REG } from '../../../../src-main/spec/vtd/registers/fault.ts';
import { TTM } from '../../../../src-main/spec/vtd/registers/global-command.ts';
import { remappableMessage } from '../../../../src-main/spec/vtd/interrupt-message.ts';
import { ACCESS } from '../../../../src-main/sim/iommu/first-stage-walk.ts';
import { IommuBench } from '../../../support/iommu-bench.ts';
import { TranslatingUnit } from '../../../support/iommu-setup.ts';
import { IommuTables } from '../../../support/iommu-tables.ts';
import { kindsOf, recordsOf } from '../../../support/trace-records.ts';

const RECORDS = 8;
const MESSAGE = { address: 0xfee0_1000n, data: 0x41 };

/** A unit on which every request faults with 39h, and whose fault event is armed. */
function faultingUnit(isCompressingFaults = false, version?: number): IommuBench {
  const bench = new IommuBench({
    isCompressingFaults,
    traceMode: 'store',
    ...(version === undefined ? {} : { version }),
  });
  bench.setRoot(new IommuTables(bench.memory).root, TTM.scalable);
  bench.write('FEDATA_REG', MESSAGE.data);
  bench.write('FEADDR_REG', MESSAGE.address);
  bench.write('FECTL_REG', 0);
  bench.command('TE');
  return bench;
}

function fault(bench: IommuBench, rid: number, address = 0x1000n): void {
  bench.request({ rid, address });
}

describe('fault recording', () => {
  let bench: IommuBench;
  beforeEach(() => {
    bench = faultingUnit();
  });

  it('fills the registers in order and names the first in FRI', () => {
    fault(bench, 0x10);
    fault(bench, 0x11);
    expect(bench.records().map((r) => r.SID)).toEqual([0x10, 0x11]);
    expect([bench.field('FSTS_REG', 'PPF'), bench.field('FSTS_REG', 'FRI')]).toEqual([1, 0]);
  });

  it('sends one message for the first fault and none while faults are pending', () => {
    fault(bench, 0x10);
    fault(bench, 0x11);
    expect(bench.messages).toEqual([MESSAGE]);
  });

  it('sets FRI anew when PPF rises again', () => {
    fault(bench, 0x10);
    fault(bench, 0x11);
    bench.freeRecord(0);
    expect(bench.field('FSTS_REG', 'PPF')).toBe(1);
    bench.freeRecord(1);
    expect(bench.field('FSTS_REG', 'PPF')).toBe(0);
    fault(bench, 0x12);
    expect([bench.field('FSTS_REG', 'PPF'), bench.field('FSTS_REG', 'FRI')]).toEqual([1, 2]);
    expect(bench.messages).toHaveLength(2);
  });

  it('overflows when the next register is in use, and loses faults until PFO is cleared', () => {
    for (let i = 0; i <= RECORDS; i++) {
      fault(bench, i);
    }
    expect(bench.field('FSTS_REG', 'PFO')).toBe(1);
    expect(bench.records().map((r) => r.SID)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    bench.freeRecord(0);
    fault(bench, 0x20);
    expect(bench.recordAt(0).F).toBe(0);
    bench.write('FSTS_REG', 1);
    fault(bench, 0x21);
    expect(bench.recordAt(0)).toMatchObject({ SID: 0x21, F: 1 });
    expect(bench.messages).toEqual([MESSAGE]);
  });

  it('wraps round to the first register', () => {
    for (let i = 0; i < RECORDS; i++) {
      fault(bench, i);
      bench.freeRecord(i);
    }
    fault(bench, 0x30);
    expect(bench.recordAt(0)).toMatchObject({ SID: 0x30, F: 1 });
    expect(bench.field('FSTS_REG', 'FRI')).toBe(0);
  });

  it('starts over when neither remapping is enabled any more', () => {
    fault(bench, 0x10);
    bench.freeRecord(0);
    bench.command('IRE');
    bench.clear('TE');
    bench.command('TE');
    fault(bench, 0x11);
    expect(bench.recordAt(1).F).toBe(1);
    bench.freeRecord(1);
    bench.clear('IRE');
    bench.clear('TE');
    bench.command('TE');
    fault(bench, 0x12);
    expect(bench.recordAt(0)).toMatchObject({ SID: 0x12, F: 1 });
  });

  it('keeps a record that software does not free with a 1', () => {
    fault(bench, 0x10);
    const { faultRecordOffset } = bench.unit.limits.capability;
    bench.unit.write(faultRecordOffset, 8, 0n);
    bench.unit.write(faultRecordOffset + 12, 4, 0n);
    expect(bench.recordAt(0)).toMatchObject({ SID: 0x10, F: 1, FI: 0x1000n });
  });

  it('holds a masked event back, and withdraws it when no status is left', () => {
    bench.write('FECTL_REG', 0x8000_0000);
    fault(bench, 0x10);
    expect([bench.messages, bench.field('FECTL_REG', 'IP')]).toEqual([[], 1]);
    bench.freeRecord(0);
    expect(bench.field('FECTL_REG', 'IP')).toBe(0);
    bench.write('FECTL_REG', 0);
    expect(bench.messages).toEqual([]);
    fault(bench, 0x11);
    expect(bench.messages).toEqual([MESSAGE]);
  });

  it('sends a held event when software clears the mask', () => {
    bench.write('FECTL_REG', 0x8000_0000);
    fault(bench, 0x10);
    bench.write('FECTL_REG', 0);
    expect([bench.messages, bench.field('FECTL_REG', 'IP')]).toEqual([[MESSAGE], 0]);
  });

  it('tells of each fault, recorded or lost', () => {
    for (let i = 0; i <= RECORDS; i++) {
      fault(bench, i);
    }
    const kinds = kindsOf(bench.trace);
    expect(kinds.filter((k) => k === FAULT_RECORDED.kind)).toHaveLength(RECORDS);
    expect(kinds.filter((k) => k === FAULT_LOST.kind)).toHaveLength(1);
  });
});

describe('fault collapse', () => {
  it('drops a second fault of a requester with an unread record', () => {
    const bench = faultingUnit(true);
    fault(bench, 0x10);
    fault(bench, 0x10, 0x2000n);
    fault(bench, 0x11);
    expect(bench.records().map((r) => [r.SID, r.FI])).toEqual([
      [0x10, 0x1000n],
      [0x11, 0x1000n],
    ]);
    const lost = recordsOf(bench.trace).filter((r) => r.kind === FAULT_LOST.kind);
    expect(lost.map((r) => r.values['collapsed'])).toEqual([1]);
    expect(bench.field('FSTS_REG', 'PFO')).toBe(0);
  });

  it('is off by default', () => {
    const bench = faultingUnit();
    fault(bench, 0x10);
    fault(bench, 0x10, 0x2000n);
    expect(bench.records()).toHaveLength(2);
  });
});

describe('fault information', () => {
  it('has no bits above the widest input address (section 11.4.7.6)', () => {
    const bench = faultingUnit();
    fault(bench, 0x10, 0xffff_8000_0000_1234n);
    expect(bench.recordAt(0).FI).toBe(0x01ff_8000_0000_1000n);
  });

  it('is the address as it came in units of older revisions', () => {
    const bench = faultingUnit(false, 0x10);
    fault(bench, 0x10, 0xffff_8000_0000_1234n);
    expect(bench.recordAt(0).FI).toBe(0xffff_8000_0000_1000n);
  });

  it('tells writes and atomics from reads', () => {
    const bench = faultingUnit();
    for (const kind of [ACCESS.read, ACCESS.write, ACCESS.atomic]) {
      bench.request({ rid: 0x10, address: 0n, kind });
    }
    expect(bench.records().map((r) => [r.T1, r.T2])).toEqual([
      [1, 0],
      [0, 0],
      [1, 1],
    ]);
  });

  it('has no PASID for a request without one, although RID_PASID stood in', () => {
    const unit = new TranslatingUnit();
    unit.request('U', { address: 1n << 48n });
    expect(unit.bench.recordAt(0)).toMatchObject({ FR: 0x84, PP: 0, PV: 0 });
  });

  it('has neither PASID nor address type where the unit reports neither', () => {
    const unit = new TranslatingUnit({
      flags: { PASID: false, DT: false, PRS: false, PTRS: false },
      context: { DTE: 0, PASIDE: 0, PRE: 0, EPTR: 0 },
    });
    unit.request('T');
    unit.request('UP');
    expect(unit.bench.records().map((r) => [r.FR, r.AT, r.PP, r.PV])).toEqual([
      [0x44, 0, 0, 0],
      [0x45, 0, 0, 0],
    ]);
  });
});

describe('requests without PASID to the interrupt range', () => {
  const INTERRUPT = 0xfee0_0000n;

  it.each([
    ['read', ACCESS.read, 4],
    ['write of eight bytes', ACCESS.write, 8],
    ['atomic', ACCESS.atomic, 4],
  ] as const)('are blocked with 29h: %s', (_name, kind, bytes) => {
    const unit = new TranslatingUnit();
    const { status } = unit.request('U', { address: INTERRUPT, kind, bytes });
    expect([status, unit.bench.recordAt(0).FR]).toEqual([1, 0x29]);
  });

  it('pass as zero-length reads', () => {
    const unit = new TranslatingUnit();
    const { status } = unit.request('U', { address: INTERRUPT, bytes: 0 });
    expect([status, unit.bench.records()]).toEqual([0, []]);
  });

  it('are translated like others with a PASID', () => {
    const unit = new TranslatingUnit({ input: INTERRUPT });
    expect(unit.request('UP').status).toBe(0);
  });

  it('get write-only, untranslated use as translation requests', () => {
    const unit = new TranslatingUnit();
    expect(unit.request('T', { address: INTERRUPT }).answer).toMatchObject({
      canRead: false,
      canWrite: true,
      isUntranslatedOnly: true,
    });
    expect(unit.request('T', { address: INTERRUPT, isNoWrite: true }).answer).toMatchObject({
      canRead: false,
      canWrite: false,
      isUntranslatedOnly: false,
    });
    expect(unit.bench.records()).toEqual([]);
  });
});

describe('records as printed in the specification', () => {
  const raw = (bench: IommuBench): readonly string[] => {
    const { faultRecordOffset } = bench.unit.limits.capability;
    return [0, 8].map((at) =>
      bench.unit
        .read(faultRecordOffset + at, 8)
        .toString(16)
        .padStart(16, '0'),
    );
  };

  it.each([
    [
      'first-stage entry not present, read',
      { walk: 'first', firstStageLeaf: 2n },
      'UP',
      {},
      'c000057180000318',
    ],
    [
      'no write permission',
      { secondStageLeaf: 1n },
      'UP',
      { kind: ACCESS.write },
      '8000058580000318',
    ],
    ['page requests not enabled', { context: { PRE: 0 } }, 'P', {}, '8000054790000318'],
  ] as const)('%s', (_name, setup, requestClass, request, high) => {
    const unit = new TranslatingUnit(setup);
    unit.request(requestClass, request);
    expect(raw(unit.bench)).toEqual(['00007f0000201000', high]);
  });

  it('interrupt entry not present', () => {
    const bench = new IommuBench();
    bench.setInterruptTable(0x20_0000, 7, true);
    bench.command('IRE');
    const { address, data } = remappableMessage(0x20);
    bench.unit.interrupt(0x0318, 0, address, data);
    expect(raw(bench)).toEqual(['0020000000000000', '8000002200000318']);
  });
});

it('records lie where CAP_REG says', () => {
  const bench = new IommuBench();
  const { faultRecordOffset, faultRecordCount } = bench.unit.limits.capability;
  expect([faultRecordOffset, faultRecordCount, FRCD_REG.bytes]).toEqual([0x600, RECORDS, 16]);
});
