/** `lab/oracle`: what a script tells the lab, and what it may ask about the state that panes show. */
import type { PlainData } from '../../sim/index.ts';
import { EXPECTATION_CHECKED, VALUE_REPORTED } from '../../spec/events/script.ts';
import { asString } from './arguments.ts';
import { effect, query, type SdkEnvironment } from './environment.ts';
import { defineSdkModule, describe, type ScriptValue, type SdkModule } from './sdk-module.ts';

const types = `/** A value of the state that panes show. */
export type plain = string | number | boolean | null | readonly plain[] | { readonly [key: string]: plain };

/**
 * Tells the lab what you found; its checks read it.
 *
 * \`\`\`ts
 * report('siov-capable', true);
 * \`\`\`
 */
export declare function report(key: string, value: string | number | bigint | boolean | null): void;
/**
 * Compares and records the outcome. The run goes on either way.
 * @returns whether they are equal
 */
export declare function expect_equal(what: string, found: plain | bigint, expected: plain | bigint): boolean;
/**
 * The published state of a kernel object, or null: \`state('iommu/domain/3')\`, \`state('mdev/<uuid>')\`. The keys are those
 * the panes use.
 */
export declare function state(key: string): plain;
/** Keys of published state that begin with \`prefix\`, sorted. */
export declare function state_keys(prefix: string): readonly string[];
`;

function textOf(value: ScriptValue): string {
  return typeof value === 'string' ? value : describe(value);
}

function comparable(value: ScriptValue): string {
  return JSON.stringify(value, (_key, field: unknown) =>
    typeof field === 'bigint' ? field.toString() : field,
  );
}

export function createOracleModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'lab/oracle',
    types,
    functions: {
      report: effect(env, ({ kernel }, key, value) => {
        const name = asString(key, 'key');
        kernel.core.emit(VALUE_REPORTED, name, textOf(value));
        kernel.core.publish(`report/${name}`, textOf(value));
        env.onReport?.(name, value);
      }),
      expect_equal: effect(env, ({ kernel }, what, found, expected) => {
        const isMet = comparable(found) === comparable(expected);
        kernel.core.emit(
          EXPECTATION_CHECKED,
          asString(what, 'what'),
          isMet,
          textOf(expected),
          textOf(found),
        );
        return isMet;
      }),
      state: query(env, ({ kernel }, key) => toScript(kernel.core.published(asString(key, 'key')))),
      state_keys: query(env, ({ kernel }, prefix) =>
        kernel.core.publishedKeys(asString(prefix, 'prefix')).slice(),
      ),
    },
  });
}

function toScript(data: PlainData | undefined): ScriptValue {
  return data === undefined ? null : data;
}
