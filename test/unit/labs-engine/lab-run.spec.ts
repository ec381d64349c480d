import { describe, expect, it } from 'vitest';
import { LabRun, type LabRunOptions } from '../../../src-main/labs-engine/run/lab-run.ts';
import { planLabRun, scriptTexts } from '../../../src-main/labs-engine/run/run-plan.ts';
import { readRecord } from '../../../src-main/sim/index.ts';
import { testEngine } from '../../support/script-lab.ts';
import { tinyLab } from '../../support/tiny-lab.ts';

const LOOP = `import { report } from 'lab/oracle';
import { pci_devices, pci_read_config_word } from 'linux/pci';
for (const dev of pci_devices()) {
  console.log(dev.name, pci_read_config_word(dev, 0));
}
report('done', true);
`;

function runOf(text: string, options: Partial<LabRunOptions> = {}, seed = 1): LabRun {
  const plan = planLabRun(tinyLab(), { seed, texts: new Map([['driver.ts', text]]) });
  return new LabRun({ plan, engine: testEngine, ...options });
}

describe('a run', () => {
  it('boots a machine and a kernel and runs the scripts of the plan', () => {
    const run = runOf(LOOP);
    expect(run.outcome).toBeUndefined();
    expect(run.start()).toEqual({ kind: 'finished' });
    expect(run.outcome).toEqual({ kind: 'finished' });
    expect(run.console.map((message) => message.text)).toEqual(['0000:00:03.0 32902']);
    expect(run.reports.get('done')).toBe(true);
    expect(run.machine.config).toMatchObject({ seed: 1, kernelProfile: 'iommufd' });
    expect(run.machine.software.get('report/done')).toBe('true');
  });

  it('is the same run twice: one trace, one state', () => {
    const [a, b] = [runOf(LOOP), runOf(LOOP)];
    a.start();
    b.start();
    expect(a.trace.hash()).toBe(b.trace.hash());
    expect(a.machine.stateHash()).toBe(b.machine.stateHash());
    expect(a.trace.head).toBeGreaterThan(30);
  });

  it('is the same run with a debugger, a listener and breakpoints', () => {
    const plain = runOf(LOOP);
    plain.start();
    const lines: number[] = [];
    const pauses: number[] = [];
    const watched = runOf(LOOP, {
      breakpoints: [{ path: 'driver.ts', line: 4 }],
      pauseAtStatement: 1,
      ports: {
        onStatement: ({ line }) => lines.push(line),
        pause: {
          pausedAt: ({ line }, inspect) => {
            pauses.push(line);
            inspect.evaluate('pci_devices().length');
            return { kind: 'resume' };
          },
        },
      },
    });
    watched.start();
    expect(pauses).toEqual([3, 4]);
    expect(lines).toEqual([3, 4, 6]);
    expect(watched.trace.hash()).toBe(plain.trace.hash());
    expect(watched.machine.stateHash()).toBe(plain.machine.stateHash());
  });

  it('stops when the host says so', () => {
    let polls = 0;
    const run = runOf('for (;;) {}\n', { ports: { shouldStop: () => (polls += 1) > 3 } });
    expect(run.start()).toMatchObject({ kind: 'stopped', reason: 'stop' });
  });

  it('gives every call of a script a record with its line', () => {
    const run = runOf(LOOP);
    run.start();
    const calls: string[] = [];
    for (let seq = run.trace.tail; seq < run.trace.head; seq++) {
      const record = readRecord(run.trace, seq);
      if (record?.kind.kind !== 'script.call.made') continue;
      calls.push(
        `${String(record.values['path'])}:${String(record.values['line'])} ${String(record.values['call'])}`,
      );
    }
    expect(calls).toEqual([
      'driver.ts:3 pci_devices',
      'driver.ts:4 pci_read_config_word',
      'driver.ts:6 report',
    ]);
  });

  it('says what is wrong with a script without running it', () => {
    const run = runOf('const a = ;\n');
    expect(run.problems()).toMatchObject([{ path: 'driver.ts', line: 1, severity: 'error' }]);
    expect(run.start()).toMatchObject({ kind: 'failed' });
  });

  it('takes seed, profile and starter of the lab where nothing is chosen', () => {
    const lab = tinyLab();
    const chosen = { seed: 1, profile: 'iommufd', texts: scriptTexts(lab, 'starter') } as const;
    expect(planLabRun(lab)).toEqual(planLabRun(lab, chosen));
    expect(planLabRun(lab, { seed: 2 }).machine.seed).toBe(2);
    expect(planLabRun(lab, { texts: scriptTexts(lab, 'solution') }).scripts[0]?.text).toContain(
      '42',
    );
  });
});
