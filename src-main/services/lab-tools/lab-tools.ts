/**
 * Labs and scripts without a window: list, run, prove. What the command line prints, and what a grader calls. Every report
 * is plain data in a stable order of keys.
 */
import { AppError } from '../../protocol/app-error.ts';
import type { KernelProfile } from '../../protocol/lab-api.ts';
import { VIEW_IDS } from '../../protocol/views.ts';
import { didYouMean } from '../../labs-engine/closest.ts';
import { findLab, labNames, loadCourse, type Course } from '../../labs-engine/package/course.ts';
import type { LabPackage, LoadedLab } from '../../labs-engine/package/lab-package.ts';
import type { Check } from '../../labs-engine/sdk/index.ts';
import { checksOf } from '../../labs-engine/grade/check-registry.ts';
import type { RunTools } from '../../labs-engine/run/lab-run.ts';
import { createScriptEngine, type LoadWasm } from '../../script/script-runner.ts';
import type { CryptoPort, LabSource } from '../ports.ts';
import { VIEW_PARAM_NAMES } from '../view-vocabulary.ts';

/** Gives the module behind a lab's `checks.ts`, for labs that are not bundled with the app. */
export type LoadChecksModule = (folder: string, path: string) => Promise<unknown>;

export interface LabToolsOptions {
  readonly labs: LabSource;
  readonly loadSandbox: LoadWasm;
  readonly crypto?: CryptoPort;
  /** Absent: only checks that come with the app are known. */
  readonly loadChecksModule?: LoadChecksModule;
}

export const CHECKS_PATH = 'checks.ts';

export class LabTools {
  /** What runs take from the host. */
  readonly runTools: RunTools;
  readonly course: Course;
  readonly #loadChecksModule: LoadChecksModule | undefined;

  constructor(options: LabToolsOptions) {
    const { crypto } = options;
    this.runTools = {
      engine: createScriptEngine(options.loadSandbox),
      ...(crypto === undefined ? {} : { crypto }),
    };
    this.course = loadCourse(options.labs, { views: VIEW_IDS, viewParams: VIEW_PARAM_NAMES });
    this.#loadChecksModule = options.loadChecksModule;
  }

  /** By id or folder name. */
  find(name: string): LoadedLab {
    const found = findLab(this.course, name);
    if (found !== undefined) return found;
    const names = labNames(this.course);
    const hint = didYouMean(name, names) ?? `Known labs: ${names.join(', ')}`;
    throw new AppError('ERR_LAB_NOT_FOUND', `There is no lab ${name}`, { hint });
  }

  /** A lab that can be run. */
  usable(name: string): LabPackage {
    const { lab, folder, issues } = this.find(name);
    if (lab !== undefined) return lab;
    const [first] = issues;
    throw new AppError(
      'ERR_LAB_UNUSABLE',
      `Lab ${folder} cannot be used: ${first?.message ?? 'it has no text'}`,
      {
        issues,
      },
    );
  }

  async checks(lab: LabPackage): Promise<readonly Check[]> {
    if (this.#loadChecksModule === undefined || !lab.files.includes(CHECKS_PATH)) {
      return checksOf(lab);
    }
    const module = await this.#loadChecksModule(lab.folder, CHECKS_PATH);
    const checks = (module as { readonly checks?: unknown } | null)?.checks;
    if (Array.isArray(checks)) return checks as readonly Check[];
    throw new AppError('ERR_LAB_CHECKS', `${lab.folder}/${CHECKS_PATH} exports no checks`, {
      hint: 'export const checks = defineChecks([ ... ])',
    });
  }

  /** The profile to use, or an error that names those of the lab. */
  profileOf(lab: LabPackage, wanted: string | undefined): KernelProfile | undefined {
    const profile = lab.profiles.find((known) => known === wanted);
    if (wanted === undefined || profile !== undefined) return profile;
    const hint = didYouMean(wanted, lab.profiles) ?? `It runs with ${lab.profiles.join(' and ')}`;
    throw new AppError('ERR_LAB_PROFILE', `Lab ${lab.id} does not run with profile ${wanted}`, {
      hint,
    });
  }
}
