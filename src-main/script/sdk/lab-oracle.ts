/** `lab/oracle`: what a script tells the lab, and what it may ask about the state that panes show. */
import {
  decodeRecord,
  formatField,
  type PlainData,
  type Trace,
  type TraceRecord,
} from '../../sim/index.ts';
import type { EventKind } from '../../spec/events/event.ts';
import { ISOLATION_BREACHED, ISOLATION_INTERRUPT_BREACHED } from '../../spec/events/isolation.ts';
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
/** A device reached a page that belongs to somebody else than the one it worked for. */
export interface breach {
  /**
   * On whose behalf the device worked: a process, the VMM process of a VM, or the kernel with the name of a domain. Of an
   * access that stayed within one VM: \`VM a / process p\`.
   */
  readonly principal: string;
  /** Who had the page at that instant. */
  readonly owner: string;
  /** Host physical address. */
  readonly address: bigint;
  readonly access: 'read' | 'write' | 'peer access';
  /** Requester ID. */
  readonly rid: number;
  /** -1 for a request without PASID. */
  readonly pasid: number;
  /** Whether the request claimed to be translated. */
  readonly translated: boolean;
}
/**
 * Breaches of isolation so far, oldest first; none on a machine whose configuration switched the oracle off. The machine
 * sees them, no driver does: hardware took each request for a valid one.
 *
 * \`\`\`ts
 * expect_equal('breaches', breaches().length, 0);
 * \`\`\`
 */
export declare function breaches(): readonly breach[];
/** A vector arrived at somebody by the doing of somebody else. */
export interface interrupt_breach {
  /** On whose behalf the function worked; its driver when the function did it of its own. */
  readonly principal: string;
  /** Whose vector it is: a process, the VMM process of a VM, or the kernel with the name of the interrupt. */
  readonly owner: string;
  /** Requester ID. */
  readonly rid: number;
  /** Of the CPU, or of the virtual CPU when it was posted. */
  readonly vector: number;
  readonly arrival: 'CPU' | 'posted descriptor';
  /** The function's interrupt table sent the message, or a write to memory that the function was told to make was one. */
  readonly path: 'interrupt table' | 'memory write';
}
/** As \`breaches\`, of interrupts. */
export declare function interrupt_breaches(): readonly interrupt_breach[];
`;

function textOf(value: ScriptValue): string {
  return typeof value === 'string' ? value : describe(value);
}

function comparable(value: ScriptValue): string {
  return JSON.stringify(value, (_key, field: unknown) =>
    typeof field === 'bigint' ? field.toString() : field,
  );
}

/** A record's fields as a script sees them: names for numbers that stand for names. */
function toBreach({ kind, values }: TraceRecord): ScriptValue {
  return Object.fromEntries(
    kind.fields.map((field) => {
      const value = values[field.name] ?? 0;
      if (field.type === 'flag') return [field.name, value === 1];
      return [field.name, typeof field.type === 'object' ? formatField(field, value) : value];
    }),
  );
}

function breachesIn(trace: Trace | undefined, kind: EventKind): readonly ScriptValue[] {
  const found: ScriptValue[] = [];
  if (trace === undefined) return found;
  for (let seq = trace.tail; seq < trace.head; seq++) {
    const raw = trace.read(seq);
    if (raw?.kind === kind.id) found.push(toBreach(decodeRecord(trace, raw)));
  }
  return found;
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
      breaches: query(env, () => breachesIn(env.trace, ISOLATION_BREACHED)),
      interrupt_breaches: query(env, () => breachesIn(env.trace, ISOLATION_INTERRUPT_BREACHED)),
    },
  });
}

function toScript(data: PlainData | undefined): ScriptValue {
  return data === undefined ? null : data;
}
