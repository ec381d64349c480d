import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unproducedKinds } from '../../../build/scripts/event-kinds.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'siov-kinds-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('kinds that no test produces', () => {
  it('are all of the catalogue when nothing was noted', async () => {
    const kinds = await unproducedKinds(ROOT, folder);
    expect(kinds).toEqual(expect.arrayContaining(['iommu.fault.recorded', 'cpu.enqcmd.accepted']));
    expect(kinds.length).toBeGreaterThan(150);
  });

  it('are those that no file noted', async () => {
    const all = await unproducedKinds(ROOT, folder);
    writeFileSync(path.join(folder, 'a.json'), JSON.stringify(all.slice(2)));
    writeFileSync(path.join(folder, 'b.json'), JSON.stringify([all[1]]));
    expect(await unproducedKinds(ROOT, folder)).toEqual([all[0]]);
  });
});
