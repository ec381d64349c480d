import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');
const PATIENCE_MS = 20_000;

export interface TestHost {
  /** The start URL, with its token. */
  readonly url: string;
  readonly origin: string;
  /** SIOV_LAB_HOME of this host. */
  readonly home: string;
  readonly pid: number;
  /** Ends the host as a crash would, and starts it again with the same home and port. */
  crashAndRestart(): Promise<void>;
  /** Ends the host and removes its home. */
  close(): Promise<void>;
}

/** Starts the built web host on a free port with an empty home of its own. */
export async function startTestHost(): Promise<TestHost> {
  const home = await mkdtemp(path.join(tmpdir(), 'siov-e2e-home-'));
  let running: Running;
  try {
    running = await start(home, 0);
  } catch (error) {
    await rm(home, { recursive: true, force: true });
    throw error;
  }
  return {
    get url() {
      return running.url;
    },
    get origin() {
      return new URL(running.url).origin;
    },
    get pid() {
      return running.child.pid ?? -1;
    },
    home,
    crashAndRestart: async () => {
      await end(running.child, 'SIGKILL');
      running = await start(home, Number(new URL(running.url).port));
    },
    close: async () => {
      try {
        await end(running.child, 'SIGTERM');
      } finally {
        await rm(home, { recursive: true, force: true });
      }
    },
  };
}

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
}

async function start(home: string, port: number): Promise<Running> {
  const child = spawn(
    process.execPath,
    [path.join(root, 'out/main/web.js'), '--no-open', '--port', String(port)],
    // No inherited stdio: a child that outlived its test would keep the pipeline open.
    { env: { ...process.env, SIOV_LAB_HOME: home }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  try {
    const url = await new Promise<string>((resolve, reject) => {
      const patience = setTimeout(() => reject(new Error('It took too long')), PATIENCE_MS);
      const read = (text: string): void => {
        output += text;
        const found = /is at (http:\S+)/.exec(output)?.[1];
        if (found === undefined) return;
        clearTimeout(patience);
        resolve(found);
      };
      child.stdout?.setEncoding('utf8').on('data', read);
      child.stderr?.setEncoding('utf8').on('data', read);
      child.once('exit', (code) => reject(new Error(`It ended with code ${code}`)));
    });
    return { child, url };
  } catch (cause) {
    await end(child, 'SIGKILL');
    throw new Error(`The web host did not start. It said: ${output}`, { cause });
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  const patience = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  await exit;
  clearTimeout(patience);
}
