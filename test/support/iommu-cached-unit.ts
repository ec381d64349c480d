/**
 * A unit whose every cache holds something: two functions, five PASIDs of all translation types in domains of their own. It
 * tells what is cached as short names, so that a test can say what a command leaves.
 */
import { bigOf } from '../../src-main/bits/u64.ts';
import { pgttOfFlags } from '../../src-main/sim/iommu/iotlb.ts';
import { DEFAULT_IOMMU_CACHES } from '../../src-main/sim/machine-config.ts';
import { AW } from '../../src-main/spec/vtd/address-width.ts';
import { TT } from '../../src-main/spec/vtd/context-entry.ts';
import { PGTT } from '../../src-main/spec/vtd/pasid-table-entry.ts';
import { TTM } from '../../src-main/spec/vtd/registers/global-command.ts';
import { HIGH_RAM_BASE, IommuBench } from './iommu-bench.ts';
import { RemappedInterruptEntry } from '../../src-main/spec/vtd/interrupt-remap-entry.ts';
import { remappableMessage } from '../../src-main/spec/vtd/interrupt-message.ts';
import {
  FIRST_STAGE_LEAF,
  FIRST_STAGE_TABLE,
  IommuTables,
  SECOND_STAGE_RIGHTS,
} from './iommu-tables.ts';

/** Functions 0 and 1 of one device, so that a function mask can join them. */
export const RIDS = [0x0318, 0x0319] as const;
/** Their PASIDs are their domains too. */
export const PASID_OF = { first: 1, second: 2, nested: 3, pass: 4, other: 5 } as const;
export type PasidName = keyof typeof PASID_OF;

/** Two pages beside each other, mapped for every PASID but the pass-through one. */
export const PAGES = [0x4000_0000n, 0x4000_1000n] as const;
const TABLES = 0x10_0000;
const INTERRUPT_TABLE = 0x0c00_0000;
export const INTERRUPTS = [0, 1, 2, 3] as const;

export interface CacheContents {
  /** `0318` */
  readonly contexts: readonly string[];
  /** `0318:1` */
  readonly entries: readonly string[];
  /** `0318:1:40000000` */
  readonly translations: readonly string[];
  /** `1:4` is a level-4 entry of PASID 1. */
  readonly firstStage: readonly string[];
  /** `2:4` is a level-4 entry of domain 2. */
  readonly secondStage: readonly string[];
  readonly interrupts: readonly number[];
}

export class CachedUnit {
  readonly bench: IommuBench;
  readonly tables: IommuTables;
  readonly directory: number;
  readonly firstTop: number;
  readonly secondTop: number;

  constructor() {
    this.bench = new IommuBench({ caches: DEFAULT_IOMMU_CACHES });
    const { bench } = this;
    const tables = new IommuTables(bench.memory, TABLES);
    this.tables = tables;
    this.directory = tables.page();
    this.firstTop = tables.page();
    this.secondTop = tables.page();
    const second = { leaf: SECOND_STAGE_RIGHTS, table: SECOND_STAGE_RIGHTS };
    for (const [i, page] of PAGES.entries()) {
      const output = BigInt(HIGH_RAM_BASE + i * 4096);
      tables.map(this.firstTop, 4, page, output, {
        leaf: FIRST_STAGE_LEAF,
        table: FIRST_STAGE_TABLE,
      });
      tables.map(this.secondTop, 4, page, output, second);
    }
    this.#mapNested(second);
    const FSPTPTR = BigInt(this.firstTop);
    const SSPTPTR = BigInt(this.secondTop);
    const AW_48 = AW.bits48;
    this.#setEntry('first', { PGTT: PGTT.firstStage, FSPTPTR });
    this.#setEntry('second', { PGTT: PGTT.secondStage, SSPTPTR, AW: AW_48 });
    this.#setEntry('nested', { PGTT: PGTT.nested, FSPTPTR, SSPTPTR, AW: AW_48 });
    this.#setEntry('pass', { PGTT: PGTT.passThrough });
    this.#setEntry('other', { PGTT: PGTT.secondStage, SSPTPTR, AW: AW_48 });
    for (const rid of RIDS) {
      tables.setContext(rid, {
        DTE: 1,
        PASIDE: 1,
        PRE: 1,
        PASIDDIRPTR: BigInt(this.directory),
        RID_PASID: 9,
      });
    }
    bench.setRoot(tables.root, TTM.scalable);
    this.#setInterrupts();
    bench.startQueue();
    bench.command('TE');
    this.fill();
  }

  /** Uses everything, so that everything is cached. */
  fill(): void {
    for (const name of Object.keys(PASID_OF) as PasidName[]) {
      for (const address of PAGES) {
        this.access(name, address);
      }
    }
    this.access('second', PAGES[0], RIDS[1]);
    for (const index of INTERRUPTS) {
      const { address, data } = remappableMessage(index);
      this.bench.unit.interrupt(RIDS[0], 0, address, data);
    }
  }

