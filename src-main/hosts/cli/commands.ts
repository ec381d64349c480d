/** Every command, in the order of the help. A new command is a file in `commands/` and a line here. */
import type { Command } from './command.ts';
import { features } from './commands/features.ts';
import { bench } from './commands/bench.ts';
import { iommuReplay } from './commands/iommu-replay.ts';
import { inspect } from './commands/inspect.ts';
import { labCheck } from './commands/lab-check.ts';
import { labList } from './commands/lab-list.ts';
import { labRun } from './commands/lab-run.ts';
import { run } from './commands/run.ts';
import { trace } from './commands/trace.ts';

export const COMMANDS: readonly Command[] = [
  labList,
  labRun,
  labCheck,
  run,
  trace,
  inspect,
  iommuReplay,
  bench,
  features,
];
