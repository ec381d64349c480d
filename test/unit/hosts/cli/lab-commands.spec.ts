import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from '../../../support/cli.ts';
import { TINY_DRIVER, TINY_LAB } from '../../../support/tiny-lab.ts';

const root = path.resolve(import.meta.dirname, '../../../..');

interface RunDocument {
  readonly status: string;
  readonly traceHash: string;
  readonly checks: readonly {
    readonly id: string;
    readonly status: string;
    readonly message: string;
  }[];
  readonly scriptErrors: readonly unknown[];
}

/** A folder of labs outside the checkout, whose checks import the SDK by the usual relative path. */
let folder = '';
const labs = (): string => path.join(folder, 'labs');

function writeLab(name: string, files: Readonly<Record<string, string>>): void {
  for (const [file, text] of Object.entries(files)) {
    const target = path.join(labs(), name, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
}

const CHECKS = `import { check, defineChecks, events } from '../../src-main/labs-engine/sdk/index.ts';
export const checks = defineChecks([
  check({
    id: 'answer', step: 'answer', title: 'The answer is right', hint: 'answer-hint-1', pass: 'The answer is {answer}',
    fail: { wrong: '{object}: {field} is {actual}, expected {expected}' },
    test: ({ trace }, { pass, fail }) => {
      const record = trace.last(events.script.VALUE_REPORTED, { key: 'answer' });
      if (record?.values.value === '42') return pass({ answer: 42 });
      return fail('wrong', { object: 'report', field: 'answer', expected: 42, actual: record?.values.value ?? 'not reported', at: record });
    },
  }),
]);
`;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'siov-cli-'));
  symlinkSync(path.join(root, 'src-main'), path.join(folder, 'src-main'), 'dir');
  mkdirSync(labs());
  for (const file of ['glossary.yaml', 'glossary.zh-CN.yaml']) {
    copyFileSync(path.join(root, 'labs', file), path.join(labs(), file));
  }
  writeLab('010-tiny', { ...TINY_LAB, 'checks.ts': CHECKS });
  writeLab('020-survivor', {
    ...TINY_LAB,
    'lab.md': (TINY_LAB['lab.md'] ?? '').replace('id: tiny', 'id: survivor'),
    'checks.ts': CHECKS,
    'mutants/clever.ts':
      "// check: answer\nimport { report } from 'lab/oracle';\nreport('answer', 6 * 7);\n",
  });
  writeLab('030-broken', {
    ...TINY_LAB,
    'lab.md': '---\nformat: 9\nid: broken\n---\n',
    'checks.ts': CHECKS,
  });
  writeFileSync(
    path.join(folder, 'mine.ts'),
    TINY_DRIVER.replace('= 42', '= 43')
      .replaceAll(/^ *\/\/ #.*\n/gm, '')
      .replace('const answer = 0;\n', ''),
  );
  writeFileSync(path.join(folder, 'syntax.ts'), 'const = 1;\n');
  writeFileSync(
    path.join(folder, 'throws.ts'),
    "import { report } from 'lab/oracle';\nreport('answer', 42);\nthrow new Error('boom');\n",
  );
});

afterAll(() => rmSync(folder, { recursive: true }));

const run = (...words: readonly string[]): ReturnType<typeof cli> =>
  cli(['lab', ...words, '--labs', labs()], { cwd: folder });

describe('lab list', () => {
  it('lists the course in its order', async () => {
    const { code, out, said } = await cli(['lab', 'list', '--json']);
    const document = JSON.parse(out) as { readonly labs: readonly object[] };
    expect([code, said]).toEqual([0, '']);
    expect(Object.keys(document)).toEqual(['labs']);
    expect(document.labs[0]).toMatchObject({
      id: 'find-the-capability',
      title: 'Find the capability',
      minutes: 15,
      level: 'beginner',
      needs: [],
    });
    for (const lab of document.labs) {
      expect(Object.keys(lab).slice(0, 6)).toEqual([
        'id',
        'title',
        'minutes',
        'level',
        'needs',
        'concepts',
      ]);
    }
  });

  it('says so for people, too', async () => {
    expect((await run('list')).out).toBe(
      'tiny      5 min  beginner  Tiny\nsurvivor  5 min  beginner  Tiny',
    );
  });
});

