/**
 * Recorded IOMMU experiments, one JSON document a line: memory, register writes, requests, read-backs, with what the
 * specification asks for and what other implementations answered. Unknown keys are ignored; a line that does not fit is
 * reported with its place.
 */
import * as v from 'valibot';
import { toHex } from '../../bits/hex.ts';

/** A JSON integer or `0x…`, not negative. */
const Numeric = v.union([
  v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  v.pipe(v.string(), v.regex(/^0x[0-9a-fA-F]{1,16}$/, 'expected a number, as an integer or 0x…')),
]);

/** A number below a limit. */
function below(limit: number): v.GenericSchema<number | string> {
  return v.pipe(
    Numeric,
    v.check((value) => BigInt(value) < BigInt(limit), `expected less than ${toHex(limit)}`),
  );
}

const Rid = below(2 ** 16);
const Pasid = v.optional(v.nullable(below(2 ** 20)));
/** Cases are about tables and pages: more than this in one step is a mistake. */
const MAX_BYTES = 2 ** 20;
const Hex = v.pipe(v.string(), v.regex(/^([0-9a-fA-F]{2})*$/, 'expected pairs of hex digits'));

const Flag = v.optional(v.nullable(v.union([v.number(), v.boolean()])));

const Step = v.variant('op', [
  v.object({
    op: v.literal('mem'),
    q: v.optional(v.array(v.array(Numeric))),
    w: v.optional(v.array(v.tuple([Numeric, Hex]))),
  }),
  v.object({ op: v.literal('fill'), pages: v.array(Numeric) }),
  v.object({ op: v.literal('reg'), off: below(2 ** 16), size: v.picklist([4, 8]), val: Numeric }),
  v.object({ op: v.literal('regs'), read: v.array(v.string()) }),
  v.object({ op: v.literal('peek'), addr: Numeric, len: v.optional(below(MAX_BYTES)) }),
  v.object({
    op: v.literal('dma'),
    rid: Rid,
    iova: Numeric,
    rw: v.picklist(['r', 'w']),
    pasid: Pasid,
    keep: Flag,
  }),
  v.object({
    op: v.literal('ats'),
    rid: Rid,
    iova: Numeric,
    len: v.optional(below(MAX_BYTES)),
    pasid: Pasid,
    priv: Flag,
    exec: Flag,
    nw: Flag,
  }),
  v.object({
    op: v.literal('pri'),
    rid: Rid,
    iova: Numeric,
    pasid: Pasid,
    priv: Flag,
    exec: Flag,
    r: Flag,
    w: Flag,
    lpig: Flag,
    prgi: v.optional(v.nullable(Numeric)),
  }),
]);
export type CaseStep = v.InferOutput<typeof Step>;
export type DmaStep = Extract<CaseStep, { op: 'dma' }>;
export type AtsStep = Extract<CaseStep, { op: 'ats' }>;
export type PriStep = Extract<CaseStep, { op: 'pri' }>;

/** What a claim about each kind of step must look like, so that judging one never meets a surprise. */
const SimpleClaim = {
  dma: v.variant('ok', [
    v.object({ ok: v.literal(true), pa: Numeric }),
    v.object({
      ok: v.literal(false),
      reasons: v.optional(v.array(Numeric)),
      record: v.optional(v.nullable(v.boolean())),
    }),
  ]),
  peek: v.object({ hex: Hex }),
  regs: v.record(v.string(), Numeric),
  ats: v.object({
    r: v.optional(Numeric),
    w: v.optional(Numeric),
    pa: v.optional(Numeric),
  }),
} as const;

/** Claims about other steps are compared as they are. */
function claimProblem(step: CaseStep, claim: unknown): string | undefined {
  if (claim === null || !(step.op in SimpleClaim)) {
    return undefined;
  }
  const simple = SimpleClaim[step.op as keyof typeof SimpleClaim];
  const alternatives = v.safeParse(v.object({ any: v.array(v.unknown()) }), claim);
  const claims = alternatives.success ? alternatives.output.any : [claim];
  const failed = claims.map((c) => v.safeParse(simple, c)).find((parsed) => !parsed.success);
  const issue = failed?.issues?.[0];
  if (issue === undefined) {
    return undefined;
  }
  const path = (issue.path ?? []).map((p) => String(p.key)).join('.');
  return path === '' ? issue.message : `${path}: ${issue.message}`;
}

const CaseSchema = v.object({
  id: v.string(),
  family: v.string(),
  profile: v.string(),
  haw: v.pipe(v.number(), v.integer(), v.minValue(32), v.maxValue(52)),
  caps: v.object({ cap: Numeric, ecap: Numeric, ver: v.optional(Numeric) }),
  steps: v.array(Step),
  spec: v.optional(v.array(v.unknown())),
  answers: v.optional(v.array(v.object({ results: v.nullable(v.array(v.unknown())) }))),
});
export type IommuCase = v.InferOutput<typeof CaseSchema>;

/** One problem of an input file, for people. */
export interface CaseProblem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

export type ParsedLine = { readonly case: IommuCase } | { readonly problem: CaseProblem };

export function parseCaseLine(file: string, line: number, text: string): ParsedLine {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return {
      problem: {
        file,
        line,
        message: `Expected one JSON document, found ${(error as Error).message}`,
      },
    };
  }
  const parsed = v.safeParse(CaseSchema, json);
  if (parsed.success) {
    const message = problemOf(parsed.output);
    return message === undefined ? { case: parsed.output } : { problem: { file, line, message } };
  }
  const issue = parsed.issues[0];
  const path = (issue.path ?? []).map((p) => String(p.key)).join('.');
  return { problem: { file, line, message: `${path || 'case'}: ${issue.message}` } };
}

/** What the schema alone cannot say: one entry a step, each claim of the step's kind. */
function problemOf({ steps, spec = [], answers = [] }: IommuCase): string | undefined {
  if (spec.length > steps.length) {
    return `spec: ${spec.length} claims for ${steps.length} steps`;
  }
  if (answers.some(({ results }) => (results ?? []).length > steps.length)) {
    return `answers: more results than ${steps.length} steps`;
  }
  for (const [i, claim] of spec.entries()) {
    const message = claimProblem(steps[i] as CaseStep, claim);
    if (message !== undefined) {
      return `spec.${i}: ${message}`;
    }
  }
  return undefined;
}

export function numericToBig(value: number | string): bigint {
  return BigInt(value);
}

export function numericToNumber(value: number | string): number {
  return typeof value === 'number' ? value : Number(BigInt(value));
}
