/** Records of a run, selected by kind, as lines. */
import { AppError } from '../../protocol/app-error.ts';
import { didYouMean } from '../../labs-engine/closest.ts';
import type { LabRun } from '../../labs-engine/run/lab-run.ts';
import { readRecord, recordJson, recordText, type TraceRecord } from '../../sim/index.ts';
import { eventCatalogue } from '../../spec/events/event.ts';

export interface TraceSelection {
  /** Kinds, with `*` for any letters; all when empty. */
  readonly kinds: readonly string[];
  readonly last?: number | undefined;
  readonly isJson: boolean;
}

export function traceRecords(
  { trace }: LabRun,
  { kinds, last, isJson }: TraceSelection,
): readonly string[] {
  const wanted = kindsLike(kinds);
  const lines: string[] = [];
  for (let seq = trace.tail; seq < trace.head; seq++) {
    const record = readRecord(trace, seq);
    if (record === undefined || !(wanted === undefined || wanted.has(record.kind.kind))) continue;
    lines.push(isJson ? recordJson(record) : textOf(record));
  }
  return last === undefined ? lines : lines.slice(Math.max(0, lines.length - last));
}

function kindsLike(patterns: readonly string[]): ReadonlySet<string> | undefined {
  if (patterns.length === 0) return undefined;
  const known = eventCatalogue().map(({ kind }) => kind);
  return new Set(
    patterns.flatMap((pattern) => {
      const body = pattern
        .split('*')
        .map((part) => part.replaceAll(/[^a-z0-9-]/gi, String.raw`\$&`));
      const like = new RegExp(`^${body.join('.*')}$`);
      const found = known.filter((kind) => like.test(kind));
      if (found.length > 0) return found;
      const hint = didYouMean(pattern, known);
      throw new AppError(
        'ERR_EVENT_KIND',
        `There is no event kind ${pattern}`,
        hint === undefined ? {} : { hint },
      );
    }),
  );
}

function textOf(record: TraceRecord): string {
  const time = `${String(record.timeNs)} ns`;
  return `${String(record.seq).padStart(6)}  ${time.padStart(12)}  ${record.source}  ${record.kind.kind}  ${recordText(record)}`;
}
