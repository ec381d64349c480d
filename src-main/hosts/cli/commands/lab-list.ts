import { listLabs } from '../../../services/lab-tools/list-labs.ts';
import { EXIT, JSON_OPTION, printJson, type Command } from '../command.ts';
import { createLabTools, LABS_OPTION } from '../lab-tools.ts';
import { textTable } from '../text-table.ts';

export const labList: Command = {
  name: 'lab list',
  operands: '',
  summary: 'The labs of the course',
  options: { labs: LABS_OPTION, json: JSON_OPTION },
  minOperands: 0,
  maxOperands: 0,
  run: (input, io) => {
    const listing = listLabs(createLabTools(input, io));
    if (input.isSet('json')) {
      printJson(io, listing);
      return EXIT.pass;
    }
    const rows = listing.labs.map((lab) => [
      lab.id,
      `${String(lab.minutes)} min`,
      lab.level,
      lab.title,
    ]);
    io.out(rows.length === 0 ? 'There are no labs here' : textTable(rows));
    return EXIT.pass;
  },
};
