/** What passes, with which rights, and which flags it leaves: VT-d 5.10 sections 3.6 to 3.11 and 4.2. */
import { describe, expect, it } from 'vitest';
import { ACCESS } from '../../../../src-main/sim/iommu/first-stage-walk.ts';
import { DEFAULT_IOMMU_CACHES } from '../../../../src-main/sim/machine-config.ts';
import { IotlbInvalidate } from '../../../../src-main/spec/vtd/descriptors/cache-descriptors.ts';
import { permit } from '../../../support/iommu-fault-scenarios.ts';
import { HIGH_RAM_BASE } from '../../../support/iommu-bench.ts';
import {
  GUEST_PAGE,
  IOVA,
  RID,
  SUCCESS,
  TranslatingUnit,
  UR,
  hpaOf,
  type Walk,
} from '../../../support/iommu-setup.ts';
import { FIRST_STAGE, SECOND_STAGE } from '../../../support/iommu-tables.ts';

const WRITE = { kind: ACCESS.write } as const;
const { P, RW, US, A, D, EA } = FIRST_STAGE;
const USER_TABLE = P | RW | US;

function word(unit: TranslatingUnit, address: number): bigint {
  return unit.bench.memory.read64(address);
}

describe('page sizes', () => {
  it.each([
    ['first', 12],
    ['first', 21],
    ['first', 30],
    ['second', 12],
    ['second', 21],
    ['second', 30],
  ] as const)('%s-stage page of 2^%i bytes', (walk, pageShift) => {
    const mask = (1n << BigInt(pageShift)) - 1n;
    const output = 0x1_4000_0000n & ~mask;
    const unit = new TranslatingUnit({ walk, pageShift, output, input: IOVA & ~mask });
    const { status, answer } = unit.request('UP', { address: (IOVA & ~mask) | 0x123n });
    expect([status, answer.pageShift, hpaOf(answer)]).toEqual([
      SUCCESS,
      pageShift,
      output | 0x123n,
    ]);
  });

  it('are the smaller of both stages when nested', () => {
    const unit = new TranslatingUnit({ walk: 'nested' });
    expect(unit.request('UP').answer.pageShift).toBe(12);
  });

  it('of 1 GB are reserved where the unit does not have them', () => {
    const first = new TranslatingUnit({
      walk: 'first',
      pageShift: 30,
      flags: { FS1GP: false },
      input: 0n,
      output: 0n,
    });
    first.request('UP');
    expect(first.bench.recordAt(0).FR).toBe(0x72);
  });
});

describe('five levels', () => {
  it('take addresses of 57 bits', () => {
    const input = 0x00ab_1234_5678_9000n;
    const unit = new TranslatingUnit({ walk: 'first', firstStageLevels: 5, input });
    expect(hpaOf(unit.request('UP').answer)).toBe(unit.output);
  });

  it('and canonical ones of the upper half', () => {
    const input = 0xff00_0000_0000_1000n;
    const unit = new TranslatingUnit({ walk: 'first', firstStageLevels: 5, input });
    expect(hpaOf(unit.request('UP').answer)).toBe(unit.output);
  });
});

describe('first-stage rights (section 3.6.1)', () => {
  const READ_ONLY = P | US | A | D;
  const SUPERVISOR = P | RW | A | D;

  it.each([
    // [leaf, WPE, privileged, write, fault or 0]
    ['user reads', READ_ONLY, 0, false, false, 0],
    ['user writes a read-only page', READ_ONLY, 0, false, true, 0x85],
    ['user reads a supervisor page', SUPERVISOR, 0, false, false, 0x81],
    ['supervisor reads a user page', READ_ONLY, 0, true, false, 0],
    ['supervisor writes a read-only page', READ_ONLY, 0, true, true, 0],
    ['supervisor writes a read-only page with WPE', READ_ONLY, 1, true, true, 0x85],
    ['supervisor writes a supervisor page with WPE', SUPERVISOR, 1, true, true, 0],
    ['user writes a read-only page with WPE', READ_ONLY, 1, false, true, 0x85],
  ] as const)('%s', (_name, leaf, WPE, isPrivileged, isWrite, fault) => {
    const unit = new TranslatingUnit({
      walk: 'first',
      firstStageLeaf: leaf,
      entry: { SRE: 1, WPE },
    });
    unit.request('UP', { isPrivileged, ...(isWrite ? WRITE : {}) });
    expect(unit.bench.unit.answer.reason).toBe(fault);
  });

  it('a later entry that is not present wins over a missing right', () => {
    const unit = new TranslatingUnit({ walk: 'first' });
    unit.tables.patch(unit.firstStageEntry(3), 0n, US);
    unit.tables.patch(unit.firstStageEntry(1), 0n, P);
    unit.request('UP');
    expect(unit.bench.recordAt(0).FR).toBe(0x71);
  });

  it('RID_PRIV makes requests without PASID those of a supervisor', () => {
    const options = {
      walk: 'first',
      firstStageLeaf: SUPERVISOR,
      entry: { SRE: 1 },
    } as const;
    const plain = new TranslatingUnit(options);
    plain.request('U');
    expect(plain.bench.recordAt(0).FR).toBe(0x81);
    const privileged = new TranslatingUnit({ ...options, context: { RID_PRIV: 1 } });
    expect(privileged.request('U').status).toBe(SUCCESS);
    expect(privileged.request('T').answer).toMatchObject({ canRead: true, isPrivileged: false });
  });
});

