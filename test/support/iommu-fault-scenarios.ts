/**
 * How to bring about every fault reason of requests: what the unit is like, what is damaged, which request meets it. Each
 * scenario starts from a unit that translates (`TranslatingUnit`). The test of fault reasons runs them, the coverage test
 * compares them with the catalogue.
 */
import { ACCESS } from '../../src-main/sim/iommu/first-stage-walk.ts';
import type { CapabilityProfile } from '../../src-main/spec/vtd/capability-profile.ts';
import type { RequestClass } from '../../src-main/spec/vtd/fault-reasons/fault-reason.ts';
import type { FaultMnemonic } from '../../src-main/spec/vtd/faults.ts';
import { TTM } from '../../src-main/spec/vtd/registers/global-command.ts';
import { HIGH_RAM_BASE, HOLE, ROM_BASE } from './iommu-bench.ts';
import { profileWith } from './interrupt-bench.ts';
import {
  RID,
  RID_PASID,
  type TranslatingUnit,
  hasPasid,
  PASID,
  type ClassRequest,
  type SetupOptions,
} from './iommu-setup.ts';
import { FIRST_STAGE, SECOND_STAGE } from './iommu-tables.ts';

/** The last structure that is read before the fault: FPD counts in it and in those before it. */
export type Met = 'none' | 'context' | 'directory' | 'entry';

export interface FaultScenario {
  readonly mnemonic: FaultMnemonic;
  /** Request classes that meet the fault in this way; those of the catalogue when left out. */
  readonly classes?: readonly RequestClass[];
  readonly met: Met;
  readonly setup?: SetupOptions;
  readonly damage?: (unit: TranslatingUnit, requestClass: RequestClass) => void;
  readonly request?: Partial<ClassRequest>;
  /** Rights that a translation request gets beside a fault that it is not told of. */
  readonly rights?: { readonly canRead: boolean; readonly canWrite: boolean };
}

const LEGACY: SetupOptions = { isLegacy: true };
const INTERRUPT_PAGE = 0xfee0_1000n;
const WRITE = { kind: ACCESS.write } as const;
const BIT = (n: number): bigint => 1n << BigInt(n);

/** Host address width of `profileWith`. */
const BEYOND_HAW = BIT(46);
const BEYOND_48 = BIT(48);

/** ROM whose first page is a table of one kind of entries. */
function romTable(entry: bigint): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 512; i++) {
    view.setBigUint64(i * 8, entry, true);
  }
  return bytes;
}

function rootAt(unit: TranslatingUnit): number {
  return unit.tables.rootEntryOf(RID);
}

function entryAt(unit: TranslatingUnit, requestClass: RequestClass): number {
  return unit.tables.pasidEntryOf(unit.directory, hasPasid(requestClass) ? PASID : RID_PASID);
}

/** SRTP with a root table where there is no memory. */
function loseRootTable(unit: TranslatingUnit): void {
  unit.bench.write('RTADDR_REG', BigInt(HOLE) | (unit.bench.read('RTADDR_REG') & 0xfffn));
  unit.bench.command('SRTP');
}

