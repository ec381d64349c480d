/**
 * Two texts from one script file: what the learner gets, and the solution.
 *
 * ```ts
 * // #region solution attach
 * const rc = iommu_attach_device_pasid(domain, dev, pasid);
 * // #region starter
 * // const rc = ...   // attach the domain to the ADI's PASID
 * // #endregion
 * // #endregion
 * ```
 *
 * The starter has the lines of the `starter` region in place of everything in its `solution` region; the solution lacks the
 * `starter` region. Marker lines are in neither text. Other regions stay as they are.
 */
import { issue, type LabIssue } from '../lab-issue.ts';

export interface ScriptText {
  readonly text: string;
  /** Line of the file behind each line of the text; element 0 is for line 1. */
  readonly fileLines: readonly number[];
}

export interface SolutionRegion {
  /** Empty when the region has no name. */
  readonly name: string;
  /** First line of the region in the starter and in the solution. */
  readonly starterLine: number;
  readonly solutionLine: number;
}

export interface SolutionRegions {
  readonly starter: ScriptText;
  readonly solution: ScriptText;
  readonly regions: readonly SolutionRegion[];
  readonly issues: readonly LabIssue[];
}

const OPEN = /^\s*\/\/\s*#region\b\s*(.*?)\s*$/;
const CLOSE = /^\s*\/\/\s*#endregion\b/;

type RegionKind = 'solution' | 'starter' | 'other';

interface OpenRegion {
  readonly kind: RegionKind;
  readonly line: number;
}

export function splitRegions(path: string, source: string): SolutionRegions {
  return new RegionSplitter(path).split(source);
}

class RegionSplitter {
  readonly #path: string;
  readonly #issues: LabIssue[] = [];
  readonly #regions: SolutionRegion[] = [];
  readonly #open: OpenRegion[] = [];
  readonly #starter = new TextCollector();
  readonly #solution = new TextCollector();

  constructor(path: string) {
    this.#path = path;
  }

  split(source: string): SolutionRegions {
    const lines = source.split('\n');
    lines.forEach((line, index) => this.#line(line, index + 1));
    for (const region of this.#open) {
      this.#problem(
        region.line,
        `The ${region.kind} region is never closed`,
        'Close it with // #endregion',
      );
    }
    return {
      starter: this.#starter.done(),
      solution: this.#solution.done(),
      regions: this.#regions,
      issues: this.#issues,
    };
  }

  #line(text: string, line: number): void {
    const opening = OPEN.exec(text);
    if (opening !== null) {
      const kind = this.#begin(opening[1] ?? '', line);
      if (kind === 'other') this.#keep(text, line);
      return;
    }
    if (CLOSE.test(text)) {
      const closed = this.#open.pop();
      if (closed === undefined) this.#problem(line, 'There is no region to close here');
      if (closed === undefined || closed.kind === 'other') this.#keep(text, line);
      return;
    }
    this.#keep(text, line);
  }

  #begin(label: string, line: number): RegionKind {
    const [word = '', name = ''] = label.split(/\s+/, 2);
    const kind: RegionKind = word === 'solution' || word === 'starter' ? word : 'other';
    const isInSolution = this.#isInside('solution');
    if (kind === 'solution') {
      if (isInSolution) this.#problem(line, 'A solution region cannot stand inside another one');
      if (name !== '' && this.#regions.some((region) => region.name === name)) {
        this.#issues.push(
          issue(
            'duplicate-id',
            `${this.#path}:${String(line)}`,
            `There are two solution regions ${name}`,
          ),
        );
      }
      this.#regions.push({
        name,
        starterLine: this.#starter.next,
        solutionLine: this.#solution.next,
      });
    }
    if (kind === 'starter' && (!isInSolution || this.#isInside('starter'))) {
      this.#problem(line, 'A starter region belongs directly into a solution region');
    }
    this.#open.push({ kind, line });
    return kind;
  }

  #isInside(kind: RegionKind): boolean {
    return this.#open.some((region) => region.kind === kind);
  }

  #keep(text: string, line: number): void {
    if (!this.#isInside('solution')) {
      this.#starter.add(text, line);
      this.#solution.add(text, line);
      return;
    }
    const collector = this.#isInside('starter') ? this.#starter : this.#solution;
    collector.add(text, line);
  }

  #problem(line: number, message: string, hint?: string): void {
    this.#issues.push(issue('schema', `${this.#path}:${String(line)}`, message, hint));
  }
}

class TextCollector {
  readonly #lines: string[] = [];
  readonly #fileLines: number[] = [];

  /** Number the next line will have. */
  get next(): number {
    return this.#lines.length + 1;
  }

  add(text: string, fileLine: number): void {
    this.#lines.push(text);
    this.#fileLines.push(fileLine);
  }

  done(): ScriptText {
    return { text: this.#lines.join('\n'), fileLines: this.#fileLines };
  }
}
