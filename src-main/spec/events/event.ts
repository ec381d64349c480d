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
  /** Position in the catalogue, stable within one build. */
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
    id: catalogue.length,
    kind,
    level: spec.level ?? 'info',
    title: spec.title,
    meaning: spec.meaning,
    source: spec.source,
    fields,
    template: spec.template,
    ...(spec.mark === undefined ? {} : { mark: spec.mark }),
  };
  catalogue.push(declared);
  byKind.set(kind, declared);
  return declared;
}

export function eventCatalogue(): readonly EventKind[] {
  return catalogue;
}

export function findEventKind(kind: string): EventKind | undefined {
  return byKind.get(kind);
}
