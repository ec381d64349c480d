/** The engine's stack texts as frames in the learner's files. */
import ts from 'typescript';
import type { StackFrame } from './pause-port.ts';
import type { CallSite } from './sdk/sdk-module.ts';
import type { TranspiledScript } from './transpile.ts';

// `    at name (file:line:column)`, or `    at file:line:column` for syntax errors. A frame that the engine makes for the
// static parts of a class is on line 0.
const FRAME = /^\s*at (?:(.*) \()?(.+):([1-9]\d*):(\d+)\)?$/;

/** Frames in learner files, innermost first; native functions and our own code are left out. */
export function learnerFrames(
  stack: string,
  scripts: ReadonlyMap<string, TranspiledScript>,
): readonly StackFrame[] {
  const frames: StackFrame[] = [];
  for (const text of stack.split('\n')) {
    const match = FRAME.exec(text);
    const path = match?.[2] ?? '';
    const script = scripts.get(path);
    if (match === null || script === undefined) continue;
    const position = script.positions.positionOfEngine(Number(match[3]), Number(match[4]));
    frames.push({ path, ...position, functionName: functionName(match[1], script, position) });
  }
  return frames;
}

/** The innermost learner frame alone, remembered by its text: a script calls from few places, many times. */
export class SiteFinder {
  readonly #scripts: ReadonlyMap<string, TranspiledScript>;
  readonly #known = new Map<string, CallSite | undefined>();

  constructor(scripts: ReadonlyMap<string, TranspiledScript>) {
    this.#scripts = scripts;
  }

  find(stack: string): CallSite | undefined {
    let start = 0;
    while (start < stack.length) {
      const newline = stack.indexOf('\n', start);
      const end = newline < 0 ? stack.length : newline;
      const site = this.#siteOf(stack.slice(start, end));
      if (site !== undefined) return site;
      start = end + 1;
    }
    return undefined;
  }

  #siteOf(frame: string): CallSite | undefined {
    if (this.#known.has(frame)) return this.#known.get(frame);
    const match = FRAME.exec(frame);
    const path = match?.[2] ?? '';
    const position = this.#scripts
      .get(path)
      ?.positions.positionOfEngine(Number(match?.[3]), Number(match?.[4]));
    const site = position === undefined ? undefined : { path, ...position };
    this.#known.set(frame, site);
    return site;
  }
}

function functionName(
  engineName: string | undefined,
  script: TranspiledScript,
  position: { readonly line: number; readonly column: number },
): string {
  if (engineName !== undefined && !engineName.startsWith('<')) return engineName;
  const file = script.syntaxTree;
  const offset = ts.getPositionOfLineAndCharacter(file, position.line - 1, position.column - 1);
  return bodyAt(file, offset);
}

/** What kind of code is at an offset, by the innermost that has a frame of its own. */
function bodyAt(file: ts.SourceFile, offset: number): string {
  let name = '(file body)';
  const visit = (node: ts.Node): void => {
    if (offset < node.getStart(file) || offset >= node.end) return;
    if (ts.isFunctionLike(node)) name = '(anonymous function)';
    if (ts.isPropertyDeclaration(node) || ts.isClassStaticBlockDeclaration(node)) {
      name = '(class body)';
    }
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(file, visit);
  return name;
}
