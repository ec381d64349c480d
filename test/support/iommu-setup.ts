/**
 * A unit that translates: one function, one PASID, one mapped page, and every class of request passes. Tests damage one
 * thing and see what follows from it.
 */
import { bigOf } from '../../src-main/bits/u64.ts';
import { COMPLETION, ADDRESS_TYPE } from '../../src-main/sim/pcie/ports.ts';
import { ACCESS, type AccessKind } from '../../src-main/sim/iommu/first-stage-walk.ts';
import type { IommuAnswer } from '../../src-main/sim/iommu/request.ts';
import { AW } from '../../src-main/spec/vtd/address-width.ts';
import {
  TT,
  type LegacyContextEntry,
  type ScalableContextEntry,
} from '../../src-main/spec/vtd/context-entry.ts';
import type { RequestClass } from '../../src-main/spec/vtd/fault-reasons/fault-reason.ts';
import { FSPM, PGTT, type PasidTableEntry } from '../../src-main/spec/vtd/pasid-table-entry.ts';
import { TTM } from '../../src-main/spec/vtd/registers/global-command.ts';
import { HIGH_RAM_BASE, IommuBench, type IommuBenchOptions } from './iommu-bench.ts';
import {
  FIRST_STAGE_LEAF,
  FIRST_STAGE_TABLE,
  IommuTables,
  SECOND_STAGE_RIGHTS,
} from './iommu-tables.ts';

/** Bus 3, device 3, function 0. */
export const RID = 0x0318;
export const PASID = 5;
export const RID_PASID = 9;
const DID = 7;
export const IOVA = 0x7f00_0020_1000n;
/** Where the page is in memory. */
export const OUTPUT = BigInt(HIGH_RAM_BASE) + 0x5000n;
/** Nested: guest addresses are this far below host addresses. */
export const GUEST_OFFSET = 0x0400_0000;
const TABLES = GUEST_OFFSET + 0x10_0000;
/** Guest pages that the second stage maps for nested tables. */
const GUEST_TABLE_PAGES = 64;
/** Guest address of the output page. */
export const GUEST_PAGE = 0x20_0000_5000n;

export const QUEUE_OF_PAGE_REQUESTS = 0x0d00_0000;

export type Walk = 'first' | 'second' | 'nested' | 'pass';

type PasidValues = Parameters<typeof PasidTableEntry.encode>[0];
type ContextValues = Parameters<typeof ScalableContextEntry.encode>[0];
type LegacyValues = Parameters<typeof LegacyContextEntry.encode>[0];

export interface SetupOptions extends IommuBenchOptions {
  readonly walk?: Walk;
  readonly isLegacy?: boolean;
  readonly input?: bigint;
  readonly output?: bigint;
  readonly pageShift?: number;
  readonly firstStageLevels?: 4 | 5;
  readonly firstStageLeaf?: bigint;
  readonly firstStageTable?: bigint;
  readonly secondStageLeaf?: bigint;
  readonly secondStageTable?: bigint;
  readonly entry?: PasidValues;
  readonly context?: ContextValues;
  readonly legacyContext?: LegacyValues;
  readonly ttm?: number;
  readonly ssirwe?: number;
}

export interface ClassRequest {
  readonly address: bigint;
  readonly kind: AccessKind;
  readonly bytes: number;
  readonly pasid: number;
  readonly isPrivileged: boolean;
  readonly isExecute: boolean;
  readonly isNoWrite: boolean;
}

export interface Outcome {
  /** Completion status; for page requests, the response code or `dropped`. */
  readonly status: number | 'dropped' | 'queued';
  readonly answer: IommuAnswer;
}

const PGTT_OF: Readonly<Record<Walk, number>> = {
  first: PGTT.firstStage,
  second: PGTT.secondStage,
  nested: PGTT.nested,
  pass: PGTT.passThrough,
};

const ADDRESS_TYPE_OF = {
  U: ADDRESS_TYPE.untranslated,
  UP: ADDRESS_TYPE.untranslated,
  T: ADDRESS_TYPE.translationRequest,
  TP: ADDRESS_TYPE.translationRequest,
  X: ADDRESS_TYPE.translated,
  XP: ADDRESS_TYPE.translated,
} as const;

