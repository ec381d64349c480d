import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from '../../../support/cli.ts';

/** One DMA read while translation is off: it reaches the address it names. */
const AGREES = JSON.stringify({
  id: 'off-1',
  family: 'off',
  profile: 'any',
  haw: 48,
  caps: { cap: '0x81d2008c222f0606', ecap: '0x893800f00f4a' },
  steps: [
    { op: 'dma', rid: 24, iova: '0x200000', rw: 'r' },
    { op: 'regs', read: ['FSTS'] },
  ],
  spec: [{ ok: true, pa: '0x200000' }, null],
  answers: [{ qemu: ['10.0'], results: [null, { FSTS: '0x0' }] }],
});
const DISAGREES = AGREES.replace('off-1', 'off-2')
  .replace('"pa":"0x200000"', '"pa":"0x300000"')
  .replace('"any"', '"other"');

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'siov-replay-'));
  writeFileSync(path.join(folder, 'good.jsonl'), `${AGREES}\n\n${AGREES}`);
  writeFileSync(path.join(folder, 'good.jsonl.gz'), gzipSync(`${AGREES}\n`.repeat(200)));
  writeFileSync(path.join(folder, 'bad.jsonl'), `${AGREES}\n${DISAGREES}\n`);
  writeFileSync(path.join(folder, 'torn.jsonl'), `${AGREES}\n{ "id": \n`);
  writeFileSync(path.join(folder, 'torn.jsonl.gz'), gzipSync(AGREES).subarray(0, 40));
});

afterAll(() => rmSync(folder, { recursive: true }));

const replay = (...words: readonly string[]): ReturnType<typeof cli> =>
  cli(['iommu', 'replay', ...words], { cwd: folder });

describe('iommu replay', () => {
  it('counts per profile, from plain and gzipped files', async () => {
    const { code, out, said } = await replay('good.jsonl', 'good.jsonl.gz', '--json');
    expect([code, said]).toEqual([0, '']);
    expect(JSON.parse(out)).toEqual({
      profiles: {
        any: { cases: 202, agree: 202, disagree: 0, unclaimed: { same: 202, unlike: 0 } },
      },
      firstDifferences: [],
      problems: [],
      ok: true,
    });
  });

  it('ends with 1 and shows the first difference of a case that disagrees', async () => {
    const { code, out } = await replay('bad.jsonl', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      profiles: { any: { cases: 1, agree: 1 }, other: { cases: 1, agree: 0, disagree: 1 } },
      firstDifferences: [
        {
          file: 'bad.jsonl',
          case: 'off-2',
          step: 0,
          expected: { ok: true, pa: '0x300000' },
          actual: { ok: true, pa: '0x200000' },
          explain: expect.stringContaining('expected 0x300000') as string,
        },
      ],
      ok: false,
    });
  });

  it('prints a table and the differences for people', async () => {
    const { out } = await replay('bad.jsonl');
    expect(out).toContain('profile  cases  agree  disagree');
    expect(out).toContain('bad.jsonl: off-2, step 0');
    expect(out).toContain('1 cases disagree');
  });

  it.each([
    ['a claim of another shape', { spec: [{ ok: false, reasons: 'none' }] }, 'spec.0: reasons'],
    ['more claims than steps', { spec: [null, null, null] }, 'spec: 3 claims for 2 steps'],
    ['an address width no host has', { haw: 64 }, 'haw: '],
    ['a requester of more than 16 bits', { steps: [{ op: 'pri', rid: 65_536, iova: 0 }] }, 'rid'],
    ['bytes that are none', { steps: [{ op: 'mem', w: [[0, 'xyz']] }], spec: [] }, 'hex digits'],
    ['an unknown step', { steps: [{ op: 'nothing' }], spec: [] }, 'steps.0.op'],
    [
      'capabilities that contradict themselves',
      { caps: { cap: '0xffffffffffffffff', ecap: '0xffffffffffffffff' } },
      'no unit can have these capabilities',
    ],
  ])('ends with 2 and names the line of %s', async (_name, change, message) => {
    const line = JSON.stringify({ ...(JSON.parse(AGREES) as object), ...change });
    writeFileSync(path.join(folder, 'odd.jsonl'), `${AGREES}\n${line}\n`);
    const { code, said, out } = await replay('odd.jsonl', '--json');
    expect(code).toBe(2);
    expect(said).toContain('odd.jsonl:2 ');
    expect(said).toContain(message);
    expect(JSON.parse(out)).toMatchObject({ ok: false, profiles: { any: { cases: 1, agree: 1 } } });
  });

  it('decodes both sides of a difference, field by field', async () => {
    const line = JSON.stringify({
      ...(JSON.parse(AGREES) as object),
      steps: [
        { op: 'reg', off: 24, size: 4, val: '0xc0000000' },
        { op: 'dma', rid: 24, iova: '0x200000', rw: 'r' },
      ],
      spec: [null, { ok: false, reasons: ['0x5'], record: true }],
      answers: [],
    });
    writeFileSync(path.join(folder, 'fields.jsonl'), line);
    const { code, out } = await replay('fields.jsonl');
    expect(code).toBe(1);
    expect(out).toContain('expected: fault 05h (No write permission), recorded');
    expect(out).toMatch(/actual: fault 01h \(.+\), record FI\[63:12\]=\S+ SID\[79:64\]=0x18/);
    expect(out).toContain('our walk: 01h');
    expect(out).toContain(': all fields 0');
  });

  it.each([
    ['missing.jsonl', 'Cannot read missing.jsonl: there is no such file'],
    ['.', 'Cannot read .: it is a folder'],
    ['torn.jsonl.gz', 'Cannot read torn.jsonl.gz: unexpected end of file'],
    ['torn.jsonl', 'torn.jsonl:2 Expected one JSON document'],
  ])('ends with 2 for %s', async (file, message) => {
    const { code, said } = await replay(file);
    expect(code).toBe(2);
    expect(said).toContain(message);
  });
});
