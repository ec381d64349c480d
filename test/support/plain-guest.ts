/** Runs a script without hooks, as the oracle of what instrumentation must not change. */
import { blankSourceFile } from 'ts-blank-space';
import ts from 'typescript';
import { GuestError } from '../../src-main/script/guest-error.ts';
import { Sandbox } from '../../src-main/script/sandbox.ts';
import { testEngine } from './script-lab.ts';

export interface PlainRun {
  readonly output: readonly string[];
  /** Text of the error that ended it. */
  readonly error: string | undefined;
}

/** The script may call `out.put(value)` with primitives. */
export function runPlain(source: string): PlainRun {
  const output: string[] = [];
  const sandbox = new Sandbox({
    module: testEngine.wasm,
    memoryLimitBytes: 16 << 20,
    stackLimitBytes: 256 << 10,
    interrupt: () => false,
    resolveModule: (_importer, specifier) => specifier,
    loadModule: () => blanked(source),
  });
  const out = sandbox.newObject();
  const put = sandbox.newHostFunction('put', (_self, [value]) => {
    output.push(value === undefined ? 'undefined' : textOf(sandbox, value));
    return sandbox.newUndefined();
  });
  sandbox.set(out, 'put', put);
  sandbox.set(sandbox.global, 'out', out);
  try {
    const promise = sandbox.evaluateModule('import "a.ts"', 'entry');
    do {
      if (sandbox.promiseState(promise) === 'rejected') {
        throw sandbox.errorOf(sandbox.promiseResult(promise));
      }
    } while (sandbox.runJob());
    const rejection = sandbox.takeUnhandledRejection();
    if (rejection !== undefined) throw rejection;
    return { output, error: undefined };
  } catch (error) {
    if (error instanceof GuestError) return { output, error: error.text };
    throw error;
  }
}

/** The export makes the parser read it as a module. */
function blanked(source: string): string {
  const text = `${source}\nexport {}\n`;
  return blankSourceFile(ts.createSourceFile('a.ts', text, ts.ScriptTarget.ESNext, true));
}

function textOf(sandbox: Sandbox, value: Parameters<Sandbox['kindOf']>[0]): string {
  const kind = sandbox.kindOf(value);
  if (kind === 'bigint' || kind === 'string') return sandbox.toText(value);
  if (kind === 'number') return String(sandbox.toNumber(value));
  if (kind === 'boolean') return String(sandbox.toBoolean(value));
  return kind;
}
