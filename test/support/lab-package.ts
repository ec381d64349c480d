/** The labs of the course as their folders say. */
import path from 'node:path';
import { createLabFiles } from '../../src-main/hosts/labs/lab-files.ts';
import { loadLab, type LabPackage } from '../../src-main/labs-engine/package/lab-package.ts';

const LABS = path.resolve(import.meta.dirname, '../../labs');

/** A lab as its folder says, by id. */
export function labPackage(id: string): LabPackage {
  const library = createLabFiles(LABS);
  for (const folder of library.labs()) {
    const { lab } = loadLab(library, folder);
    if (lab?.id === id) return lab;
  }
  throw new Error(`There is no lab ${id}`);
}

export function solutionOf(id: string, file: string): string {
  const script = labPackage(id).scripts.find((s) => s.path === file);
  if (script === undefined) throw new Error(`Lab ${id} has no file ${file}`);
  return script.solution.text;
}
