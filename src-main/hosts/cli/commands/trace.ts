import { traceRecords } from '../../../services/lab-tools/trace-records.ts';
import { EXIT, type Command } from '../command.ts';
import { RUN_OPTIONS, runFile, sayScriptErrors } from '../run-script.ts';

export const trace: Command = {
  name: 'trace',
  operands: 'FILE',
  summary: 'Run a script and print its event log',
  details:
    'One line a record: number, time, source, kind, text. --kind selects kinds, with * for any letters; --json prints one JSON document a line.',
  options: {
    ...RUN_OPTIONS,
    kind: {
      type: 'string',
      multiple: true,
      value: 'PATTERN',
      help: 'such as iommu.fault.recorded or linux.*',
    },
    last: { type: 'string', value: 'N', help: 'only the last N of them' },
    json: { type: 'boolean', help: 'print JSON Lines' },
  },
  minOperands: 1,
  maxOperands: 1,
  run: (input, io) => {
    const result = runFile(input.operands[0], input, io);
    const lines = traceRecords(result.run, {
      kinds: input.values('kind'),
      last: input.count('last'),
      isJson: input.isSet('json'),
    });
    lines.forEach((line) => io.out(line));
    sayScriptErrors(io, result);
    return result.report.status === 'error' ? EXIT.badInput : EXIT.pass;
  },
};
