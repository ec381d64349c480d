/** One execution of a lab's scripts: the sandbox, and everything wired to it. Used once. */
import { invariant } from '../bits/invariant.ts';
import type { ControlWord } from './control-word.ts';
import { GuestError, ScriptKilled, ThrowInGuest } from './guest-error.ts';
import { GuestHelpers } from './guest-helpers.ts';
import { HOOKS_MODULE, PRELUDE_FILE } from './guest-prelude.ts';
import { SiteFinder, learnerFrames } from './guest-stack.ts';
import type { CallEnvironment } from './host-call.ts';
import type { ModuleGraph } from './module-graph.ts';
import type { PausePort, StackFrame } from './pause-port.ts';
import { ProbeLog } from './probe-log.ts';
import type { ProbeReport } from './probe-log.ts';
import { Sandbox, isStackOverflow } from './sandbox.ts';
import type { Cell, WasmModule } from './sandbox.ts';
import { ConsoleGate } from './script-console.ts';
import type { ConsoleLimits, ConsoleMessage } from './script-console.ts';
import { ScriptDebugger } from './script-debugger.ts';
import { describeFailure } from './script-failure.ts';
import type { ScriptFailure } from './script-failure.ts';
import { GuestInspector } from './script-inspector.ts';
import { SdkInstances, instanceName, instanceSource, isInstanceName } from './sdk-instances.ts';
import type { CallPurpose, CallSite, ConsoleLevel, SdkModule } from './sdk/sdk-module.ts';
import { StatementMeter } from './statement-meter.ts';
import type { ScriptStatement, TranspiledScript } from './transpile.ts';
import { ValueBridge } from './value-bridge.ts';
import { ValuePrinter } from './value-printer.ts';

export interface ScriptLimits {
  readonly memoryBytes: number;
  readonly stackBytes: number;
  readonly statements: number;
  /** Values reported of each `// ?` probe. */
  readonly probeValues: number;
  readonly console: ConsoleLimits;
}

export interface ScriptPorts {
  readonly onConsole: (message: ConsoleMessage) => void;
  readonly onProbe?: (report: ProbeReport) => void;
  /** Called before every statement. Costs about a microsecond each. */
  readonly onStatement?: (statement: ScriptStatement) => void;
  readonly pause: PausePort;
  readonly shouldStop?: () => boolean;
  /** Called about every millisecond of running code: the place to read messages, for instance new breakpoints. */
  readonly onTick?: () => void;
  /** Called before each call to the machine, of which one may take longer than all the code between. */
  readonly onCall?: () => void;
  readonly control?: ControlWord;
}

export type StopReason = 'stop' | 'statement-budget' | 'memory' | 'watchdog';

export type ScriptOutcome =
  | { readonly kind: 'finished' }
  | { readonly kind: 'failed'; readonly error: ScriptFailure }
  /** `watchdog` is never reported from here: it is the host's word for a worker it had to replace. */
  | { readonly kind: 'stopped'; readonly reason: StopReason; readonly at?: CallSite };

export interface SessionOptions {
  readonly wasm: WasmModule;
  readonly scripts: ReadonlyMap<string, TranspiledScript>;
  readonly graph: ModuleGraph;
  readonly modules: readonly SdkModule[];
  readonly actorOf: (path: string) => string;
  readonly limits: ScriptLimits;
  readonly seed: number;
  readonly ports: ScriptPorts;
}

/**
 * Interrupt polls allowed per statement of the budget, for code that runs no statements of ours, such as the body of a
 * function made from text. One poll stands for some ten thousand branches.
 */
const STATEMENTS_PER_POLL = 500;
/** Polls a watch expression may take: about a tenth of a second. */
const WATCH_POLLS = 50;
/** Statements a watch's own code may run before it asks again. */
const WATCH_GRANT = 1 << 20;
const ENTRY_FILE = 'lab:entry';
const FIRST_POSITION = { line: 1, column: 1 };

interface RegisteredModule {
  readonly collect: Cell;
  readonly reader: Cell;
}