describe('lab run', () => {
  it('lets the script talk on stderr, so that stdout stays data', async () => {
    const file = path.join(folder, 'talk.ts');
    writeFileSync(file, "console.log('half way');\n");
    const { out, said } = await run('run', 'tiny', '--file', `driver.ts=${file}`, '--json');
    expect(said).toContain('half way');
    expect((JSON.parse(out) as RunDocument).checks).toHaveLength(1);
  });

  it('runs the starter and reports in the agreed shape', async () => {
    const { code, out, said } = await run('run', 'tiny', '--json');
    const document = JSON.parse(out) as RunDocument;
    expect([code, said]).toEqual([1, '']);
    expect(document).toEqual({
      lab: 'tiny',
      seed: 1,
      profile: 'iommufd',
      status: 'fail',
      checks: [
        {
          id: 'answer',
          step: 'answer',
          status: 'fail',
          title: 'The answer is right',
          message: 'report: answer is 0, expected 42',
          expected: '42',
          actual: '0',
          at: {
            event: expect.any(Number) as number,
            object: 'report',
            field: 'answer',
            script: { file: 'driver.ts', line: 4 },
          },
        },
      ],
      traceHash: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
      events: expect.any(Number) as number,
      simTimeNs: expect.any(Number) as number,
      scriptErrors: [],
    });
  });

  it('passes with the solution, and twice the same', async () => {
    const first = await run('run', 'tiny', '--solution', '--json');
    const second = await run('run', 'tiny', '--solution', '--json');
    expect(first.code).toBe(0);
    expect(first.out).toBe(second.out);
    expect((JSON.parse(first.out) as RunDocument).status).toBe('pass');
  });

  it('takes a file of any name for the only script, and its folder name for a lab', async () => {
    const { code, out } = await run(
      'run',
      '010-tiny',
      '--file',
      'mine.ts',
      '--seed',
      '2',
      '--json',
    );
    expect(code).toBe(1);
    expect((JSON.parse(out) as RunDocument).checks[0]?.message).toBe(
      'report: answer is 43, expected 42',
    );
    expect(JSON.parse(out)).toMatchObject({ seed: 2 });
  });

  it('reports a script that throws, and still grades what it did', async () => {
    const { code, out } = await run('run', 'tiny', '--file', 'driver.ts=throws.ts', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      status: 'pass',
      scriptErrors: [{ file: 'driver.ts', line: 3, message: 'Error: boom' }],
    });
  });

  it('calls a script that cannot start bad input', async () => {
    const { code, out } = await run('run', 'tiny', '--file', 'syntax.ts', '--json');
    const document = JSON.parse(out) as RunDocument;
    expect(code).toBe(2);
    expect(document.status).toBe('error');
    expect(document.checks[0]?.status).toBe('notRun');
    expect(document.scriptErrors).toContainEqual({
      file: 'driver.ts',
      line: 1,
      column: 7,
      message: 'Variable declaration expected.',
    });
  });

  it('tells people where to look', async () => {
    const { code, out, said } = await run('run', 'tiny');
    expect(code).toBe(1);
    expect(out).toMatch(
      /^FAIL {3}The answer is right\n {7}report: answer is 0, expected 42\n {7}see driver\.ts:4, record \d+\nFailed: tiny, seed 1$/,
    );
    expect(said).toMatch(/records, \d+ ns simulated, trace [0-9a-f]{16}$/);
  });

  it('writes the trace as JSON Lines', async () => {
    await run('run', 'tiny', '--solution', '--trace', 'out.jsonl');
    const lines = readFileSync(path.join(folder, 'out.jsonl'), 'utf8').trimEnd().split('\n');
    const [header, ...records] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(header).toMatchObject({
      schemaVersion: 1,
      machine: 'tiny',
      seed: 1,
      records: records.length,
    });
    expect(records[0]).toMatchObject({ seq: 0 });
    expect(records.at(-1)?.['seq']).toBe(records.length - 1);
  });

  it.each([
    [['run', 'tny'], 'There is no lab tny\nDid you mean tiny?'],
    [['run', 'broken'], 'There is no lab broken'],
    [
      ['run', '030-broken'],
      'Lab 030-broken cannot be used: The lab has format 9 and needs a newer S-IOV Lab; this version reads format 1',
    ],
    [['run', 'tiny', '--file', 'nowhere.ts'], 'Cannot read nowhere.ts: there is no such file'],
    [
      ['run', 'tiny', '--file', 'mine.ts', '--solution'],
      'Expected --file or --solution, found both',
    ],
    [
      ['run', 'tiny', '--profile', 'kvmforum2019'],
      'Lab tiny does not run with profile kvmforum2019\nIt runs with iommufd',
    ],
    [['run', 'tiny', '--profile', 'iommfd'], 'Did you mean iommufd?'],
  ])('ends with 2 for %j', async (words, message) => {
    const { code, said } = await run(...words);
    expect(code).toBe(2);
    expect(said).toContain(message);
  });
});

describe('lab check', () => {
  it('proves a lab', async () => {
    const { code, out } = await run('check', 'tiny', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      labs: [
        {
          id: 'tiny',
          ok: true,
          problems: [],
          mutants: { declared: 1, killed: 1, survivors: [] },
          durationMs: expect.any(Number) as number,
        },
      ],
      problems: [],
      ok: true,
    });
  });

  it('fails when a mutant survives, and when a lab cannot be read', async () => {
    const { code, out } = await run('check', '--json');
    const document = JSON.parse(out) as { readonly labs: readonly object[]; readonly ok: boolean };
    expect([code, document.ok]).toEqual([1, false]);
    expect(document.labs).toMatchObject([
      { id: 'tiny', ok: true },
      {
        id: 'survivor',
        ok: false,
        problems: [{ code: 'mutant-survives', path: 'mutants/clever.ts' }],
        mutants: { declared: 2, killed: 1, survivors: ['clever'] },
      },
      { id: '030-broken', ok: false, problems: [{ code: 'schema', path: 'lab.md:2' }] },
    ]);
  });

  it('prints problems for people', async () => {
    const { out } = await run('check', 'survivor');
    expect(out).toMatch(
      /^FAIL {3}survivor: 1 of 2 mutants caught, [\d.]+ s\n {7}mutant-survives mutants\/clever\.ts: No check catches clever/,
    );
  });

  it('names a lab that does not exist', async () => {
    expect(await run('check', 'surviver')).toMatchObject({
      code: 2,
      said: 'There is no lab surviver\nDid you mean survivor?',
    });
  });
});
