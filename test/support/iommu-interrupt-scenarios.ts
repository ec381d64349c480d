/** How to bring about every fault reason of interrupts; 29h, which is about requests that are no interrupts, stands apart. */
import type { FaultMnemonic } from '../../src-main/spec/vtd/faults.ts';
import { TTM } from '../../src-main/spec/vtd/registers/global-command.ts';
import { remappableMessage } from '../../src-main/spec/vtd/interrupt-message.ts';
import { PostedInterruptDescriptor } from '../../src-main/spec/vtd/posted-interrupt-descriptor.ts';
import { HOLE, IommuBench, type IommuBenchOptions } from './iommu-bench.ts';
import { IommuTables } from './iommu-tables.ts';
import { SID, postedEntry, remappedEntry, withBit } from './interrupt-bench.ts';

export const INTERRUPT_TABLE = 0x20_0000;
export const POSTED_DESCRIPTOR = 0x30_0040;
const INDEX = 4;
const { address: MESSAGE, data: DATA } = remappableMessage(INDEX);

export interface InterruptScenario {
  readonly mnemonic: FaultMnemonic;
  readonly options?: IommuBenchOptions;
  readonly isExtended?: boolean;
  /** Entry 4 of the table; a good one when left out. */
  readonly entry?: Uint32Array;
  readonly damage?: (bench: IommuBench) => void;
  readonly message?: { readonly address: number; readonly data: number };
}

export const INTERRUPT_SCENARIOS: readonly InterruptScenario[] = [
  { mnemonic: 'IR.20', message: { address: remappableMessage(INDEX, 0).address, data: 1 << 16 } },
  { mnemonic: 'IR.21', message: remappableMessage(0x1ff) },
  { mnemonic: 'IR.22', entry: remappedEntry({ P: 0 }) },
  {
    mnemonic: 'IR.23',
    damage: (bench) => bench.setInterruptTable(HOLE, 7, true),
  },
  { mnemonic: 'IR.24', entry: withBit(remappedEntry(), 12) },
  { mnemonic: 'IR.25', message: { address: 0xfee0_1000, data: 0x41 } },
  { mnemonic: 'IR.26', entry: remappedEntry({ SID: 0x0100 }) },
  { mnemonic: 'IR.27', entry: postedEntry({ PDA: BigInt(HOLE) }) },
  {
    mnemonic: 'IR.28',
    entry: postedEntry({ PDA: BigInt(POSTED_DESCRIPTOR) }),
    damage: (bench) => {
      const reserved = withBit(PostedInterruptDescriptor.encode({}), 511);
      bench.memory.writeWords(POSTED_DESCRIPTOR, reserved);
    },
  },
  { mnemonic: 'IR.2A', options: { flags: { EIMER: true } }, isExtended: false },
  {
    mnemonic: 'IR.2B',
    options: { flags: { IRREQ: true } },
    damage: (bench) => bench.clear('IRE'),
  },
];

/** A unit that remaps interrupts by a table of 256 entries. */
export function interruptUnit(scenario: Partial<InterruptScenario> = {}): IommuBench {
  const bench = new IommuBench(scenario.options ?? {});
  bench.memory.writeWords(INTERRUPT_TABLE + INDEX * 16, scenario.entry ?? remappedEntry());
  bench.setRoot(new IommuTables(bench.memory).root, TTM.scalable);
  bench.setInterruptTable(INTERRUPT_TABLE, 7, scenario.isExtended ?? true);
  bench.command('IRE');
  scenario.damage?.(bench);
  return bench;
}

/** Sends the message of a scenario; gives the completion status. */
export function sendInterrupt(
  bench: IommuBench,
  scenario: Partial<InterruptScenario> = {},
): number {
  const { address, data } = scenario.message ?? { address: MESSAGE, data: DATA };
  return bench.unit.interrupt(SID, 0, address, data);
}
