/** The IOMMU's tables as they lie in memory: not what is cached, what is written. */
import type { ViewLink } from '../../protocol/views.ts';
import type { FieldMap } from '../../bits/layout.ts';
import type { Structure } from '../../bits/structure.ts';
import { toHex } from '../../bits/hex.ts';
import type { Machine } from '../../sim/index.ts';
import { busOf, devfnOf, formatBdf } from '../../spec/pcie/requester-id.ts';
import { ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import {
  PasidDirectoryEntry,
  pasidDirectoryEntries,
  pasidDirectoryIndex,
  pasidTableIndex,
} from '../../spec/vtd/pasid-directory-entry.ts';
import { PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { RTADDR_REG, TTM } from '../../spec/vtd/registers/global-command.ts';
import { ScalableRootEntry } from '../../spec/vtd/root-entry.ts';
import { FoundStructure } from './found-structure.ts';
import { translateIova, type Translation } from './page-tables.ts';
import type { TraceQuery } from './trace-query.ts';

const DEVFNS_PER_CONTEXT_TABLE = 128;

type FoundOf<S> = S extends Structure<infer F> ? FoundStructure<F> : never;
export type FoundContext = FoundOf<typeof ScalableContextEntry>;
export type FoundPasidEntry = FoundOf<typeof PasidTableEntry>;

export class Tables {
  readonly #machine: Machine;
  readonly #trace: TraceQuery;

  constructor(machine: Machine, trace: TraceQuery) {
    this.#machine = machine;
    this.#trace = trace;
  }

  /** Any declared structure at an address. */
  at<F extends FieldMap>(
    structure: Structure<F>,
    address: number,
    object = `${structure.title} at ${toHex(address)}`,
    link?: ViewLink,
  ): FoundStructure<F> {
    return new FoundStructure<F>({
      layout: structure,
      words: this.#words(address, structure.bytes),
      object,
      writtenBy: (firstByte, bytes) => this.#trace.lastWrite(address + firstByte, bytes),
      ...(link === undefined ? {} : { link }),
    });
  }

  /** Undefined while the unit has no scalable-mode root table that reaches it. */
  contextEntry(rid: number): FoundContext | undefined {
    const address = this.#contextAddress(rid);
    if (address === undefined) return undefined;
    return this.at(
      ScalableContextEntry,
      address,
      `Context entry of ${formatBdf(rid)}`,
      pasidTableLink(rid),
    );
  }

  /** Undefined while no directory and table reach the PASID; an entry that is there may still have P=0. */
  pasidEntry(rid: number, pasid: number): FoundPasidEntry | undefined {
    const context = this.contextEntry(rid);
    if (context?.values.P !== 1) return undefined;
    const index = pasidDirectoryIndex(pasid);
    if (index >= pasidDirectoryEntries(context.values.PDTS)) return undefined;
    const at = Number(context.values.PASIDDIRPTR) + index * PasidDirectoryEntry.bytes;
    const directory = PasidDirectoryEntry.decode(this.#words(at, PasidDirectoryEntry.bytes));
    if (directory.P !== 1) return undefined;
    const address = Number(directory.SMPTBLPTR) + pasidTableIndex(pasid) * PasidTableEntry.bytes;
    const object = `PASID entry ${String(pasid)} of ${formatBdf(rid)}`;
    return this.at(PasidTableEntry, address, object, pasidTableLink(rid, pasid));
  }

  /** PASIDs of a function whose entries are present, in order. */
  presentPasids(rid: number): readonly number[] {
    const context = this.contextEntry(rid);
    if (context?.values.P !== 1) return [];
    const count = pasidDirectoryEntries(context.values.PDTS);
    const found: number[] = [];
    for (let index = 0; index < count; index++) {
      const at = Number(context.values.PASIDDIRPTR) + index * PasidDirectoryEntry.bytes;
      const directory = PasidDirectoryEntry.decode(this.#words(at, PasidDirectoryEntry.bytes));
      if (directory.P === 1) found.push(...this.#presentIn(Number(directory.SMPTBLPTR), index));
    }
    return found;
  }

  /** Where an address of a PASID leads by the tables in memory; undefined when they map it nowhere. */
  translate(rid: number, pasid: number, iova: number): Translation | undefined {
    const entry = this.pasidEntry(rid, pasid);
    return entry?.values.P === 1
      ? translateIova(this.#machine.memory, entry.values, iova)
      : undefined;
  }

  #presentIn(table: number, directoryIndex: number): readonly number[] {
    const perTable = 4096 / PasidTableEntry.bytes;
    return Array.from({ length: perTable }, (_, i) => i)
      .filter((i) => {
        const words = this.#words(table + i * PasidTableEntry.bytes, PasidTableEntry.bytes);
        return PasidTableEntry.decode(words).P === 1;
      })
      .map((i) => directoryIndex * perTable + i);
  }

  #contextAddress(rid: number): number | undefined {
    const { registers } = this.#machine.unit;
    const root = RTADDR_REG.decode(registers.wordsOf(registers.register('RTADDR_REG')));
    if (root.TTM !== TTM.scalable) return undefined;
    const at = Number(root.RTA) + busOf(rid) * ScalableRootEntry.bytes;
    const entry = ScalableRootEntry.decode(this.#words(at, ScalableRootEntry.bytes));
    const devfn = devfnOf(rid);
    const isUpper = devfn >= DEVFNS_PER_CONTEXT_TABLE;
    const isPresent = (isUpper ? entry.UP : entry.LP) === 1;
    if (!isPresent) return undefined;
    const table = Number(isUpper ? entry.UCTP : entry.LCTP);
    return table + (devfn % DEVFNS_PER_CONTEXT_TABLE) * ScalableContextEntry.bytes;
  }

  #words(address: number, bytes: number): Uint32Array {
    const words = new Uint32Array(bytes / 4);
    this.#machine.memory.readWords(address, words);
    return words;
  }
}

function pasidTableLink(rid: number, pasid?: number): ViewLink {
  const params = { rid: toHex(rid, 4), ...(pasid === undefined ? {} : { pasid }) };
  return { view: 'pasid-table', params, label: 'Show the PASID tables' };
}
