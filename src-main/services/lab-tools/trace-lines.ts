/** A trace as JSON Lines: a header, then one record a line, in the order of the run. */
import { readRecord, recordJson } from '../../sim/index.ts';
import type { LabRun } from '../../labs-engine/run/lab-run.ts';

export const TRACE_SCHEMA_VERSION = 1;

export function traceLines(run: LabRun): string {
  const { trace, machine } = run;
  const { name, seed, kernelProfile } = machine.config;
  const header = {
    schemaVersion: TRACE_SCHEMA_VERSION,
    machine: name,
    seed,
    kernelProfile,
    first: trace.tail,
    records: trace.head - trace.tail,
    traceHash: trace.hash(),
  };
  const lines = [JSON.stringify(header)];
  for (let seq = trace.tail; seq < trace.head; seq++) {
    const record = readRecord(trace, seq);
    if (record !== undefined) lines.push(recordJson(record));
  }
  return `${lines.join('\n')}\n`;
}
