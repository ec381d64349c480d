import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from '../../../support/cli.ts';

const root = path.resolve(import.meta.dirname, '../../../..');

const SCRIPT = `import { pci_devices, pci_read_config_word } from 'linux/pci';
for (const dev of pci_devices()) console.log(dev.name, pci_read_config_word(dev, 2));
`;
const MACHINE = JSON.stringify({
  name: 'two',
  memory: { bytes: '64 MiB' },
  cpus: 1,
  iommu: { profile: 'lab' },
  devices: ['00:03.0', '00:04.0'].map((bdf) => ({
    kind: 'plain',
    name: `plain-${bdf.slice(3, 5)}`,
    bdf,
    options: { vendorId: '0x8086', deviceId: 7, classCode: 1 },
  })),
});

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'siov-run-'));
  const write = (name: string, text: string): void => writeFileSync(path.join(folder, name), text);
  write('script.ts', SCRIPT);
  write('throws.ts', `${SCRIPT}throw new Error('late');\n`);
  write('syntax.ts', 'const = 1;\n');
  write('machine.json', MACHINE);
  write('bad.json', MACHINE.replace('"64 MiB"', '"64 bytes"').replace('"lab"', '"lob"'));
});

afterAll(() => rmSync(folder, { recursive: true }));

const run = (...words: readonly string[]): ReturnType<typeof cli> => cli(words, { cwd: folder });

describe('run', () => {
  it('runs a script and reports in the agreed shape', async () => {
    const { code, out, said } = await run(
      'run',
      'script.ts',
      '--machine',
      'machine.json',
      '--json',
    );
    expect([code, said]).toEqual([0, '0000:00:03.0 7\n0000:00:04.0 7']);
    expect(JSON.parse(out)).toEqual({
      status: 'pass',
      traceHash: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
      events: expect.any(Number) as number,
      simTimeNs: expect.any(Number) as number,
      scriptErrors: [],
    });
  });

  it('is the same run for the same file, machine and seed', async () => {
    const [first, second, other] = [
      await run('run', 'script.ts', '--seed', '7', '--json'),
      await run('run', 'script.ts', '--seed', '7', '--json'),
      await run('run', 'script.ts', '--machine', 'machine.json', '--json'),
    ];
    expect(first.out).toBe(second.out);
    expect(first.out).not.toBe(other.out);
  });

  it.each([
    ['throws.ts', 1, 'fail', { file: 'throws.ts', line: 3, message: 'Error: late' }],
    [
      'syntax.ts',
      2,
      'error',
      { file: 'syntax.ts', line: 1, message: 'Variable declaration expected.' },
    ],
  ])(
    'tells how %s ended',
    async (file, exit, status, problem) => {
      const { code, out } = await run('run', file, '--json');
      expect(code).toBe(exit);
      expect(JSON.parse(out)).toMatchObject({ status });
      expect(
        (JSON.parse(out) as { readonly scriptErrors: readonly object[] }).scriptErrors[0],
      ).toMatchObject(problem);
    },
    60_000,
  );

  it('writes the trace', async () => {
    await run('run', 'script.ts', '--trace', 'out.jsonl');
    expect(readFileSync(path.join(folder, 'out.jsonl'), 'utf8').split('\n')[0]).toContain(
      '"schemaVersion":1',
    );
  });

  it('names everything that is wrong with a machine', async () => {
    const { code, said } = await run('run', 'script.ts', '--machine', 'bad.json');
    expect(code).toBe(2);
    expect(said).toContain('bad.json describes no machine');
    expect(said).toContain('bad.json#memory.bytes');
    expect(said).toContain('bad.json#iommu.profile');
  });

  it.each([
    [
      ['run', 'script.ts', '--profile', 'iommuf'],
      'There is no profile iommuf\nDid you mean iommufd?',
    ],
    [['run', 'script.ts', '--actor', 'host'], 'There is no actor host'],
    [['run', 'none.ts'], 'Cannot read none.ts: there is no such file'],
  ])('ends with 2 for %j', async (words, message) => {
    const { code, said } = await run(...words);
    expect(code).toBe(2);
    expect(said).toContain(message);
  });
});

describe('trace', () => {
  it('prints the records of the kinds that are asked for', async () => {
    const { code, out } = await run('trace', 'script.ts', '--kind', 'script.*', '--last', '1');
    expect(code).toBe(0);
    expect(out).toMatch(
      /^ *\d+ +\d+ ns {2}linux {2}script\.call\.made {2}script\.ts:2 pci_read_config_word$/,
    );
  });

  it('prints JSON Lines', async () => {
    const { out } = await run('trace', 'script.ts', '--json');
    const records = out.split('\n').map((line) => JSON.parse(line) as { readonly seq: number });
    expect(records.map((record) => record.seq)).toEqual(records.map((_, index) => index));
  });

  it('names a kind that does not exist', async () => {
    expect(await run('trace', 'script.ts', '--kind', 'iommu.fault.recorder')).toMatchObject({
      code: 2,
      said: expect.stringContaining('Did you mean iommu.fault.recorded?') as string,
    });
  });
});

describe('inspect', () => {
  it('prints the view model of the machine after boot, of a run, or of an instant of it', async () => {
    const view = async (
      ...words: readonly string[]
    ): Promise<{ readonly subtitle?: string; readonly empty?: string }> => {
      const { code, out } = await run('inspect', ...words);
      expect(code).toBe(0);
      return JSON.parse(out) as { readonly subtitle?: string; readonly empty?: string };
    };
    expect(await view('pci-config', '--param', 'rid=6a:01.0')).toMatchObject({
      view: 'pci-config',
      subtitle: '6a:01.0 dsa0',
    });
    const machine = ['--machine', 'machine.json', '--run', 'script.ts'];
    expect(await view('pci-config', '--param', 'rid=00:04.0', ...machine)).toMatchObject({
      subtitle: '00:04.0 plain-04',
    });
    expect((await view('pasid-table', ...machine)).empty).toBeUndefined();
    expect((await view('pasid-table', ...machine, '--at', '0')).empty).toContain(
      'no root table yet',
    );
  });

  it.each([
    [['inspect', 'topologi'], 'There is no view topologi\nDid you mean topology?'],
    [
      ['inspect', 'topology', '--param', 'rdi=1'],
      'Expected a parameter as name=value, found rdi=1\nDid you mean rid?',
    ],
    [['inspect', 'topology', '--param', 'pasid=many'], 'Parameter pasid'],
  ])('ends with 2 for %j', async (words, message) => {
    const { code, said } = await run(...words);
    expect(code).toBe(2);
    expect(said).toContain(message);
  });
});

describe('the program itself', () => {
  const spawn = (...words: readonly string[]): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, [path.join(root, 'src-main/hosts/cli/main.ts'), ...words], {
      cwd: folder,
      encoding: 'utf8',
    });

  it('keeps data and talk apart and ends with the code of the command', async () => {
    const words = ['run', 'script.ts', '--machine', 'machine.json', '--json'];
    const good = spawn(...words);
    expect([good.status, good.stderr]).toEqual([0, '0000:00:03.0 7\n0000:00:04.0 7\n']);
    // The same run in another process has the same trace, to the last hash.
    expect(good.stdout.trimEnd()).toBe((await run(...words)).out);
    const bad = spawn('lab', 'lst');
    expect([bad.status, bad.stdout]).toEqual([2, '']);
    expect(bad.stderr).toContain('Did you mean lab list?');
  }, 60_000);
});
