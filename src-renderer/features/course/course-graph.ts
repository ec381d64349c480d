/** Order and dependencies of the labs, for the map. */
import type { LabLevel, LabSummary } from '../../../src-main/protocol/lab-api.ts';

export const LEVELS: readonly LabLevel[] = ['beginner', 'intermediate', 'advanced', 'expert'];

export interface LevelGroup {
  readonly level: LabLevel;
  readonly labs: readonly LabSummary[];
}

export function groupByLevel(labs: readonly LabSummary[]): readonly LevelGroup[] {
  return LEVELS.map((level) => ({ level, labs: labs.filter((lab) => lab.level === level) })).filter(
    (group) => group.labs.length > 0,
  );
}

/** Every lab that must come before, near and far. */
export function ancestorsOf(id: string, labs: readonly LabSummary[]): ReadonlySet<string> {
  const byId = new Map(labs.map((lab) => [lab.id, lab]));
  const found = new Set<string>();
  const open = [...(byId.get(id)?.needs ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.has(next) || next === id) continue;
    found.add(next);
    open.push(...(byId.get(next)?.needs ?? []));
  }
  return found;
}

/** Labs that build on this one directly. */
export function followersOf(id: string, labs: readonly LabSummary[]): ReadonlySet<string> {
  return new Set(labs.filter((lab) => lab.needs.includes(id)).map((lab) => lab.id));
}

/** Prerequisites that are not passed yet. */
export function missingNeeds(lab: LabSummary, labs: readonly LabSummary[]): readonly LabSummary[] {
  return labs.filter((other) => lab.needs.includes(other.id) && other.progress.state !== 'passed');
}

export type LabCondition = 'passed' | 'started' | 'ready' | 'later';

export function conditionOf(lab: LabSummary, labs: readonly LabSummary[]): LabCondition {
  if (lab.progress.state === 'passed' || lab.progress.state === 'started') {
    return lab.progress.state;
  }
  return missingNeeds(lab, labs).length === 0 ? 'ready' : 'later';
}
