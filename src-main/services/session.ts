/**
 * The session behind one window: answers every command of `LabApi`. A host gives it storage, labs, a clock and the way out
 * of a running script; it knows nothing of transports.
 */
import { AppError } from '../protocol/app-error.ts';
import type {
  CommandName,
  CommandParams,
  CommandResult,
  EventData,
  EventName,
} from '../protocol/define-api.ts';
import {
  LAB_API_VERSION,
  type CourseView,
  type LabApi,
  type LabView,
} from '../protocol/lab-api.ts';
import { VIEW_IDS } from '../protocol/views.ts';
import { countChecks } from '../labs-engine/grade/grade-run.ts';
import { didYouMean } from '../labs-engine/closest.ts';
import { findLab, labNames, loadCourse, type Course } from '../labs-engine/package/course.ts';
import type { LabPackage } from '../labs-engine/package/lab-package.ts';
import { locateLocale } from '../labs-engine/package/locale.ts';
import { createScriptEngine, type LoadWasm } from '../script/script-runner.ts';
import { LabController, starterOf } from './lab-controller.ts';
import type { CryptoPort, LabSource, RunControl, Storage, WallClock } from './ports.ts';
import { Progress } from './progress.ts';
import { VIEW_PARAM_NAMES } from './view-vocabulary.ts';
import { translateView } from './views/translate-view.ts';
import { Workspace } from './workspace.ts';

export interface SessionOptions {
  readonly storage: Storage;
  readonly labs: LabSource;
  readonly clock: WallClock;
  readonly control: RunControl;
  readonly emit: <N extends EventName<LabApi>>(event: N, data: EventData<LabApi, N>) => void;
  readonly version: string;
  readonly loadSandbox: LoadWasm;
  /** Without it devices refuse requests for cryptography and compression. */
  readonly crypto?: CryptoPort;
}

export interface Session {
  handle(method: string, params: unknown): unknown;
  /** Answers at once, while learner code is on the stack. */
  serveWhilePaused(method: string, params: unknown): unknown;
  dispose(): void;
}

type Handlers = {
  readonly [N in CommandName<LabApi>]: (
    params: CommandParams<LabApi, N>,
  ) => CommandResult<LabApi, N>;
};

/** Commands that would pull the run from under a script that is on the stack. */
const NOT_WHILE_RUNNING: ReadonlySet<string> = new Set(['lab.open', 'run.start', 'progress.reset']);

export function createSession(options: SessionOptions): Session {
  return new LabSession(options);
}

class LabSession implements Session {
  readonly #o: SessionOptions;
  readonly #workspace: Workspace;
  readonly #progress: Progress;
  readonly #engine;
  readonly #course: Course;
  readonly #handlers: Handlers;
  #controller: LabController | undefined;
  #language = 'en';

  constructor(options: SessionOptions) {
    this.#o = options;
    this.#workspace = new Workspace(options.storage);
    this.#progress = new Progress(options.storage);
    this.#engine = createScriptEngine(options.loadSandbox);
    this.#course = loadCourse(options.labs, { views: VIEW_IDS, viewParams: VIEW_PARAM_NAMES });
    this.#handlers = this.#createHandlers();
  }

  handle(method: string, params: unknown): unknown {
    return this.#call(method, params);
  }

  serveWhilePaused(method: string, params: unknown): unknown {
    if (NOT_WHILE_RUNNING.has(method)) {
      throw new AppError('ERR_BUSY', 'A run is going on: stop it first');
    }
    return this.#call(method, params);
  }

  dispose(): void {
    this.#controller?.stop();
  }