describe('second-stage rights (section 3.7.1)', () => {
  it.each([
    ['read', ACCESS.read, 8, SECOND_STAGE.R, 0],
    ['read', ACCESS.read, 8, SECOND_STAGE.W, 0x86],
    ['zero-length read', ACCESS.read, 0, SECOND_STAGE.W, 0],
    ['write', ACCESS.write, 8, SECOND_STAGE.R, 0x85],
    ['write', ACCESS.write, 8, SECOND_STAGE.W, 0],
    ['atomic', ACCESS.atomic, 8, SECOND_STAGE.R, 0x85],
    ['atomic', ACCESS.atomic, 8, SECOND_STAGE.W, 0x86],
  ] as const)('%s (%i) of %i bytes with rights %i', (_name, kind, bytes, leaf, fault) => {
    const unit = new TranslatingUnit({ secondStageLeaf: leaf });
    unit.request('UP', { kind, bytes });
    expect(unit.bench.unit.answer.reason).toBe(fault);
  });

  it('refuses zero-length reads of write-only pages without ZLR', () => {
    const unit = new TranslatingUnit({ secondStageLeaf: SECOND_STAGE.W, flags: { ZLR: false } });
    unit.request('UP', { bytes: 0 });
    expect(unit.bench.recordAt(0).FR).toBe(0x86);
  });

  it('are those of bits 62:61 with SSIRWE', () => {
    const IR = 1n << 61n;
    const unit = new TranslatingUnit({
      flags: { SSIRWS: true },
      ssirwe: 1,
      secondStageTable: IR | (1n << 62n),
      secondStageLeaf: IR,
    });
    expect(unit.request('UP').status).toBe(SUCCESS);
    unit.request('UP', WRITE);
    expect(unit.bench.recordAt(0).FR).toBe(0x85);
  });
});

describe('first-stage flags (section 3.6.2)', () => {
  const fresh = (extra = {}): TranslatingUnit =>
    new TranslatingUnit({
      walk: 'first',
      firstStageTable: USER_TABLE,
      firstStageLeaf: USER_TABLE,
      ...extra,
    });
  const flags = (unit: TranslatingUnit): readonly bigint[] =>
    [4, 3, 2, 1].map((level) => word(unit, unit.firstStageEntry(level)) & (A | D | EA));

  it('a read sets A in every entry', () => {
    const unit = fresh();
    unit.request('UP');
    expect(flags(unit)).toEqual([A, A, A, A]);
  });

  it('a write sets D in the leaf too', () => {
    const unit = fresh();
    unit.request('UP', WRITE);
    expect(flags(unit)).toEqual([A, A, A, A | D]);
  });

  it('EA comes with A where EAFE asks for it', () => {
    const unit = fresh({ entry: { EAFE: 1 } });
    unit.request('UP');
    expect(flags(unit)).toEqual([A | EA, A | EA, A | EA, A | EA]);
  });

  it('a write that is refused sets no D', () => {
    const unit = fresh({ firstStageLeaf: P | US });
    unit.request('UP', WRITE);
    expect(word(unit, unit.firstStageEntry(1)) & D).toBe(0n);
  });

  it('a write into the interrupt range sets no D', () => {
    const unit = fresh({ output: 0xfee0_0000n });
    unit.request('UP', WRITE);
    expect(unit.bench.recordAt(0).FR).toBe(0x87);
    expect(word(unit, unit.firstStageEntry(1)) & D).toBe(0n);
  });

  it.each([
    ['counts as a write', {}, A | D],
    ['counts as a read with NW', { isNoWrite: true }, A],
  ])('a translation request %s', (_name, request, expected) => {
    const unit = fresh();
    unit.request('TP', request);
    expect(flags(unit)[3]).toBe(expected);
  });

  it('a first write through a cached translation sets D', () => {
    const unit = fresh({ caches: DEFAULT_IOMMU_CACHES });
    unit.request('UP');
    expect(flags(unit)[3]).toBe(A);
    const hits = unit.bench.unit.translation.counters.iotlbHits;
    unit.request('UP');
    expect(unit.bench.unit.translation.counters.iotlbHits).toBe(hits + 1);
    unit.request('UP', WRITE);
    expect(flags(unit)[3]).toBe(A | D);
  });

  it('are not set again while a translation is cached', () => {
    const unit = fresh({ caches: DEFAULT_IOMMU_CACHES });
    unit.request('UP', WRITE);
    unit.tables.patch(unit.firstStageEntry(1), 0n, A | D);
    unit.request('UP', WRITE);
    expect(flags(unit)[3]).toBe(0n);
    unit.bench.startQueue();
    unit.bench.submit(IotlbInvalidate.encode({ G: 1 }));
    unit.request('UP', WRITE);
    expect(flags(unit)[3]).toBe(A | D);
  });
});

