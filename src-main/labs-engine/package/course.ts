/** All labs of a library with their glossary, and what only shows when they are seen together. */
import { parseBdf } from '../../spec/pcie/requester-id.ts';
import { didYouMean } from '../closest.ts';
import { issue, type LabIssue } from '../lab-issue.ts';
import type { LabLibrary, LabVocabulary } from '../lab-library.ts';
import { loadGlossary, type Glossary } from './glossary.ts';
import { linkIssues, type LinkTargets } from './guide-links.ts';
import { LAB_TEXT, loadLab, type LabPackage, type LoadedLab } from './lab-package.ts';
import { resolveMachine } from './machine-variants.ts';

export interface Course {
  /** In the order of their folders. */
  readonly labs: readonly LoadedLab[];
  readonly glossary: Glossary;
  /** Problems of the glossary; those of labs are with them. */
  readonly glossaryIssues: readonly LabIssue[];
}

export function loadCourse(library: LabLibrary, vocabulary: LabVocabulary): Course {
  const { glossary, issues } = loadGlossary(library);
  const loaded = library.labs().map((folder) => loadLab(library, folder));
  const labs = loaded.flatMap(({ lab }) => (lab === undefined ? [] : [lab]));
  return {
    labs: loaded.map((entry) =>
      entry.lab === undefined
        ? entry
        : {
            ...entry,
            issues: [...entry.issues, ...relationIssues(entry.lab, labs, glossary, vocabulary)],
          },
    ),
    glossary,
    glossaryIssues: issues,
  };
}

/** By id, or by the name of its folder. */
export function findLab(course: Course, name: string): LoadedLab | undefined {
  return course.labs.find(({ folder, lab }) => lab?.id === name || folder === name);
}

export function labNames(course: Course): readonly string[] {
  return course.labs.map(({ folder, lab }) => lab?.id ?? folder);
}

function relationIssues(
  lab: LabPackage,
  labs: readonly LabPackage[],
  glossary: Glossary,
  vocabulary: LabVocabulary,
): readonly LabIssue[] {
  const ids = labs.map((other) => other.id);
  const terms = glossary.terms.map((term) => term.id);
  const place = (...keys: (string | number)[]): string => `${LAB_TEXT}:${String(lab.lineOf(keys))}`;
  const issues: LabIssue[] = [];
  const twin = labs.find((other) => other !== lab && other.id === lab.id);
  if (twin !== undefined) {
    issues.push(
      issue('duplicate-id', place('id'), `The lab id ${lab.id} is taken by ${twin.folder}`),
    );
  }
  lab.needs.forEach((need, index) => {
    if (ids.includes(need) && need !== lab.id) return;
    const message = need === lab.id ? 'A lab cannot need itself' : `There is no lab ${need}`;
    issues.push(issue('unknown-need', place('needs', index), message, didYouMean(need, ids)));
  });
  if (isInCircle(lab, labs)) {
    issues.push(
      issue('unknown-need', place('needs'), `${lab.id} comes, through its needs, before itself`),
    );
  }
  lab.concepts.forEach((concept, index) => {
    if (terms.includes(concept)) return;
    const message = `The glossary has no term ${concept}`;
    issues.push(
      issue('unknown-term', place('concepts', index), message, didYouMean(concept, terms)),
    );
  });
  const targets = linkTargets(lab, { ids, terms, vocabulary });
  issues.push(...linkIssues(LAB_TEXT, lab.steps, targets));
  for (const translation of lab.translations.values()) {
    issues.push(...linkIssues(translation.file, translation.steps, targets));
  }
  return issues;
}

function linkTargets(
  lab: LabPackage,
  known: {
    readonly ids: readonly string[];
    readonly terms: readonly string[];
    readonly vocabulary: LabVocabulary;
  },
): LinkTargets {
  const rids = lab.seeds.flatMap((seed) =>
    (resolveMachine(lab.machine, seed).machine?.devices ?? []).map(
      (device) => parseBdf(device.bdf) ?? -1,
    ),
  );
  const shown = lab.scripts.filter((script) => script.role !== 'hidden');
  return {
    vocabulary: known.vocabulary,
    terms: known.terms,
    labs: known.ids,
    scripts: new Map(shown.map(({ path, starter }) => [path, starter.fileLines.length])),
    files: lab.files,
    rids: new Set(rids),
  };
}

function isInCircle(lab: LabPackage, labs: readonly LabPackage[]): boolean {
  const seen = new Set<string>();
  const open = [...lab.needs].filter((need) => need !== lab.id);
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (id === lab.id) return true;
    if (seen.has(id)) continue;
    seen.add(id);
    open.push(...(labs.find((other) => other.id === id)?.needs ?? []));
  }
  return false;
}