  #call(method: string, params: unknown): unknown {
    const handler = this.#handlers[method as CommandName<LabApi>] as
      ((p: unknown) => unknown) | undefined;
    if (handler === undefined) {
      throw new AppError('ERR_UNKNOWN_COMMAND', `There is no command ${method}`);
    }
    return handler(params);
  }

  #createHandlers(): Handlers {
    return {
      'app.info': () => ({ version: this.#o.version, apiVersion: LAB_API_VERSION }),
      'course.get': ({ language }) => {
        this.#language = language ?? this.#language;
        return this.#courseView();
      },
      'lab.open': (params) => this.#open(params),
      'lab.predict': ({ labId, predictId, answer }) => {
        this.#stored(() => this.#progress.predicted(this.#lab(labId).id, predictId, answer));
        return { isRecorded: true };
      },
      'progress.reset': ({ labId }) => {
        this.#stored(() => this.#progress.reset(labId));
        return this.#courseView();
      },
      'file.save': ({ labId, path, text }) => ({
        revision: this.#stored(() =>
          this.#workspace.save(this.#lab(labId).id, this.#starter(labId, path), text, 'autosave'),
        ),
      }),
      'file.history': ({ labId, path }) => ({
        revisions: this.#workspace.history(this.#lab(labId).id, path),
      }),
      'file.read-revision': ({ labId, path, revision }) => ({
        text: this.#workspace.readRevision(this.#lab(labId).id, path, revision),
      }),
      'file.reset': ({ labId, path }) => {
        const file = this.#starter(labId, path);
        this.#stored(() => this.#workspace.save(this.#lab(labId).id, file, file.starter, 'reset'));
        return { text: file.starter };
      },
      'run.start': ({ labId, mode, breakpoints }) => this.#opened(labId).start(mode, breakpoints),
      'run.breakpoints': ({ breakpoints }) => ({
        lines: this.#controller?.setBreakpoints(breakpoints) ?? breakpoints.map(() => null),
      }),
      'run.pause': () => this.#current().pause(),
      'run.resume': ({ step }) => this.#current().resume(step),
      'run.stop': () => this.#current().stop(),
      'run.evaluate': ({ expression }) => this.#current().evaluate(expression),
      'run.state': () => this.#current().runState,
      'timeline.state': () => this.#current().timelineState(),
      'timeline.seek': ({ at }) => this.#current().seek(at),
      'timeline.step': ({ by, direction }) => this.#current().step(by, direction),
      'trace.page': ({ filter, from, count }) => this.#current().tracePage(filter, from, count),
      'trace.locate': ({ filter, event }) => ({
        index: this.#current().traceLocate(filter, event),
      }),
      'trace.record': ({ event }) => this.#current().traceRecord(event),
      'trace.why': ({ event }) => this.#current().why(event),
      'view.get': ({ view, params }) =>
        translateView(
          this.#current().viewModel(view, params as never),
          locateLocale(this.#language),
        ),
      'checks.get': () => ({ checks: this.#current().checks }),
      'console.get': () => ({ lines: this.#current().consoleLines }),
      'layout.save': ({ name, layout }) => {
        this.#stored(() => this.#o.storage.write(layoutKey(name), layout));
        return { isSaved: true };
      },
      'layout.load': ({ name }) => ({ layout: this.#o.storage.read(layoutKey(name)) }),
    };
  }

  // ---- course --------------------------------------------------------------------------------------------------------

  #packages(): readonly LabPackage[] {
    return this.#course.labs.flatMap(({ lab }) => (lab === undefined ? [] : [lab]));
  }

  #courseView(): CourseView {
    const locale = locateLocale(this.#language);
    const labs = this.#packages().map((lab) => {
      const translation = locale === undefined ? undefined : lab.translations.get(locale);
      return {
        id: lab.id,
        title: translation?.title ?? lab.title,
        summary: translation?.summary ?? lab.summary,
        level: lab.level,
        minutes: lab.minutes,
        needs: lab.needs,
        concepts: lab.concepts,
        progress: this.#progress.of(lab.id, countChecks(lab)),
      };
    });
    const isPassed = (id: string): boolean =>
      labs.find((l) => l.id === id)?.progress.state === 'passed';
    const next =
      labs.find((l) => l.progress.state !== 'passed' && l.needs.every(isPassed)) ??
      labs.find((l) => l.progress.state !== 'passed');
    const { glossary } = this.#course;
    const terms =
      (locale === undefined ? undefined : glossary.translations.get(locale)) ?? glossary.terms;
    return { labs, nextLabId: next?.id ?? null, glossary: terms };
  }

  #lab(id: string): LabPackage {
    const found = findLab(this.#course, id)?.lab;
    if (found === undefined) {
      const hint = didYouMean(id, labNames(this.#course));
      throw new AppError(
        'ERR_LAB_NOT_FOUND',
        `There is no lab ${id}`,
        hint === undefined ? {} : { hint },
      );
    }
    return found;
  }

  #open({ labId, seed, profile, language }: CommandParams<LabApi, 'lab.open'>): LabView {
    if (this.#controller?.isBusy === true) {
      throw new AppError('ERR_BUSY', 'A run is going on: stop it first');
    }
    this.#language = language ?? this.#language;
    const lab = this.#lab(labId);
    const packages = this.#packages();
    const { emit } = this.#o;
    this.#controller = new LabController({
      lab,
      seed: seed ?? lab.seeds[0] ?? 1,
      profile:
        profile !== undefined && lab.profiles.includes(profile)
          ? profile
          : (lab.profiles[0] ?? 'iommufd'),
      locale: locateLocale(this.#language),
      nextLabId: packages[packages.indexOf(lab) + 1]?.id ?? null,
      workspace: this.#workspace,
      engine: this.#engine,
      crypto: this.#o.crypto,
      control: this.#o.control,
      nowMs: () => this.#o.clock.nowMs(),
      events: {
        runState: (state) => emit('run.state', state),
        timeline: (state) => emit('timeline.changed', state),
        checks: (checks) => emit('checks.changed', { checks }),
        console: (lines) => emit('console.lines', { lines }),
      },
      onGraded: (checks) => {
        const counted = checks.filter((c) => c.kind === 'essential' || c.kind === 'actionable');
        this.#stored(() =>
          this.#progress.graded(
            lab.id,
            counted.filter((c) => c.status === 'pass').length,
            counted.length,
          ),
        );
        emit('course.changed', this.#courseView());
      },
    });
    this.#stored(() => this.#progress.opened(lab.id));
    return this.#controller.view();
  }

  #current(): LabController {
    if (this.#controller === undefined) {
      throw new AppError('ERR_NO_LAB', 'No lab is open');
    }
    return this.#controller;
  }

  #opened(labId: string): LabController {
    const controller = this.#current();
    if (controller.lab.id !== this.#lab(labId).id) {
      throw new AppError('ERR_OTHER_LAB', `Lab ${controller.lab.id} is open, not ${labId}`);
    }
    return controller;
  }

  #starter(labId: string, path: string): ReturnType<typeof starterOf> {
    const script = this.#lab(labId).scripts.find((s) => s.path === path && s.role !== 'hidden');
    if (script === undefined) {
      throw new AppError('ERR_FILE_NOT_FOUND', `Lab ${labId} has no file ${path}`);
    }
    return starterOf(script);
  }

  /** Storing may fail (full disk): the window hears of it, and the command still fails with the reason. */
  #stored<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      if (error instanceof AppError && error.code.startsWith('ERR_STORAGE')) {
        this.#o.emit('storage.problem', {
          message: error.message,
          hint: error.hint ?? 'Your text is still in the editor. Free some space, then save again.',
        });
      }
      throw error;
    }
  }
}

function layoutKey(name: string): string {
  return `layout/${name.replaceAll(/[^A-Za-z0-9._-]/g, '-')}.json`;
}