const LEGACY_SCENARIOS: readonly FaultScenario[] = [
  { mnemonic: 'LRT.1', met: 'none', setup: LEGACY, damage: loseRootTable },
  {
    mnemonic: 'LRT.2',
    met: 'none',
    setup: LEGACY,
    damage: (u) => u.tables.patch(rootAt(u), 0n, 1n),
  },
  {
    mnemonic: 'LRT.3',
    met: 'none',
    setup: LEGACY,
    damage: (u) => u.tables.patch(rootAt(u) + 8, 1n),
  },
  {
    mnemonic: 'LCT.1',
    met: 'none',
    setup: LEGACY,
    damage: (u) => u.tables.point(rootAt(u), HOLE),
  },
  {
    mnemonic: 'LCT.2',
    met: 'context',
    setup: LEGACY,
    damage: (u) => u.tables.patch(u.contextAt, 0n, 1n),
  },
  {
    mnemonic: 'LCT.3',
    met: 'context',
    setup: LEGACY,
    damage: (u) => u.tables.patch(u.contextAt + 8, BIT(71 - 64)),
  },
  { mnemonic: 'LCT.4.1', met: 'context', setup: { ...LEGACY, legacyContext: { AW: 0b100 } } },
  { mnemonic: 'LCT.4.2', met: 'context', setup: { ...LEGACY, legacyContext: { TT: 0b11 } } },
  {
    mnemonic: 'LCT.4.3',
    met: 'context',
    setup: LEGACY,
    damage: (u) => u.tables.point(u.contextAt, HOLE),
  },
  { mnemonic: 'LCT.5', met: 'context', setup: { ...LEGACY, legacyContext: { TT: 0b00 } } },
  { mnemonic: 'LCT.5', met: 'context', setup: { ...LEGACY, legacyContext: { TT: 0b10 } } },
  {
    mnemonic: 'LSS.1',
    met: 'context',
    setup: LEGACY,
    damage: (u) => u.tables.point(u.secondStageEntry(3), HOLE),
  },
  {
    mnemonic: 'LSS.2',
    met: 'context',
    setup: LEGACY,
    damage: (u) => u.tables.patch(u.secondStageEntry(2), SECOND_STAGE.SNP),
  },
  {
    mnemonic: 'LGN.1.1',
    met: 'context',
    setup: LEGACY,
    request: { address: BEYOND_48 },
  },
  { mnemonic: 'LGN.1.2', met: 'context', setup: LEGACY, request: { address: BEYOND_HAW } },
  {
    mnemonic: 'LGN.1.3',
    met: 'context',
    setup: { ...LEGACY, legacyContext: { TT: 0b10 } },
    request: { address: BEYOND_HAW },
  },
  {
    mnemonic: 'LGN.2',
    met: 'context',
    setup: { ...LEGACY, secondStageLeaf: SECOND_STAGE.R },
    request: WRITE,
    classes: ['U'],
  },
  {
    mnemonic: 'LGN.2',
    met: 'context',
    setup: { ...LEGACY, secondStageLeaf: SECOND_STAGE.R },
    classes: ['T'],
    rights: { canRead: true, canWrite: false },
  },
  {
    mnemonic: 'LGN.3',
    met: 'context',
    setup: { ...LEGACY, secondStageLeaf: SECOND_STAGE.W },
    rights: { canRead: false, canWrite: true },
  },
  {
    mnemonic: 'LGN.4',
    met: 'context',
    setup: { ...LEGACY, output: INTERRUPT_PAGE },
  },
];

const ROOT_POINTER_SCENARIOS: readonly FaultScenario[] = [
  { mnemonic: 'RTA.1.1', met: 'none', setup: { ttm: TTM.abortDma, flags: { ADMS: false } } },
  { mnemonic: 'RTA.1.2', met: 'none', setup: { ttm: TTM.reserved } },
  { mnemonic: 'RTA.1.3', met: 'none', setup: { ttm: TTM.scalable, flags: { SMTS: false } } },
  {
    mnemonic: 'RTA.1.4',
    met: 'none',
    setup: { ...LEGACY, ssirwe: 1, flags: { SSIRWS: true } },
  },
  { mnemonic: 'RTA.2', met: 'none', setup: LEGACY },
  { mnemonic: 'RTA.3', met: 'none', setup: LEGACY },
  { mnemonic: 'RTA.4', met: 'none', setup: { ttm: TTM.abortDma } },
  { mnemonic: 'RTA.5', met: 'none', setup: { version: 0x80 }, request: { isExecute: true } },
];

/** Host permission tables in use: a translated request goes on to the PASID table. */
const PERMITTED: SetupOptions = { flags: { HPTS: true }, context: { HPTE: 1 } };

