/**
 * What each invalidation command drops: the effect matrix of VT-d 5.10 sections 6.5.2.1 to 6.5.2.4 (tables 23 and 24).
 * Every method gives the number of cached entries that went.
 */
import { PGTT } from '../../spec/vtd/pasid-table-entry.ts';
import { LegacyContextEntry } from '../../spec/vtd/context-entry.ts';
import { PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { IOTLB_FLAG, pgttOfFlags } from './iotlb.ts';
import { pieceOf } from './piece.ts';
import { TTM } from '../../spec/vtd/registers/global-command.ts';
import type { Translation } from './translation.ts';
import { highLimit, type UnitLimits } from './unit-limits.ts';

const LEGACY_DID = pieceOf(LegacyContextEntry, 'DID');
const ENTRY_DID = pieceOf(PasidTableEntry, 'DID');
/** SID bits that count, by function mask (VT-d 5.10 section 6.5.2.1). */
const SID_MASKS = [0xffff, 0xfffb, 0xfff9, 0xfff8] as const;

/** Second-stage and pass-through entries, and every entry of legacy mode. */
function isSecondStage(flags: number): boolean {
  const pgtt = pgttOfFlags(flags);
  return (
    (flags & IOTLB_FLAG.legacy) !== 0 || pgtt === PGTT.secondStage || pgtt === PGTT.passThrough
  );
}

/** Address bits 47:32 and 56:32, which are the tag of first-stage entries with four and five levels (table 17). */
const HIGH_MASK_4_LEVELS = 0xffff;
const HIGH_MASK_5_LEVELS = 0x1ff_ffff;

function firstStageHighMask(flags: number): number {
  return (flags & IOTLB_FLAG.fiveLevels) !== 0 ? HIGH_MASK_5_LEVELS : HIGH_MASK_4_LEVELS;
}

export class CacheInvalidation {
  readonly #translation: Translation;
  readonly #domainMask: number;
  /** Second-stage entries are tagged with address bits below MGAW. */
  readonly #secondStageHighMask: number;

  constructor(translation: Translation, limits: UnitLimits) {
    this.#translation = translation;
    this.#domainMask = 2 ** limits.capability.domainIdWidth - 1;
    this.#secondStageHighMask = Math.floor(highLimit(limits.capability.mgaw)) - 1;
  }

  /** SRTP with ESRTPS, and TE off in units with scalable mode. */
  everything(): void {
    const t = this.#translation;
    t.structures.contextCache.clear();
    t.structures.pasidCache.clear();
    t.iotlb.clear();
    t.firstStageCache.clear();
    t.secondStageCache.clear();
  }

  contextGlobal(): number {
    return this.#translation.structures.contextCache.invalidate(() => true);
  }

  /** Scalable context entries have no domain, so that all of them go. */
  contextDomain(did: number): number {
    const { contextCache } = this.#translation.structures;
    if (this.#translation.mode !== TTM.legacy) {
      return contextCache.invalidate(() => true);
    }
    const wanted = did & this.#domainMask;
    return contextCache.invalidate(
      (_rid, _unused, at) =>
        ((contextCache.words[at + LEGACY_DID.word] as number) & LEGACY_DID.mask) >>>
          LEGACY_DID.shift ===
        wanted,
    );
  }

  contextDevice(sid: number, functionMask: number, did: number): number {
    const { contextCache } = this.#translation.structures;
    const isLegacy = this.#translation.mode === TTM.legacy;
    const wanted = did & this.#domainMask;
    const mask = SID_MASKS[functionMask & 3] as number;
    return contextCache.invalidate((rid, _unused, at) => {
      if (((rid ^ sid) & mask) !== 0) {
        return false;
      }
      const word = contextCache.words[at + LEGACY_DID.word] as number;
      return !isLegacy || (word & LEGACY_DID.mask) >>> LEGACY_DID.shift === wanted;
    });
  }

  pasidGlobal(): number {
    return this.#translation.structures.pasidCache.invalidate(() => true);
  }

  pasidDomain(did: number): number {
    const { pasidCache } = this.#translation.structures;
    const wanted = did & this.#domainMask;
    return pasidCache.invalidate(
      (_rid, _pasid, at) =>
        ((pasidCache.words[at + ENTRY_DID.word] as number) & ENTRY_DID.mask) >>> ENTRY_DID.shift ===
        wanted,
    );
  }

  pasidInDomain(did: number, pasid: number): number {
    const { pasidCache } = this.#translation.structures;
    const wanted = did & this.#domainMask;
    return pasidCache.invalidate(
      (_rid, cached, at) =>
        cached === pasid &&
        ((pasidCache.words[at + ENTRY_DID.word] as number) & ENTRY_DID.mask) >>> ENTRY_DID.shift ===
          wanted,
    );
  }

  iotlbGlobal(): number {
    const t = this.#translation;
    return (
      t.iotlb.invalidate(() => true) +
      t.firstStageCache.invalidate(undefined, undefined) +
      t.secondStageCache.invalidate(undefined, undefined)
    );
  }

  iotlbDomain(did: number): number {
    const t = this.#translation;
    const wanted = did & this.#domainMask;
    return (
      t.iotlb.invalidate((_flags, cached) => cached === wanted) +
      t.firstStageCache.invalidate(wanted, undefined) +
      t.secondStageCache.invalidate(wanted, undefined)
    );
  }

  /** `sizeShift` is 12 plus the address mask. */
  iotlbPage(
    did: number,
    high: number,
    low: number,
    sizeShift: number,
    isLeafOnly: boolean,
  ): number {
    const t = this.#translation;
    const wanted = did & this.#domainMask;
    const mask = this.#secondStageHighMask;
    return (
      t.iotlb.invalidate((flags, cached) => cached === wanted && !isSecondStage(flags)) +
      t.iotlb.invalidateRange(
        high,
        low,
        sizeShift,
        (flags, cached) => cached === wanted && isSecondStage(flags),
        () => mask,
      ) +
      t.firstStageCache.invalidate(wanted, undefined) +
      (isLeafOnly
        ? 0
        : t.secondStageCache.invalidateRange(wanted, undefined, high, low, sizeShift, mask))
    );
  }

  pasidIotlbAll(did: number, pasid: number): number {
    const t = this.#translation;
    const wanted = did & this.#domainMask;
    return (
      t.iotlb.invalidate((_flags, cached, effective) => cached === wanted && effective === pasid) +
      t.firstStageCache.invalidate(wanted, pasid)
    );
  }

  pasidIotlbPage(
    did: number,
    pasid: number,
    high: number,
    low: number,
    sizeShift: number,
    isLeafOnly: boolean,
  ): number {
    const t = this.#translation;
    const wanted = did & this.#domainMask;
    return (
      t.iotlb.invalidateRange(
        high,
        low,
        sizeShift,
        (flags, cached, effective) =>
          cached === wanted && effective === pasid && !isSecondStage(flags),
        firstStageHighMask,
      ) +
      (isLeafOnly
        ? 0
        : t.firstStageCache.invalidateRange(
            wanted,
            pasid,
            high,
            low,
            sizeShift,
            HIGH_MASK_4_LEVELS,
          ))
    );
  }
}
