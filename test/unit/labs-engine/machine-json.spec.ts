import { describe, expect, it } from 'vitest';
import {
  parseTemplate,
  resolveMachine,
} from '../../../src-main/labs-engine/package/machine-variants.ts';
import type { MachineDraft } from '../../../src-main/labs-engine/package/machine-variants.ts';

const GOOD = {
  name: 'lab',
  memory: { bytes: '256 MiB' },
  cpus: 2,
  iommu: { profile: 'lab', caches: { iotlb: 16 } },
  devices: [
    { kind: 'dsa', name: 'dsa0', bdf: '6a:01.0', options: { wqs: 4 } },
    {
      kind: 'plain',
      name: 'nic0',
      bdf: '03:00.0',
      options: {
        vendorId: '0x8086',
        deviceId: 5522,
        classCode: '0x020000',
        capabilities: [{ kind: 'dvsec', offset: '0x100', vendor: '0x1af4', hasIms: false }],
      },
    },
  ],
  vms: [{ name: 'vm0', memoryBytes: '64 MiB', cpus: 1, viommu: true }],
  processes: [{ name: 'app' }],
  defences: { 'iotlb-flush': false },
};

function resolve(
  json: unknown,
  seed = 1,
  fields: readonly string[] = [],
): ReturnType<typeof resolveMachine> {
  const { template, issues } = parseTemplate('machine.json', JSON.stringify(json), fields);
  if (template === undefined) throw new Error(JSON.stringify(issues));
  return resolveMachine(template, seed);
}

function machineOf(json: unknown, seed = 1, fields: readonly string[] = []): MachineDraft {
  const { machine, issues } = resolve(json, seed, fields);
  if (machine === undefined) throw new Error(JSON.stringify(issues));
  return machine;
}

const problems = (json: unknown): readonly string[] =>
  resolve(json).issues.map(
    ({ path, message, hint }) => `${path}: ${message}${hint === undefined ? '' : ` (${hint})`}`,
  );