const TABLE_SCENARIOS: readonly FaultScenario[] = [
  { mnemonic: 'SRT.1', met: 'none', damage: loseRootTable },
  { mnemonic: 'SRT.2', met: 'none', damage: (u) => u.tables.patch(rootAt(u), 0n, 1n) },
  { mnemonic: 'SRT.3', met: 'none', damage: (u) => u.tables.patch(rootAt(u), BIT(1)) },
  { mnemonic: 'SCT.1', met: 'none', damage: (u) => u.tables.point(rootAt(u), HOLE) },
  { mnemonic: 'SCT.2', met: 'context', damage: (u) => u.tables.patch(u.contextAt, 0n, 1n) },
  { mnemonic: 'SCT.3', met: 'context', damage: (u) => u.tables.patch(u.contextAt + 24, BIT(63)) },
  { mnemonic: 'SCT.4.1', met: 'context', setup: { context: { DTE: 0, PRE: 1 } } },
  { mnemonic: 'SCT.4.2', met: 'context', setup: { context: { RID_PASID: 8192 } } },
  { mnemonic: 'SCT.4.3', met: 'context', setup: { context: { PASIDE: 0, EPTR: 1 } } },
  { mnemonic: 'SCT.5', met: 'context', setup: { context: { DTE: 0, PRE: 0 } } },
  { mnemonic: 'SCT.6', met: 'context', setup: { context: { PASIDE: 0, EPTR: 0 } } },
  { mnemonic: 'SCT.7', met: 'context', request: { pasid: 8192 } },
  { mnemonic: 'SCT.8', met: 'context', setup: { context: { PRE: 0 } } },
  { mnemonic: 'SCT.9', met: 'context', request: { pasid: RID_PASID } },
  { mnemonic: 'SCT.10', met: 'context', setup: { context: { EPTR: 0 } } },
  {
    mnemonic: 'SPD.1',
    met: 'context',
    setup: PERMITTED,
    damage: (u) => u.tables.point(u.contextAt, HOLE),
  },
  {
    mnemonic: 'SPD.2',
    met: 'directory',
    setup: PERMITTED,
    damage: (u) => u.tables.patch(u.directory, 0n, 1n),
  },
  {
    mnemonic: 'SPD.3',
    met: 'directory',
    setup: PERMITTED,
    damage: (u) => u.tables.patch(u.directory, BIT(11)),
  },
  {
    mnemonic: 'SPT.1',
    met: 'directory',
    setup: PERMITTED,
    damage: (u) => u.tables.point(u.directory, HOLE),
  },
  {
    mnemonic: 'SPT.2',
    met: 'entry',
    setup: PERMITTED,
    damage: (u, c) => u.tables.patch(entryAt(u, c), 0n, 1n),
  },
  {
    mnemonic: 'SPT.3',
    met: 'entry',
    setup: PERMITTED,
    damage: (u, c) => u.tables.patch(entryAt(u, c), BIT(5)),
  },
  {
    mnemonic: 'SPT.4.1',
    met: 'entry',
    setup: { ...PERMITTED, entry: { AW: 0b100 } },
  },
  { mnemonic: 'SPT.4.2', met: 'entry', setup: { ...PERMITTED, entry: { PGTT: 0 } } },
  {
    mnemonic: 'SPT.4.3',
    met: 'entry',
    setup: { ...PERMITTED, walk: 'first', entry: { FSPM: 0b10 } },
  },
  {
    mnemonic: 'SPT.4.4',
    met: 'entry',
    setup: { ...PERMITTED, walk: 'nested', entry: { FSPTPTR: BEYOND_48 }, profile: wideHost() },
  },
  { mnemonic: 'SPT.5', met: 'entry', request: { isExecute: true } },
  {
    mnemonic: 'SPT.6',
    met: 'entry',
    classes: ['UP', 'TP'],
    setup: { walk: 'first' },
    request: { isPrivileged: true },
  },
  {
    mnemonic: 'SPT.6',
    met: 'entry',
    classes: ['U', 'T'],
    setup: { walk: 'first', context: { RID_PRIV: 1 } },
  },
  {
    mnemonic: 'SPT.9',
    met: 'entry',
    setup: { ...PERMITTED, profile: wideHost() },
    request: { address: BIT(49) },
  },
];

