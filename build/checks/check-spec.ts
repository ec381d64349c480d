/** Loads all declarations of `src-main/spec`, refuses faulty ones, and says how many there are. */
import {
  CAPABILITY_PROFILES,
  decodeCapability,
} from '../../src-main/spec/vtd/capability-profile.ts';
import { allFaultReasons, faultCodes } from '../../src-main/spec/vtd/faults.ts';
import { vtdRegisterBlock } from '../../src-main/spec/vtd/registers.ts';
import { loadSpec, specProblems } from './spec-declarations.ts';

const spec = await loadSpec();
const problems = specProblems(spec);
for (const problem of problems) {
  console.error(problem);
}

const count = (items: readonly unknown[]): string => String(items.length).padStart(5);
const fields = [...spec.structures, ...spec.registers].flatMap((d) =>
  d.fields.filter((f) => f.spec.role === 'value'),
);
console.log(`${count(spec.modules)} modules`);
console.log(`${count(spec.structures)} structures`);
console.log(`${count(spec.registers)} registers`);
console.log(`${count(spec.capabilities)} PCI capabilities`);
console.log(`${count(fields)} fields`);
console.log(`${count(allFaultReasons())} fault conditions with ${faultCodes().length} codes`);
for (const profile of CAPABILITY_PROFILES) {
  const block = vtdRegisterBlock(decodeCapability(profile));
  console.log(`${count(block.registers)} registers of IOMMU profile ${profile.name}`);
}

process.exitCode = problems.length === 0 ? 0 : 1;
