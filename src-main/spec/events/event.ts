/**
 * Kinds of trace records, declared as data: `block.object.past-tense-verb`, typed fields, one teaching sentence.
 *
 * A record holds its fields as slots of a Float64Array. A `u64` field takes two slots (high, low), a `text` field the number
 * of an interned string, everything else one slot that is exact below 2^53. Emission, text, filters, the JSON Lines file
 * and the reference page derive from the declaration.
 */
import type { SourceRef } from '../../bits/field.ts';
import { invariant } from '../../bits/invariant.ts';

export type EventLevel = 'info' | 'guest-error' | 'unimplemented' | 'debug';

/** How a slot is shown; it also says what the value refers to, so that the window can link it. */
export type EventFieldType =
  | 'number'
  | 'hex'
  | 'u64'
  | 'rid'
  | 'pasid'
  | 'flag'
  | 'text'
  | 'seq'
  | { readonly names: Readonly<Record<number, string>> };

export interface EventField {
  readonly name: string;
  readonly title: string;
  readonly type: EventFieldType;
}

/** Fields of a declaration: name to type and title. */
export type EventFields = Readonly<Record<string, readonly [type: EventFieldType, title: string]>>;

/** What a field of this type holds in a record that was read back. */
type ValueOf<T extends EventFieldType> = T extends 'u64'
  ? bigint
  : T extends 'text'
    ? string
    : T extends string | { readonly names: Readonly<Record<number, string>> }
      ? number
      : never;

/** Values of a record by field name. */
export type EventValues<F extends EventFields> = { readonly [K in keyof F]: ValueOf<F[K][0]> };

export interface EventKind<F extends EventFields = EventFields> {
  /** 30 bits that follow from the name alone: traces and their hashes are the same wherever and in what order modules load. */
  readonly id: number;
  readonly kind: string;
  readonly level: EventLevel;
  readonly title: string;
  readonly meaning: string;
  readonly source: SourceRef;
  readonly fields: readonly EventField[];
  /** `{name}` is replaced by the field's formatted value. */
  readonly template: string;
  /** Shown as a mark on the timeline. */
  readonly mark?: 'fault' | 'good' | 'warning';
  /** Never present: carries the types of the fields for queries. */
  readonly fieldTypes?: F;
}

export interface EventDeclaration<F extends EventFields = EventFields> {
  readonly level?: EventLevel;
  readonly title: string;
  readonly meaning: string;
  readonly source: SourceRef;
  readonly fields: F;
  readonly template: string;
  readonly mark?: 'fault' | 'good' | 'warning';
}

const catalogue: EventKind[] = [];
const byKind = new Map<string, EventKind>();
const byId = new Map<number, EventKind>();

/** PASID slot of a request without PASID. */
export const NO_PASID = -1;

export function defineEvent<const F extends EventFields>(
  kind: string,
  spec: EventDeclaration<F>,
): EventKind<F> {
  invariant(
    /^[a-z0-9]+(\.[a-z0-9-]+){2}$/.test(kind),
    `Event kind ${kind} is not block.object.verb`,
  );
  invariant(!byKind.has(kind), `Event kind ${kind} is declared twice`);
  const fields = Object.entries<EventFields[string]>(spec.fields).map(([name, [type, title]]) => ({
    name,
    type,
    title,
  }));
  for (const [, name] of spec.template.matchAll(/\{(\w+)\}/g)) {
    invariant(
      fields.some((f) => f.name === name),
      `Event ${kind}: the template names ${name ?? ''}, which is no field`,
    );
  }
  const declared: EventKind<F> = {
    id: idOf(kind),
    kind,
    level: spec.level ?? 'info',
    title: spec.title,
    meaning: spec.meaning,
    source: spec.source,
    fields,
    template: spec.template,
    ...(spec.mark === undefined ? {} : { mark: spec.mark }),
  };
  const twin = byId.get(declared.id);
  invariant(twin === undefined, `Event kinds ${kind} and ${twin?.kind ?? ''} have one number`);
  catalogue.push(declared);
  byKind.set(kind, declared);
  byId.set(declared.id, declared);
  return declared;
}

/** FNV-1a, without its two highest bits so that engines keep it as a small integer. */
function idOf(kind: string): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < kind.length; i++) {
    hash = Math.imul(hash ^ kind.charCodeAt(i), 0x0100_0193);
  }
  return hash & 0x3fff_ffff;
}

export function eventCatalogue(): readonly EventKind[] {
  return catalogue;
}

export function findEventKind(kind: string): EventKind | undefined {
  return byKind.get(kind);
}

export function eventKindOf(id: number): EventKind | undefined {
  return byId.get(id);
}
