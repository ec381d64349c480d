/**
 * Notes which kinds of trace records a test file produces, when a folder to note them in is given. `npm test` compares the
 * notes of all files with the catalogue.
 */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll } from 'vitest';
import type { EventKind } from '../../src-main/spec/events/event.ts';

const folder = process.env['SIOV_LAB_EVENT_KINDS'];

if (folder !== undefined) {
  const { Trace } = await import('../../src-main/sim/core/trace.ts');
  const produced = new Set<string>();
  const begin = Object.getOwnPropertyDescriptor(Trace.prototype, 'begin')?.value as (
    this: InstanceType<typeof Trace>,
    kind: EventKind,
    source: number,
  ) => void;
  Trace.prototype.begin = function noted(kind: EventKind, source: number): void {
    produced.add(kind.kind);
    begin.call(this, kind, source);
  };
  afterAll(() => {
    writeFileSync(path.join(folder, `${randomUUID()}.json`), JSON.stringify([...produced]));
  });
}