const FIRST: SetupOptions = { walk: 'first' };
const NESTED: SetupOptions = { walk: 'nested' };
/** Tables whose accessed flags hardware still has to set. */
const UNTOUCHED = FIRST_STAGE.P | FIRST_STAGE.RW | FIRST_STAGE.US;
const FLAGGED_SECOND_STAGE: SetupOptions = { entry: { SSADE: 1 } };

const FIRST_STAGE_SCENARIOS: readonly FaultScenario[] = [
  {
    mnemonic: 'SFS.1',
    met: 'entry',
    setup: FIRST,
    damage: (u) => u.tables.point(u.firstStageEntry(3), HOLE),
  },
  {
    mnemonic: 'SFS.2',
    met: 'entry',
    setup: FIRST,
    damage: (u) => u.tables.patch(u.firstStageEntry(1), 0n, FIRST_STAGE.P),
  },
  {
    mnemonic: 'SFS.3',
    met: 'entry',
    setup: FIRST,
    damage: (u) => u.tables.patch(u.firstStageEntry(4), BIT(7)),
  },
  {
    mnemonic: 'SFS.4',
    met: 'entry',
    setup: FIRST,
    damage: (u) => u.setEntries({ FSPTPTR: BigInt(HOLE) }),
  },
  {
    mnemonic: 'SFS.5',
    met: 'entry',
    setup: { ...NESTED, entry: { AW: 0b010 }, profile: wideHost() },
    damage: (u) => u.tables.patch(u.firstStageEntry(2), BIT(48)),
  },
  {
    mnemonic: 'SFS.6',
    met: 'entry',
    setup: NESTED,
    damage: (u) => u.tables.patch(u.tableLeaf(4), 0n, SECOND_STAGE.R),
  },
  {
    mnemonic: 'SFS.7',
    met: 'entry',
    setup: NESTED,
    damage: (u) => u.tables.patch(u.tableLeaf(2), 0n, SECOND_STAGE.R),
  },
  {
    mnemonic: 'SFS.8',
    met: 'entry',
    setup: { ...NESTED, firstStageTable: UNTOUCHED, firstStageLeaf: UNTOUCHED },
    damage: (u) => u.tables.patch(u.tableLeaf(3), 0n, SECOND_STAGE.W),
  },
  {
    mnemonic: 'SFS.9',
    met: 'entry',
    setup: { ...FIRST, firstStageLeaf: UNTOUCHED, entry: { PWSNP: 0 } },
  },
  {
    mnemonic: 'SFS.10',
    met: 'entry',
    setup: { ...FIRST, rom: romTable(BigInt(HIGH_RAM_BASE) | UNTOUCHED) },
    damage: (u) => u.tables.point(u.firstStageEntry(2), ROM_BASE),
  },
];

