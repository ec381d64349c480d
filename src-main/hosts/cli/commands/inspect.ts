import { inspectRun, viewIdOf, viewParamsOf } from '../../../services/lab-tools/inspect-run.ts';
import { EXIT, printJson, type Command } from '../command.ts';
import { RUN_OPTIONS, runFile, sayScriptErrors } from '../run-script.ts';

export const inspect: Command = {
  name: 'inspect',
  operands: 'VIEW',
  summary: 'What a pane shows, as the window gets it',
  details: 'Prints JSON. Without --run it shows the machine right after boot.',
  options: {
    run: { type: 'string', value: 'FILE', help: 'run this script first' },
    at: {
      type: 'string',
      value: 'EVENT',
      help: 'the instant right before this record; default is the end',
    },
    param: {
      type: 'string',
      multiple: true,
      value: 'NAME=VALUE',
      help: 'such as rid=6a:01.0 or pasid=2',
    },
    ...RUN_OPTIONS,
    json: { type: 'boolean', help: 'as always here' },
  },
  minOperands: 1,
  maxOperands: 1,
  run: (input, io) => {
    const view = viewIdOf(input.operands[0] ?? '');
    const params = viewParamsOf(input.values('param'));
    const at = input.count('at');
    const result = runFile(input.value('run'), input, io);
    sayScriptErrors(io, result);
    if (result.report.status === 'error') return EXIT.badInput;
    printJson(io, inspectRun(result.run, { view, params, at }));
    return EXIT.pass;
  },
};
