import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { LAB_CHECKS } from '../../labs/registry.ts';
import { createLabFiles } from '../../src-main/hosts/labs/lab-files.ts';
import { checkLabs } from '../../src-main/services/lab-tools/check-labs.ts';
import { LabTools } from '../../src-main/services/lab-tools/lab-tools.ts';
import { PRESETS } from '../../src-renderer/features/workbench/presets.ts';

const root = path.resolve(import.meta.dirname, '../..');
const tools = new LabTools({
  labs: createLabFiles(path.join(root, 'labs')),
  loadSandbox: () => Uint8Array.from(readFileSync(path.join(root, 'node_modules/quickjs-wasi/quickjs.wasm'))),
});
const { labs, glossaryIssues } = tools.course;

describe('the labs of the course', () => {
  it('can all be used', () => {
    expect(labs.flatMap(({ folder, lab }) => (lab === undefined ? [folder] : []))).toEqual([]);
    expect(glossaryIssues).toEqual([]);
  });

  it('have their checks in the registry, and nothing else is there', () => {
    const ids = labs.flatMap(({ lab }) => (lab === undefined ? [] : [lab.id]));
    expect(Object.keys(LAB_CHECKS).toSorted()).toEqual(ids.toSorted());
  });

  it('register the checks of their own folder', async () => {
    for (const { folder, lab } of labs) {
      const module = (await import(path.join(root, 'labs', folder, 'checks.ts'))) as { readonly checks: unknown };
      expect(module.checks).toBe(LAB_CHECKS[lab?.id ?? '']);
    }
  });

  it('say with what their starters fail first', () => {
    for (const { lab } of labs) expect([lab?.id, lab?.starterFailure]).toEqual([lab?.id, expect.anything()]);
  });

  it('name layouts that the window has', () => {
    for (const { lab } of labs) expect(Object.keys(PRESETS)).toContain(lab?.layout);
  });

  it.each(labs.map(({ folder }) => folder))(
    '%s is proven',
    async (folder) => {
      const report = await checkLabs(tools, { names: [folder], nowMs: () => performance.now() });
      expect(report.labs[0]?.problems).toEqual([]);
      expect(report.labs[0]?.mutants.survivors).toEqual([]);
    },
    120_000,
  );
});
