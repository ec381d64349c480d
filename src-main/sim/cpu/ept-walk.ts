/**
 * The EPT walk of one guest-physical address: four entries in memory, as the CPU reads them. Intel SDM volume 3,
 * "EPT Translation Mechanism" and "EPT-Induced VM Exits".
 *
 * A function over memory, not a unit: nothing is cached, so no INVEPT is needed after a change. Not modelled: accessed and
 * dirty flags, five levels, combination with the guest's own memory types.
 */
import { highOfBig, lowOfBig, numberOf } from '../../bits/u64.ts';
import { fieldOf, isFieldSet, wordField } from '../../bits/word-field.ts';
import {
  EPT_MEMORY_TYPE,
  EptPointer,
  EptTableEntry,
  Ept4KLeaf,
  eptEntryAt,
} from '../../spec/cpu/ept.ts';
import {
  ENTRIES_PER_TABLE,
  ENTRY_BYTES,
  INDEX_BITS,
  PAGE_SHIFT,
} from '../../spec/paging/levels.ts';
import type { CpuMemory } from './ports.ts';

export type EptAccess = 'read' | 'write' | 'execute';

/** One entry on the way. */
export interface EptRead {
  readonly level: number;
  readonly address: number;
  readonly low: number;
  readonly high: number;
}

export type EptWalk =
  | {
      readonly kind: 'mapped';
      readonly address: number;
      /** Bytes behind the leaf. */
      readonly pageBytes: number;
      readonly memoryType: number;
      readonly isWritable: boolean;
      readonly path: readonly EptRead[];
    }
  /** Exit 48: not present, or not allowed. */
  | { readonly kind: 'violation'; readonly path: readonly EptRead[] }
  /** Exit 49: an entry with a forbidden setting. */
  | { readonly kind: 'misconfiguration'; readonly path: readonly EptRead[] };

export interface EptWalkOptions {
  readonly memory: CpuMemory;
  /** Value of the VMCS field. */
  readonly eptPointer: bigint;
  readonly physicalAddressBits: number;
}

const LEVELS = 4;
const R = wordField(EptTableEntry, 'R');
const W = wordField(EptTableEntry, 'W');
const X = wordField(EptTableEntry, 'X');
const PS = wordField(EptTableEntry, 'PS');
const MT = wordField(Ept4KLeaf, 'MT');
const RIGHTS_OF: Readonly<Record<EptAccess, typeof R>> = { read: R, write: W, execute: X };
const MEMORY_TYPES: ReadonlySet<number> = new Set(Object.values(EPT_MEMORY_TYPE));
const PAGE_LOW_MASK = 0xffff_f000;
const PAGE_HIGH_MASK = 0x000f_ffff;

/** Bytes behind one entry of a level. */
function bytesOf(level: number): number {
  return 2 ** (PAGE_SHIFT + (level - 1) * INDEX_BITS);
}

/** Table or page address of an entry; low bits of a large page are 0 or the entry is misconfigured. */
function addressOf(read: EptRead): number {
  return numberOf(read.high & PAGE_HIGH_MASK, read.low & PAGE_LOW_MASK);
}

function isMisconfigured(read: EptRead, isLeaf: boolean, physicalAddressBits: number): boolean {
  const { level, low, high } = read;
  if (isFieldSet(low, W) && !isFieldSet(low, R)) {
    return true;
  }
  if (level === LEVELS && isFieldSet(low, PS)) {
    return true;
  }
  if (isLeaf && !MEMORY_TYPES.has(fieldOf(low, MT))) {
    return true;
  }
  const mask = eptEntryAt(level, isFieldSet(low, PS)).reservedMask({
    has: () => true,
    width: () => physicalAddressBits,
  });
  return (low & (mask[0] ?? 0)) !== 0 || (high & (mask[1] ?? 0)) !== 0;
}

export function walkEpt(options: EptWalkOptions, gpa: number, access: EptAccess): EptWalk {
  const { memory, eptPointer, physicalAddressBits } = options;
  const path: EptRead[] = [];
  let table = Number(EptPointer.decode([lowOfBig(eptPointer), highOfBig(eptPointer)]).ADDR);
  let isWritable = true;
  for (let level = LEVELS; level >= 1; level--) {
    const size = bytesOf(level);
    const index = Math.floor(gpa / size);
    // Beyond the input width of the top level there is no entry.
    if (level === LEVELS && index >= ENTRIES_PER_TABLE) {
      return { kind: 'violation', path };
    }
    const address = table + (index % ENTRIES_PER_TABLE) * ENTRY_BYTES;
    const read = {
      level,
      address,
      low: memory.read32(address) >>> 0,
      high: memory.read32(address + 4) >>> 0,
    };
    path.push(read);
    if ((read.low & (R.mask | W.mask | X.mask)) === 0) {
      return { kind: 'violation', path };
    }
    const isLeaf = level === 1 || (level < LEVELS && isFieldSet(read.low, PS));
    if (isMisconfigured(read, isLeaf, physicalAddressBits)) {
      return { kind: 'misconfiguration', path };
    }
    if (!isFieldSet(read.low, RIGHTS_OF[access])) {
      return { kind: 'violation', path };
    }
    isWritable &&= isFieldSet(read.low, W);
    if (isLeaf) {
      const base = addressOf(read);
      return {
        kind: 'mapped',
        address: base + (gpa % size),
        pageBytes: size,
        memoryType: fieldOf(read.low, MT),
        isWritable,
        path,
      };
    }
    table = addressOf(read);
  }
  return { kind: 'violation', path };
}
