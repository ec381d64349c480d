/** What a change must pass besides its tests. Each check is one tool with one verdict. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

export interface Check {
  readonly name: string;
  /** Script and arguments for Node, from the repository root. */
  readonly args: readonly string[];
}

export interface CheckOutcome {
  readonly check: Check;
  readonly isPassed: boolean;
  readonly seconds: number;
  readonly output: string;
}

const tool = (file: string): string => `node_modules/${file}`;

const ALL: readonly Check[] = [
  { name: 'lint', args: [tool('eslint/bin/eslint.js'), '.', '--max-warnings', '0'] },
  { name: 'typecheck', args: ['build/scripts/typecheck.ts'] },
  {
    name: 'format',
    args: [tool('prettier/bin/prettier.cjs'), '--check', '.', '--log-level', 'warn'],
  },
  {
    name: 'layers',
    args: [
      tool('dependency-cruiser/bin/dependency-cruiser.mjs'),
      ...['--config', '.dependency-cruiser.cjs', 'src-main', 'src-renderer'],
    ],
  },
  { name: 'unused code', args: [tool('knip/bin/knip.js'), '--no-progress'] },
  { name: 'spec', args: ['build/checks/check-spec.ts'] },
];

/** The checks of this checkout. */
export function sourceChecks(root: string): readonly Check[] {
  return ALL.filter(
    (check) => check.args[0] !== undefined && existsSync(path.join(root, check.args[0])),
  );
}

/** Runs after a build: what would go into a package. */
export const packCheck: Check = { name: 'package contents', args: ['build/checks/check-pack.ts'] };

function runCheck(root: string, check: Check): Promise<CheckOutcome> {
  const started = performance.now();
  const child = spawn(process.execPath, check.args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  return new Promise((resolve) => {
    const finish = (isPassed: boolean): void => {
      resolve({ check, isPassed, seconds: (performance.now() - started) / 1000, output });
    };
    child.on('error', (error) => {
      output += error.message;
      finish(false);
    });
    child.on('close', (code) => finish(code === 0));
  });
}

/** Runs `checks`, two at a time, and prints one line each; a failed one with what it said. */
export async function runChecks(root: string, checks: readonly Check[]): Promise<CheckOutcome[]> {
  const queue = [...checks];
  const outcomes: CheckOutcome[] = [];
  const work = async (): Promise<void> => {
    for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
      const outcome = await runCheck(root, check);
      outcomes.push(outcome);
      const verdict = outcome.isPassed ? 'ok    ' : 'FAILED';
      console.log(`${verdict} check: ${check.name} (${outcome.seconds.toFixed(1)} s)`);
      if (!outcome.isPassed) console.log(outcome.output.trimEnd());
    }
  };
  await Promise.all([work(), work()]);
  return outcomes;
}