describe('second-stage flags', () => {
  const flags = (unit: TranslatingUnit): readonly bigint[] =>
    [4, 3, 2, 1].map(
      (level) => word(unit, unit.secondStageEntry(level)) & (SECOND_STAGE.A | SECOND_STAGE.D),
    );

  it('are left alone without SSADE', () => {
    const unit = new TranslatingUnit();
    unit.request('UP', WRITE);
    expect(flags(unit)).toEqual([0n, 0n, 0n, 0n]);
  });

  it('are set with SSADE, D by writes in the leaf', () => {
    const unit = new TranslatingUnit({ entry: { SSADE: 1 } });
    unit.request('UP');
    const { A: accessed, D: dirty } = SECOND_STAGE;
    expect(flags(unit)).toEqual([accessed, accessed, accessed, accessed]);
    unit.request('UP', WRITE);
    expect(flags(unit)[3]).toBe(accessed | dirty);
  });

  it('nested, a first-stage flag dirties the page of its table', () => {
    const unit = new TranslatingUnit({
      walk: 'nested',
      firstStageTable: USER_TABLE,
      firstStageLeaf: USER_TABLE,
      entry: { SSADE: 1 },
    });
    unit.request('UP');
    for (const level of [4, 3, 2, 1]) {
      expect(word(unit, unit.tableLeaf(level)) & SECOND_STAGE.D).toBe(SECOND_STAGE.D);
    }
    expect(flags(unit)[3]).toBe(SECOND_STAGE.A);
    unit.request('UP', WRITE);
    expect(flags(unit)[3]).toBe(SECOND_STAGE.A | SECOND_STAGE.D);
  });

  it('nested, tables whose flags stand need no right to write without SSADE', () => {
    const unit = new TranslatingUnit({ walk: 'nested' });
    unit.tables.patch(unit.tableLeaf(2), 0n, SECOND_STAGE.W);
    expect(unit.request('UP').status).toBe(SUCCESS);
    unit.setEntries({ SSADE: 1 });
    unit.request('UP');
    expect(unit.bench.recordAt(0).FR).toBe(0x77);
  });

  it('nested, a table page that may neither be read nor written is not present', () => {
    const unit = new TranslatingUnit({ walk: 'nested' });
    const input = BigInt(unit.firstStageEntry(4) - 0x0400_0000);
    unit.tables.patch(unit.secondStageEntry(1, input), 0n, SECOND_STAGE.W);
    unit.tables.patch(unit.secondStageEntry(2, input), 0n, SECOND_STAGE.R);
    unit.request('UP');
    expect(unit.bench.unit.answer.reason).toBe(0x79);
  });
});

describe('snooping (section 3.11): N of a translation completion', () => {
  it.each([
    ['first', 0, 0n, false],
    ['first', 1, 0n, true],
    ['second', 0, SECOND_STAGE.SNP, true],
    ['second', 1, 0n, true],
    ['second', 0, 0n, false],
    ['nested', 0, SECOND_STAGE.SNP, true],
    ['nested', 1, 0n, true],
  ] as const)('%s stage, PGSNP %i, SNP %i', (walk: Walk, PGSNP, snoop, expected) => {
    const unit = new TranslatingUnit({
      walk,
      entry: { PGSNP },
      secondStageLeaf: SECOND_STAGE.R | SECOND_STAGE.W | snoop,
    });
    expect(unit.request('TP').answer.isSnooped).toBe(expected);
  });

  it('legacy: SNP of the leaf', () => {
    const unit = new TranslatingUnit({
      isLegacy: true,
      secondStageLeaf: SECOND_STAGE.R | SECOND_STAGE.SNP,
    });
    expect(unit.request('T').answer.isSnooped).toBe(true);
  });
});