export function hasPasid(requestClass: RequestClass): boolean {
  return (
    requestClass === 'UP' || requestClass === 'TP' || requestClass === 'XP' || requestClass === 'P'
  );
}

export class TranslatingUnit {
  readonly bench: IommuBench;
  readonly tables: IommuTables;
  readonly walk: Walk;
  readonly input: bigint;
  /** Host physical address of the page. */
  readonly output: bigint;
  readonly firstStageLevels: 4 | 5;
  readonly directory: number;
  readonly firstTop: number;
  readonly secondTop: number;
  readonly contextAt: number;
  readonly #isLegacy: boolean;

  constructor(options: SetupOptions = {}) {
    const { walk = 'second', input = IOVA, output = OUTPUT, isLegacy = false } = options;
    const bench = new IommuBench({ ...options, flags: { PTRS: true, ...options.flags } });
    this.bench = bench;
    this.tables = new IommuTables(bench.memory, TABLES);
    this.walk = walk;
    this.input = input;
    this.output = output;
    this.firstStageLevels = options.firstStageLevels ?? 4;
    this.#isLegacy = isLegacy;
    this.directory = this.tables.page();
    this.secondTop = this.tables.page();
    this.firstTop = this.tables.page();
    this.#map(options);
    this.contextAt = isLegacy
      ? this.tables.setLegacyContext(RID, {
          TT: TT.withDeviceTlb,
          SSPTPTR: BigInt(this.secondTop),
          AW: AW.bits48,
          DID,
          ...options.legacyContext,
        })
      : this.tables.setContext(RID, {
          DTE: 1,
          PASIDE: 1,
          PRE: 1,
          EPTR: bench.unit.limits.features.PTRS ? 1 : 0,
          PASIDDIRPTR: BigInt(this.directory),
          RID_PASID,
          ...options.context,
        });
    for (const pasid of [PASID, RID_PASID]) {
      this.tables.setPasidEntry(this.directory, pasid, this.entryValues(options.entry));
    }
    this.start(options.ttm ?? (isLegacy ? TTM.legacy : TTM.scalable), options.ssirwe);
  }

  start(ttm: number, ssirwe = 0): void {
    const { bench } = this;
    bench.setRoot(this.tables.root, ttm, ssirwe);
    if (bench.unit.limits.capability.ecap.PRS === 1) {
      bench.write('PQA_REG', BigInt(QUEUE_OF_PAGE_REQUESTS));
    }
    bench.command('TE');
  }

  entryValues(more: PasidValues = {}): PasidValues {
    const guest = this.walk === 'nested' ? GUEST_OFFSET : 0;
    const usesFirst = this.walk === 'first' || this.walk === 'nested';
    const usesSecond = this.walk === 'second' || this.walk === 'nested';
    return {
      PGTT: PGTT_OF[this.walk],
      DID,
      PWSNP: this.bench.unit.limits.features.SMPWCS ? 1 : 0,
      ...(usesSecond ? { AW: AW.bits48, SSPTPTR: BigInt(this.secondTop) } : {}),
      ...(usesFirst
        ? {
            FSPTPTR: BigInt(this.firstTop - guest),
            FSPM: this.firstStageLevels === 5 ? FSPM.levels5 : FSPM.levels4,
          }
        : {}),
      ...more,
    };
  }

  /** Writes the PASID entries of both kinds of requests anew. */
  setEntries(more: PasidValues): void {
    for (const pasid of [PASID, RID_PASID]) {
      this.tables.setPasidEntry(this.directory, pasid, this.entryValues(more));
    }
  }

  entryAt(pasid: number): number {
    return this.tables.pasidEntryOf(this.directory, pasid);
  }

  /** Address of the first-stage entry of a level for the mapped page. */
  firstStageEntry(level: number): number {
    const guest = this.walk === 'nested' ? GUEST_OFFSET : 0;
    return this.tables.entryOf(
      this.firstTop - guest,
      this.firstStageLevels,
      this.input,
      level,
      guest,
    );
  }

