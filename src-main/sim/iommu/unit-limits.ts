/**
 * Everything that a walk needs to know about its unit, worked out once: widths, supported page sizes and reserved-bit masks
 * of every structure, derived from the declarations and the capability registers.
 */
import type { LayoutContext } from '../../bits/layout.ts';
import { TWO_32 } from '../../bits/u64.ts';
import {
  FirstStage1GLeaf,
  FirstStage2MLeaf,
  FirstStage4KLeaf,
  FirstStageTableEntry,
  FirstStageUpperEntry,
} from '../../spec/paging/first-stage-entry.ts';
import {
  SecondStage1GLeaf,
  SecondStage2MLeaf,
  SecondStage4KLeaf,
  SecondStageTableEntry,
  SecondStageUpperEntry,
} from '../../spec/paging/second-stage-entry.ts';
import { addressWidthOf } from '../../spec/vtd/address-width.ts';
import { LegacyContextEntry, ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import { PasidDirectoryEntry } from '../../spec/vtd/pasid-directory-entry.ts';
import { PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { RootEntry, ScalableRootEntry } from '../../spec/vtd/root-entry.ts';
import { contextWith, type IommuCapability } from '../../spec/vtd/capability-profile.ts';

/** Kinds of paging entries: `2 * level + isLeaf`, levels 1 to 5. Only levels 1 to 3 have leaves. */
export const ENTRY_KINDS = 12;

/** Low and high word masks of reserved bits, indexed by entry kind. */
export interface EntryMasks {
  readonly low: Uint32Array;
  readonly high: Uint32Array;
}

function entryMasks(layouts: readonly (readonly [kind: number, mask: Uint32Array])[]): EntryMasks {
  const low = new Uint32Array(ENTRY_KINDS);
  const high = new Uint32Array(ENTRY_KINDS);
  for (const [kind, mask] of layouts) {
    low[kind] = mask[0] as number;
    high[kind] = mask[1] as number;
  }
  return { low, high };
}

function firstStageMasks(context: LayoutContext): EntryMasks {
  return entryMasks([
    [10, FirstStageUpperEntry.reservedMask(context)],
    [8, FirstStageUpperEntry.reservedMask(context)],
    [6, FirstStageTableEntry.reservedMask(context)],
    [4, FirstStageTableEntry.reservedMask(context)],
    [7, FirstStage1GLeaf.reservedMask(context)],
    [5, FirstStage2MLeaf.reservedMask(context)],
    [3, FirstStage4KLeaf.reservedMask(context)],
  ]);
}

function secondStageMasks(context: LayoutContext): EntryMasks {
  return entryMasks([
    [10, SecondStageUpperEntry.reservedMask(context)],
    [8, SecondStageUpperEntry.reservedMask(context)],
    [6, SecondStageTableEntry.reservedMask(context)],
    [4, SecondStageTableEntry.reservedMask(context)],
    [7, SecondStage1GLeaf.reservedMask(context)],
    [5, SecondStage2MLeaf.reservedMask(context)],
    [3, SecondStage4KLeaf.reservedMask(context)],
  ]);
}

/** One-bit capabilities that walks ask for, as plain booleans: the decoded registers are too slow to ask each time. */
export interface UnitFeatures {
  readonly SMTS: boolean;
  readonly ADMS: boolean;
  readonly PTRS: boolean;
  readonly RPS: boolean;
  readonly RPRIVS: boolean;
  readonly ERS: boolean;
  readonly NWFS: boolean;
  readonly SMPWCS: boolean;
  readonly ZLR: boolean;
  readonly FSTS: boolean;
  readonly SSTS: boolean;
  readonly NEST: boolean;
  readonly PT: boolean;
  readonly DT: boolean;
  readonly FS5LP: boolean;
  /** PASIDs above ECAP_REG.PSS are refused (89h). Units of older revisions know the limit of PDTS only. */
  readonly checksPasidWidth: boolean;
  /** Scalable mode takes 256-bit descriptors only. Units of older revisions take 128-bit ones of legacy types too. */
  readonly requiresWideQueue: boolean;
  /** Execute requests are refused before any table is read (34h), from major version 8 on. */
  readonly refusesExecute: boolean;
  /** Flags are set although page walks do not snoop for want of SMPWCS. Units of older revisions have no fault for it. */
  readonly updatesFlagsWithoutSnoop: boolean;
  /** Translation and translated requests need DTE (44h). Units of older revisions without DT do not have the field. */
  readonly checksDeviceTlbEnable: boolean;
  /** A guest address of FSPTPTR beyond the width is a programming error (5Bh); else the walk finds it (74h). */
  readonly checksTableAddress: boolean;
}

/** First major version that refuses execute requests (section 7.1.3, RTA.5). */
const FIRST_WITHOUT_EXECUTE = 8;

function featuresOf({ cap, ecap, major, followsRevision4 }: IommuCapability): UnitFeatures {
  return {
    SMTS: ecap.SMTS === 1,
    ADMS: ecap.ADMS === 1,
    PTRS: ecap.PTRS === 1,
    RPS: ecap.RPS === 1,
    RPRIVS: ecap.RPRIVS === 1,
    ERS: ecap.ERS === 1,
    NWFS: ecap.NWFS === 1,
    SMPWCS: ecap.SMPWCS === 1,
    ZLR: cap.ZLR === 1,
    FSTS: ecap.FSTS === 1,
    SSTS: ecap.SSTS === 1,
    NEST: ecap.NEST === 1,
    PT: ecap.PT === 1,
    DT: ecap.DT === 1,
    FS5LP: cap.FS5LP === 1,
    checksPasidWidth: followsRevision4,
    requiresWideQueue: followsRevision4,
    checksDeviceTlbEnable: followsRevision4 || ecap.DT === 1,
    checksTableAddress: followsRevision4,
    refusesExecute: major >= FIRST_WITHOUT_EXECUTE,
    updatesFlagsWithoutSnoop: ecap.SMPWCS === 0 && !followsRevision4,
  };
}

export interface UnitLimits {
  readonly capability: IommuCapability;
  readonly features: UnitFeatures;
  /** First PASID that ECAP_REG.PSS excludes. */
  readonly pasidLimit: number;
  readonly firstStage: EntryMasks;
  readonly legacySecondStage: EntryMasks;
  /** Scalable mode. Index 0: SSIRWE=0, 1: SSIRWE=1. */
  readonly secondStage: readonly [EntryMasks, EntryMasks];
  readonly legacyRoot: Uint32Array;
  readonly scalableRoot: Uint32Array;
  readonly legacyContext: Uint32Array;
  readonly scalableContext: Uint32Array;
  readonly directoryEntry: Uint32Array;
  readonly pasidEntry: Uint32Array;
  /** Every bit from 192 up is reserved: no host permission tables. */
  readonly isPasidEntryTailReserved: boolean;
  /** By AW encoding 0 to 7: levels of the second-stage walk, 0 when the width is reserved or unsupported. */
  readonly levelsOfAw: Uint8Array;
  /** By AW encoding: min(MGAW, AW) as a limit of the high address half: input is legal below this value. */
  readonly highLimitOfAw: Float64Array;
  /** Addresses are below 2^HAW: limit of the high half. */
  readonly hostHighLimit: number;
  /** High half of the address in a fault record: bits above the widest input address read as zero (section 11.4.7.6). */
  readonly faultHighMask: number;
}

/** PASIDs have 20 bits. */
const ALL_PASIDS = 2 ** 20;

/** First illegal value of the high half for an address width of 32 bits or more. */
export function highLimit(widthBits: number): number {
  return widthBits >= 64 ? TWO_32 : 2 ** (widthBits - 32);
}

/** Units of older revisions record the address as it came (docs/fidelity.md). */
function faultHighMask({ addressWidths, cap, followsRevision4 }: IommuCapability): number {
  if (!followsRevision4) {
    return 0xffff_ffff;
  }
  const firstStage = cap.FS5LP === 1 ? 57 : 48;
  const secondStage = addressWidths.map((aw) => addressWidthOf(aw)?.inputBits ?? 0);
  return 2 ** (Math.max(firstStage, ...secondStage) - 32) - 1;
}

/** In legacy mode SNP without SC has been reserved in every revision. */
function withStrictSnoop(context: LayoutContext): LayoutContext {
  return {
    has: (name) => context.has(name === 'SNP_FIELD' ? 'SC' : name),
    width: (name) => context.width(name),
  };
}

export function unitLimits(capability: IommuCapability): UnitLimits {
  const { context } = capability;
  const levelsOfAw = new Uint8Array(8);
  const highLimitOfAw = new Float64Array(8);
  for (let aw = 0; aw < 8; aw++) {
    const width = addressWidthOf(aw);
    if (width !== undefined && ((capability.sagaw >> width.sagawBit) & 1) === 1) {
      levelsOfAw[aw] = width.levels;
      highLimitOfAw[aw] = highLimit(Math.min(capability.mgaw, width.inputBits));
    }
  }
  const pasidEntry = PasidTableEntry.reservedMask(context);
  const features = featuresOf(capability);
  return {
    capability,
    features,
    pasidLimit: features.checksPasidWidth ? 2 ** capability.pasidWidth : ALL_PASIDS,
    firstStage: firstStageMasks(context),
    legacySecondStage: secondStageMasks(withStrictSnoop(context)),
    secondStage: [
      secondStageMasks(context),
      secondStageMasks(contextWith(capability, { SSIRWE: true })),
    ],
    legacyRoot: RootEntry.reservedMask(context),
    scalableRoot: ScalableRootEntry.reservedMask(context),
    legacyContext: LegacyContextEntry.reservedMask(context),
    scalableContext: ScalableContextEntry.reservedMask(context),
    directoryEntry: PasidDirectoryEntry.reservedMask(context),
    pasidEntry,
    isPasidEntryTailReserved: pasidEntry.subarray(6).every((mask) => mask === 0xffff_ffff),
    levelsOfAw,
    highLimitOfAw,
    hostHighLimit: highLimit(capability.haw),
    faultHighMask: faultHighMask(capability),
  };
}