describe('translation requests', () => {
  it('get the effective rights, recorded nowhere', () => {
    const unit = new TranslatingUnit({ secondStageLeaf: SECOND_STAGE.R });
    expect(unit.request('TP').answer).toMatchObject({ canRead: true, canWrite: false, reason: 0 });
    expect(unit.bench.records()).toEqual([]);
  });

  it('with NW get no right to write', () => {
    const unit = new TranslatingUnit();
    expect(unit.request('TP', { isNoWrite: true }).answer.canWrite).toBe(false);
    const deaf = new TranslatingUnit({ flags: { NWFS: false } });
    expect(deaf.request('TP', { isNoWrite: true }).answer.canWrite).toBe(true);
  });

  it('of a supervisor without SRE get no rights but PRIV', () => {
    const unit = new TranslatingUnit({ walk: 'first' });
    const { status, answer } = unit.request('TP', { isPrivileged: true });
    expect(status).toBe(SUCCESS);
    expect(answer).toMatchObject({ canRead: false, canWrite: false, isPrivileged: true });
  });

  it('that write, and reserved address types, are refused without a record', () => {
    const unit = new TranslatingUnit();
    expect(unit.request('TP', WRITE).status).toBe(UR);
    const { status } = unit.bench.request({
      rid: RID,
      address: unit.input,
      addressType: 3 as never,
    });
    expect([status, unit.bench.records()]).toEqual([UR, []]);
  });

  it('and translated ones are refused while DMA remapping is off, others pass', () => {
    const unit = new TranslatingUnit();
    unit.bench.clear('TE');
    expect([unit.request('T').status, unit.request('X').status]).toEqual([UR, UR]);
    const { status, answer } = unit.request('U');
    expect([status, hpaOf(answer)]).toEqual([SUCCESS, unit.input]);
    expect(unit.bench.records()).toEqual([]);
  });

  it('translated ones with PASID are refused without PTRS', () => {
    const unit = new TranslatingUnit({ flags: { PTRS: false } });
    expect(unit.request('XP').status).toBe(UR);
    expect(unit.bench.records()).toEqual([]);
  });
});

describe('a cached large page that contains the interrupt range', () => {
  const LARGE = { pageShift: 30, output: 0xc000_0000n, input: 0x40_0000_0000n } as const;
  const INTO_RANGE = LARGE.input + 0x3ee0_1000n;

  it.each(['first', 'second'] as const)('passes other addresses only: %s stage', (walk) => {
    const unit = new TranslatingUnit({ ...LARGE, walk, caches: DEFAULT_IOMMU_CACHES });
    expect(unit.request('UP').status).toBe(SUCCESS);
    expect(unit.request('UP').answer.isIotlbHit).toBe(true);
    expect(unit.request('UP', { address: INTO_RANGE }).status).toBe(UR);
    expect(unit.bench.recordAt(0).FR).toBe(0x87);
  });

  it('stays silent with FPD', () => {
    const unit = new TranslatingUnit({
      ...LARGE,
      entry: { FPD: 1 },
      caches: DEFAULT_IOMMU_CACHES,
    });
    unit.request('UP');
    unit.request('UP', { address: INTO_RANGE });
    expect(unit.bench.records()).toEqual([]);
  });
});

describe('faults from cached rights', () => {
  it('are recorded like others', () => {
    const unit = new TranslatingUnit({
      secondStageLeaf: SECOND_STAGE.R,
      caches: DEFAULT_IOMMU_CACHES,
    });
    unit.request('UP');
    unit.request('UP', WRITE);
    expect(unit.bench.recordAt(0)).toMatchObject({ FR: 0x85, PP: 1 });
  });
});

