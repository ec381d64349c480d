import { createReadStream } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import {
  ReplayRun,
  type FirstDifference,
  type ReplayReport,
} from '../../../services/iommu-case/replay.ts';
import {
  EXIT,
  JSON_OPTION,
  printJson,
  UsageError,
  type Command,
  type CommandIo,
} from '../command.ts';
import { reasonOf } from '../read-file.ts';
import { textTable } from '../text-table.ts';

/** Differences printed in full without --json. */
const SHOWN_DIFFERENCES = 20;

export const iommuReplay: Command = {
  name: 'iommu replay',
  operands: 'FILE...',
  summary: 'Replay recorded IOMMU experiments and compare with the specification',
  details:
    'Files are JSON Lines, one experiment a line, plain or gzipped (.gz). They are read as they come, whatever their size.',
  options: { json: JSON_OPTION },
  minOperands: 1,
  maxOperands: 10_000,
  run: async (input, io) => {
    const run = new ReplayRun();
    for (const file of input.operands) await replayFile(run, io.cwd, file);
    const report = run.report();
    if (input.isSet('json')) printJson(io, documentOf(report));
    else printReport(io, report);
    for (const { file, line, message } of report.problems) {
      io.say(`${file}:${String(line)} ${message}`);
    }
    return report.problems.length > 0 ? EXIT.badInput : report.ok ? EXIT.pass : EXIT.fail;
  },
};

function documentOf({ profiles, firstDifferences, problems, ok }: ReplayReport): object {
  return { profiles, firstDifferences, problems, ok };
}

async function replayFile(run: ReplayRun, cwd: string, file: string): Promise<void> {
  let number = 0;
  let rest = '';
  const take = (line: string): void => {
    number += 1;
    run.line(file, number, line);
  };
  const split = async (source: AsyncIterable<Buffer>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of source) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(take);
    }
    rest += decoder.decode();
    if (rest !== '') take(rest);
  };
  const source = createReadStream(path.resolve(cwd, file));
  try {
    if (file.endsWith('.gz')) await pipeline(source, createGunzip(), split);
    else await pipeline(source, split);
  } catch (error) {
    if (!isFileError(error)) throw error;
    throw new UsageError(`Cannot read ${file}: ${reasonOf(error)}`);
  }
}

/** Node's own errors carry a code; a bug of the engine does not. */
function isFileError(error: unknown): boolean {
  return error instanceof Error && typeof (error as { readonly code?: unknown }).code === 'string';
}

function printReport(io: CommandIo, { profiles, firstDifferences, ok }: ReplayReport): void {
  const rows = Object.entries(profiles).map(([name, { cases, agree, disagree, unclaimed }]) =>
    [name, cases, agree, disagree, unclaimed.same, unclaimed.unlike].map(String),
  );
  io.out(
    textTable([['profile', 'cases', 'agree', 'disagree', 'unclaimed same', 'unlike'], ...rows]),
  );
  firstDifferences
    .slice(0, SHOWN_DIFFERENCES)
    .forEach((difference) => printDifference(io, difference));
  const hidden = firstDifferences.length - SHOWN_DIFFERENCES;
  if (hidden > 0) io.out(`${String(hidden)} more cases disagree; --json lists them all`);
  io.out(ok ? 'Every claim is met' : `${String(firstDifferences.length)} cases disagree`);
}

function printDifference(io: CommandIo, difference: FirstDifference): void {
  const { file, case: id, step, expected, actual, explain } = difference;
  io.out(`${file}: ${id}, step ${String(step)}`);
  io.out(`  expected ${JSON.stringify(expected)}`);
  io.out(`  actual   ${JSON.stringify(actual)}`);
  io.out(`  ${explain.replaceAll('\n', '\n  ')}`);
}
