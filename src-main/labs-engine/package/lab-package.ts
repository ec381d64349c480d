/** A lab as one object: everything that its folder says, checked as far as one folder can be checked alone. */
import type { KernelProfile } from '../../protocol/lab-api.ts';
import { issue, type LabIssue } from '../lab-issue.ts';
import type { LabLibrary } from '../lab-library.ts';
import {
  parseFrontMatter,
  profilesOf,
  splitFrontMatter,
  type Actor,
  type FrontMatter,
} from './front-matter.ts';
import { parseGuide, type PlacedStep } from './guide.ts';
import { REQUIRED_LOCALES, type Locale } from './locale.ts';
import {
  parseTemplate,
  resolveMachine,
  type MachineDraft,
  type MachineTemplate,
} from './machine-variants.ts';
import { parseMutant, type Mutant } from './mutant.ts';
import { splitRegions, type ScriptText, type SolutionRegion } from './solution-regions.ts';
import { compareSteps, parseTranslation, type LabTranslation } from './translation.ts';

export const LAB_TEXT = 'lab.md';

export interface LabScript {
  readonly path: string;
  readonly role: 'edit' | 'read' | 'hidden';
  readonly actor: Actor;
  readonly starter: ScriptText;
  readonly solution: ScriptText;
  readonly regions: readonly SolutionRegion[];
}

export interface LabFocus {
  readonly path: string;
  readonly symbol: string;
  /** Line of the starter. */
  readonly line: number;
}

export interface LabPackage {
  readonly folder: string;
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  readonly level: FrontMatter['level'];
  readonly minutes: number;
  readonly needs: readonly string[];
  readonly concepts: readonly string[];
  readonly profiles: readonly KernelProfile[];
  readonly layout: string;
  /** The first one is the default. */
  readonly seeds: readonly number[];
  readonly machine: MachineTemplate;
  readonly scripts: readonly LabScript[];
  readonly focus: LabFocus | null;
  readonly steps: readonly PlacedStep[];
  /** What the untouched starter fails with first, where the lab says so. */
  readonly starterFailure: { readonly check: string; readonly message: string } | undefined;
  readonly mutants: readonly Mutant[];
  readonly translations: ReadonlyMap<Locale, LabTranslation>;
  /** Files of the folder. */
  readonly files: readonly string[];
  /** Line of a setting in `lab.md`. */
  lineOf(keys: readonly (string | number)[]): number;
}

export interface LoadedLab {
  readonly folder: string;
  /** Undefined when the folder cannot be used at all. */
  readonly lab: LabPackage | undefined;
  readonly issues: readonly LabIssue[];
}

export function loadLab(library: LabLibrary, folder: string): LoadedLab {
  return new LabLoader(library, folder).load();
}

class LabLoader {
  readonly #library: LabLibrary;
  readonly #folder: string;
  readonly #files: readonly string[];
  readonly #issues: LabIssue[] = [];

  constructor(library: LabLibrary, folder: string) {
    this.#library = library;
    this.#folder = folder;
    this.#files = library.files(folder);
  }

  load(): LoadedLab {
    const lab = this.#lab();
    return { folder: this.#folder, lab, issues: this.#issues };
  }

  #lab(): LabPackage | undefined {
    const split = splitFrontMatter(this.#library.readText(this.#folder, LAB_TEXT));
    if (split === undefined) {
      this.#add(issue('schema', `${LAB_TEXT}:1`, 'Expected front matter between two lines of ---'));
      return undefined;
    }
    const front = parseFrontMatter(LAB_TEXT, split.frontMatter);
    const guide = parseGuide(LAB_TEXT, split.body, split.bodyLine);
    if (front.value === undefined) {
      // Of a lab in a newer format nothing else is known to be wrong.
      this.#add(...front.issues);
      return undefined;
    }
    this.#add(...front.issues, ...guide.issues);
    const settings = front.value;
    const seeds = [...new Set(settings.variants.seed)];
    const machine = this.#machine(settings, seeds);
    const scripts = this.#scripts(settings);
    if (machine === undefined || scripts.length === 0) return undefined;
    return {
      folder: this.#folder,
      id: settings.id,
      title: settings.title,
      summary: settings.summary,
      level: settings.level,
      minutes: settings.minutes,
      needs: settings.needs,
      concepts: settings.concepts,
      profiles: profilesOf(settings),
      layout: settings.layout,
      seeds,
      machine,
      scripts,
      focus: this.#focus(settings, scripts, front.lineOf(['focus'])),
      steps: guide.steps,
      starterFailure: settings.starter,
      mutants: this.#mutants(scripts),
      translations: this.#translations(guide.steps),
      files: this.#files,
      lineOf: (keys) => front.lineOf(keys),
    };
  }

  #add(...issues: readonly LabIssue[]): void {
    this.#issues.push(...issues);
  }

