/**
 * Entry formats for `RadixTable`, made from the declarations in `spec/paging`: second-stage entries of an IOMMU domain,
 * first-stage entries of an IOMMU domain, and the CPU's own tables of a process, which are first-stage tables too.
 */
import { bigOf, highOfBig, lowOfBig } from '../../bits/u64.ts';
import type { Structure } from '../../bits/structure.ts';
import {
  FirstStageTableEntry,
  firstStageEntryAt,
  FirstStage1GLeaf,
  FirstStage2MLeaf,
  FirstStage4KLeaf,
} from '../../spec/paging/first-stage-entry.ts';
import {
  SecondStage1GLeaf,
  SecondStage2MLeaf,
  SecondStage4KLeaf,
  SecondStageTableEntry,
  secondStageEntryAt,
} from '../../spec/paging/second-stage-entry.ts';

export interface PageRights {
  readonly read: boolean;
  readonly write: boolean;
  /** Reachable from user mode (first stage). */
  readonly user?: boolean;
  /** Uncached: portals and other registers. */
  readonly isDevice?: boolean;
  /** Accessed and dirty flags are set from the start. */
  readonly isPreset?: boolean;
  /** Second-stage SNP bit. */
  readonly snoop?: boolean;
}

export interface TableFormat {
  readonly largestLeafLevel: number;
  tableEntry(table: number): bigint;
  leafEntry(address: number, level: number, rights: PageRights): bigint;
  isPresent(entry: bigint): boolean;
  isLeaf(entry: bigint, level: number): boolean;
  /** Address in an entry: of the page for a leaf, of the table otherwise. */
  addressOf(entry: bigint, level: number): number;
}

const PS_BIT = 7n;
const PRESENT_MASK = 1n;
const RIGHTS_MASK = 3n;

function toValue(words: Uint32Array): bigint {
  return bigOf(words[1] ?? 0, words[0] ?? 0);
}

function toWords(entry: bigint): readonly number[] {
  return [lowOfBig(entry), highOfBig(entry)];
}

function hasPs(entry: bigint): boolean {
  return ((entry >> PS_BIT) & 1n) === 1n;
}

function addressIn(structure: Structure, entry: bigint): number {
  return Number(structure.get(toWords(entry), structure.field('ADDR')));
}

const SECOND_STAGE_LEAVES = [SecondStage4KLeaf, SecondStage2MLeaf, SecondStage1GLeaf] as const;
const FIRST_STAGE_LEAVES = [FirstStage4KLeaf, FirstStage2MLeaf, FirstStage1GLeaf] as const;

function leafOf<T>(leaves: readonly T[], level: number): T {
  return leaves[level - 1] as T;
}

/** Second-stage tables. `largestLeafLevel` follows CAP_REG.SSLPS. */
export function secondStageFormat(largestLeafLevel: number): TableFormat {
  return {
    largestLeafLevel,
    tableEntry: (table) =>
      toValue(SecondStageTableEntry.encode({ R: 1, W: 1, ADDR: BigInt(table) })),
    leafEntry(address, level, rights) {
      const common = {
        R: Number(rights.read),
        W: Number(rights.write),
        SNP: Number(rights.snoop === true),
        ADDR: BigInt(address),
      };
      return level === 1
        ? toValue(SecondStage4KLeaf.encode(common))
        : toValue(
            (leafOf(SECOND_STAGE_LEAVES, level) as typeof SecondStage2MLeaf).encode({
              ...common,
              PS: 1,
            }),
          );
    },
    isPresent: (entry) => (entry & RIGHTS_MASK) !== 0n,
    isLeaf: (entry, level) => level === 1 || hasPs(entry),
    addressOf: (entry, level) => addressIn(secondStageEntryAt(level, hasPs(entry)), entry),
  };
}

/**
 * First-stage tables, also those of the CPU. `largestLeafLevel` follows CAP_REG.FS1GP. `hasPresetFlags`: accessed flags of
 * the tables are set from the start, for units that cannot set them (VT-d 5.10 section 3.10).
 */
export function firstStageFormat(
  largestLeafLevel: number,
  options: { readonly hasPresetFlags?: boolean } = {},
): TableFormat {
  const A = Number(options.hasPresetFlags === true);
  return {
    largestLeafLevel,
    tableEntry: (table) =>
      toValue(FirstStageTableEntry.encode({ P: 1, RW: 1, US: 1, A, ADDR: BigInt(table) })),
    leafEntry(address, level, rights) {
      const common = {
        P: 1,
        RW: Number(rights.write),
        US: Number(rights.user !== false),
        PWT: Number(rights.isDevice === true),
        PCD: Number(rights.isDevice === true),
        A: Number(rights.isPreset === true),
        D: Number(rights.isPreset === true && rights.write),
        ADDR: BigInt(address),
      };
      return level === 1
        ? toValue(FirstStage4KLeaf.encode(common))
        : toValue(
            (leafOf(FIRST_STAGE_LEAVES, level) as typeof FirstStage2MLeaf).encode({
              ...common,
              PS: 1,
            }),
          );
    },
    isPresent: (entry) => (entry & PRESENT_MASK) !== 0n,
    isLeaf: (entry, level) => level === 1 || (level <= 3 && hasPs(entry)),
    addressOf: (entry, level) => addressIn(firstStageEntryAt(level, hasPs(entry)), entry),
  };
}