  /** Host address that a read reaches, or the fault reason as a negative number. */
  access(name: PasidName, address: bigint, rid: number = RIDS[0]): bigint {
    const { answer } = this.bench.request({ rid, pasid: PASID_OF[name], address });
    return answer.reason === 0 ? bigOf(answer.high, answer.low) : BigInt(-answer.reason);
  }

  get contents(): CacheContents {
    const t = this.bench.unit.translation;
    const hex = (value: bigint | number): string => value.toString(16);
    const rid = (value: number): string => value.toString(16).padStart(4, '0');
    const { structures } = t;
    return {
      contexts: structures.contextCache
        .entries()
        .map((e) => rid(e.keyA))
        .sort(),
      entries: structures.pasidCache
        .entries()
        .map((e) => `${rid(e.keyA)}:${e.keyB}`)
        .sort(),
      translations: t.iotlb
        .entries()
        .map((e) => `${rid(e.rid)}:${e.pasid}:${hex(bigOf(e.inputHigh, e.inputLow))}`)
        .sort(),
      firstStage: t.firstStageCache
        .entries()
        .map((e) => `${e.pasid}:${e.level}`)
        .sort(),
      secondStage: t.secondStageCache
        .entries()
        .map((e) => `${e.domainId}:${e.level}`)
        .sort(),
      interrupts: this.#cachedInterrupts(),
    };
  }

  /** Types of the cached translations of a PASID. */
  typesOf(name: PasidName): readonly number[] {
    const wanted = PASID_OF[name];
    return this.bench.unit.translation.iotlb
      .entries()
      .filter((e) => e.pasid === wanted)
      .map((e) => pgttOfFlags(e.flags));
  }

  #cachedInterrupts(): readonly number[] {
    const remapping = this.bench.unit.interruptRemapping as unknown as {
      cachedEntries(): readonly { readonly index: number }[];
    };
    return remapping.cachedEntries().map((e) => e.index);
  }

  /** The second stage maps the pages of first-stage tables and the output to themselves. */
  #mapNested(second: { readonly leaf: bigint; readonly table: bigint }): void {
    const { tables } = this;
    for (let page = TABLES; page < TABLES + 32 * 4096; page += 4096) {
      tables.map(this.secondTop, 4, BigInt(page), BigInt(page), second);
    }
    for (const i of PAGES.keys()) {
      const output = BigInt(HIGH_RAM_BASE + i * 4096);
      tables.map(this.secondTop, 4, output, output, second);
    }
  }

  #setEntry(name: PasidName, values: Parameters<IommuTables['setPasidEntry']>[2]): void {
    const pasid = PASID_OF[name];
    this.tables.setPasidEntry(this.directory, pasid, { DID: pasid, PWSNP: 1, ...values });
  }

  #setInterrupts(): void {
    const { bench } = this;
    for (const index of INTERRUPTS) {
      bench.memory.writeWords(
        INTERRUPT_TABLE + index * 16,
        RemappedInterruptEntry.encode({ P: 1, V: 0x40 + index, DST: 1 }),
      );
    }
    bench.setInterruptTable(INTERRUPT_TABLE, 7, true);
    bench.command('IRE');
  }
}

/** A unit in legacy mode with three functions cached, two of them in domain 1, one in domain 2. */
export class LegacyCachedUnit {
  readonly bench: IommuBench;
  static readonly functions = [
    { rid: 0x0318, did: 1 },
    { rid: 0x0319, did: 1 },
    { rid: 0x031a, did: 2 },
  ] as const;

  constructor(version = 0x60) {
    this.bench = new IommuBench({ caches: DEFAULT_IOMMU_CACHES, version });
    const tables = new IommuTables(this.bench.memory, TABLES);
    const top = tables.page();
    const rights = { leaf: SECOND_STAGE_RIGHTS, table: SECOND_STAGE_RIGHTS };
    tables.map(top, 4, PAGES[0], BigInt(HIGH_RAM_BASE), rights);
    for (const { rid, did } of LegacyCachedUnit.functions) {
      tables.setLegacyContext(rid, {
        TT: TT.untranslatedOnly,
        SSPTPTR: BigInt(top),
        AW: AW.bits48,
        DID: did,
      });
    }
    this.bench.setRoot(tables.root, TTM.legacy);
    this.bench.command('TE');
    for (const { rid } of LegacyCachedUnit.functions) {
      this.bench.request({ rid, address: PAGES[0] });
    }
  }

  get contexts(): readonly number[] {
    const { contextCache } = this.bench.unit.translation.structures;
    return contextCache
      .entries()
      .map((e) => e.keyA)
      .sort((a, b) => a - b);
  }

  get translations(): readonly number[] {
    const { iotlb } = this.bench.unit.translation;
    return iotlb
      .entries()
      .map((e) => e.rid)
      .sort((a, b) => a - b);
  }
}
