/** A structure as it lies in memory or in a register block, decoded, with what a message needs to name it. */
import type { ViewLink } from '../../protocol/views.ts';
import { toHex } from '../../bits/hex.ts';
import type { FieldMap, Layout, Values } from '../../bits/layout.ts';
import type { Mismatch } from './verdict.ts';
import type { AnyRecord } from './trace-query.ts';

export interface FoundOptions<F extends FieldMap> {
  readonly layout: Layout<F>;
  readonly words: ArrayLike<number>;
  /** What it is, as a message says it: `PASID entry 2 of 6a:01.0`. */
  readonly object: string;
  readonly link?: ViewLink;
  /** The record that last set a range of its bits. */
  readonly writtenBy?: (firstByte: number, bytes: number) => AnyRecord | undefined;
}

type FieldName<F extends FieldMap> = keyof Values<F> & string;

export class FoundStructure<F extends FieldMap = FieldMap> {
  readonly object: string;
  readonly values: Values<F>;
  readonly #options: FoundOptions<F>;

  constructor(options: FoundOptions<F>) {
    this.#options = options;
    this.object = options.object;
    this.values = options.layout.decode(options.words);
  }

  /** A value of a field as people read it: `secondStage (2)`, `0x3f000`. */
  text(name: FieldName<F>, value: number | bigint = this.#value(name)): string {
    const { spec } = this.#options.layout.field(name);
    const label = Object.entries(spec.values ?? {}).find(
      ([, v]) => BigInt(v) === BigInt(value),
    )?.[0];
    if (label !== undefined) return `${label} (${String(value)})`;
    const isPlain = spec.format === 'decimal' || spec.format === 'flag' || value < 10;
    return isPlain ? String(value) : toHex(value);
  }

  /** The record that last set the field, undefined when nothing in the run did. */
  writtenBy(name: FieldName<F>): AnyRecord | undefined {
    const { low, high } = this.#options.layout.field(name);
    const firstByte = Math.floor(low / 8);
    return this.#options.writtenBy?.(firstByte, Math.floor(high / 8) - firstByte + 1);
  }

  /** What to say when a field is not what it should be. */
  mismatch(name: FieldName<F>, expected: number | bigint): Mismatch {
    const { link } = this.#options;
    return {
      object: this.object,
      field: name,
      expected: this.text(name, expected),
      actual: this.text(name),
      at: this.writtenBy(name),
      ...(link === undefined ? {} : { link }),
    };
  }

  #value(name: FieldName<F>): number | bigint {
    return this.values[name as keyof Values<F>];
  }
}
