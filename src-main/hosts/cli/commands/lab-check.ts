import { checkLabs, type LabCheckReport } from '../../../services/lab-tools/check-labs.ts';
import { EXIT, JSON_OPTION, printJson, type Command, type CommandIo } from '../command.ts';
import { createLabTools, LABS_OPTION } from '../lab-tools.ts';

export const labCheck: Command = {
  name: 'lab check',
  operands: '[ID]...',
  summary: 'Prove labs: starter, solution, mutants, seeds, links, translations',
  options: { labs: LABS_OPTION, json: JSON_OPTION },
  minOperands: 0,
  maxOperands: 1000,
  run: async (input, io) => {
    const isJson = input.isSet('json');
    const report = await checkLabs(createLabTools(input, io), {
      names: input.operands,
      nowMs: () => performance.now(),
      ...(isJson ? {} : { onLab: (lab: LabCheckReport) => printLab(io, lab) }),
    });
    if (isJson) printJson(io, report);
    else for (const { path, message } of report.problems) io.out(`       ${path}: ${message}`);
    return report.ok ? EXIT.pass : EXIT.fail;
  },
};

function printLab(io: CommandIo, { id, ok, problems, mutants, durationMs }: LabCheckReport): void {
  const killed = `${String(mutants.killed)} of ${String(mutants.declared)} mutants caught`;
  io.out(`${ok ? 'ok   ' : 'FAIL '}  ${id}: ${killed}, ${(durationMs / 1000).toFixed(1)} s`);
  for (const { code, path, message, hint } of problems) {
    io.out(`       ${code} ${path}: ${message}${hint === null ? '' : ` (${hint})`}`);
  }
}
