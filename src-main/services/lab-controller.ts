/**
 * One open lab: its files, its present run, and what the window asks about them. While learner code holds the thread, the
 * script's interrupt handler and its breakpoints let requests in; all of them only read, but for pause, resume and stop.
 */
import { AppError } from '../protocol/app-error.ts';
import type {
  CheckResult,
  ConsoleLine,
  KernelProfile,
  LabView,
  RunState,
  ScriptProblem,
  TimelineState,
  TraceFilter,
  TracePage,
  TraceRecordView,
  WhyView,
} from '../protocol/lab-api.ts';
import type { ViewId, ViewModel, ViewParams } from '../protocol/views.ts';
import { collectTypes } from '../script/sdk/collect-types.ts';
import type { PauseLocation, ResumeCommand, ScriptInspector } from '../script/pause-port.ts';
import type { ScriptFailure } from '../script/script-failure.ts';
import type { Breakpoint, ScriptEngine, ScriptOutcome } from '../script/script-runner.ts';
import { gradeRun, notRunChecks } from '../labs-engine/grade/grade-run.ts';
import type { LabPackage, LabScript } from '../labs-engine/package/lab-package.ts';
import type { Locale } from '../labs-engine/package/locale.ts';
import { LabRun } from '../labs-engine/run/lab-run.ts';
import { planLabRun } from '../labs-engine/run/run-plan.ts';
import { readRecord } from '../sim/index.ts';
import type { CryptoPort, RunControl } from './ports.ts';
import { Timeline } from './timeline/timeline.ts';
import { recordViewOf } from './timeline/trace-query.ts';
import { why } from './timeline/why.ts';
import { markChanges } from './views/markup.ts';
import { makeView } from './views/views.ts';
import type { Workspace } from './workspace.ts';

/** Console lines kept for a window that comes back. */
const CONSOLE_LINES = 5_000;
/** Wall-clock milliseconds between two reports of a running script. */
const REPORT_EVERY_MS = 100;

export interface ControllerEvents {
  runState(state: RunState): void;
  timeline(state: TimelineState): void;
  checks(checks: readonly CheckResult[]): void;
  console(lines: readonly ConsoleLine[]): void;
}

export interface ControllerOptions {
  readonly lab: LabPackage;
  readonly seed: number;
  readonly profile: KernelProfile;
  readonly locale: Locale | undefined;
  readonly nextLabId: string | null;
  readonly workspace: Workspace;
  readonly engine: ScriptEngine;
  readonly crypto: CryptoPort | undefined;
  readonly control: RunControl;
  readonly nowMs: () => number;
  readonly events: ControllerEvents;
  /** The run has ended with this grade. */
  readonly onGraded: (checks: readonly CheckResult[]) => void;
}

export class LabController {
  readonly lab: LabPackage;
  readonly #o: ControllerOptions;
  #run: LabRun;
  #timeline: Timeline;
  #runId = 0;
  #state: RunState = { state: 'idle', runId: 0, problems: [] };
  #checks: readonly CheckResult[];
  #console: ConsoleLine[] = [];
  #newLines: ConsoleLine[] = [];
  #breakpoints: readonly Breakpoint[] = [];
  #isStopRequested = false;
  #resume: ResumeCommand | undefined;
  #inspector: ScriptInspector | undefined;
  #lastReportMs = 0;
  #lastTickMs = 0;
  #stopHead = 0;

  constructor(options: ControllerOptions) {
    this.lab = options.lab;
    this.#o = options;
    this.#run = this.#createRun('run');
    this.#timeline = new Timeline(this.#run.recorder);
    this.#timeline.stopped(this.#run.trace.head);
    this.#checks = notRunChecks(this.lab, options.locale);
  }

