/**
 * Proves a lab: the starter fails as intended, the solution passes with every seed and profile, every mutant is caught by
 * the check that it names with the sentence that it promises, every check catches a mutant, and two runs are the same run.
 */
import type { CheckResult } from '../../protocol/lab-api.ts';
import { issue, type LabIssue } from '../lab-issue.ts';
import { LAB_TEXT, type LabPackage } from '../package/lab-package.ts';
import type { Mutant } from '../package/mutant.ts';
import type { RunTools } from '../run/lab-run.ts';
import { scriptTexts, type LabRunChoice } from '../run/run-plan.ts';
import { countsForPassing, type Check } from '../sdk/check.ts';
import { CHECKS_FILE, checkDeclarationIssues } from './check-declarations.ts';
import { firstFailure, runAndGrade, type GradedRun } from './run-and-grade.ts';
import { networkIssues } from './network-use.ts';

export interface ProofTools extends RunTools {
  /** Wall-clock time, for the time budget alone. */
  readonly nowMs: () => number;
  /** Longest time one run may take. */
  readonly runBudgetMs?: number;
}

export interface MutantCount {
  readonly declared: number;
  readonly killed: number;
  /** Names of mutants that no check caught. */
  readonly survivors: readonly string[];
}

export interface LabProof {
  readonly issues: readonly LabIssue[];
  readonly mutants: MutantCount;
}

const RUN_BUDGET_MS = 10_000;

export function proveLab(lab: LabPackage, checks: readonly Check[], tools: ProofTools): LabProof {
  return new LabProver(lab, checks, tools).prove();
}

class LabProver {
  readonly #lab: LabPackage;
  readonly #checks: readonly Check[];
  readonly #tools: ProofTools;
  readonly #issues: LabIssue[] = [];
  /** Checks that caught a mutant. */
  readonly #killers = new Set<string>();
  readonly #survivors: string[] = [];
  #slowest = 0;

  constructor(lab: LabPackage, checks: readonly Check[], tools: ProofTools) {
    this.#lab = lab;
    this.#checks = checks;
    this.#tools = tools;
  }

  prove(): LabProof {
    this.#issues.push(
      ...checkDeclarationIssues(this.#lab, this.#checks),
      ...networkIssues(this.#lab),
    );
    if (this.#checks.length > 0) {
      this.#proveStarter();
      this.#proveSolution();
      this.#lab.mutants.forEach((mutant) => this.#proveMutant(mutant));
      this.#proveChecks();
      this.#proveTime();
    }
    const declared = this.#lab.mutants.length;
    return {
      issues: this.#issues,
      mutants: { declared, killed: declared - this.#survivors.length, survivors: this.#survivors },
    };
  }

  #grade(choice: LabRunChoice): GradedRun {
    const started = this.#tools.nowMs();
    const { engine, crypto } = this.#tools;
    const tools = { engine, ...(crypto === undefined ? {} : { crypto }) };
    const graded = runAndGrade({ lab: this.#lab, checks: this.#checks, tools, choice });
    this.#slowest = Math.max(this.#slowest, this.#tools.nowMs() - started);
    return graded;
  }

  #report(code: LabIssue['code'], path: string, message: string, hint?: string): void {
    this.#issues.push(issue(code, path, message, hint));
  }

  #proveStarter(): void {
    const texts = scriptTexts(this.#lab, 'starter');
    const graded = this.#grade({ texts });
    if (graded.status === 'pass') {
      this.#report(
        'starter-passes',
        LAB_TEXT,
        'The starter passes every check: there is nothing to do',
      );
      return;
    }
    const found = firstFailure(graded.results);
    const wanted = this.#lab.starterFailure;
    if (wanted === undefined || (found?.id === wanted.check && found.message === wanted.message)) {
      return;
    }
    const place = `${LAB_TEXT}:${String(this.#lab.lineOf(['starter']))}`;
    const message = `The starter fails with ${describeResult(found, graded)}; intended is ${wanted.check}: "${wanted.message}"`;
    this.#report('starter-wrong-failure', place, message);
  }

  #proveSolution(): void {
    const texts = scriptTexts(this.#lab, 'solution');
    for (const profile of this.#lab.profiles) {
      for (const [index, seed] of this.#lab.seeds.entries()) {
        const first = this.#grade({ texts, profile, seed });
        const where = `profile ${profile}, seed ${String(seed)}`;
        if (first.status !== 'pass' || first.outcome.kind !== 'finished') {
          const code = index === 0 ? 'solution-fails' : 'seed-unsolvable';
          const what = describeResult(firstFailure(first.results), first);
          this.#report(code, CHECKS_FILE, `The solution fails with ${where}: ${what}`);
        }
        if (index === 0) this.#proveSame(first, this.#grade({ texts, profile, seed }), where);
      }
    }
  }

  #proveSame(first: GradedRun, second: GradedRun, where: string): void {
    const [a, b] = [first.run.trace.hash(), second.run.trace.hash()];
    const states = [first, second].map(({ run }) => run.machine.stateHash());
    if (a === b && states[0] === states[1] && sameResults(first.results, second.results)) return;
    const message = `Two runs of the solution differ (${where}): trace ${a} and ${b}, ${String(first.run.trace.head)} and ${String(second.run.trace.head)} records`;
    this.#report('nondeterministic', CHECKS_FILE, message);
  }

