/** Turns what a walk read into steps for the window, each with the decoded entry behind it. */
import { hexOfHalves, toHex } from '../../bits/hex.ts';
import type { Structure } from '../../bits/structure.ts';
import type { WalkSection, WalkStep } from '../../protocol/views.ts';
import { FirstStage4KLeaf, firstStageEntryAt } from '../../spec/paging/first-stage-entry.ts';
import { PAGING_LEVELS } from '../../spec/paging/levels.ts';
import { secondStageEntryAt } from '../../spec/paging/second-stage-entry.ts';
import { LegacyContextEntry, ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import { faultCodeTitle, faultReasonsOf } from '../../spec/vtd/faults.ts';
import { formatSource } from '../../bits/field.ts';
import { PasidDirectoryEntry } from '../../spec/vtd/pasid-directory-entry.ts';
import { PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { ScalableRootEntry } from '../../spec/vtd/root-entry.ts';
import { bigOf } from '../../bits/u64.ts';
import {
  ACCESS,
  type IommuAnswer,
  type IommuRequest,
  type Machine,
  type WalkRead,
} from '../../sim/index.ts';
import { pgttTitle } from './pasid-table-view.ts';
import { formatAddress, formatPasid, formatRid, structureSection } from './sections.ts';
import { layoutContextOf } from './view-context.ts';

const BIT_7 = 0x80;
const STAGE_TITLES = {
  root: 'Root entry',
  context: 'Context entry',
  'pasid-directory': 'PASID directory entry',
  'pasid-entry': 'PASID table entry',
  'first-stage': 'First-stage',
  'second-stage': 'Second-stage',
} as const;

const INDEX_NAMES = {
  root: 'bus number',
  context: 'device and function',
  'pasid-directory': 'PASID',
  'pasid-entry': 'PASID',
  'first-stage': 'address',
  'second-stage': 'address',
} as const;

function structureOf(read: WalkRead): Structure {
  const hasBit7 = ((read.words[0] ?? 0) & BIT_7) !== 0;
  switch (read.stage) {
    case 'root':
      return ScalableRootEntry;
    case 'context':
      return read.words.length === 8 ? ScalableContextEntry : LegacyContextEntry;
    case 'pasid-directory':
      return PasidDirectoryEntry;
    case 'pasid-entry':
      return PasidTableEntry;
    case 'first-stage':
      return firstStageEntryAt(read.level, hasBit7);
    default:
      return secondStageEntryAt(read.level, hasBit7);
  }
}

function titleOf(read: WalkRead): string {
  const level = PAGING_LEVELS[read.level - 1];
  if (level === undefined) {
    return STAGE_TITLES[read.stage];
  }
  return read.stage === 'first-stage' ? level.firstStageName : level.secondStageName;
}

function outcomeOf(read: WalkRead, isLast: boolean, failure: string | undefined): string {
  if (read.words.length === 0) {
    return 'no memory at this address';
  }
  if (isLast && failure !== undefined) {
    return failure;
  }
  if (read.stage === 'pasid-entry') {
    return pgttTitle(PasidTableEntry.decode(read.words).PGTT);
  }
  const low = read.words[0] ?? 0;
  if (read.stage === 'first-stage' || read.stage === 'second-stage') {
    const isLeaf = read.level === 1 || (read.level <= 3 && (low & BIT_7) !== 0);
    return `${isLeaf ? 'maps a page' : 'next table'}, ${rightsOf(read)}`;
  }
  return 'present';
}

function rightsOf(read: WalkRead): string {
  if (read.stage === 'first-stage') {
    const entry = FirstStage4KLeaf.decode(read.words);
    return `${entry.US === 1 ? 'user' : 'supervisor'} ${entry.RW === 1 ? 'read/write' : 'read-only'}`;
  }
  const low = read.words[0] ?? 0;
  return `${(low & 1) === 1 ? 'R' : '-'}${(low & 2) === 2 ? 'W' : '-'}`;
}

function stepOf(
  machine: Machine,
  read: WalkRead,
  index: number,
  isLast: boolean,
  failure: string | undefined,
): WalkStep {
  const [low = 0, high = 0] = read.words;
  const isBad = read.words.length === 0 || (isLast && failure !== undefined);
  return {
    id: `step-${index}`,
    stage: read.stage,
    ...(read.level === 0 ? {} : { level: read.level }),
    title: titleOf(read),
    index: `${INDEX_NAMES[read.stage]}[${read.indexHigh}:${read.indexLow}] = ${toHex(read.index)}`,
    address: formatAddress(read.address),
    ...(read.words.length === 0 ? {} : { value: hexOfHalves(high, low) }),
    outcome: outcomeOf(read, isLast, failure),
    tone: isBad ? 'fault' : 'neutral',
    ...(read.words.length === 0
      ? {}
      : {
          structure: structureSection(structureOf(read), {
            id: `structure-${index}`,
            words: read.words,
            address: read.address,
            context: layoutContextOf(machine),
          }),
        }),
  };
}

/** Second-stage reads that serve a first-stage step belong to the step after them. */
function group(
  machine: Machine,
  reads: readonly WalkRead[],
  failure: string | undefined,
): readonly WalkStep[] {
  const steps: WalkStep[] = [];
  let pending: WalkStep[] = [];
  reads.forEach((read, index) => {
    const step = stepOf(machine, read, index, index === reads.length - 1, failure);
    if (read.depth === 1) {
      pending.push(step);
      return;
    }
    steps.push(pending.length === 0 ? step : { ...step, nested: pending });
    pending = [];
  });
  if (pending.length > 0) {
    const isBad = failure !== undefined;
    steps.push({
      id: 'final',
      stage: 'output',
      title: 'Guest physical page',
      outcome: isBad ? failure : 'translated by the second stage',
      tone: isBad ? 'fault' : 'neutral',
      nested: pending,
    });
  }
  return steps;
}

export function explainedWalk(machine: Machine, request: IommuRequest): WalkSection {
  const reads: WalkRead[] = [];
  const answer: IommuAnswer = machine.unit.translation.explain(request, {
    read: (read) => reads.push(read),
  });
  const failure = answer.reason === 0 ? undefined : (faultCodeTitle(answer.reason) ?? 'fault');
  const steps = group(machine, reads, failure);
  const output: WalkStep[] =
    failure === undefined
      ? [
          {
            id: 'output',
            stage: 'output',
            title: 'Host physical address',
            address: formatAddress(bigOf(answer.high, answer.low)),
            outcome: `${answer.canRead ? 'R' : '-'}${answer.canWrite ? 'W' : '-'}, page of ${2 ** (answer.pageShift - 10)} KiB`,
            tone: 'good',
          },
        ]
      : [];
  const code = `${answer.reason.toString(16).padStart(2, '0')}h`;
  const [reason] = faultReasonsOf(answer.reason);
  return {
    kind: 'walk',
    id: 'walk',
    title: 'Page walk',
    request: {
      rid: formatRid(request.rid),
      ...(request.pasid < 0 ? {} : { pasid: request.pasid }),
      address: formatAddress(bigOf(request.high, request.low)),
      access: request.kind === ACCESS.write ? 'write' : 'read',
    },
    steps: [...steps, ...output],
    result:
      failure === undefined
        ? {
            ok: true,
            text: `PASID ${formatPasid(request.pasid)}: ${formatAddress(bigOf(request.high, request.low))} → ${formatAddress(bigOf(answer.high, answer.low))}`,
          }
        : {
            ok: false,
            text: `Fault ${code}: ${failure}. ${reason?.usualCause ?? ''}`.trim(),
            faultReason: code,
            ...(reason === undefined ? {} : { source: formatSource(reason.source) }),
          },
  };
}
