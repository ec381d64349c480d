import { describe, expect, it } from 'vitest';
import { LabRun, type LabRunOptions } from '../../../src-main/labs-engine/run/lab-run.ts';
import { planRun, type PlannedScript } from '../../../src-main/labs-engine/run/run-plan.ts';
import { dsaDevice, uuidOf } from '../../support/linux-idxd.ts';
import { testEngine } from '../../support/script-lab.ts';
import { problemsOf, tinyFolder, TINY_TEXT } from '../../support/tiny-lab.ts';

const MIB = 2 ** 20;
const UUID = uuidOf(1);

const HOST = `import { echo } from 'lab/shell';
import { start_vm, plug, boot } from 'lab/vm';
const DSA = '/sys/bus/dsa/devices/';
echo(0, DSA + 'engine0.0/group_id');
const settings = { group_id: 0, size: 16, mode: 'dedicated', type: 'mdev', name: 'vm', priority: 10 };
for (const [file, text] of Object.entries(settings)) echo(text, DSA + 'wq0.0/' + file);
echo('dsa0', '/sys/bus/dsa/drivers/idxd/bind');
echo('wq0.0', '/sys/bus/dsa/drivers/dsa/bind');
echo('${UUID}', '/sys/bus/pci/devices/0000:6a:01.0/mdev_supported_types/idxd-dsa-1dwq-v1/create');
const vm = start_vm('vm0');
plug(vm, '${UUID}');
boot(vm);
`;
const GUEST = `import { pci_devices } from 'linux/pci';
import { current } from 'lab/process';
import { report } from 'lab/oracle';
report('bus', pci_devices().map((dev) => dev.name).join());
report('who', current().name);
`;

function runOf(
  scripts: readonly PlannedScript[],
  vms: readonly string[] = ['vm0'],
  options: Partial<LabRunOptions> = {},
): LabRun {
  const run = new LabRun({
    plan: planRun({
      machine: {
        name: 'lab',
        memory: { bytes: 512 * MIB },
        cpus: 2,
        iommu: { profile: 'lab' },
        devices: [dsaDevice({ wqs: 1 })],
        vms: vms.map((name) => ({ name, memoryBytes: 40 * MIB, cpus: 1 })),
        kernel: { modules: ['idxd'] },
      },
      seed: 1,
      profile: 'iommufd',
      scripts,
    }),
    engine: testEngine,
    ...options,
  });
  run.start();
  return run;
}

const host: PlannedScript = { path: 'host.ts', text: HOST, actor: 'host-driver' };
const guest: PlannedScript = { path: 'guest.ts', text: GUEST, actor: 'guest-driver' };

describe('a file of the guest driver', () => {
  it('runs in the VM that a file of the host booted, over the guest’s kernel', () => {
    const run = runOf([host, guest]);
    expect(run.outcome).toEqual({ kind: 'finished' });
    expect(Object.fromEntries(run.reports)).toEqual({ bus: '0000:00:03.0', who: 'root' });
    expect(run.machine.software.get('guest/vm0/report/bus')).toBe('0000:00:03.0');
  });

  it('is told what is missing when no kernel runs in a VM yet', () => {
    expect(JSON.stringify(runOf([guest, host]).outcome)).toContain('No kernel runs in vm0');
    expect(JSON.stringify(runOf([guest], []).outcome)).toContain('The machine has no VM');
  });

  it('is not made to run by a watch expression', () => {
    const answers: unknown[] = [];
    const watched = runOf([host, guest], ['vm0'], {
      breakpoints: [{ path: 'guest.ts', line: 4 }],
      ports: {
        pause: {
          pausedAt: (_place, inspect) => {
            answers.push(inspect.evaluate('pci_devices().length'), inspect.evaluate('1 + 1'));
            return { kind: 'resume' };
          },
        },
      },
    });
    expect(JSON.stringify(answers[0])).toContain('A watch expression cannot look into vm0');
    expect(JSON.stringify(answers[1])).toContain('2');
    expect(watched.trace.hash()).toBe(runOf([host, guest]).trace.hash());
  });

  it('is refused in a lab whose machine has no VM', () => {
    const text = TINY_TEXT.replace('actor: host-driver', 'actor: guest-driver');
    expect(problemsOf(tinyFolder({ 'lab.md': text }))).toContain(
      'schema machine.json#vms: driver.ts is a driver of a guest, and the machine has no VM',
    );
    expect(problemsOf(tinyFolder())).toEqual([]);
  });

  it('gives the same run twice', () => {
    const [a, b] = [runOf([host, guest]), runOf([host, guest])];
    expect(a.trace.hash()).toBe(b.trace.hash());
    expect(a.machine.stateHash()).toBe(b.machine.stateHash());
  });
});
