/** The front matter of `lab.md`: what a lab is, what it needs, which files it has. Format number 1. */
import * as v from 'valibot';
import type { KernelProfile } from '../../protocol/lab-api.ts';
import { issue, type LabIssue } from '../lab-issue.ts';
import { schemaIssues } from './schema-issues.ts';
import { parseYaml } from './yaml-text.ts';

export const LAB_FORMAT = 1;

export const KERNEL_PROFILES = [
  'kvmforum2019',
  'iommufd',
] as const satisfies readonly KernelProfile[];

export const ACTORS = ['host-driver', 'vdcm', 'guest-driver', 'application'] as const;
export type Actor = (typeof ACTORS)[number];

const Text = v.pipe(v.string(), v.trim(), v.minLength(1, 'Expected some text'));
const Id = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'Expected lower-case words joined by hyphens'),
  v.maxLength(80, 'Expected at most 80 characters'),
);
const ScriptPath = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,79}\.ts$/, 'Expected the name of a .ts file in the lab'),
);
const Seed = v.pipe(
  v.number(),
  v.integer('Expected a whole number'),
  v.minValue(0, 'Expected 0 or more'),
  v.maxValue(0xffff_ffff, 'Expected at most 4294967295'),
);

export const FrontMatterSchema = v.strictObject({
  format: v.literal(LAB_FORMAT),
  /** First version of the app that reads a newer format; only shown. */
  app: v.optional(Text),
  id: Id,
  title: Text,
  summary: Text,
  level: v.picklist(['beginner', 'intermediate', 'advanced', 'expert']),
  minutes: v.pipe(
    v.number(),
    v.minValue(1, 'Expected at least 1'),
    v.maxValue(600, 'Expected at most 600'),
  ),
  needs: v.optional(v.array(Id), []),
  concepts: v.optional(v.array(Id), []),
  profile: v.union([
    v.picklist([...KERNEL_PROFILES, 'both']),
    v.pipe(v.array(v.picklist(KERNEL_PROFILES)), v.minLength(1, 'Expected a kernel profile')),
  ]),
  machine: v.pipe(
    v.string(),
    v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*\.json$/, 'Expected a .json file in the lab'),
  ),
  files: v.pipe(
    v.array(
      v.strictObject({
        path: ScriptPath,
        role: v.picklist(['edit', 'read', 'hidden']),
        actor: v.picklist(ACTORS),
      }),
    ),
    v.minLength(1, 'Expected at least one script file'),
  ),
  focus: v.optional(v.pipe(v.string(), v.regex(/^[^#\s]+#\S+$/, 'Expected file#symbol'))),
  layout: v.optional(Id, 'default'),
  variants: v.optional(
    v.strictObject({
      seed: v.pipe(v.array(Seed), v.minLength(1, 'Expected at least one seed')),
      fields: v.optional(v.array(Text), []),
    }),
    { seed: [1] },
  ),
  /** What the untouched starter must fail with first. */
  starter: v.optional(v.strictObject({ check: Id, message: Text })),
});
export type FrontMatter = v.InferOutput<typeof FrontMatterSchema>;

export interface SplitLabText {
  readonly frontMatter: string;
  readonly body: string;
  /** Line of the file at which the body begins. */
  readonly bodyLine: number;
}

/** Cuts the text at the `---` lines. Undefined when it does not begin with front matter. */
export function splitFrontMatter(text: string): SplitLabText | undefined {
  const lines = text.split('\n');
  if (lines[0]?.trim() !== '---') return undefined;
  const end = lines.findIndex((line, index) => index > 0 && line.trim() === '---');
  if (end < 0) return undefined;
  return {
    frontMatter: lines.slice(1, end).join('\n'),
    body: lines.slice(end + 1).join('\n'),
    bodyLine: end + 2,
  };
}

export interface ParsedFrontMatter {
  readonly value: FrontMatter | undefined;
  lineOf(keys: readonly (string | number)[]): number;
  readonly issues: readonly LabIssue[];
}

export function parseFrontMatter(file: string, text: string): ParsedFrontMatter {
  const yaml = parseYaml(file, text, 2);
  const refuse = (issues: readonly LabIssue[]): ParsedFrontMatter => ({
    value: undefined,
    lineOf: (keys) => yaml.lineOf(keys),
    issues,
  });
  if (yaml.issues.length > 0) return refuse(yaml.issues);
  const tooNew = newerFormat(file, yaml.value, yaml.lineOf(['format']));
  if (tooNew !== undefined) return refuse([tooNew]);
  const parsed = v.safeParse(FrontMatterSchema, yaml.value);
  if (!parsed.success) {
    const place = { file, lineOf: (keys: readonly (string | number)[]) => yaml.lineOf(keys) };
    return refuse(schemaIssues(parsed.issues, FrontMatterSchema, place));
  }
  return { value: parsed.output, lineOf: (keys) => yaml.lineOf(keys), issues: [] };
}

/** A newer format is refused as a whole: its other settings may mean something else. */
function newerFormat(file: string, value: unknown, line: number): LabIssue | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { format, app } = value as { readonly format?: unknown; readonly app?: unknown };
  if (typeof format !== 'number' || format <= LAB_FORMAT) return undefined;
  const version = typeof app === 'string' ? `S-IOV Lab ${app} or newer` : 'a newer S-IOV Lab';
  return issue(
    'schema',
    `${file}:${String(line)}`,
    `The lab has format ${String(format)} and needs ${version}; this version reads format ${String(LAB_FORMAT)}`,
    'Update S-IOV Lab, or ask for the lab in the older format',
  );
}

export function profilesOf({ profile }: FrontMatter): readonly KernelProfile[] {
  if (profile === 'both') return KERNEL_PROFILES;
  return typeof profile === 'string' ? [profile] : [...new Set(profile)];
}