const SECOND_STAGE_SCENARIOS: readonly FaultScenario[] = [
  {
    mnemonic: 'SSS.1',
    met: 'entry',
    damage: (u) => u.tables.point(u.secondStageEntry(2), HOLE),
  },
  {
    mnemonic: 'SSS.2',
    met: 'entry',
    damage: (u) => u.tables.patch(u.secondStageEntry(3), 0n, 3n),
  },
  {
    // Every entry grants something, all of them together nothing.
    mnemonic: 'SSS.2',
    met: 'entry',
    setup: { secondStageTable: SECOND_STAGE.R, secondStageLeaf: SECOND_STAGE.W },
  },
  {
    mnemonic: 'SSS.3',
    met: 'entry',
    damage: (u) => u.tables.patch(u.secondStageEntry(1), BIT(62)),
  },
  {
    mnemonic: 'SSS.4',
    met: 'entry',
    damage: (u) => u.setEntries({ SSPTPTR: BigInt(HOLE) }),
  },
  {
    mnemonic: 'SSS.5',
    met: 'entry',
    setup: { entry: { SSADE: 1, PWSNP: 0 } },
  },
  {
    mnemonic: 'SSS.6',
    met: 'entry',
    setup: { ...FLAGGED_SECOND_STAGE, rom: romTable(BigInt(HIGH_RAM_BASE) | 3n) },
    damage: (u) => u.tables.point(u.secondStageEntry(2), ROM_BASE),
  },
  {
    // On the way to a first-stage table.
    mnemonic: 'SSS.3',
    met: 'entry',
    setup: NESTED,
    damage: (u) => u.tables.patch(u.tableLeaf(3), BIT(62)),
  },
  {
    mnemonic: 'SSS.1',
    met: 'entry',
    setup: NESTED,
    damage: (u) => u.tables.point(u.secondStageEntry(2), HOLE),
  },
];

const GENERAL_SCENARIOS: readonly FaultScenario[] = [
  { mnemonic: 'SGN.1', met: 'entry', setup: FIRST, request: { address: 0x8000_0000_0000n } },
  {
    mnemonic: 'SGN.1',
    met: 'entry',
    setup: { ...FIRST, firstStageLevels: 5 },
    request: { address: 0x0100_0000_0000_0000n },
  },
  {
    mnemonic: 'SGN.2',
    met: 'entry',
    setup: FIRST,
    damage: (u) => u.tables.patch(u.firstStageEntry(3), 0n, FIRST_STAGE.US),
  },
  { mnemonic: 'SGN.4.1', met: 'context', request: { address: BEYOND_HAW } },
  { mnemonic: 'SGN.4.2', met: 'entry', setup: { walk: 'pass' }, request: { address: BEYOND_HAW } },
  { mnemonic: 'SGN.5', met: 'entry', request: { address: BEYOND_48 } },
  {
    mnemonic: 'SGN.6',
    met: 'entry',
    classes: ['U', 'UP'],
    setup: FIRST,
    damage: (u) => u.tables.patch(u.firstStageEntry(2), 0n, FIRST_STAGE.RW),
    request: WRITE,
  },
  {
    mnemonic: 'SGN.6',
    met: 'entry',
    classes: ['T', 'TP'],
    setup: FIRST,
    damage: (u) => u.tables.patch(u.firstStageEntry(2), 0n, FIRST_STAGE.RW),
    rights: { canRead: true, canWrite: false },
  },
  {
    mnemonic: 'SGN.6',
    met: 'entry',
    classes: ['U', 'UP'],
    setup: { ...NESTED, secondStageLeaf: 3n },
    damage: (u) => u.tables.patch(u.secondStageEntry(1), 0n, SECOND_STAGE.W),
    request: { kind: ACCESS.atomic },
  },
  {
    mnemonic: 'SGN.7',
    met: 'entry',
    setup: { secondStageLeaf: SECOND_STAGE.W },
    rights: { canRead: false, canWrite: true },
  },
  {
    mnemonic: 'SGN.7',
    met: 'entry',
    classes: ['U', 'UP'],
    setup: NESTED,
    damage: (u) => u.tables.patch(u.secondStageEntry(1), 0n, SECOND_STAGE.R),
  },
  { mnemonic: 'SGN.8.1', met: 'entry', setup: { output: INTERRUPT_PAGE } },
  { mnemonic: 'SGN.8.1', met: 'entry', setup: { ...FIRST, output: INTERRUPT_PAGE } },
  {
    mnemonic: 'SGN.8.1',
    met: 'entry',
    classes: ['UP'],
    setup: { walk: 'pass' },
    request: { address: INTERRUPT_PAGE },
  },
  { mnemonic: 'SGN.8.2', met: 'entry', setup: { output: INTERRUPT_PAGE } },
  {
    // A large page that merely contains the range.
    mnemonic: 'SGN.8.2',
    met: 'entry',
    setup: { output: 0xc000_0000n, pageShift: 30 },
  },
  { mnemonic: 'SGN.8.3', met: 'context', request: { address: INTERRUPT_PAGE } },
  {
    mnemonic: 'SGN.10',
    met: 'context',
    setup: { profile: pasidsOf8Bits() },
    request: { pasid: 300 },
  },
];

