/** A guest exception nobody caught, as the learner is told about it. */
import ts from 'typescript';
import type { GuestError } from './guest-error.ts';
import { learnerFrames } from './guest-stack.ts';
import type { StackFrame } from './pause-port.ts';
import type { CallSite } from './sdk/sdk-module.ts';
import type { TranspiledScript } from './transpile.ts';

export interface ScriptFailure extends CallSite {
  readonly message: string;
  /** Innermost first; only frames in the learner's files. */
  readonly stack: readonly StackFrame[];
}

/** Names a learner may expect from other places, and what to use here. */
const ABSENT: ReadonlyMap<string, string> = new Map([
  ['Date', 'lab scripts have no clock: time is simulated'],
  ['performance', 'lab scripts have no clock: time is simulated'],
  ['setTimeout', 'lab scripts have no timers: every call completes in simulated time'],
  ['setInterval', 'lab scripts have no timers: every call completes in simulated time'],
  ['setImmediate', 'lab scripts have no timers: every call completes in simulated time'],
  ['process', 'lab scripts do not run in Node'],
  ['require', 'write import { name } from a module instead'],
  ['Buffer', 'use Uint8Array and DataView'],
  ['fetch', 'lab scripts have no network'],
  ['XMLHttpRequest', 'lab scripts have no network'],
  ['window', 'lab scripts do not run in a page'],
  ['document', 'lab scripts do not run in a page'],
  ['WeakRef', 'lab scripts cannot watch memory being reclaimed'],
  ['SharedArrayBuffer', 'lab scripts run in one thread'],
]);

export function describeFailure(
  error: GuestError,
  scripts: ReadonlyMap<string, TranspiledScript>,
  fallback: CallSite,
): ScriptFailure {
  const stack = withoutConstructors(learnerFrames(error.guestStack, scripts), error.text);
  const { path, line, column } = stack[0] ?? fallback;
  return {
    path,
    line,
    column,
    message: explain(error.text, { path, line, column }, scripts),
    stack,
  };
}

/** An error class of the learner's own has its constructor on top of the stack: the `new` is what matters. */
function withoutConstructors(frames: readonly StackFrame[], text: string): readonly StackFrame[] {
  const className = /^[\w$]+/.exec(text)?.[0];
  const first = frames.findIndex((frame) => frame.functionName !== className);
  return first > 0 ? frames.slice(first) : frames;
}

function explain(
  text: string,
  site: CallSite,
  scripts: ReadonlyMap<string, TranspiledScript>,
): string {
  const missing = /^ReferenceError: '?([\w$]+)'? is not defined$/.exec(text)?.[1];
  const hint = missing === undefined ? undefined : ABSENT.get(missing);
  if (hint !== undefined) return `${text}; ${hint}`;
  if (text !== 'TypeError: not a function') return text;
  const callee = calleeAt(site, scripts.get(site.path));
  return callee === undefined ? text : `TypeError: ${callee} is not a function`;
}

/** Source text of what is called at a place. */
function calleeAt(site: CallSite, script: TranspiledScript | undefined): string | undefined {
  if (script === undefined) return undefined;
  const file = script.syntaxTree;
  const offset = ts.getPositionOfLineAndCharacter(file, site.line - 1, site.column - 1);
  let callee: string | undefined = undefined;
  const visit = (node: ts.Node): void => {
    if (offset < node.getStart(file) || offset > node.end) return;
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const name = node.expression.getText(file);
      if (!name.includes('\n') && name.length <= 60) callee = name;
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return callee;
}