  #text(path: string): string | undefined {
    if (this.#files.includes(path)) return this.#library.readText(this.#folder, path);
    this.#add(issue('schema', path, `The lab names ${path}, but its folder has no such file`));
    return undefined;
  }

  #machine(settings: FrontMatter, seeds: readonly number[]): MachineTemplate | undefined {
    const text = this.#text(settings.machine);
    if (text === undefined) return undefined;
    const { template, issues } = parseTemplate(
      settings.machine,
      text,
      settings.variants.fields ?? [],
    );
    this.#add(...issues);
    if (template === undefined) return undefined;
    for (const seed of seeds) {
      const resolved = resolveMachine(template, seed);
      if (resolved.machine === undefined) {
        this.#add(...resolved.issues);
        return undefined;
      }
      const problem = guestProblem(settings, resolved.machine);
      if (problem !== undefined) {
        this.#add(problem);
        return undefined;
      }
    }
    return template;
  }

  #scripts(settings: FrontMatter): readonly LabScript[] {
    const scripts: LabScript[] = [];
    for (const { path, role, actor } of settings.files) {
      if (scripts.some((script) => script.path === path)) {
        this.#add(issue('duplicate-id', LAB_TEXT, `The file ${path} is listed twice`));
        continue;
      }
      const text = this.#text(path);
      if (text === undefined) continue;
      const { starter, solution, regions, issues } = splitRegions(path, text);
      this.#add(...issues);
      scripts.push({ path, role, actor, starter, solution, regions });
    }
    return scripts;
  }

  #focus(settings: FrontMatter, scripts: readonly LabScript[], line: number): LabFocus | null {
    if (settings.focus === undefined) return null;
    const [path = '', symbol = ''] = settings.focus.split('#', 2);
    const script = scripts.find((candidate) => candidate.path === path);
    const found = script === undefined ? undefined : lineOfSymbol(script, symbol);
    if (found !== undefined) return { path, symbol, line: found };
    const what =
      script === undefined
        ? `The lab has no script ${path}`
        : `The starter of ${path} has no ${symbol}`;
    this.#add(issue('dead-link', `${LAB_TEXT}:${String(line)}`, what));
    return null;
  }

  #mutants(scripts: readonly LabScript[]): readonly Mutant[] {
    const solutions = new Map(
      scripts.map(({ path, role, solution }) => [
        path,
        { text: solution.text, isEdited: role === 'edit' },
      ]),
    );
    return this.#files
      .filter((path) => /^mutants\/[^/]+\.(patch|ts)$/.test(path))
      .flatMap((path) => {
        const text = this.#library.readText(this.#folder, path);
        const { mutant, issues } = parseMutant({ path, text }, solutions);
        this.#add(...issues);
        return mutant === undefined ? [] : [mutant];
      });
  }

  #translations(steps: readonly PlacedStep[]): ReadonlyMap<Locale, LabTranslation> {
    const found = new Map<Locale, LabTranslation>();
    for (const locale of REQUIRED_LOCALES) {
      const file = `i18n/${locale}.md`;
      if (!this.#files.includes(file)) {
        this.#add(issue('translation-missing', file, `The lab has no ${locale} translation`));
        continue;
      }
      const text = this.#library.readText(this.#folder, file);
      const { translation, issues } = parseTranslation(locale, file, text);
      this.#add(...issues);
      if (translation === undefined) continue;
      this.#add(...compareSteps(steps, translation));
      found.set(locale, translation);
    }
    return found;
  }
}

/** A name in the starter, or the place of the solution region of that name. */
function lineOfSymbol({ starter, regions }: LabScript, symbol: string): number | undefined {
  const region = regions.find((candidate) => candidate.name === symbol);
  if (region !== undefined) return region.starterLine;
  const word = new RegExp(String.raw`(?<![\w$])${symbol.replaceAll('$', String.raw`\$`)}(?![\w$])`);
  if (!/^[\w$-]+$/.test(symbol)) return undefined;
  const index = starter.text.split('\n').findIndex((line) => word.test(line));
  return index < 0 ? undefined : index + 1;
}

/** A driver of a guest needs a VM to run in. */
function guestProblem(settings: FrontMatter, { vms = [] }: MachineDraft): LabIssue | undefined {
  const guest = settings.files.find(({ actor }) => actor === 'guest-driver');
  if (guest === undefined || vms.length > 0) return undefined;
  const message = `${guest.path} is a driver of a guest, and the machine has no VM`;
  const hint = '"vms": [{ "name": "vm0", "memoryBytes": "40 MiB", "cpus": 1 }]';
  return issue('schema', `${settings.machine}#vms`, message, hint);
}
