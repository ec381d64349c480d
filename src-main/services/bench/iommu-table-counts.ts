/** Counts what lies in the tables of the remapping unit by reading them, as hardware would. VT-d 5.10 section 3.4. */
import { ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import { PASID_TABLE_ENTRIES, PasidDirectoryEntry } from '../../spec/vtd/pasid-directory-entry.ts';
import { PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { ScalableRootEntry } from '../../spec/vtd/root-entry.ts';
import type { HardwarePort } from '../../sim/index.ts';

export interface TableCounts {
  readonly contextEntries: number;
  readonly pasidEntries: number;
  /** Bytes of directories and PASID tables. */
  readonly pasidTableBytes: number;
}

const BUSES = 256;
const CONTEXTS_PER_TABLE = 128;
const SMALLEST_DIRECTORY_BITS = 7;

function wordsAt(hw: HardwarePort, address: number, bytes: number): Uint32Array {
  return new Uint32Array(hw.memoryRead(address, bytes).slice().buffer);
}

function contextTables(hw: HardwarePort, root: number): readonly number[] {
  const words = wordsAt(hw, root, BUSES * ScalableRootEntry.bytes);
  const tables: number[] = [];
  for (let bus = 0; bus < BUSES; bus++) {
    const entry = ScalableRootEntry.decode(words, (bus * ScalableRootEntry.bytes) / 4);
    if (entry.LP === 1) {
      tables.push(Number(entry.LCTP));
    }
    if (entry.UP === 1) {
      tables.push(Number(entry.UCTP));
    }
  }
  return tables;
}

function presentPasidEntries(hw: HardwarePort, table: number): number {
  const words = wordsAt(hw, table, PASID_TABLE_ENTRIES * PasidTableEntry.bytes);
  let present = 0;
  for (let i = 0; i < PASID_TABLE_ENTRIES; i++) {
    present += PasidTableEntry.decode(words, (i * PasidTableEntry.bytes) / 4).P;
  }
  return present;
}

/** Entries of one function's directory and tables. */
function pasidCounts(hw: HardwarePort, directory: number, pdts: number): TableCounts {
  const entries = 2 ** (pdts + SMALLEST_DIRECTORY_BITS);
  const bytes = entries * PasidDirectoryEntry.bytes;
  const words = wordsAt(hw, directory, bytes);
  let pasidEntries = 0;
  let tables = 0;
  for (let i = 0; i < entries; i++) {
    const entry = PasidDirectoryEntry.decode(words, (i * PasidDirectoryEntry.bytes) / 4);
    if (entry.P === 1) {
      tables++;
      pasidEntries += presentPasidEntries(hw, Number(entry.SMPTBLPTR));
    }
  }
  const tableBytes = tables * PASID_TABLE_ENTRIES * PasidTableEntry.bytes;
  return { contextEntries: 1, pasidEntries, pasidTableBytes: bytes + tableBytes };
}

/** `root`: address of the scalable-mode root table. */
export function countTables(hw: HardwarePort, root: number): TableCounts {
  const found: TableCounts[] = [];
  for (const table of contextTables(hw, root)) {
    const words = wordsAt(hw, table, CONTEXTS_PER_TABLE * ScalableContextEntry.bytes);
    for (let i = 0; i < CONTEXTS_PER_TABLE; i++) {
      const entry = ScalableContextEntry.decode(words, (i * ScalableContextEntry.bytes) / 4);
      if (entry.P === 1) {
        found.push(pasidCounts(hw, Number(entry.PASIDDIRPTR), entry.PDTS));
      }
    }
  }
  return found.reduce(
    (sum, one) => ({
      contextEntries: sum.contextEntries + one.contextEntries,
      pasidEntries: sum.pasidEntries + one.pasidEntries,
      pasidTableBytes: sum.pasidTableBytes + one.pasidTableBytes,
    }),
    { contextEntries: 0, pasidEntries: 0, pasidTableBytes: 0 },
  );
}
