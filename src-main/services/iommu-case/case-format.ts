/**
 * Recorded IOMMU experiments, one JSON document a line: memory, register writes, requests, read-backs, with what the
 * specification asks for and what other implementations answered. Unknown keys are ignored; a line that does not fit is
 * reported with its place.
 */
import * as v from 'valibot';

/** A JSON integer or `0x…`. */
const Numeric = v.union([v.number(), v.pipe(v.string(), v.regex(/^0x[0-9a-fA-F]+$/))]);

const Flag = v.optional(v.nullable(v.union([v.number(), v.boolean()])));

const Step = v.variant('op', [
  v.object({
    op: v.literal('mem'),
    q: v.optional(v.array(v.array(Numeric))),
    w: v.optional(v.array(v.tuple([Numeric, v.string()]))),
  }),
  v.object({ op: v.literal('fill'), pages: v.array(Numeric) }),
  v.object({ op: v.literal('reg'), off: Numeric, size: v.picklist([4, 8]), val: Numeric }),
  v.object({ op: v.literal('regs'), read: v.array(v.string()) }),
  v.object({ op: v.literal('peek'), addr: Numeric, len: v.optional(Numeric) }),
  v.object({
    op: v.literal('dma'),
    rid: Numeric,
    iova: Numeric,
    rw: v.picklist(['r', 'w']),
    pasid: v.optional(v.nullable(Numeric)),
    keep: Flag,
  }),
  v.object({
    op: v.literal('ats'),
    rid: Numeric,
    iova: Numeric,
    len: v.optional(Numeric),
    pasid: v.optional(v.nullable(Numeric)),
    priv: Flag,
    exec: Flag,
    nw: Flag,
  }),
  v.object({
    op: v.literal('pri'),
    rid: Numeric,
    iova: Numeric,
    pasid: v.optional(v.nullable(Numeric)),
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

const CaseSchema = v.object({
  id: v.string(),
  family: v.string(),
  profile: v.string(),
  haw: v.number(),
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
    return { case: parsed.output };
  }
  const issue = parsed.issues[0];
  const path = (issue.path ?? []).map((p) => String(p.key)).join('.');
  return { problem: { file, line, message: `${path || 'case'}: ${issue.message}` } };
}

export function numericToBig(value: number | string): bigint {
  return BigInt(value);
}

export function numericToNumber(value: number | string): number {
  return typeof value === 'number' ? value : Number(BigInt(value));
}