export class ScriptSession implements CallEnvironment {
  readonly sandbox: Sandbox;
  readonly bridge: ValueBridge;
  readonly printer: ValuePrinter;
  readonly debugger: ScriptDebugger;
  readonly meter: StatementMeter;
  readonly #options: SessionOptions;
  readonly #helpers: GuestHelpers;
  readonly #sites: SiteFinder;
  readonly #instances: SdkInstances;
  readonly #console: ConsoleGate;
  readonly #probes: ProbeLog;
  readonly #statements: readonly ScriptStatement[];
  readonly #modules = new Map<number, RegisteredModule>();
  readonly #scriptList: readonly TranspiledScript[];
  /** Files whose prologue has linked the hooks; later imports of the hooks are the learner's own. */
  readonly #linked = new Set<string>();
  #purpose: CallPurpose = 'run';
  #stopReason: StopReason | undefined = undefined;
  /** False while our own code prepares the sandbox, which nobody may stop. */
  #isReady = false;
  #polls = 0;
  #watchPolls = 0;
  #entry = '';
  /** Where a file waits for a promise that never settles. */
  #awaiting: CallSite | undefined = undefined;

  constructor(options: SessionOptions) {
    const { scripts, limits, ports } = options;
    this.#options = options;
    this.#scriptList = [...scripts.values()];
    this.#sites = new SiteFinder(scripts);
    this.#statements = this.#scriptList.flatMap((script) => script.statements);
    this.sandbox = new Sandbox({
      module: options.wasm,
      memoryLimitBytes: limits.memoryBytes,
      stackLimitBytes: limits.stackBytes,
      interrupt: () => this.#interrupt(),
      resolveModule: (importer, specifier) => this.#resolve(importer, specifier),
      loadModule: (name) => this.#load(name),
    });
    const hooks = {
      enter: this.#enterStatement,
      probe: this.#probe,
      register: this.#register,
    };
    this.#helpers = new GuestHelpers(this.sandbox, hooks, options.seed);
    this.#console = new ConsoleGate(limits.console, ports.onConsole);
    this.#instances = new SdkInstances(this, this.#helpers);
    this.bridge = new ValueBridge({
      sandbox: this.sandbox,
      makePrototype: (type) => this.#instances.makePrototype(type),
      makeObject: this.#helpers.makeObject,
      bytesOfView: (view) => this.#helpers.bytesOfView(view),
      print: (cell) => this.printer.printTop(cell),
      call: (fn, self, args) => this.#callGuest(fn, self, args),
    });
    this.printer = new ValuePrinter({
      sandbox: this.sandbox,
      helpers: this.#helpers,
      hostObjectOf: (cell) => this.bridge.hostObjectOf(cell),
      inspectCall: (object, property) => this.#instances.inspectCall(object, property),
    });
    this.#probes = new ProbeLog({
      sandbox: this.sandbox,
      printer: this.printer,
      probes: this.#scriptList.flatMap((script) => script.probes),
      limit: limits.probeValues,
      deliver: (report) => ports.onProbe?.(report),
    });
    this.meter = new StatementMeter({
      functionCount: this.#scriptList.reduce((sum, script) => sum + script.functionCount, 0),
      collect: () => this.#collect(),
    });
    this.debugger = this.#createDebugger();
    this.#helpers.hideHooks(HOOKS_MODULE);
    for (const module of options.modules) {
      if (module.globalName !== undefined) this.#instances.createGlobal(module, module.globalName);
    }
    this.#isReady = true;
  }

  /** Statements begun so far; exact but after a stop from outside, where it is a lower bound. */
  get statementCount(): number {
    if (!this.sandbox.isKilled) this.meter.settle();
    return Math.min(this.meter.executed, this.#options.limits.statements);
  }

  /** Evaluates the entry files one after the other, each until no promise job is left. */
  runEntries(entries: readonly string[]): ScriptOutcome {
    return this.execute(() => {
      entries.forEach((path, index) => {
        this.#entry = path;
        this.#runEntry(path, index);
      });
    });
  }

  /** Runs host work that may call guest functions, then the promise jobs it left. */
  execute(work: () => void): ScriptOutcome {
    invariant(!this.sandbox.isKilled, 'The script has ended and cannot be entered again');
    try {
      this.debugger.beginTurn();
      work();
      this.#drain();
      this.sandbox.throwFault();
      return this.sandbox.isKilled ? this.#stopped(undefined) : { kind: 'finished' };
    } catch (error) {
      this.sandbox.throwFault();
      if (error instanceof GuestError) return this.#outcomeOf(error);
      if (error instanceof ScriptKilled) return this.#stopped(undefined);
      if (isStackOverflow(error)) return this.#overflown();
      if (error instanceof ThrowInGuest) {
        const { path, line, column } = { path: this.#entry, ...FIRST_POSITION };
        return { kind: 'failed', error: { path, line, column, message: error.message, stack: [] } };
      }
      throw error;
    } finally {
      if (!this.sandbox.isKilled) this.#probes.close();
      this.#console.close();
    }
  }

  // ---- CallEnvironment ----

  get purpose(): CallPurpose {
    return this.#purpose;
  }

  site(): CallSite {
    return (
      this.#sites.find(this.#helpers.nearStack()) ??
      this.#sites.find(this.#helpers.stack()) ?? { path: this.#entry, ...FIRST_POSITION }
    );
  }

  actorOf(path: string): string {
    return this.#options.actorOf(path);
  }

  print(level: ConsoleLevel, compose: () => string, locate: () => CallSite): void {
    this.#console.write(level, compose, locate);
  }

  checkStop(): void {
    if (this.#isStopRequested()) this.#stop('stop');
  }

  betweenCalls(): void {
    if (!this.#isReady) return;
    this.#options.ports.onCall?.();
    this.#takePauseRequest();
    this.checkStop();
  }

  // ---- hooks ----

  readonly #enterStatement = (_self: Cell, args: readonly Cell[]): Cell => {
    if (this.#purpose === 'watch') return this.sandbox.newNumber(WATCH_GRANT);
    const [idCell, reader] = args;
    const id = idCell === undefined ? -1 : this.sandbox.toNumber(idCell);
    const answer = reader === undefined ? this.debugger.enter(id) : this.debugger.look(id, reader);
    return this.sandbox.newNumber(answer);
  };

  readonly #probe = (_self: Cell, args: readonly Cell[]): Cell => {
    const [id, value] = args;
    if (id === undefined || value === undefined) return this.sandbox.newUndefined();
    if (this.#purpose === 'run') this.#probes.note(this.sandbox.toNumber(id), value);
    return this.sandbox.duplicate(value);
  };

  readonly #register = (_self: Cell, args: readonly Cell[]): Cell => {
    const [index, collect, reader] = args;
    if (index !== undefined && collect !== undefined && reader !== undefined) {
      this.#modules.set(this.sandbox.toNumber(index), {
        collect: this.sandbox.duplicate(collect),
        reader: this.sandbox.duplicate(reader),
      });
    }
    return this.sandbox.newUndefined();
  };

  /** Sets all counters in the guest to zero and answers their sum. */
  #collect(): number {
    let left = 0;
    for (const { collect } of this.#modules.values()) {
      const result = this.sandbox.call(collect, undefined, []);
      left += this.sandbox.toNumber(result);
      this.sandbox.free(result);
    }
    return left;
  }

  #interrupt(): boolean {
    if (!this.#isReady) return false;
    if (this.#purpose === 'watch') {
      this.#watchPolls += 1;
      return this.#watchPolls > WATCH_POLLS;
    }
    this.#polls += 1;
    const { limits, ports } = this.#options;
    ports.onTick?.();
    this.#takePauseRequest();
    if (this.#polls * STATEMENTS_PER_POLL > limits.statements + STATEMENTS_PER_POLL * 100) {
      this.#stopReason ??= 'statement-budget';
    }
    if (this.#isStopRequested()) this.#stopReason ??= 'stop';
    return this.#stopReason !== undefined;
  }

  #isStopRequested(): boolean {
    const { control, shouldStop } = this.#options.ports;
    return control?.isStopRequested === true || shouldStop?.() === true;
  }

  #takePauseRequest(): void {
    if (this.#options.ports.control?.takePauseRequest() === true) this.debugger.requestPause();
  }

  #createDebugger(): ScriptDebugger {
    const { limits, ports } = this.#options;
    return new ScriptDebugger({
      statements: this.#statements,
      alwaysAsk: new Set([
        ...this.#awaitingFileBodies(),
        ...this.#statements.filter((s) => s.isDebugger).map((s) => s.functionIndex),
      ]),
      meter: this.meter,
      statementBudget: limits.statements,
      port: ports.pause,
      actorOf: this.#options.actorOf,
      stackPosition: () => this.sandbox.stackPosition,
      inspectorAt: (statement, reader) => this.#inspectorAt(statement, reader),
      isTrue: (condition, statement, reader) => {
        this.meter.settle();
        return this.#inspectorAt(statement, reader).isTrue(condition);
      },
      stop: (reason) => this.#stop(reason),
      poll: () => {
        this.checkStop();
        this.#takePauseRequest();
      },
      onStatement: ports.onStatement,
    });
  }

  #stop(reason: 'stop' | 'statement-budget'): never {
    this.#stopReason ??= reason;
    this.sandbox.kill();
    throw new ScriptKilled();
  }

  /** Functions that are file bodies with a top-level `await`: the place of one that never settles is worth knowing. */
  #awaitingFileBodies(): ReadonlySet<number> {
    const bodies = new Set<number>();
    let firstFunction = 0;
    for (const script of this.#scriptList) {
      const body = firstFunction;
      if (script.statements.some((s) => s.functionIndex === body && s.hasAwait)) bodies.add(body);
      firstFunction += script.functionCount;
    }
    return bodies;
  }

  #inspectorAt(statement: ScriptStatement, reader: Cell): GuestInspector {
    const moduleIndex = this.#scriptList.findIndex((script) => script.path === statement.path);
    return new GuestInspector({
      sandbox: this.sandbox,
      printer: this.printer,
      scopes: [
        { scope: 'local', names: statement.names, reader },
        {
          scope: 'module',
          names: this.#scriptList[moduleIndex]?.moduleNames ?? [],
          reader: this.#modules.get(moduleIndex)?.reader,
        },
      ],
      stack: () => this.#frames(),
      asWatch: (work) => this.#asWatch(work),
    });
  }

  #asWatch<T>(work: () => T): T {
    const purpose = this.#purpose;
    this.#purpose = 'watch';
    this.#watchPolls = 0;
    try {
      return work();
    } finally {
      this.#purpose = purpose;
      // What the watch left in the counters was never granted.
      this.#collect();
    }
  }

  // ---- modules ----

  #resolve(importer: string, specifier: string): string {
    const isOurs =
      importer === PRELUDE_FILE || importer.startsWith(ENTRY_FILE) || isInstanceName(importer);
    if (isOurs) return specifier;
    if (specifier === HOOKS_MODULE && !this.#linked.has(importer)) {
      this.#linked.add(importer);
      return specifier;
    }
    const target = this.#options.graph.resolve(importer, specifier);
    switch (target.kind) {
      case 'file':
        return target.path;
      case 'sdk':
        return this.#instanceFor(target.module, importer);
      case 'unknown':
        throw new ThrowInGuest(target.message, 'TypeError');
    }
  }

  #instanceFor(module: SdkModule, importer: string): string {
    return instanceName(module, this.actorOf(importer));
  }

  #load(name: string): string {
    if (name === HOOKS_MODULE) return this.#helpers.hooksSource;
    const script = this.#options.scripts.get(name);
    if (script !== undefined) return script.js;
    for (const module of this.#options.modules) {
      if (!isInstanceName(name) || !name.endsWith(`/${module.name}`)) continue;
      const actor = name.slice(name.indexOf(':') + 1, name.length - module.name.length - 1);
      if (instanceName(module, actor) !== name) continue;
      this.#instances.create(name, module, actor);
      return instanceSource(name, module);
    }
    throw new ThrowInGuest(`There is no module ${name}`, 'TypeError');
  }

  // ---- running ----

  #runEntry(path: string, index: number): void {
    this.debugger.beginTurn();
    const source = `import ${JSON.stringify(path)}`;
    const promise = this.sandbox.evaluateModule(source, `${ENTRY_FILE}/${String(index)}`);
    this.#drain(promise);
    if (this.sandbox.promiseState(promise) === 'pending') throw this.#neverSettled(path);
    this.sandbox.free(promise);
  }

  #throwRejection(promise: Cell): void {
    if (this.sandbox.promiseState(promise) !== 'rejected') return;
    throw this.sandbox.errorOf(this.sandbox.promiseResult(promise));
  }

  /** Runs promise jobs until none is left, or the file that runs has failed. */
  #drain(file?: Cell): void {
    for (;;) {
      if (file !== undefined) this.#throwRejection(file);
      this.debugger.beginTurn();
      this.checkStop();
      if (!this.sandbox.runJob()) break;
    }
    const rejection = this.sandbox.takeUnhandledRejection();
    if (rejection !== undefined) throw rejection;
  }

  #neverSettled(path: string): GuestError {
    const text = 'This await never ends: nothing is left to run that could settle its promise';
    const waiting = this.#lastAwait();
    const { line, column } = waiting ?? FIRST_POSITION;
    this.#awaiting = { path: waiting?.path ?? path, line, column };
    return new GuestError({ cell: this.sandbox.newUndefined(), text, guestStack: '' });
  }

  /** The newest top-level `await` of any file that was begun. */
  #lastAwait(): ScriptStatement | undefined {
    let last: ScriptStatement | undefined = undefined;
    for (const body of this.#awaitingFileBodies()) last = this.debugger.awaitOf(body) ?? last;
    return last;
  }

  #callGuest(fn: Cell, self: Cell | undefined, args: readonly Cell[]): Cell {
    if (this.sandbox.isKilled) throw new ScriptKilled();
    return this.sandbox.call(fn, self, args);
  }

  #frames(): readonly StackFrame[] {
    return learnerFrames(this.#helpers.stack(), this.#options.scripts);
  }

  // ---- outcomes ----

  #outcomeOf(error: GuestError): ScriptOutcome {
    if (this.#stopReason !== undefined) return this.#stopped(error);
    if (error.text === 'InternalError: out of memory') {
      this.#stopReason = 'memory';
      return this.#stopped(error);
    }
    const fallback = this.#awaiting ??
      this.#thrownSite(error) ?? {
        path: this.#entry,
        ...FIRST_POSITION,
      };
    const failure = describeFailure(error, this.#options.scripts, fallback);
    return { kind: 'failed', error: failure };
  }

  /** The host's stack ran out in native code: the engine is beyond use, but still knows where it was. */
  #overflown(): ScriptOutcome {
    const message = 'RangeError: Maximum call stack size exceeded';
    this.sandbox.liftStackLimit();
    let site: CallSite;
    try {
      site = this.site();
    } catch {
      site = { path: this.#entry, ...FIRST_POSITION };
    }
    this.sandbox.kill();
    return { kind: 'failed', error: { ...site, message, stack: [] } };
  }

  #thrownSite(error: GuestError): CallSite | undefined {
    const statement = this.#statements[this.#helpers.thrownAt(error.cell)];
    if (statement === undefined) return undefined;
    return { path: statement.path, line: statement.line, column: statement.column };
  }

  #stopped(error: GuestError | undefined): ScriptOutcome {
    const reason = this.#stopReason ?? 'stop';
    this.sandbox.kill();
    const [frame] = learnerFrames(error?.guestStack ?? '', this.#options.scripts);
    if (frame === undefined) return { kind: 'stopped', reason };
    const { path, line, column } = frame;
    return { kind: 'stopped', reason, at: { path, line, column } };
  }
}