  /** Address of the second-stage entry of a level for an input of the second stage. */
  secondStageEntry(
    level: number,
    input = this.walk === 'nested' ? GUEST_PAGE : this.input,
  ): number {
    return this.tables.entryOf(this.secondTop, 4, input, level);
  }

  /** Nested: the second-stage leaf through which the first-stage table of a level is read. */
  tableLeaf(level: number): number {
    return this.secondStageEntry(1, BigInt(this.firstStageEntry(level) - GUEST_OFFSET));
  }

  /** A request of a class: with its PASID, its address type, and an address that passes. */
  request(requestClass: RequestClass, values: Partial<ClassRequest> = {}): Outcome {
    const pasid = values.pasid ?? (hasPasid(requestClass) ? PASID : -1);
    if (requestClass === 'P') {
      return this.#pageRequest(pasid, values);
    }
    const addressType = ADDRESS_TYPE_OF[requestClass];
    const isTranslated = addressType === ADDRESS_TYPE.translated;
    return this.bench.request({
      rid: RID,
      kind: ACCESS.read,
      bytes: 8,
      address: isTranslated ? this.output : this.input,
      ...values,
      pasid,
      addressType,
    });
  }

  #pageRequest(pasid: number, values: Partial<ClassRequest>): Outcome {
    const { bench } = this;
    const before = bench.responses.length;
    const tail = bench.read('PQT_REG');
    bench.pageRequest(RID, {
      address: values.address ?? this.input,
      pasid,
      isPrivileged: values.isPrivileged ?? false,
      isExecute: values.isExecute ?? false,
    });
    const { answer } = bench.unit;
    if (bench.read('PQT_REG') !== tail) {
      return { status: 'queued', answer };
    }
    return { status: bench.responses[before]?.code ?? 'dropped', answer };
  }

  #map(options: SetupOptions): void {
    const { tables, walk } = this;
    const firstStage = {
      shift: options.pageShift ?? 12,
      leaf: options.firstStageLeaf ?? FIRST_STAGE_LEAF,
      table: options.firstStageTable ?? FIRST_STAGE_TABLE,
    };
    const secondStage = {
      shift: options.pageShift ?? 12,
      leaf: options.secondStageLeaf ?? SECOND_STAGE_RIGHTS,
      table: options.secondStageTable ?? SECOND_STAGE_RIGHTS,
    };
    const levels = this.firstStageLevels;
    switch (walk) {
      case 'first':
        tables.map(this.firstTop, levels, this.input, this.output, firstStage);
        return;
      case 'second':
        tables.map(this.secondTop, 4, this.input, this.output, secondStage);
        return;
      case 'nested':
        this.#mapNested(firstStage, secondStage);
        return;
      default:
    }
  }

  #mapNested(
    firstStage: { readonly shift: number; readonly leaf: bigint; readonly table: bigint },
    secondStage: { readonly shift: number; readonly leaf: bigint; readonly table: bigint },
  ): void {
    const { tables } = this;
    const guestTop = this.firstTop - GUEST_OFFSET;
    tables.map(guestTop, this.firstStageLevels, this.input, GUEST_PAGE, {
      ...firstStage,
      guestOffset: GUEST_OFFSET,
    });
    tables.map(this.secondTop, 4, GUEST_PAGE, this.output, secondStage);
    for (let i = 0; i < GUEST_TABLE_PAGES; i++) {
      const host = TABLES + i * 4096;
      tables.map(this.secondTop, 4, BigInt(host - GUEST_OFFSET), BigInt(host), {
        leaf: secondStage.leaf,
        table: secondStage.table,
      });
    }
  }

  get isLegacy(): boolean {
    return this.#isLegacy;
  }
}

/** Where a request went. */
export function hpaOf(answer: IommuAnswer): bigint {
  return bigOf(answer.high, answer.low);
}

export const UR = COMPLETION.unsupportedRequest;
export const CA = COMPLETION.completerAbort;
export const SUCCESS = COMPLETION.success;
