/** Register blocks: registers at offsets of a memory-mapped or configuration space, with an access type for each field. */
import type { FieldOptions, SourceRef } from './field.ts';
import { toHex } from './hex.ts';
import { invariant } from './invariant.ts';
import {
  buildLayout,
  missingCapabilities,
  type Field,
  type FieldMap,
  type Layout,
  type LayoutContext,
  type Values,
} from './layout.ts';

export interface RegisterSpec<F extends FieldMap> {
  readonly title: string;
  readonly offset: number;
  readonly bytes: 1 | 2 | 4 | 8 | 16 | 32 | 64;
  readonly source: SourceRef;
  readonly fields: F;
  readonly note?: string;
  /** Stored but without behaviour; accesses raise an `unimplemented` event. */
  readonly isUnimplemented?: boolean;
}

export interface Register<F extends FieldMap = FieldMap> extends Layout<F> {
  readonly name: string;
  readonly title: string;
  readonly offset: number;
  readonly bytes: number;
  readonly source: SourceRef;
  readonly note?: string;
  readonly isUnimplemented: boolean;
}

export interface RegisterBlock {
  readonly name: string;
  /** In offset order. */
  readonly registers: readonly Register[];
}

/** Registers narrower than 32 bits are laid out in a 32-bit word whose upper bits do not exist. */
function widen(name: string, spec: RegisterSpec<FieldMap>): FieldMap {
  const missing = spec.bytes * 8;
  invariant(
    spec.bytes >= 4 ||
      !Object.values(spec.fields).some((f) => f.parts.some((p) => p.high >= missing)),
    `${name}: a field exceeds ${missing} bits`,
  );
  return spec.bytes >= 4
    ? spec.fields
    : {
        ...spec.fields,
        _beyond: {
          parts: [{ high: 31, low: missing }],
          title: 'Outside the register',
          role: 'ignored',
          isWide: true,
          addressShift: 0,
        },
      };
}

export function defineRegister<const F extends FieldMap>(
  name: string,
  spec: RegisterSpec<F>,
): Register<F> {
  invariant(
    spec.offset % Math.min(spec.bytes, 8) === 0,
    `${name}: offset ${toHex(spec.offset)} is not aligned to ${spec.bytes} bytes`,
  );
  const layout = buildLayout(name, Math.max(32, spec.bytes * 8), widen(name, spec) as F);
  return {
    ...layout,
    name,
    title: spec.title,
    offset: spec.offset,
    bytes: spec.bytes,
    source: spec.source,
    isUnimplemented: spec.isUnimplemented ?? false,
    ...(spec.note === undefined ? {} : { note: spec.note }),
  };
}

/** The same register at another place (table of registers, capability-dependent offset). */
export function placeRegister<F extends FieldMap>(
  register: Register<F>,
  offset: number,
  name = register.name,
): Register<F> {
  return { ...register, offset, name };
}

export function defineRegisterBlock(name: string, registers: readonly Register[]): RegisterBlock {
  const sorted = [...registers].sort((a, b) => a.offset - b.offset);
  for (const [i, register] of sorted.entries()) {
    const next = sorted[i + 1];
    invariant(
      next === undefined || register.offset + register.bytes <= next.offset,
      `${name}: ${register.name} at ${toHex(register.offset)} overlaps ${next?.name ?? ''}`,
    );
  }
  invariant(
    new Set(sorted.map((r) => r.name)).size === sorted.length,
    `${name}: register names repeat`,
  );
  return { name, registers: sorted };
}

/**
 * The same register with some field declarations changed: reset values of one instance, fields it lacks. `change` returns
 * the options to replace, or undefined to keep the field.
 */
export function refineRegister<F extends FieldMap>(
  register: Register<F>,
  change: (field: Field) => Partial<FieldOptions> | undefined,
): Register<F> {
  const fields = register.fields.map((f) => [f.name, { ...f.spec, ...change(f) }] as const);
  const layout = buildLayout(
    register.name,
    register.widthBits,
    Object.fromEntries(fields) as unknown as F,
  );
  return { ...register, ...layout };
}

/** Fields whose capability is absent become reserved: they read as zero and ignore writes. */
export function gateRegister<F extends FieldMap>(
  register: Register<F>,
  context: LayoutContext,
): Register<F> {
  return refineRegister(register, ({ spec }) =>
    spec.role === 'value' && missingCapabilities(spec, context).length > 0
      ? { access: 'RsvdZ', reset: 0 }
      : undefined,
  );
}

/** Reset values of one instance, by field name; other fields keep theirs. */
export function withResets<F extends FieldMap>(
  register: Register<F>,
  values: Partial<Values<F>>,
): Register<F> {
  const given = new Map(Object.entries(values as Readonly<Record<string, number | bigint>>));
  for (const name of given.keys()) {
    register.field(name);
  }
  return refineRegister(register, ({ name }) => {
    const reset = given.get(name);
    return reset === undefined ? undefined : { reset };
  });
}

/** Contents after reset. */
export function resetWords(register: Register): Uint32Array {
  const words = new Uint32Array(register.words);
  for (const field of register.fields) {
    if (field.spec.role === 'value' && field.spec.reset !== undefined) {
      register.set(words, field.name, field.spec.reset);
    }
  }
  return words;
}
