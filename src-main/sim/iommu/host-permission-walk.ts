/**
 * Host permission tables: what a function may do with a host physical address that it presents as translated. VT-d 5.10
 * sections 4.2.4 and 9.12; fault reasons A0h-A5h.
 *
 * Four levels of 16-byte entries. From level 3 down, an entry holds permissions for the parts of its range; one that is not
 * zero ends the walk. Permissions are read anew for every request.
 *
 * Not modelled: the caches that an HPT cache invalidation would drop, and the prefetching that HPTPFD turns off.
 */
import {
  HostPermissionL1Entry,
  HostPermissionL2Entry,
  HostPermissionL3Entry,
  HostPermissionL4Entry,
} from '../../spec/paging/host-permission-entry.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import { ACCESS, type AccessKind } from './first-stage-walk.ts';
import type { UnitLimits } from './unit-limits.ts';

const FAULT = {
  readError: 0xa0,
  reservedBits: 0xa1,
  rootReadError: 0xa2,
  none: 0xa3,
  noWrite: 0xa4,
  noRead: 0xa5,
} as const;

const ENTRY_WORDS = 4;
const READ = 1;
const WRITE = 2;
const PERMISSION_BITS = 0xf;
/** AV and address of the next table are in the third and fourth word. */
const ADDRESS_VALID = 1;
const ADDRESS_LOW = ~0xfff;
const ADDRESS_HIGH = 0xf_ffff;
/** A page holds 256 entries. */
const INDEX = 0xff;

interface Level {
  readonly reserved: Uint32Array;
  readonly hasNext: boolean;
  /** Lowest address bit that selects among permissions, and how many bits do; 0 where there are none. */
  readonly partLow: number;
  readonly partBits: number;
  /** Lowest of the bits that select the entry. */
  readonly indexLow: number;
}

export class HostPermissionWalk {
  readonly #memory: PhysicalMemory;
  /** From the top table down. */
  readonly #levels: readonly Level[];
  readonly #allowsZeroLengthReads: boolean;

  constructor(memory: PhysicalMemory, limits: UnitLimits) {
    const { context, ecap } = limits.capability;
    this.#memory = memory;
    this.#allowsZeroLengthReads = limits.features.ZLR;
    const hasGigabytes = ecap.HPT1GPS === 1;
    const third = HostPermissionL3Entry.reservedMask(context).slice();
    if (!hasGigabytes) {
      third[0] = 0xffff_ffff;
    }
    this.#levels = [
      level(HostPermissionL4Entry.reservedMask(context), true, 0, 0, 41),
      level(third, true, 30, hasGigabytes ? 3 : 0, 33),
      level(HostPermissionL2Entry.reservedMask(context), true, 21, 4, 25),
      level(HostPermissionL1Entry.reservedMask(context), false, 12, 5, 17),
    ];
  }

  /** 0 or the fault reason, for an address that the table covers. */
  check(
    tableHigh: number,
    tableLow: number,
    address: { readonly high: number; readonly low: number },
    kind: AccessKind,
    bytes: number,
  ): number {
    const rights = this.#rightsOf(tableHigh, tableLow, address.high, address.low);
    return rights < 0 ? -rights : this.#judge(rights, kind, bytes);
  }

  /** Rights, or a fault reason as a negative number. */
  #rightsOf(tableHigh: number, tableLow: number, high: number, low: number): number {
    const { words } = this.#memory.store;
    let baseHigh = tableHigh;
    let baseLow = tableLow;
    for (const [depth, at] of this.#levels.entries()) {
      // The top table has up to eight pages: its index is wider and may carry into the high half.
      const index = depth === 0 ? high >>> (at.indexLow - 32) : bitsOf(high, low, at.indexLow);
      const entryLow = (baseLow >>> 0) + (depth === 0 ? index : index & INDEX) * ENTRY_WORDS * 4;
      const entryHigh = baseHigh + (entryLow >= 2 ** 32 ? 1 : 0);
      const entry = this.#memory.locate(entryHigh, entryLow | 0);
      if (entry < 0) {
        return depth === 0 ? -FAULT.rootReadError : -FAULT.readError;
      }
      for (let w = 0; w < ENTRY_WORDS; w++) {
        if (((words[entry + w] as number) & (at.reserved[w] as number)) !== 0) {
          return -FAULT.reservedBits;
        }
      }
      const rights = at.partBits === 0 ? 0 : permissionIn(words, entry, at, high, low);
      if (rights !== 0 || !at.hasNext) {
        return rights;
      }
      const next = words[entry + 2] as number;
      if ((next & ADDRESS_VALID) === 0) {
        return 0;
      }
      baseHigh = (words[entry + 3] as number) & ADDRESS_HIGH;
      baseLow = next & ADDRESS_LOW;
    }
    return 0;
  }

  #judge(rights: number, kind: AccessKind, bytes: number): number {
    if (kind !== ACCESS.read && (rights & WRITE) === 0) {
      return FAULT.noWrite;
    }
    if (kind === ACCESS.write || (rights & READ) !== 0) {
      return 0;
    }
    if (kind === ACCESS.read && bytes === 0) {
      return rights !== 0 && this.#allowsZeroLengthReads ? 0 : FAULT.none;
    }
    return FAULT.noRead;
  }
}

function level(
  reserved: Uint32Array,
  hasNext: boolean,
  partLow: number,
  partBits: number,
  indexLow: number,
): Level {
  return { reserved, hasNext, partLow, partBits, indexLow };
}

/** Eight address bits from `from` up. */
function bitsOf(high: number, low: number, from: number): number {
  return from >= 32 ? high >>> (from - 32) : (low >>> from) | (high << (32 - from));
}

function permissionIn(
  words: Uint32Array,
  entry: number,
  { partLow, partBits }: Level,
  high: number,
  low: number,
): number {
  const part = bitsOf(high, low, partLow) & (2 ** partBits - 1);
  return ((words[entry + (part >>> 3)] as number) >>> ((part & 7) * 4)) & PERMISSION_BITS;
}
