/**
 * Seeded variants of a machine. A field named in `variants.fields` holds `{ "choices": [ ... ] }`, and the seed of the run
 * picks one of them; the same seed always picks the same.
 */
import * as v from 'valibot';
import type { KernelOptions } from '../../linux/kernel.ts';
import { deviceIssues, SeededRandom, type MachineConfig } from '../../sim/index.ts';
import { issue, type LabIssue } from '../lab-issue.ts';
import { MachineSchema } from './machine-schema.ts';
import { schemaIssues } from './schema-issues.ts';

type Json = unknown;
type JsonObject = Readonly<Record<string, Json>>;

/** A machine before the seed and the kernel profile of a run are known. */
export interface MachineTemplate {
  readonly file: string;
  readonly json: Json;
  readonly fields: readonly string[];
}

export interface ParsedTemplate {
  readonly template: MachineTemplate | undefined;
  readonly issues: readonly LabIssue[];
}

/** A machine of one seed; the kernel profile is the run's choice. */
export interface MachineDraft extends Omit<MachineConfig, 'seed' | 'kernelProfile'> {
  readonly kernel?: NonNullable<KernelOptions['params']>;
}

export type ResolvedMachine =
  | { readonly machine: MachineDraft; readonly issues: readonly [] }
  | { readonly machine: undefined; readonly issues: readonly LabIssue[] };

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function choicesOf(value: Json): readonly Json[] | undefined {
  if (!isObject(value) || !('choices' in value)) return undefined;
  const { choices } = value;
  return Array.isArray(choices) && choices.length > 0 ? (choices as readonly Json[]) : undefined;
}

export function parseTemplate(
  file: string,
  text: string,
  fields: readonly string[],
): ParsedTemplate {
  let json: Json;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const message = `Expected JSON: ${error instanceof Error ? error.message : String(error)}`;
    return { template: undefined, issues: [issue('schema', file, message)] };
  }
  const issues = fields
    .filter((field) => choicesOf(valueAt(json, keysOf(field))) === undefined)
    .map((field) =>
      issue(
        'schema',
        `${file}#${field}`,
        `${field} is a variant field but has no choices`,
        '{ "choices": [ ... ] }',
      ),
    );
  return { template: { file, json, fields }, issues };
}

/** The machine that a seed gives. Every seed of the lab must give one. */
export function resolveMachine(template: MachineTemplate, seed: number): ResolvedMachine {
  const random = new SeededRandom(seed);
  let json = template.json;
  for (const field of template.fields) {
    const keys = keysOf(field);
    const choices = choicesOf(valueAt(json, keys));
    if (choices !== undefined) json = replaceAt(json, keys, choices[random.below(choices.length)]);
  }
  const parsed = v.safeParse(MachineSchema, json);
  if (!parsed.success) {
    const issues = schemaIssues(parsed.issues, MachineSchema, { file: template.file });
    return { machine: undefined, issues };
  }
  const { seed: _seed, ...output } = parsed.output;
  const machine = withoutUndefined(output) as MachineDraft;
  const issues = settingIssues(template.file, machine);
  return issues.length === 0 ? { machine, issues: [] } : { machine: undefined, issues };
}

/** What the device models themselves say about their settings. */
function settingIssues(file: string, { devices }: MachineDraft): readonly LabIssue[] {
  return devices.flatMap((device, index) =>
    deviceIssues(device).map(({ path, message }) => {
      const place = ['devices', index, 'options', ...(path === '' ? [] : [path])].join('.');
      return issue('schema', `${file}#${place}`, `${device.name}: ${message}`);
    }),
  );
}

function keysOf(field: string): readonly string[] {
  return field.split('.');
}

function valueAt(json: Json, keys: readonly string[]): Json {
  let value = json;
  for (const key of keys) value = (value as JsonObject | null | undefined)?.[key];
  return value;
}

function replaceAt(json: Json, keys: readonly string[], value: Json): Json {
  const [key, ...rest] = keys;
  if (key === undefined) return value;
  if (Array.isArray(json)) {
    return (json as readonly Json[]).map((item, index) =>
      String(index) === key ? replaceAt(item, rest, value) : item,
    );
  }
  return isObject(json) ? { ...json, [key]: replaceAt(json[key], rest, value) } : json;
}

/** Optional settings that are absent are absent, not undefined. */
function withoutUndefined(value: Json): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map(withoutUndefined);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .map(([key, field]) => [key, withoutUndefined(field)]),
  );
}
