/**
 * Decides at each statement whether the script stops there: breakpoints, steps, pause requests, the statement budget.
 *
 * Stepping compares positions of the engine's own stack: within one job, a statement of the same function activation is
 * reached at exactly the same position and one of a callee at a lower one. Where a function goes on in a later job (after
 * `await`), the comparison is by function.
 */
import type { PauseLocation, PausePort, PauseReason, ScriptInspector } from './pause-port.ts';
import type { Cell } from './sandbox.ts';
import type { StatementMeter } from './statement-meter.ts';
import type { ScriptStatement } from './transpile.ts';

export interface Breakpoint {
  readonly path: string;
  readonly line: number;
  /** Stops only where this expression is true; a condition that fails stops too. */
  readonly condition?: string;
}

export interface DebuggerOptions {
  readonly statements: readonly ScriptStatement[];
  /** Functions that always ask, whatever they are granted. */
  readonly alwaysAsk: ReadonlySet<number>;
  readonly meter: StatementMeter;
  readonly statementBudget: number;
  readonly port: PausePort;
  readonly actorOf: (path: string) => string;
  /** Position of the engine's stack in the hook call. */
  readonly stackPosition: () => number;
  readonly inspectorAt: (statement: ScriptStatement, reader: Cell) => ScriptInspector;
  readonly isTrue: (condition: string, statement: ScriptStatement, reader: Cell) => boolean;
  /** Ends the script by throwing. */
  readonly stop: (reason: 'stop' | 'statement-budget') => never;
  /** Looks for requests from outside. */
  readonly poll: () => void;
  readonly onStatement?: ((statement: ScriptStatement) => void) | undefined;
}

/** Answer of `enter` that asks for the statement's variables. */
const LOOK = -1;

interface Step {
  readonly by: 'over' | 'into' | 'out';
  readonly stackPosition: number;
  readonly turn: number;
  readonly functionIndex: number;
  readonly hasAwait: boolean;
}

export class ScriptDebugger {
  readonly #options: DebuggerOptions;
  /** Statement number to condition. */
  #breakpoints = new Map<number, string | undefined>();
  /** Functions with a breakpoint: their statements always ask. */
  #watched = new Set<number>();
  #areBreakpointsNew = false;
  #isPauseRequested = false;
  #step: Step | undefined = undefined;
  #runTo: number | undefined = undefined;
  /** Ordinal of the statement to stop before. */
  #target = Infinity;
  #turn = 0;
  /** Last awaiting statement of a function, by function. */
  readonly #awaits = new Map<number, ScriptStatement>();

  constructor(options: DebuggerOptions) {
    this.#options = options;
  }

  /** Replaces all breakpoints. Answers the line each one really stops at, or null. */
  setBreakpoints(breakpoints: readonly Breakpoint[]): readonly (number | null)[] {
    this.#breakpoints = new Map();
    const lines = breakpoints.map((breakpoint) => {
      const statement = snap(this.#options.statements, breakpoint.path, breakpoint.line);
      if (statement === undefined) return null;
      this.#breakpoints.set(statement.id, breakpoint.condition);
      return statement.line;
    });
    this.#watchFunctions();
    return lines;
  }

  requestPause(): void {
    this.#isPauseRequested = true;
  }

  /** Stops before the statement with this number in the run's order. */
  pauseAtStatement(ordinal: number): void {
    this.#target = ordinal;
  }

  /** A new job or callback begins: stack positions of before mean nothing any more. */
  beginTurn(): void {
    this.#turn += 1;
  }

  /** The statement in which a function awaits, if it was seen. */
  awaitOf(functionIndex: number): ScriptStatement | undefined {
    return this.#awaits.get(functionIndex);
  }

  /** A statement begins whose function has used up its grant. Answers the next grant, or -1 to be called with `look`. */
  enter(id: number): number {
    const { statements, meter, statementBudget, poll, stop, onStatement } = this.#options;
    const statement = statements[id];
    if (statement === undefined) return 0;
    meter.enter(statement.functionIndex);
    poll();
    if (meter.isBeyond(statementBudget)) stop('statement-budget');
    if (statement.hasAwait) this.#awaits.set(statement.functionIndex, statement);
    if (this.#areBreakpointsNew) {
      meter.settle();
      this.#areBreakpointsNew = false;
    }
    onStatement?.(statement);
    const mayPause = this.#reasonToPause(statement, () => true) !== undefined;
    return mayPause ? LOOK : this.#grant(statement.functionIndex);
  }

  /** The statement just entered may be one to stop at: does so, and answers the function's next grant. */
  look(id: number, reader: Cell): number {
    const statement = this.#options.statements[id];
    if (statement === undefined) return 0;
    const reason = this.#reasonToPause(statement, (condition) =>
      this.#options.isTrue(condition, statement, reader),
    );
    if (reason !== undefined) this.#pause(statement, reason, reader);
    return this.#grant(statement.functionIndex);
  }