/** Host permission table of one page chain; `entry` is what the lowest table says of the page. */
export function permit(
  unit: TranslatingUnit,
  requestClass: RequestClass,
  permission: bigint,
): number {
  const { tables, bench } = unit;
  const [l4, l3, l2, l1] = [tables.page(), tables.page(), tables.page(), tables.page()] as const;
  const address = unit.output;
  const index = (low: number): number => Number((address >> BigInt(low)) & 0xffn) * 16;
  const next = (at: number, table: number): void => {
    bench.memory.write64(at + 8, BigInt(table) | 1n);
  };
  next(l4 + index(41), l3);
  next(l3 + index(33), l2);
  next(l2 + index(25), l1);
  const part = Number((address >> 12n) & 31n);
  bench.memory.write64(l1 + index(17) + (part >> 4) * 8, permission << BigInt((part & 15) * 4));
  for (const pasid of [PASID, RID_PASID]) {
    tables.setPasidEntry(unit.directory, pasid, unit.entryValues({ HPTPTR: BigInt(l4), HPTSZ: 0 }));
  }
  return requestClass === 'X' ? l3 + index(33) : l2 + index(25);
}

const PERMISSION_SCENARIOS: readonly FaultScenario[] = [
  {
    mnemonic: 'HPT.1',
    met: 'entry',
    setup: PERMITTED,
    damage: (u, c) => u.tables.point(permit(u, c, 3n) + 8, HOLE),
  },
  {
    mnemonic: 'HPT.2',
    met: 'entry',
    setup: PERMITTED,
    damage: (u, c) => u.tables.patch(permit(u, c, 3n) + 8, BIT(1)),
  },
  {
    mnemonic: 'HPT.3',
    met: 'entry',
    setup: PERMITTED,
    damage: (u) => u.setEntries({ HPTPTR: BigInt(HOLE) }),
  },
  {
    mnemonic: 'HPT.4',
    met: 'entry',
    setup: PERMITTED,
    damage: (u, c) => void permit(u, c, 0n),
    request: { bytes: 0 },
  },
  {
    mnemonic: 'HPT.5',
    met: 'entry',
    setup: PERMITTED,
    damage: (u, c) => void permit(u, c, 1n),
    request: WRITE,
  },
  {
    mnemonic: 'HPT.6',
    met: 'entry',
    setup: PERMITTED,
    damage: (u, c) => void permit(u, c, 2n),
  },
];

/** A host of 52 address bits, so that addresses beyond 48 bits are not reserved. */
function wideHost(): CapabilityProfile {
  return { ...profileWith({ PTRS: true, HPTS: true }), haw: 52 };
}

/** ECAP_REG.PSS = 7. */
function pasidsOf8Bits(): CapabilityProfile {
  const narrow = profileWith({ PTRS: true });
  return { ...narrow, ecap: (narrow.ecap & ~(0x1fn << 35n)) | (7n << 35n) };
}

export const FAULT_SCENARIOS: readonly FaultScenario[] = [
  ...LEGACY_SCENARIOS,
  ...ROOT_POINTER_SCENARIOS,
  ...TABLE_SCENARIOS,
  ...FIRST_STAGE_SCENARIOS,
  ...SECOND_STAGE_SCENARIOS,
  ...GENERAL_SCENARIOS,
  ...PERMISSION_SCENARIOS,
];