describe('machine.json', () => {
  it('becomes the plain configuration of the simulation', () => {
    expect(machineOf(GOOD)).toEqual({
      name: 'lab',
      memory: { bytes: 256 * 2 ** 20 },
      cpus: 2,
      iommu: { profile: 'lab', caches: { iotlb: 16 } },
      devices: [
        { kind: 'dsa', name: 'dsa0', bdf: '6a:01.0', options: { wqs: 4 } },
        {
          kind: 'plain',
          name: 'nic0',
          bdf: '03:00.0',
          options: {
            vendorId: 0x8086,
            deviceId: 5522,
            classCode: 0x020000,
            capabilities: [{ kind: 'dvsec', offset: 0x100, vendor: 0x1af4, hasIms: false }],
          },
        },
      ],
      vms: [{ name: 'vm0', memoryBytes: 64 * 2 ** 20, cpus: 1, viommu: true }],
      processes: [{ name: 'app' }],
      defences: { 'iotlb-flush': false },
    });
  });

  it('takes the accelerator in its SR-IOV form too', () => {
    const dsa = (sriov: unknown): unknown => ({
      ...GOOD,
      devices: [{ kind: 'dsa', name: 'dsa0', bdf: '6a:01.0', options: { sriov } }],
    });
    expect(machineOf(dsa({ totalVfs: 8, stride: 2 })).devices[0]?.options).toEqual({
      sriov: { totalVfs: 8, stride: 2 },
    });
    expect(problems(dsa({ totalVfs: 0 }))).toEqual([
      'machine.json#devices.0.options.sriov.totalVfs: dsa0: Expected a whole number from 1 to 65535, found 0',
    ]);
  });

  it('takes banks of ring pairs of any size that is a power of two', () => {
    const qat = (bankBytes: unknown): unknown => ({
      ...GOOD,
      devices: [{ kind: 'qat', name: 'qat0', bdf: '6a:01.0', options: { bankBytes } }],
    });
    expect(machineOf(qat('2 KiB')).devices[0]?.options).toEqual({ bankBytes: 0x800 });
    expect(problems(qat(0x200))).toEqual([
      'machine.json#devices.0.options.bankBytes: qat0: Expected a power of two from 1024 to 8192, found 512',
    ]);
    expect(problems(qat(3000))).toHaveLength(1);
  });

  it('takes root ports, one above each bus that is not a root bus', () => {
    const port = (name: string, bdf: string, secondaryBus: unknown): unknown => ({
      kind: 'root-port',
      name,
      bdf,
      isExternal: true,
      options: { secondaryBus },
    });
    const ports = (...devices: readonly unknown[]): unknown => ({ ...GOOD, devices });
    const one = port('slot', '00:01.0', '0x6a');
    expect(machineOf(ports(one, GOOD.devices[0])).devices[0]).toEqual({
      kind: 'root-port',
      name: 'slot',
      bdf: '00:01.0',
      isExternal: true,
      options: { secondaryBus: 0x6a },
    });
    expect(problems(ports(one, port('other', '00:02.0', 0x6a)))).toEqual([
      expect.stringContaining('Expected one root port above each bus'),
    ]);
    expect(problems(ports(port('slot', '6b:00.0', '0x6b')))).toEqual([
      "machine.json#devices.0.options.secondaryBus: slot: Expected a bus behind the port's own, 108 to 255, found 107",
    ]);
  });

  it('names every problem at once, with its place', () => {
    const bad = {
      ...GOOD,
      cpus: 0,
      memory: { bytes: '100 KB' },
      iommu: { profile: 'labb' },
      devices: [{ kind: 'dsa', name: 'dsa0', bdf: '6a:33.0', options: { wqs: -1, wsq: 3 } }],
      procesess: [],
    };
    expect(problems(bad)).toEqual([
      expect.stringMatching(/^machine\.json#memory\.bytes: /),
      'machine.json#cpus: cpus: Expected at least 1, found 0',
      expect.stringMatching(
        /^machine\.json#iommu\.profile: .*found "labb" \(Did you mean lab\?\)$/,
      ),
      'machine.json#devices.0.bdf: devices.0.bdf: Expected bus:device.function such as 6a:01.0, found "6a:33.0"',
      'machine.json#devices.0.options.wqs: devices.0.options.wqs: Expected 0 or more, found -1',
      'machine.json#devices.0.options.wsq: devices.0.options.wsq is no known setting (Did you mean wqs?)',
      'machine.json#procesess: procesess is no known setting (Did you mean processes?)',
    ]);
  });

  it.each([
    [
      { ...GOOD, devices: [GOOD.devices[0], { ...GOOD.devices[0], name: 'dsa1' }] },
      'Expected each bus:device.function once',
    ],
    [
      { ...GOOD, devices: [GOOD.devices[0], { ...GOOD.devices[0], bdf: '6b:01.0' }] },
      'Expected each device name once',
    ],
    [
      { ...GOOD, devices: [{ ...GOOD.devices[0], kind: 'gpu' }] },
      'devices.0.kind: expected plain, root-port, dsa, qat or nic, found "gpu"',
    ],
    [
      { ...GOOD, devices: [{ ...GOOD.devices[0], options: { atcEntries: 3 } }] },
      'dsa0: Expected a power of two of at least 4, found 3',
    ],
    [{ ...GOOD, memory: { bytes: 17 * 2 ** 20 + 1 } }, 'Expected a multiple of 1 MiB'],
    [{ ...GOOD, memory: { bytes: '32 MiB' }, vms: [] }, 'Expected at least 34 MiB'],
    [{ ...GOOD, cpus: 1 }, 'Expected at least 2 with VMs: CPU 0 belongs to the host'],
    [
      { ...GOOD, memory: { bytes: '127 MiB' } },
      'Expected 64 MiB of the memory to be left for the host',
    ],
    [
      { ...GOOD, vms: [{ name: 'vm0', memoryBytes: '35 MiB', cpus: 1 }] },
      'Expected a multiple of 2 MiB',
    ],
  ])('refuses what makes no machine', (json, problem) => {
    expect(problems(json).join('\n')).toContain(problem);
  });

  it('must be JSON', () => {
    expect(parseTemplate('machine.json', '{ "a": }', []).issues[0]).toMatchObject({
      code: 'schema',
      path: 'machine.json',
    });
  });
});

describe('seeded variants', () => {
  const json = {
    ...GOOD,
    vms: [],
    cpus: { choices: [1, 2, 3, 4] },
    name: { choices: ['a', 'b', 'c', 'd'] },
  };
  const fields = ['cpus', 'name'];
  const seeds = Array.from({ length: 32 }, (_, seed) => seed);

  it('are the same for the same seed and differ between seeds', () => {
    const of = (seed: number): string => JSON.stringify(machineOf(json, seed, fields));
    expect(seeds.map(of)).toEqual(seeds.map(of));
    expect(new Set(seeds.map(of)).size).toBeGreaterThan(4);
  });

  it('reach every choice', () => {
    expect(new Set(seeds.map((seed) => machineOf(json, seed, fields).cpus))).toEqual(
      new Set([1, 2, 3, 4]),
    );
  });

  it('need choices where the lab says so', () => {
    const { issues } = parseTemplate('machine.json', JSON.stringify(GOOD), [
      'cpus',
      'devices.0.options.wqs',
    ]);
    expect(issues.map((issue) => issue.path)).toEqual([
      'machine.json#cpus',
      'machine.json#devices.0.options.wqs',
    ]);
  });

  it('reach into lists', () => {
    const inList = {
      ...GOOD,
      devices: [{ ...GOOD.devices[0], options: { wqs: { choices: [3, 5] } } }],
    };
    const found = seeds.map(
      (seed) => machineOf(inList, seed, ['devices.0.options.wqs']).devices[0]?.options?.['wqs'],
    );
    expect(new Set(found)).toEqual(new Set([3, 5]));
  });
});
