/** Structures in memory: table entries, descriptors, ring elements, completion records. */
import type { SourceRef } from './field.ts';
import { invariant } from './invariant.ts';
import { buildLayout, type FieldMap, type Layout } from './layout.ts';

export interface StructureSpec<F extends FieldMap> {
  readonly name: string;
  readonly title: string;
  readonly bytes: number;
  readonly source: SourceRef;
  readonly fields: F;
  /** One teaching sentence. */
  readonly note?: string;
}

export interface Structure<F extends FieldMap = FieldMap> extends Layout<F> {
  readonly name: string;
  readonly title: string;
  readonly bytes: number;
  readonly source: SourceRef;
  readonly note?: string;
}

const catalogue = new Map<string, Structure>();

/** Declares a structure. Overlaps, gaps and duplicate names are bugs and throw at load. */
export function defineStructure<const F extends FieldMap>(spec: StructureSpec<F>): Structure<F> {
  invariant(!catalogue.has(spec.name), `Structure ${spec.name} is declared twice`);
  const structure: Structure<F> = {
    ...buildLayout(spec.name, spec.bytes * 8, spec.fields),
    name: spec.name,
    title: spec.title,
    bytes: spec.bytes,
    source: spec.source,
    ...(spec.note === undefined ? {} : { note: spec.note }),
  };
  catalogue.set(spec.name, structure as unknown as Structure);
  return structure;
}

/** Every structure declared so far, for checks, documentation and tests. */
export function declaredStructures(): readonly Structure[] {
  return [...catalogue.values()];
}
