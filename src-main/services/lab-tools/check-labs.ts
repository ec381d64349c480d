/** `lab check`: the proof of labs as data. */
import { issue, type LabIssue } from '../../labs-engine/lab-issue.ts';
import type { LabPackage, LoadedLab } from '../../labs-engine/package/lab-package.ts';
import { proveLab, type LabProof, type MutantCount } from '../../labs-engine/prove/prove-lab.ts';
import { CHECKS_PATH, type LabTools } from './lab-tools.ts';

export interface LabProblem {
  readonly code: string;
  readonly message: string;
  readonly path: string;
  readonly hint: string | null;
}

export interface LabCheckReport {
  readonly id: string;
  readonly ok: boolean;
  readonly problems: readonly LabProblem[];
  readonly mutants: MutantCount;
  readonly durationMs: number;
}

export interface LabsCheckReport {
  readonly labs: readonly LabCheckReport[];
  /** Of the glossary, which belongs to no lab. */
  readonly problems: readonly LabProblem[];
  readonly ok: boolean;
}

export interface CheckLabsOptions {
  /** All labs when empty. */
  readonly names: readonly string[];
  readonly nowMs: () => number;
  /** Told after each lab. */
  readonly onLab?: (report: LabCheckReport) => void;
}

export async function checkLabs(
  tools: LabTools,
  options: CheckLabsOptions,
): Promise<LabsCheckReport> {
  const { names, nowMs, onLab } = options;
  const wanted = names.length === 0 ? tools.course.labs : names.map((name) => tools.find(name));
  const labs: LabCheckReport[] = [];
  for (const loaded of new Set(wanted)) {
    const report = await checkLab(tools, loaded, nowMs);
    onLab?.(report);
    labs.push(report);
  }
  const problems = tools.course.glossaryIssues.map(problemOf);
  return { labs, problems, ok: labs.every((lab) => lab.ok) && problems.length === 0 };
}

async function checkLab(
  tools: LabTools,
  { folder, lab, issues }: LoadedLab,
  nowMs: () => number,
): Promise<LabCheckReport> {
  const started = nowMs();
  const proof = lab === undefined ? NOTHING : await prove(tools, lab, nowMs);
  const problems = [...issues, ...proof.issues].map(problemOf);
  return {
    id: lab?.id ?? folder,
    ok: problems.length === 0,
    problems,
    mutants: proof.mutants,
    durationMs: Math.round(nowMs() - started),
  };
}

const NOTHING: LabProof = { issues: [], mutants: { declared: 0, killed: 0, survivors: [] } };

/** Checks that cannot be loaded are a problem of the lab, like any other. */
async function prove(tools: LabTools, lab: LabPackage, nowMs: () => number): Promise<LabProof> {
  let checks;
  try {
    checks = await tools.checks(lab);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { ...NOTHING, issues: [issue('schema', CHECKS_PATH, message)] };
  }
  return proveLab(lab, checks, { ...tools.runTools, nowMs });
}

function problemOf({ code, message, path, hint }: LabIssue): LabProblem {
  return { code, message, path, hint: hint ?? null };
}
