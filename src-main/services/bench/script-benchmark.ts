/** Calls a second of a learner's script: the whole way through sandbox, debugger hooks, kernel, log and machine. */
import { invariant } from '../../bits/invariant.ts';
import { runScript } from '../lab-tools/run-script.ts';
import type { BenchContext, BenchGroup } from './bench-group.ts';

const NS_PER_SECOND = 1e9;
/** A disturbed run counts again, so often. */
const ATTEMPTS = 5;
const START = 'start';
const END = 'end';

function scriptOf(calls: number): string {
  return `import { readl } from 'asm/io';
import { pci_devices, pci_enable_device, pci_iomap } from 'linux/pci';
const dev = pci_devices()[0];
pci_enable_device(dev);
const registers = pci_iomap(dev, 0, 0);
console.log('${START}');
for (let i = 0; i < ${calls}; i++) readl(registers);
console.log('${END}');
`;
}

export function scriptBenchmark({ host, sizes }: BenchContext): BenchGroup {
  const run = (): { readonly took: number; readonly isDisturbed: boolean } => {
    const times = new Map<string, { readonly ns: number; readonly interruptions: number }>();
    const { report } = runScript(
      { loadSandbox: host.loadSandbox },
      {
        script: { path: 'bench.ts', text: scriptOf(sizes.scriptCalls) },
        ports: {
          onConsole: ({ text }) =>
            times.set(text, { ns: host.nowNs(), interruptions: host.interruptions() }),
        },
      },
    );
    const start = times.get(START);
    const end = times.get(END);
    invariant(
      report.status === 'pass' && start !== undefined && end !== undefined,
      `The script of script.calls failed: ${JSON.stringify(report.scriptErrors)}`,
    );
    return { took: end.ns - start.ns, isDisturbed: end.interruptions !== start.interruptions };
  };
  return {
    'script.calls': () => ({
      metric: 'script.calls',
      warmUps: 1,
      runs: sizes.longRuns,
      sample: () => {
        let last = run();
        for (let attempt = 1; attempt < ATTEMPTS && last.isDisturbed; attempt++) last = run();
        return (sizes.scriptCalls * NS_PER_SECOND) / last.took;
      },
    }),
  };
}
