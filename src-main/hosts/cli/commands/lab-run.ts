import path from 'node:path';
import {
  runLab,
  type CheckReport,
  type GivenFile,
  type LabRunReport,
} from '../../../services/lab-tools/run-lab.ts';
import { traceLines } from '../../../services/lab-tools/trace-lines.ts';
import {
  EXIT,
  JSON_OPTION,
  printJson,
  UsageError,
  type Command,
  type CommandInput,
  type CommandIo,
  type ExitCode,
} from '../command.ts';
import { createLabTools, LABS_OPTION } from '../lab-tools.ts';
import { readTextFile, writeTextFile } from '../read-file.ts';

const MARKS = { pass: 'pass ', fail: 'FAIL ', error: 'ERROR', notRun: '  -  ' } as const;

export const labRun: Command = {
  name: 'lab run',
  operands: 'ID',
  summary: 'Run a lab and grade it',
  details:
    'Runs the starter. --file puts a file of yours in place of a script, by its name or as SCRIPT=PATH; --solution runs the solution.',
  options: {
    file: { type: 'string', multiple: true, value: 'PATH', help: 'a script of yours' },
    solution: { type: 'boolean', help: 'run the solution of the lab' },
    seed: {
      type: 'string',
      value: 'N',
      help: 'variant of the machine; default is the first of the lab',
    },
    profile: { type: 'string', value: 'NAME', help: 'kernel profile: kvmforum2019 or iommufd' },
    trace: { type: 'string', value: 'OUT.jsonl', help: 'write every record of the run' },
    labs: LABS_OPTION,
    json: JSON_OPTION,
  },
  minOperands: 1,
  maxOperands: 1,
  run: async (input, io) => {
    const { report, run } = await runLab(createLabTools(input, io), {
      lab: input.operands[0] ?? '',
      files: givenFiles(input, io),
      isSolution: input.isSet('solution'),
      seed: input.count('seed'),
      profile: input.value('profile'),
    });
    run.console.forEach(({ text }) => io.say(text));
    const out = input.value('trace');
    if (out !== undefined) writeTextFile(io.cwd, out, traceLines(run));
    if (input.isSet('json')) printJson(io, report);
    else printReport(io, report);
    return exitOf(report);
  },
};

function givenFiles(input: CommandInput, io: CommandIo): readonly GivenFile[] {
  const files = input.values('file').map((given) => {
    const at = given.indexOf('=');
    const name = at < 0 ? path.basename(given) : given.slice(0, at);
    return { name, text: readTextFile(io.cwd, given.slice(at + 1)) };
  });
  if (files.length > 0 && input.isSet('solution')) {
    throw new UsageError('Expected --file or --solution, found both');
  }
  return files;
}

/** A script that cannot start is bad input; a check that breaks is ours to mend. */
function exitOf({ status, checks }: LabRunReport): ExitCode {
  if (status === 'pass') return EXIT.pass;
  if (status === 'fail') return EXIT.fail;
  return checks.some((check) => check.status === 'error') ? EXIT.ourFault : EXIT.badInput;
}

function printReport(io: CommandIo, report: LabRunReport): void {
  for (const { file, line, column, message } of report.scriptErrors) {
    io.say(`${file}:${String(line)}:${String(column)} ${message}`);
  }
  report.checks.forEach((check) => printCheck(io, check));
  const { events, simTimeNs, traceHash, status, lab, seed } = report;
  io.out(
    `${status === 'pass' ? 'Passed' : status === 'fail' ? 'Failed' : 'Error'}: ${lab}, seed ${String(seed)}`,
  );
  io.say(`${String(events)} records, ${String(simTimeNs)} ns simulated, trace ${traceHash}`);
}

function printCheck(io: CommandIo, { status, title, message, at }: CheckReport): void {
  io.out(`${MARKS[status]}  ${title}`);
  if (status === 'pass' || message === '') return;
  io.out(`       ${message}`);
  const places = [
    ...(at.script === null ? [] : [`${at.script.file}:${String(at.script.line)}`]),
    ...(at.event === null ? [] : [`record ${String(at.event)}`]),
  ];
  if (places.length > 0) io.out(`       see ${places.join(', ')}`);
}
