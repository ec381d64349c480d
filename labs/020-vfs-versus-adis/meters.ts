// Counts what isolation costs, in the tables where it lies. Nothing here is remembered: every call reads again.
import { read, read64 } from 'hw';
import { state } from 'lab/oracle';
import { pci_devices, pci_msix_vec_count } from 'linux/pci';

export interface Meters {
  /** Functions on the bus. */
  readonly functions: number;
  /** Configuration space that hardware has to provide for them. */
  readonly config_bytes: number;
  /** Entries of their MSI-X tables. */
  readonly msix_entries: number;
  /** Entries of the IOMMU's context tables that are present: one for each Requester ID. */
  readonly context_entries: number;
  /** Entries of its PASID tables that are present: one for each address space. */
  readonly pasid_entries: number;
}

const PAGE = 4096;
const CONFIG_SPACE = 4096;
const BUSES = 256;
const CONTEXT_ENTRY = 32;
const PASID_ENTRY = 64;
const ADDRESS = 0xffff_ffff_f000n;

/** The entries of a table whose bit 0, Present, is set. */
function present(table: Uint8Array, bytes: number): readonly DataView[] {
  const found: DataView[] = [];
  for (let at = 0; at < table.length; at += bytes) {
    if ((table[at] & 1) === 1) {
      found.push(new DataView(table.buffer, table.byteOffset + at, bytes));
    }
  }
  return found;
}

const pointer = (entry: DataView): bigint => entry.getBigUint64(0, true) & ADDRESS;

/** A root entry is two halves: context tables for device numbers 0 to 15 and 16 to 31. */
function contexts(): readonly DataView[] {
  const root = (state('iommu/unit/dmar0') as { root: number }).root;
  const halves = present(read(root, BUSES * 16), 8);
  return halves.flatMap((half) => present(read(pointer(half), PAGE), CONTEXT_ENTRY));
}

/** The PASID directory of a function, 64 PASIDs behind each entry. Of its low byte, Linux sets bit 0 alone. */
function pasids(context: DataView): number {
  const entries = 2 ** (((context.getUint32(0, true) >>> 9) & 7) + 7);
  const directory = read(pointer(context), entries * 8);
  const view = new DataView(directory.buffer, directory.byteOffset);
  let count = 0;
  for (let at = directory.indexOf(1); at >= 0; at = directory.indexOf(1, at + 1)) {
    if (at % 8 === 0) {
      const table = view.getBigUint64(at, true) & ADDRESS;
      count += present(read(table, PAGE), PASID_ENTRY).length;
    }
  }
  return count;
}

export function measure(): Meters {
  const functions = pci_devices();
  const found = contexts();
  return {
    functions: functions.length,
    config_bytes: functions.length * CONFIG_SPACE,
    msix_entries: functions.reduce((sum, dev) => sum + Math.max(0, pci_msix_vec_count(dev)), 0),
    context_entries: found.length,
    pasid_entries: found.reduce((sum, context) => sum + pasids(context), 0),
  };
}
