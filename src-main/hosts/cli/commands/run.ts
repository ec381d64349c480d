import { traceLines } from '../../../services/lab-tools/trace-lines.ts';
import { EXIT, JSON_OPTION, printJson, type Command } from '../command.ts';
import { writeTextFile } from '../read-file.ts';
import { RUN_OPTIONS, runFile, sayScriptErrors } from '../run-script.ts';

const EXIT_OF = { pass: EXIT.pass, fail: EXIT.fail, error: EXIT.badInput } as const;

export const run: Command = {
  name: 'run',
  operands: 'FILE',
  summary: 'Run a script on a machine',
  details:
    'What the script prints goes to stderr. Exit code 1: it threw or was stopped; 2: it could not start.',
  options: {
    ...RUN_OPTIONS,
    trace: { type: 'string', value: 'OUT.jsonl', help: 'write every record of the run' },
    json: JSON_OPTION,
  },
  minOperands: 1,
  maxOperands: 1,
  run: (input, io) => {
    const result = runFile(input.operands[0], input, io);
    const { report } = result;
    const out = input.value('trace');
    if (out !== undefined) writeTextFile(io.cwd, out, traceLines(result.run));
    if (input.isSet('json')) {
      printJson(io, report);
    } else {
      sayScriptErrors(io, result);
      io.out(
        `${report.status}: ${String(report.events)} records, ${String(report.simTimeNs)} ns simulated, trace ${report.traceHash}`,
      );
    }
    return EXIT_OF[report.status];
  },
};