  #proveMutant(mutant: Mutant): void {
    const texts = new Map([...scriptTexts(this.#lab, 'solution'), [mutant.file, mutant.text]]);
    const { profile } = mutant;
    const graded = this.#grade({ texts, ...(profile === undefined ? {} : { profile }) });
    if (graded.status === 'pass') {
      this.#survivors.push(mutant.name);
      const isCopy = scriptTexts(this.#lab, 'solution').get(mutant.file) === mutant.text;
      const why = isCopy ? 'it is the solution itself' : 'every check passes with it';
      this.#report('mutant-survives', mutant.path, `No check catches ${mutant.name}: ${why}`);
      return;
    }
    const found = firstFailure(graded.results);
    if (found !== undefined) this.#killers.add(found.id);
    this.#compare(mutant, found, graded);
  }

  #compare(mutant: Mutant, found: CheckResult | undefined, graded: GradedRun): void {
    const what = describeResult(found, graded);
    if (mutant.check === undefined) {
      const hint = 'Name it at the top of the file: check: ID, message: SENTENCE';
      this.#report(
        'mutant-wrong-check',
        mutant.path,
        `${mutant.name} does not say which check catches it; it was ${what}`,
        hint,
      );
      return;
    }
    if (found?.id !== mutant.check || found.status !== 'fail') {
      this.#report(
        'mutant-wrong-check',
        mutant.path,
        `Expected check ${mutant.check} to catch ${mutant.name}, found ${what}`,
      );
      return;
    }
    if (found.message === mutant.message) return;
    const wanted =
      mutant.message === undefined
        ? 'which it does not promise'
        : `promised is "${mutant.message}"`;
    this.#report(
      'mutant-wrong-message',
      mutant.path,
      `Check ${found.id} says "${found.message}", ${wanted}`,
    );
  }

  #proveChecks(): void {
    for (const check of this.#checks) {
      if (!countsForPassing(check) || this.#killers.has(check.id)) continue;
      this.#report(
        'check-without-mutant',
        CHECKS_FILE,
        `Check ${check.id} catches no mutant: nothing shows that it can fail`,
      );
    }
  }

  #proveTime(): void {
    const budget = this.#tools.runBudgetMs ?? RUN_BUDGET_MS;
    if (this.#slowest <= budget) return;
    const message = `A run took ${String(Math.round(this.#slowest))} ms, expected at most ${String(budget)} ms`;
    this.#report('over-time', this.#lab.folder, message);
  }
}

function describeResult(found: CheckResult | undefined, { outcome, run }: GradedRun): string {
  if (found !== undefined) return `${found.id}: "${found.message}"`;
  const problem = run.problems().find(({ severity }) => severity === 'error');
  if (problem !== undefined) {
    return `a script that does not start: ${problem.path}:${String(problem.line)} ${problem.message}`;
  }
  return outcome.kind === 'failed'
    ? `no check, but the script failed: ${outcome.error.message}`
    : 'no failing check';
}

function sameResults(a: readonly CheckResult[], b: readonly CheckResult[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
