/** Reads the IOMMU's tables from memory the way the unit does, for views: what is there, not what is cached. */
import { LegacyContextEntry, ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import { PasidDirectoryEntry } from '../../spec/vtd/pasid-directory-entry.ts';
import { PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { GSTS_REG, RTADDR_REG, TTM } from '../../spec/vtd/registers/global-command.ts';
import { RootEntry, ScalableRootEntry } from '../../spec/vtd/root-entry.ts';
import type { Machine } from '../../sim/index.ts';

const PASIDS_PER_TABLE = 64;
const DIRECTORY_BASE_BITS = 7;

export interface RootTable {
  readonly address: number;
  readonly mode: number;
  readonly isScalable: boolean;
  readonly isEnabled: boolean;
}

/** Undefined until software has set a root table pointer. */
export function rootTable(machine: Machine): RootTable | undefined {
  const { registers } = machine.unit;
  const status = GSTS_REG.decode(registers.wordsOf(registers.register('GSTS_REG')));
  if (status.RTPS === 0) {
    return undefined;
  }
  const root = RTADDR_REG.decode(registers.wordsOf(registers.register('RTADDR_REG')));
  return {
    address: Number(root.RTA),
    mode: root.TTM,
    isScalable: root.TTM === TTM.scalable,
    isEnabled: status.TES === 1,
  };
}

/** Memory in which tables lie: the host's, or a guest's behind its second stage. */
export interface TableMemory {
  readonly memory: { readWords(address: number, into: Uint32Array): void };
}

export function readWords({ memory }: TableMemory, address: number, bytes: number): Uint32Array {
  const words = new Uint32Array(bytes / 4);
  memory.readWords(address, words);
  return words;
}

export interface FoundContext {
  readonly rid: number;
  readonly rootAddress: number;
  readonly rootWords: Uint32Array;
  readonly address: number;
  readonly words: Uint32Array;
}

/** Every context entry that differs from zero, in order of Requester ID. */
export function contextEntries(machine: TableMemory, root: RootTable): readonly FoundContext[] {
  const found: FoundContext[] = [];
  for (let bus = 0; bus < 256; bus++) {
    const rootAddress = root.address + bus * RootEntry.bytes;
    const rootWords = readWords(machine, rootAddress, RootEntry.bytes);
    if (rootWords.every((w) => w === 0)) {
      continue;
    }
    found.push(...contextsOfBus(machine, root, bus, rootAddress, rootWords));
  }
  return found;
}

function contextsOfBus(
  machine: TableMemory,
  root: RootTable,
  bus: number,
  rootAddress: number,
  rootWords: Uint32Array,
): readonly FoundContext[] {
  const found: FoundContext[] = [];
  const take = (table: number, first: number, count: number, bytes: number): void => {
    for (let i = 0; i < count; i++) {
      const words = readWords(machine, table + i * bytes, bytes);
      if (words.some((w) => w !== 0)) {
        found.push({
          rid: bus * 256 + first + i,
          rootAddress,
          rootWords,
          address: table + i * bytes,
          words,
        });
      }
    }
  };
  if (root.isScalable) {
    const entry = ScalableRootEntry.decode(rootWords);
    if (entry.LP === 1) {
      take(Number(entry.LCTP), 0, 128, ScalableContextEntry.bytes);
    }
    if (entry.UP === 1) {
      take(Number(entry.UCTP), 128, 128, ScalableContextEntry.bytes);
    }
    return found;
  }
  const entry = RootEntry.decode(rootWords);
  if (entry.P === 1) {
    take(Number(entry.CTP), 0, 256, LegacyContextEntry.bytes);
  }
  return found;
}

export interface FoundDirectory {
  readonly index: number;
  readonly address: number;
  readonly words: Uint32Array;
  readonly tableAddress: number;
}

/** Directory entries that differ from zero. */
export function directoryEntries(
  machine: TableMemory,
  context: Uint32Array,
): readonly FoundDirectory[] {
  const { PASIDDIRPTR, PDTS } = ScalableContextEntry.decode(context);
  const found: FoundDirectory[] = [];
  const count = 2 ** (PDTS + DIRECTORY_BASE_BITS);
  for (let index = 0; index < count; index++) {
    const address = Number(PASIDDIRPTR) + index * PasidDirectoryEntry.bytes;
    const words = readWords(machine, address, PasidDirectoryEntry.bytes);
    if (words.some((w) => w !== 0)) {
      found.push({
        index,
        address,
        words,
        tableAddress: Number(PasidDirectoryEntry.decode(words).SMPTBLPTR),
      });
    }
  }
  return found;
}

export interface FoundPasidEntry {
  readonly pasid: number;
  readonly address: number;
  readonly words: Uint32Array;
}

/** Entries of one PASID table that differ from zero. */
export function pasidEntries(
  machine: TableMemory,
  directory: FoundDirectory,
): readonly FoundPasidEntry[] {
  const found: FoundPasidEntry[] = [];
  for (let i = 0; i < PASIDS_PER_TABLE; i++) {
    const address = directory.tableAddress + i * PasidTableEntry.bytes;
    const words = readWords(machine, address, PasidTableEntry.bytes);
    if (words.some((w) => w !== 0)) {
      found.push({ pasid: directory.index * PASIDS_PER_TABLE + i, address, words });
    }
  }
  return found;
}

/** The PASID entry of a requester, read from memory; undefined when the way to it is not there. */
export function findPasidEntry(
  machine: Machine,
  rid: number,
  pasid: number,
): FoundPasidEntry | undefined {
  const root = rootTable(machine);
  const context =
    root === undefined ? undefined : contextEntries(machine, root).find((c) => c.rid === rid);
  if (context === undefined) {
    return undefined;
  }
  const directory = directoryEntries(machine, context.words).find(
    (d) => d.index === Math.floor(pasid / PASIDS_PER_TABLE),
  );
  return directory === undefined
    ? undefined
    : pasidEntries(machine, directory).find((e) => e.pasid === pasid);
}
