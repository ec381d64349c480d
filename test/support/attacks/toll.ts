/** What a part of a scene costs: exits of VMs, interrupts that the host's kernel handles, exceptions of submitting CPUs. */
import { defined } from '../../../src-main/bits/invariant.ts';
import { EXCEPTION_NAMES } from '../../../src-main/spec/cpu/exception.ts';
import { EXIT_REASON } from '../../../src-main/spec/cpu/vm-exit.ts';
import type { Lab } from '../linux-machine.ts';

type ExitName = keyof typeof EXIT_REASON;

type Counts<K extends string> = Readonly<Partial<Record<K, number>>>;

export interface Toll {
  /** VM exits by reason. */
  readonly exits: Counts<ExitName>;
  /** Runs of interrupt handlers of the host's kernel, by name. */
  readonly interrupts: Counts<string>;
  /** Exceptions of ENQCMD, ENQCMDS and MOVDIR64B, by mnemonic; the kernel that runs the program handles them. */
  readonly exceptions: Counts<string>;
}

/** What fast paths cost. */
export const FREE: Toll = { exits: {}, interrupts: {}, exceptions: {} };

/** What one store costs where the page of the portal or doorbell is trapped. */
export const TRAPPED: Toll = { ...FREE, exits: { eptMisconfiguration: 1 } };

/** Source of the records of the host's kernel; guests have names of their own. */
const HOST = 'linux';

const EXIT_NAMES = new Map(
  Object.entries(EXIT_REASON).map(([name, code]) => [code, name as ExitName]),
);
const EXCEPTIONS: Readonly<Record<number, string>> = EXCEPTION_NAMES;

/** Runs `body` and counts. */
export function metered<T>(
  lab: Pick<Lab, 'machine' | 'rowsFrom'>,
  body: () => T,
): { readonly result: T; readonly toll: Toll } {
  const from = lab.machine.trace.head;
  const result = body();
  const rows = lab.rowsFrom(from);
  const valuesOf = (kind: string, field: string, source?: string): readonly unknown[] =>
    rows
      .filter((r) => r.kind === kind && (source === undefined || r.source === source))
      .map((r) => r.values[field]);
  return {
    result,
    toll: {
      exits: counted(
        valuesOf('cpu.vm.exited', 'reason').map((code) =>
          defined(EXIT_NAMES.get(code as (typeof EXIT_REASON)[ExitName]), 'Exit reason'),
        ),
      ),
      interrupts: counted(valuesOf('linux.interrupt.handled', 'name', HOST).map(String)),
      exceptions: counted(
        valuesOf('cpu.instruction.faulted', 'exception').map((code) =>
          defined(EXCEPTIONS[Number(code)], 'Exception'),
        ),
      ),
    },
  };
}

function counted<K extends string>(names: readonly K[]): Counts<K> {
  const counts: Partial<Record<K, number>> = {};
  for (const name of names) {
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