describe('nested translation', () => {
  it('goes through both stages', () => {
    const unit = new TranslatingUnit({ walk: 'nested' });
    const { answer } = unit.request('UP', { address: unit.input | 0x7f8n });
    expect(hpaOf(answer)).toBe(unit.output | 0x7f8n);
    expect(unit.secondStageEntry(1, GUEST_PAGE)).toBeGreaterThan(0);
  });

  it('reads 24 entries for four levels by four', () => {
    const unit = new TranslatingUnit({ walk: 'nested' });
    const stages: string[] = [];
    unit.request('UP');
    unit.bench.unit.translation.explain(requestOf(unit), {
      read: (step) => stages.push(step.stage),
    });
    expect(stages.filter((s) => s === 'first-stage')).toHaveLength(4);
    expect(stages.filter((s) => s === 'second-stage')).toHaveLength(20);
  });

  function requestOf(
    unit: TranslatingUnit,
  ): Parameters<typeof unit.bench.unit.translation.explain>[0] {
    return {
      rid: RID,
      pasid: 5,
      high: Number(unit.input >> 32n),
      low: Number(unit.input & 0xffff_ffffn),
      bytes: 8,
      kind: ACCESS.read,
      addressType: 0,
      isPrivileged: false,
      isExecute: false,
      isNoWrite: false,
    };
  }
});

describe('host permission tables (section 4.2.4)', () => {
  const PERMITTED = { flags: { HPTS: true }, context: { HPTE: 1 } } as const;

  it.each([
    ['read', 1n, ACCESS.read, 8, 0],
    ['write', 2n, ACCESS.write, 8, 0],
    ['atomic', 3n, ACCESS.atomic, 8, 0],
    ['zero-length read of a writable page', 2n, ACCESS.read, 0, 0],
    ['atomic of a writable page', 2n, ACCESS.atomic, 8, 0xa5],
    ['read of a page without rights', 0n, ACCESS.read, 8, 0xa5],
    ['write of a page without rights', 0n, ACCESS.write, 8, 0xa4],
  ] as const)('judge a %s', (_name, permission, kind, bytes, fault) => {
    for (const requestClass of ['X', 'XP'] as const) {
      const unit = new TranslatingUnit(PERMITTED);
      permit(unit, requestClass, permission);
      unit.request(requestClass, { kind, bytes });
      expect(unit.bench.unit.answer.reason).toBe(fault);
    }
  });

  it('hold for one page, not for its neighbour', () => {
    const unit = new TranslatingUnit(PERMITTED);
    permit(unit, 'XP', 3n);
    expect(unit.request('XP').status).toBe(SUCCESS);
    unit.request('XP', { address: unit.output + 0x1000n });
    expect(unit.bench.recordAt(0).FR).toBe(0xa5);
  });

  it('end at a permission for 2 MB', () => {
    const unit = new TranslatingUnit(PERMITTED);
    const entry = permit(unit, 'XP', 0n);
    const part = Number((unit.output >> 21n) & 15n);
    unit.tables.patch(entry, 1n << BigInt(part * 4));
    expect(unit.request('XP', { address: unit.output + 0x9000n }).status).toBe(SUCCESS);
  });

  it('have permissions for 1 GB only where HPT1GPS says so', () => {
    for (const has of [true, false]) {
      const unit = new TranslatingUnit({ ...PERMITTED, flags: { HPTS: true, HPT1GPS: has } });
      const entry = permit(unit, 'X', 0n);
      const part = Number((unit.output >> 30n) & 7n);
      unit.tables.patch(entry, 1n << BigInt(part * 4));
      unit.request('X');
      expect(unit.bench.unit.answer.reason).toBe(has ? 0 : 0xa1);
    }
  });

  it('do not concern untranslated requests', () => {
    const unit = new TranslatingUnit(PERMITTED);
    expect(unit.request('UP').status).toBe(SUCCESS);
  });
});

describe('protected memory (section 11.4.8)', () => {
  it('blocks DMA to the regions without a record, remapped or not', () => {
    const unit = new TranslatingUnit({ flags: { PHMR: true } });
    const { bench } = unit;
    bench.write('PHMBASE_REG', BigInt(HIGH_RAM_BASE));
    bench.write('PHMLIMIT_REG', BigInt(HIGH_RAM_BASE));
    expect(unit.request('UP').status).toBe(SUCCESS);
    bench.write('PMEN_REG', 0x8000_0000);
    expect(bench.field('PMEN_REG', 'PRS')).toBe(1);
    expect(unit.request('UP').status).toBe(UR);
    bench.clear('TE');
    expect(unit.request('U', { address: unit.output }).status).toBe(UR);
    expect(bench.records()).toEqual([]);
    bench.write('PMEN_REG', 0);
    expect(unit.request('U', { address: unit.output }).status).toBe(SUCCESS);
  });
});