  view(): LabView {
    const { lab } = this;
    const { locale, seed, profile, nextLabId } = this.#o;
    const translation = locale === undefined ? undefined : lab.translations.get(locale);
    return {
      id: lab.id,
      title: translation?.title ?? lab.title,
      summary: translation?.summary ?? lab.summary,
      profiles: lab.profiles,
      profile,
      seed,
      layout: lab.layout,
      focus: lab.focus === null ? null : { path: lab.focus.path, line: lab.focus.line },
      steps: (translation?.steps ?? lab.steps).map(({ id, title, blocks }) => ({
        id,
        title,
        blocks,
      })),
      files: this.#visibleScripts().map((script) => {
        const text = this.#textOf(script);
        return {
          path: script.path,
          role: script.role === 'edit' ? ('edit' as const) : ('read' as const),
          actor: script.actor,
          text,
          isStarter: text === script.starter.text,
        };
      }),
      checks: this.#checks,
      types: collectTypes(this.#run.modules),
      nextLabId,
    };
  }

  script(path: string): LabScript {
    const found = this.lab.scripts.find((s) => s.path === path && s.role !== 'hidden');
    if (found === undefined) {
      throw new AppError('ERR_FILE_NOT_FOUND', `Lab ${this.lab.id} has no file ${path}`);
    }
    return found;
  }

  // ---- running -------------------------------------------------------------------------------------------------------

  get runState(): RunState {
    return this.#state;
  }

  get isBusy(): boolean {
    return this.#state.state === 'running' || this.#state.state === 'paused';
  }

  /** Announces the run; the scripts start in a later turn, so that the answer to the command is out first. */
  start(mode: 'run' | 'step', breakpoints: readonly Breakpoint[]): RunState {
    if (this.isBusy) {
      throw new AppError('ERR_BUSY', 'A run is going on: stop it first');
    }
    this.#breakpoints = breakpoints;
    this.#runId++;
    this.#isStopRequested = false;
    this.#resume = undefined;
    this.#console = [];
    this.#newLines = [];
    for (const script of this.lab.scripts.filter((s) => s.role === 'edit')) {
      this.#o.workspace.save(this.lab.id, starterOf(script), this.#textOf(script), 'run');
    }
    this.#run = this.#createRun(mode);
    this.#timeline = new Timeline(this.#run.recorder);
    this.#stopHead = this.#run.trace.head;
    this.#checks = notRunChecks(this.lab, this.#o.locale);
    this.#setState({ state: 'running', runId: this.#runId, problems: [] });
    const runId = this.#runId;
    void this.#o.control.yieldTurn().then(() => {
      if (this.#runId === runId) {
        this.#execute();
      }
    });
    return this.#state;
  }

  setBreakpoints(breakpoints: readonly Breakpoint[]): readonly (number | null)[] {
    this.#breakpoints = breakpoints;
    return this.#run.runner.setBreakpoints(breakpoints);
  }

  pause(): RunState {
    if (this.#state.state === 'running') {
      this.#run.runner.requestPause();
    }
    return this.#state;
  }

  resume(step: 'over' | 'into' | 'out' | undefined): RunState {
    if (this.#state.state === 'paused') {
      this.#resume = step === undefined ? { kind: 'resume' } : { kind: 'step', by: step };
    }
    return this.#state;
  }

  stop(): RunState {
    if (this.isBusy) {
      this.#isStopRequested = true;
      this.#resume = { kind: 'stop' };
    }
    return this.#state;
  }

  evaluate(expression: string): { readonly text: string; readonly isError: boolean } {
    if (this.#inspector === undefined) {
      return { text: 'Pause the script to evaluate an expression', isError: true };
    }
    return this.#inspector.evaluate(expression);
  }

  get checks(): readonly CheckResult[] {
    return this.#checks;
  }

  get consoleLines(): readonly ConsoleLine[] {
    return this.#console;
  }

  #execute(): void {
    const { control } = this.#o;
    control.setRunning(true);
    let outcome: ScriptOutcome;
    try {
      outcome = this.#run.start();
    } finally {
      control.setRunning(false);
      this.#inspector = undefined;
    }
    this.#timeline.stopped(this.#stopHead);
    if (outcome.kind !== 'stopped') {
      this.#checks = gradeRun(this.lab, this.#run, this.#o.locale);
      this.#o.onGraded(this.#checks);
      this.#o.events.checks(this.#checks);
    }
    if (outcome.kind === 'failed') {
      failureLines(outcome.error).forEach((line) => this.#line(line));
    }
    this.#flushConsole();
    // Whoever hears that the run has ended has heard all that came of it.
    this.#o.events.timeline(this.timelineState());
    this.#setState(this.#endState(outcome));
  }

  #endState(outcome: ScriptOutcome): RunState {
    const problems = this.#run
      .problems()
      .map(({ path, line, column, message }) => ({ path, line, column, message }));
    const base = { runId: this.#runId, problems };
    switch (outcome.kind) {
      case 'finished':
        return { ...base, state: 'finished' };
      case 'failed': {
        const { path, line, column, message } = outcome.error;
        const failure: ScriptProblem = { path, line, column, message };
        const isKnown = problems.some(
          (p) => p.path === path && p.line === line && p.message === message,
        );
        return {
          ...base,
          state: 'failed',
          problems: isKnown ? problems : [...problems, failure],
          position: { path, line },
          message: `${path}:${line}: ${message}`,
        };
      }
      default:
        return {
          ...base,
          state: 'stopped',
          message: STOP_MESSAGES[outcome.reason],
          ...(outcome.at === undefined
            ? {}
            : { position: { path: outcome.at.path, line: outcome.at.line } }),
        };
    }
  }

  #createRun(mode: 'run' | 'step'): LabRun {
    const texts = new Map(this.lab.scripts.map((s) => [s.path, this.#textOf(s)]));
    return new LabRun({
      plan: planLabRun(this.lab, { seed: this.#o.seed, profile: this.#o.profile, texts }),
      engine: this.#o.engine,
      ...(this.#o.crypto === undefined ? {} : { crypto: this.#o.crypto }),
      breakpoints: this.#breakpoints,
      ...(mode === 'step' ? { pauseAtStatement: 1 } : {}),
      ports: {
        onConsole: ({ level, text, path, line }) => this.#line({ level, text, path, line }),
        onProbe: ({ text, path, line }) => this.#line({ level: 'probe', text, path, line }),
        pause: { pausedAt: (location, inspect) => this.#pausedAt(location, inspect) },
        shouldStop: () => this.#isStopRequested,
        onTick: () => this.#tick(),
        onCall: () => {
          if (this.#o.nowMs() !== this.#lastTickMs) this.#tick();
        },
      },
    });
  }

  #pausedAt(location: PauseLocation, inspect: ScriptInspector): ResumeCommand {
    this.#inspector = inspect;
    this.#resume = undefined;
    this.#timeline.stopped(this.#stopHead);
    this.#stopHead = this.#run.trace.head;
    this.#flushConsole();
    this.#setState({
      state: 'paused',
      runId: this.#runId,
      problems: [],
      position: { path: location.path, line: location.line },
      stack: inspect
        .stack()
        .map(({ functionName, path, line }) => ({ name: functionName, path, line })),
      locals: inspect
        .variables()
        .filter((variable) => variable.value !== undefined)
        .map(({ name, value }) => ({ name, value: value ?? '' })),
    });
    this.#o.events.timeline(this.timelineState());
    this.#o.control.serveUntil(() => this.#resume !== undefined);
    this.#inspector = undefined;
    const command = this.#decision();
    this.#timeline.seek('head');
    if (command.kind !== 'stop') {
      this.#setState({ state: 'running', runId: this.#runId, problems: [] });
    }
    return command;
  }

  /** What the window decided while the script waited. */
  #decision(): ResumeCommand {
    return this.#resume ?? { kind: 'resume' };
  }

  #tick(): void {
    const now = this.#o.nowMs();
    this.#lastTickMs = now;
    this.#o.control.poll();
    if (now - this.#lastReportMs >= REPORT_EVERY_MS) {
      this.#lastReportMs = now;
      this.#flushConsole();
    }
  }

  #line(line: ConsoleLine): void {
    this.#console.push(line);
    this.#newLines.push(line);
    if (this.#console.length > CONSOLE_LINES) {
      this.#console.shift();
    }
  }

  #flushConsole(): void {
    if (this.#newLines.length > 0) {
      this.#o.events.console(this.#newLines);
      this.#newLines = [];
    }
  }

  #setState(state: RunState): void {
    this.#state = state;
    this.#o.events.runState(state);
  }

  // ---- looking -------------------------------------------------------------------------------------------------------

  timelineState(): TimelineState {
    return this.#timeline.state();
  }

  seek(at: number | 'head'): TimelineState {
    this.#timeline.seek(at);
    return this.#announceTimeline();
  }

  step(by: 'statement' | 'record', direction: 'back' | 'forward'): TimelineState {
    this.#timeline.seek(this.#timeline.neighbour(by, direction));
    return this.#announceTimeline();
  }

  #announceTimeline(): TimelineState {
    const state = this.timelineState();
    this.#o.events.timeline(state);
    return state;
  }

  tracePage(filter: TraceFilter, from: number, count: number): TracePage {
    return this.#timeline.query.page(filter, from, count);
  }

  traceLocate(filter: TraceFilter, event: number): number {
    return this.#timeline.query.locate(filter, event);
  }

  traceRecord(event: number): TraceRecordView {
    const record = readRecord(this.#run.trace, event);
    if (record === undefined) {
      throw new AppError('ERR_RECORD_NOT_FOUND', `The trace keeps no record ${event}`);
    }
    return recordViewOf(record);
  }

  why(event: number): WhyView {
    const found = why(this.#run.trace, event);
    if (found === undefined) {
      throw new AppError('ERR_RECORD_NOT_FOUND', `The trace keeps no record ${event}`);
    }
    return found;
  }

  viewModel(view: ViewId, params: ViewParams): ViewModel {
    const { trace } = this.#run;
    const now = makeView(view, {
      machine: this.#timeline.machine(),
      trace,
      at: this.#timeline.at,
      params,
    });
    if (this.#timeline.before === this.#timeline.at) {
      return now;
    }
    const before = makeView(view, {
      machine: this.#timeline.machineBefore(),
      trace,
      at: this.#timeline.before,
      params,
    });
    return markChanges(now, before);
  }

  // ---- files ---------------------------------------------------------------------------------------------------------

  #visibleScripts(): readonly LabScript[] {
    return this.lab.scripts.filter((s) => s.role !== 'hidden');
  }

  #textOf(script: LabScript): string {
    return this.#o.workspace.read(this.lab.id, starterOf(script));
  }
}

const STOP_MESSAGES = {
  stop: 'Stopped',
  'statement-budget': 'Stopped: the script ran more statements than a lab allows',
  memory: 'Stopped: the script used more memory than a lab allows',
  watchdog: 'Stopped: the machine did not answer any more',
} as const;

export function starterOf(script: LabScript): {
  path: string;
  starter: string;
  isEditable: boolean;
} {
  return { path: script.path, starter: script.starter.text, isEditable: script.role === 'edit' };
}

/** An uncaught error as the console shows it: the message, then the callers in the learner's files. */
function failureLines({ message, path, line, stack }: ScriptFailure): readonly ConsoleLine[] {
  const callers = stack.slice(1).map((frame): ConsoleLine => {
    const { functionName, path: file, line: at } = frame;
    return { level: 'error', text: `called by ${functionName}`, path: file, line: at };
  });
  return [{ level: 'error', text: `Uncaught ${message}`, path, line }, ...callers];
}
