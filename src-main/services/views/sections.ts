/** Builders of sections: declared structures and registers as bit rulers with rows, and small helpers for text. */
import { fieldRows } from '../../bits/field-rows.ts';
import { formatSource } from '../../bits/field.ts';
import { toGroupedHex, toHex, wordHex } from '../../bits/hex.ts';
import { ANY_CONTEXT, type FieldMap, type Layout, type LayoutContext } from '../../bits/layout.ts';
import type { Register } from '../../bits/register-block.ts';
import type { Structure } from '../../bits/structure.ts';
import type {
  FieldRow,
  ObjectRefs,
  StructureSection,
  TextSection,
  Tone,
} from '../../protocol/views.ts';
import { formatBdf } from '../../spec/pcie/requester-id.ts';

export interface StructureOptions {
  readonly id: string;
  readonly words: ArrayLike<number>;
  readonly address?: number;
  readonly context?: LayoutContext;
  readonly refs?: ObjectRefs;
  readonly note?: string;
}

export function structureSection<F extends FieldMap>(
  structure: Structure<F>,
  options: StructureOptions,
): StructureSection {
  return layoutSection(structure, structure, options);
}

export function registerSection(register: Register, options: StructureOptions): StructureSection {
  const section = layoutSection(register, register, options);
  // Registers narrower than a word are laid out in one; the bits above do not exist.
  return register.bytes >= 4
    ? section
    : {
        ...section,
        widthBits: register.bytes * 8,
        fields: section.fields.filter((field) => field.low < register.bytes * 8),
      };
}

/** `2 (secondStage)` → `2 (second stage)`: names of values are identifiers in declarations. */
function withWords(field: FieldRow): FieldRow {
  const value = field.value.replace(/\(([a-z]+(?:[A-Z][a-z]*)+)\)$/, (_, name: string) => {
    const words = name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    return `(${words})`;
  });
  return value === field.value ? field : { ...field, value };
}

function layoutSection<F extends FieldMap>(
  layout: Layout<F>,
  described: {
    readonly name: string;
    readonly title: string;
    readonly source: Structure['source'];
    readonly note?: string;
  },
  { id, words, address, context = ANY_CONTEXT, refs, note }: StructureOptions,
): StructureSection {
  const text = note ?? described.note;
  return {
    kind: 'structure',
    id,
    name: described.name,
    title: described.title,
    widthBits: layout.widthBits,
    words: Array.from({ length: layout.words }, (_, i) => wordHex(words[i] ?? 0)),
    fields: fieldRows(layout, described.source, words, context).map(withWords),
    source: formatSource(described.source),
    ...(address === undefined ? {} : { address: formatAddress(address) }),
    ...(refs === undefined ? {} : { refs }),
    ...(text === undefined ? {} : { note: text }),
  };
}

export function textSection(id: string, tone: Tone, text: string, title?: string): TextSection {
  return { kind: 'text', id, tone, text, ...(title === undefined ? {} : { title }) };
}

/** `0x0001_2345_6000`. */
export function formatAddress(address: number | bigint): string {
  return toGroupedHex(address, 12);
}

/** `6a:01.0`. */
export function formatRid(rid: number): string {
  return formatBdf(rid);
}

export function ridRef(rid: number): string {
  return toHex(rid, 4);
}

export function formatPasid(pasid: number): string {
  return pasid < 0 ? 'none' : String(pasid);
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && value % 1024 === 0 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value} ${UNITS[unit] ?? 'B'}`;
}

export function formatDuration(ns: number): string {
  if (ns < 1_000) {
    return `${ns} ns`;
  }
  return ns < 1_000_000
    ? `${(ns / 1_000).toFixed(ns % 1_000 === 0 ? 0 : 2)} µs`
    : `${(ns / 1_000_000).toFixed(3)} ms`;
}
