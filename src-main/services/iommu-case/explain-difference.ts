/** Words for the first difference of a case: what differs, and the entries that our walk met, decoded. */
import { fieldRows } from '../../bits/field-rows.ts';
import { hexToBytes, toHex } from '../../bits/hex.ts';
import { highOfBig, lowOfBig } from '../../bits/u64.ts';
import { firstStageEntryAt } from '../../spec/paging/first-stage-entry.ts';
import { secondStageEntryAt } from '../../spec/paging/second-stage-entry.ts';
import { LegacyContextEntry, ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import { faultCodeTitle } from '../../spec/vtd/faults.ts';
import { PasidDirectoryEntry } from '../../spec/vtd/pasid-directory-entry.ts';
import { PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { TTM } from '../../spec/vtd/registers/global-command.ts';
import { RootEntry, ScalableRootEntry } from '../../spec/vtd/root-entry.ts';
import type { Structure } from '../../bits/structure.ts';
import {
  ACCESS,
  ADDRESS_TYPE,
  createIommuRequest,
  type IommuRequest,
  type WalkRead,
} from '../../sim/index.ts';
import { FaultRecord } from '../../spec/vtd/registers/fault.ts';
import {
  numericToBig,
  numericToNumber,
  type AtsStep,
  type CaseStep,
  type DmaStep,
} from './case-format.ts';
import type { CaseMachine, FaultResult } from './case-machine.ts';
import { isJson, isNumeric, type Json } from './judge.ts';

/** Bit 7 of a paging entry. */
const BIT_7 = 0x80;

function structureOf(step: WalkRead, isLegacy: boolean): Structure {
  const hasBit7 = ((step.words[0] ?? 0) & BIT_7) !== 0;
  switch (step.stage) {
    case 'root':
      return isLegacy ? RootEntry : ScalableRootEntry;
    case 'context':
      return isLegacy ? LegacyContextEntry : ScalableContextEntry;
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

function fieldsOf(
  layout: Pick<Structure, 'source'> & Parameters<typeof fieldRows>[0],
  words: ArrayLike<number>,
): string {
  const fields = fieldRows(layout, layout.source, words)
    .filter((row) => row.raw !== '0x0')
    .map((row) => `${row.name}${row.bits}=${row.value}`);
  return fields.length === 0 ? 'all fields 0' : fields.join(' ');
}

function describeStep(step: WalkRead, isLegacy: boolean): string {
  const structure = structureOf(step, isLegacy);
  const place = `${structure.title} at ${toHex(step.address)}`;
  if (step.words.length === 0) {
    return `${place}: no memory there`;
  }
  return `${place}: ${fieldsOf(structure, step.words)}`;
}

/** A reason as a record holds it, with its title. */
function describeReason(code: number): string {
  const title = faultCodeTitle(code);
  return `${code.toString(16).padStart(2, '0')}h${title === undefined ? '' : ` (${title})`}`;
}

function describeClaim(claim: unknown): string {
  if (!isJson(claim)) {
    return JSON.stringify(claim);
  }
  if (Array.isArray(claim['any'])) {
    return claim['any'].map(describeClaim).join(', or ');
  }
  if (claim['ok'] === false) {
    const reasons = (claim['reasons'] ?? []) as readonly (number | string)[];
    const record = claim['record'];
    const log = record === null ? '' : record === true ? ', recorded' : ', nothing recorded';
    return `fault ${reasons.map((r) => describeReason(numericToNumber(r))).join(' or ')}${log}`;
  }
  return Object.entries(claim)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(' ');
}

function describeFaultRecord(fault: FaultResult): string {
  const words = fault.raw.flatMap((half) => [lowOfBig(BigInt(half)), highOfBig(BigInt(half))]);
  return `fault ${describeReason(fault.reason)}, record ${fieldsOf(FaultRecord, words)}`;
}

function requestOf(step: DmaStep | AtsStep): IommuRequest {
  const iova = numericToBig(step.iova);
  const request = createIommuRequest();
  request.rid = numericToNumber(step.rid);
  request.pasid =
    step.pasid === undefined || step.pasid === null ? -1 : numericToNumber(step.pasid);
  request.high = highOfBig(iova);
  request.low = lowOfBig(iova);
  request.bytes = 8;
  if (step.op === 'dma') {
    request.kind = step.rw === 'w' ? ACCESS.write : ACCESS.read;
  } else {
    request.addressType = ADDRESS_TYPE.translationRequest;
    request.isPrivileged = Boolean(step.priv);
    request.isExecute = Boolean(step.exec);
    request.isNoWrite = Boolean(step.nw);
  }
  return request;
}

/** The entries that a request meets, as memory holds them now. */
function walkOf(machine: CaseMachine, step: DmaStep | AtsStep): readonly string[] {
  const { translation } = machine.unit;
  const isLegacy = translation.mode === TTM.legacy;
  const path: string[] = [];
  const answer = translation.explain(requestOf(step), {
    read: (read) => path.push(describeStep(read, isLegacy)),
  });
  const end = answer.reason === 0 ? 'no fault' : describeReason(answer.reason);
  return [`our walk: ${end}`, ...path];
}

/** Fields of the claimed registers on both sides. IQE stands for one bit of FSTS. */
function registersOf(machine: CaseMachine, claim: Json, result: Json): readonly string[] {
  return Object.entries(claim).flatMap(([name, wanted]) => {
    const register = machine.registerOf(name);
    const found = result[name];
    if (register === undefined || !isNumeric(wanted) || !isNumeric(found)) {
      return [];
    }
    const side = (value: string | number): string => {
      const big = numericToBig(value);
      return fieldsOf(register, [lowOfBig(big), highOfBig(big)]);
    };
    return [`${name} expected: ${side(wanted)}`, `${name} actual: ${side(found)}`];
  });
}

/** Bit numbers in which two stretches of memory differ, counted from the lowest byte. */
function differingBits(expected: string, actual: string): string {
  const left = hexToBytes(expected) ?? new Uint8Array();
  const right = hexToBytes(actual) ?? new Uint8Array();
  const bits: number[] = [];
  for (let i = 0; i < Math.max(left.length, right.length) * 8; i++) {
    const byte = (left[i >>> 3] ?? 0) ^ (right[i >>> 3] ?? 0);
    if (((byte >>> (i & 7)) & 1) === 1) {
      bits.push(i);
    }
  }
  return `differs in bit ${bits.join(', ')}`;
}

/** Both sides of the first step that does not meet its claim, field by field. */
export function explainDifference(
  machine: CaseMachine,
  step: CaseStep,
  difference: { readonly claim: unknown; readonly result: unknown; readonly reason: string },
): string {
  const { claim, result, reason } = difference;
  const lines = [reason, `expected: ${describeClaim(claim)}`];
  const shown = isJson(result) ? result : {};
  switch (step.op) {
    case 'dma': {
      const fault = (shown['fault'] ?? null) as FaultResult | null;
      lines.push(fault === null ? describeActual(shown) : `actual: ${describeFaultRecord(fault)}`);
      break;
    }
    case 'regs':
      lines.push(...registersOf(machine, isJson(claim) ? claim : {}, shown));
      break;
    case 'peek':
      lines.push(`actual: hex=${String(result)}`);
      if (isJson(claim) && typeof claim['hex'] === 'string') {
        lines.push(differingBits(claim['hex'], String(result)));
      }
      break;
    default:
      lines.push(describeActual(shown));
  }
  if (step.op === 'dma' || step.op === 'ats') {
    lines.push(...walkOf(machine, step));
  }
  return lines.join('\n  ');
}

function describeActual(result: Json): string {
  return `actual: ${JSON.stringify(result)}`;
}
