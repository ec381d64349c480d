/** EPT entries for `RadixTable`, made from the declarations in `spec/cpu/ept.ts`. */
import { bigOf, highOfBig, lowOfBig } from '../../bits/u64.ts';
import {
  EPT_MEMORY_TYPE,
  Ept2MLeaf,
  Ept4KLeaf,
  EptTableEntry,
  eptEntryAt,
} from '../../spec/cpu/ept.ts';
import type { PageRights, TableFormat } from '../../linux/mm/table-format.ts';

/** Largest pages KVM maps here: 2 MB. */
const LARGEST_LEAF_LEVEL = 2;
const RIGHTS_MASK = 7n;
const PS_BIT = 7n;

/** Rights that no page has: the mark of emulated registers, an EPT misconfiguration by intention. */
export const MMIO_MARK: PageRights = { read: false, write: true };

function toValue(words: Uint32Array): bigint {
  return bigOf(words[1] ?? 0, words[0] ?? 0);
}

function hasPs(entry: bigint): boolean {
  return ((entry >> PS_BIT) & 1n) === 1n;
}

export const EPT_FORMAT: TableFormat = {
  largestLeafLevel: LARGEST_LEAF_LEVEL,
  tableEntry: (table) => toValue(EptTableEntry.encode({ R: 1, W: 1, X: 1, ADDR: BigInt(table) })),
  leafEntry(address, level, rights) {
    const common = {
      R: Number(rights.read),
      W: Number(rights.write),
      X: 1,
      MT: rights.isDevice === true ? EPT_MEMORY_TYPE.UC : EPT_MEMORY_TYPE.WB,
      IPAT: 1,
      ADDR: BigInt(address),
    };
    return level === 1
      ? toValue(Ept4KLeaf.encode(common))
      : toValue(Ept2MLeaf.encode({ ...common, PS: 1 }));
  },
  isPresent: (entry) => (entry & RIGHTS_MASK) !== 0n,
  isLeaf: (entry, level) => level === 1 || (level <= LARGEST_LEAF_LEVEL && hasPs(entry)),
  addressOf(entry, level) {
    const structure = eptEntryAt(level, hasPs(entry));
    return Number(structure.get([lowOfBig(entry), highOfBig(entry)], structure.field('ADDR')));
  },
};
