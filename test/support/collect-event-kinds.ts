/**
 * Notes which kinds of trace records tests produce, when a folder to note them in is given. `npm test` compares the notes of
 * all files with the catalogue. Files that share a worker share its modules: they note in one place, so the trace is
 * listened to once.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { threadId } from 'node:worker_threads';
import { afterAll } from 'vitest';
import type { EventKind } from '../../src-main/spec/events/event.ts';

const folder = process.env['SIOV_LAB_EVENT_KINDS'];
const NOTES = Symbol.for('siov-lab.test.event-kinds');

type Begin = (this: object, kind: EventKind, source: number) => void;

/** Kinds that this worker saw so far. */
async function listen(): Promise<ReadonlySet<string>> {
  const { Trace } = await import('../../src-main/sim/core/trace.ts');
  const prototype = Trace.prototype as { begin: Begin; [NOTES]?: Set<string> };
  const known = prototype[NOTES];
  if (known !== undefined) return known;
  const produced = new Set<string>();
  const begin = prototype.begin;
  prototype[NOTES] = produced;
  prototype.begin = function noted(kind, source): void {
    produced.add(kind.kind);
    begin.call(this, kind, source);
  };
  return produced;
}

if (folder !== undefined) {
  const produced = await listen();
  afterAll(() => {
    const name = `${String(process.pid)}-${String(threadId)}.json`;
    writeFileSync(path.join(folder, name), JSON.stringify([...produced]));
  });
}