  #grant(functionIndex: number): number {
    const { meter, statementBudget, alwaysAsk, onStatement } = this.#options;
    const asks =
      this.#step !== undefined ||
      onStatement !== undefined ||
      this.#watched.has(functionIndex) ||
      alwaysAsk.has(functionIndex);
    return asks ? 0 : meter.grant(functionIndex, Math.min(statementBudget, this.#target - 1));
  }

  #reasonToPause(
    statement: ScriptStatement,
    isTrue: (condition: string) => boolean,
  ): PauseReason | undefined {
    const { meter } = this.#options;
    if (meter.isBeyond(this.#target - 1)) return this.#target === 1 ? 'start' : 'run-to';
    if (this.#isPauseRequested) return 'pause';
    if (this.#runTo === statement.id) return 'run-to';
    if (statement.isDebugger) return 'breakpoint';
    if (this.#breakpoints.has(statement.id)) {
      const condition = this.#breakpoints.get(statement.id);
      if (condition === undefined || isTrue(condition)) return 'breakpoint';
    }
    return this.#step !== undefined && this.#completes(this.#step, statement) ? 'step' : undefined;
  }

  #completes(step: Step, statement: ScriptStatement): boolean {
    if (step.by === 'into') return true;
    if (step.turn !== this.#turn) {
      const isBack = statement.functionIndex === step.functionIndex;
      return step.by === 'out' || !step.hasAwait || isBack;
    }
    const position = this.#options.stackPosition();
    return step.by === 'over' ? position >= step.stackPosition : position > step.stackPosition;
  }

  #pause(statement: ScriptStatement, reason: PauseReason, reader: Cell): void {
    const { meter, port, actorOf, inspectorAt, stop } = this.#options;
    meter.settle();
    this.#isPauseRequested = false;
    this.#step = undefined;
    if (meter.executed >= this.#target) this.#target = Infinity;
    this.#setRunTo(undefined);
    const { path, line, column, endLine } = statement;
    const location: PauseLocation = {
      path,
      line,
      column,
      endLine,
      actor: actorOf(path),
      reason,
      ordinal: meter.executed,
    };
    const command = port.pausedAt(location, inspectorAt(statement, reader));
    if (command.kind === 'stop') stop('stop');
    if (command.kind === 'step') {
      this.#step = {
        by: command.by,
        stackPosition: this.#options.stackPosition(),
        turn: this.#turn,
        functionIndex: statement.functionIndex,
        hasAwait: statement.hasAwait,
      };
    }
    if (command.kind === 'run-to') {
      this.#setRunTo(snap(this.#options.statements, command.path, command.line)?.id);
    }
  }

  #setRunTo(id: number | undefined): void {
    if (this.#runTo === id) return;
    this.#runTo = id;
    this.#watchFunctions();
  }

  #watchFunctions(): void {
    const ids = [...this.#breakpoints.keys(), ...(this.#runTo === undefined ? [] : [this.#runTo])];
    this.#watched = new Set(ids.map((id) => this.#options.statements[id]?.functionIndex ?? 0));
    this.#areBreakpointsNew = true;
  }
}

/** The first statement that starts on the line, or else the nearest one below it. */
export function snap(
  statements: readonly ScriptStatement[],
  path: string,
  line: number,
): ScriptStatement | undefined {
  let best: ScriptStatement | undefined = undefined;
  for (const statement of statements) {
    if (statement.path !== path || statement.line < line) continue;
    const isBetter =
      best === undefined ||
      statement.line < best.line ||
      (statement.line === best.line && statement.column < best.column);
    if (isBetter) best = statement;
  }
  return best;
}
