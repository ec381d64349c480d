/** Words for the first difference of a case: what differs, and the entries that our walk met, decoded. */
import { fieldRows } from '../../bits/field-rows.ts';
import { highOfBig, lowOfBig } from '../../bits/u64.ts';
import { firstStageEntryAt } from '../../spec/paging/first-stage-entry.ts';
import { secondStageEntryAt } from '../../spec/paging/second-stage-entry.ts';
import { LegacyContextEntry, ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import { faultCodeTitle } from '../../spec/vtd/faults.ts';
import { PasidDirectoryEntry } from '../../spec/vtd/pasid-directory-entry.ts';
import { PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { RootEntry, ScalableRootEntry } from '../../spec/vtd/root-entry.ts';
import { toHex } from '../../bits/hex.ts';
import type { Structure } from '../../bits/structure.ts';
import { ACCESS, createIommuRequest, type WalkRead } from '../../sim/index.ts';
import { numericToBig, numericToNumber, type CaseStep } from './case-format.ts';
import type { CaseMachine } from './case-machine.ts';

/** Bit 7 of a paging entry. */
const BIT_7 = 0x80;

function structureOf(step: WalkRead): Structure {
  const hasBit7 = ((step.words[0] ?? 0) & BIT_7) !== 0;
  switch (step.stage) {
    case 'root':
      return step.words.length === 4 ? ScalableRootEntry : RootEntry;
    case 'context':
      return step.words.length === 8 ? ScalableContextEntry : LegacyContextEntry;
    case 'pasid-directory':
      return PasidDirectoryEntry;
    case 'pasid-entry':
      return PasidTableEntry;
    case 'first-stage':
      return firstStageEntryAt(step.level, hasBit7);
    default:
      return secondStageEntryAt(step.level, hasBit7);
  }
}

function describeStep(step: WalkRead): string {
  const structure = structureOf(step);
  const place = `${structure.title} at ${toHex(step.address)}`;
  if (step.words.length === 0) {
    return `${place}: no memory there`;
  }
  const fields = fieldRows(structure, structure.source, step.words)
    .filter((row) => row.raw !== '0x0')
    .map((row) => `${row.name}${row.bits}=${row.value}`);
  return `${place}: ${fields.join(' ')}`;
}

export function explainDifference(machine: CaseMachine, step: CaseStep, reason: string): string {
  if (step.op !== 'dma') {
    return reason;
  }
  const iova = numericToBig(step.iova);
  const request = createIommuRequest();
  request.rid = numericToNumber(step.rid);
  request.pasid =
    step.pasid === undefined || step.pasid === null ? -1 : numericToNumber(step.pasid);
  request.high = highOfBig(iova);
  request.low = lowOfBig(iova);
  request.bytes = 8;
  request.kind = step.rw === 'w' ? ACCESS.write : ACCESS.read;
  const path: string[] = [];
  const answer = machine.unit.translation.explain(request, {
    read: (read) => path.push(describeStep(read)),
  });
  const title = answer.reason === 0 ? 'no fault' : (faultCodeTitle(answer.reason) ?? '');
  return [reason, `our walk: ${title}`, ...path].join('\n  ');
}
