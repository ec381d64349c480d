/**
 * Agreement of our result of a step with what the specification asks for (column `spec`), and likeness to recorded answers
 * of other implementations. The rules are those of the format page.
 */
import { toHex } from '../../bits/hex.ts';
import { numericToBig, type AtsStep, type CaseStep, type DmaStep } from './case-format.ts';
import type { FaultResult, TranslatedRegion } from './case-machine.ts';

export type Json = Readonly<Record<string, unknown>>;

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isNumeric(value: unknown): value is string | number {
  return typeof value === 'number' || (typeof value === 'string' && /^0x[0-9a-fA-F]+$/.test(value));
}

function equalNumbers(a: unknown, b: unknown): boolean {
  return isNumeric(a) && isNumeric(b) && numericToBig(a) === numericToBig(b);
}

/** Undefined when the claim is met, else why not. */
export function disagreement(step: CaseStep, claim: unknown, result: unknown): string | undefined {
  if (isJson(claim) && Array.isArray(claim['any'])) {
    const reasons = claim['any'].map((c) => disagreement(step, c, result));
    return reasons.includes(undefined) ? undefined : reasons[0];
  }
  switch (step.op) {
    case 'dma':
      return dmaDisagreement(step, claim as Json, result as Json);
    case 'peek': {
      const wanted = isJson(claim) ? claim['hex'] : claim;
      return wanted === result
        ? undefined
        : `memory holds ${String(result)}, expected ${String(wanted)}`;
    }
    case 'regs': {
      for (const [name, wanted] of Object.entries(claim as Json)) {
        const found = name === 'IQE' ? queueErrorOf(result as Json) : (result as Json)[name];
        if (!equalNumbers(wanted, found)) {
          return `${name} is ${String(found)}, expected ${String(wanted)}`;
        }
      }
      return undefined;
    }
    case 'ats':
      return translationDisagreement(step, claim as Json, result as Json);
    default:
      return isLike(claim, result) ? undefined : 'result differs';
  }
}

/** Effective rights of the page that was asked for, and where it is when there are any. */
function translationDisagreement(step: AtsStep, claim: Json, result: Json): string | undefined {
  const iova = numericToBig(step.iova);
  const entry = (result['entries'] as readonly TranslatedRegion[]).find(
    (e) => iova >= BigInt(e.iova) && iova < BigInt(e.iova) + BigInt(e.size),
  );
  const found: Json = {
    r: entry?.r ?? 0,
    w: entry?.w ?? 0,
    pa: entry === undefined ? null : toHex(BigInt(entry.pa) + (iova - BigInt(entry.iova))),
  };
  const wrong = ['r', 'w', 'pa'].find(
    (key) => claim[key] !== undefined && !equalNumbers(claim[key], found[key]),
  );
  if (wrong !== undefined) {
    return `translation has ${wrong} ${String(found[wrong])}, expected ${String(claim[wrong])}`;
  }
  return result['fault'] === null
    ? undefined
    : `${describeFault(result['fault'])} was recorded for a translation request`;
}

/** IQE is bit 4 of FSTS. */
function queueErrorOf(result: Json): number | undefined {
  const status = result['FSTS'];
  return isNumeric(status) ? Number((numericToBig(status) >> 4n) & 1n) : undefined;
}

function dmaDisagreement(step: DmaStep, claim: Json, result: Json): string | undefined {
  if (claim['ok'] === true) {
    if (result['ok'] !== true) {
      return `request faulted with ${describeFault(result['fault'])}, expected success at ${String(claim['pa'])}`;
    }
    return equalNumbers(claim['pa'], result['pa'])
      ? undefined
      : `request reached ${String(result['pa'])}, expected ${String(claim['pa'])}`;
  }
  if (result['ok'] !== false) {
    return `request succeeded at ${String(result['pa'])}, expected a fault (${reasonsOf(claim)})`;
  }
  // A fault that found every recording register in use counts as the record it would have been.
  const fault = (result['fault'] ?? result['unrecorded'] ?? null) as FaultResult | null;
  if (claim['record'] === false) {
    return fault === null ? undefined : `${describeFault(fault)} was recorded, expected no record`;
  }
  if (claim['record'] !== true) {
    return undefined;
  }
  if (fault === null) {
    return `nothing was recorded, expected a record (${reasonsOf(claim)})`;
  }
  const reasons = (claim['reasons'] ?? []) as readonly (number | string)[];
  if (reasons.length > 0 && !reasons.some((r) => equalNumbers(r, fault.reason))) {
    return `${describeFault(fault)}, expected ${reasonsOf(claim)}`;
  }
  return recordDisagreement(step, fault);
}

/** `sid`, `type`, page address, `pp` and `pasid` as requested. */
function recordDisagreement(step: DmaStep, fault: FaultResult): string | undefined {
  const hasPasid = step.pasid !== undefined && step.pasid !== null;
  const wanted: readonly (readonly [string, unknown, unknown])[] = [
    ['SID', numericToBig(step.rid), BigInt(fault.sid)],
    ['type', step.rw, fault.type],
    ['address', numericToBig(step.iova) >> 12n, BigInt(fault.addr) >> 12n],
    ['PP', hasPasid ? 1 : 0, fault.pp],
    ['PV', hasPasid ? numericToBig(step.pasid ?? 0) : BigInt(fault.pasid), BigInt(fault.pasid)],
  ];
  const wrong = wanted.find(([, expected, found]) => expected !== found);
  return wrong === undefined
    ? undefined
    : `fault record has ${wrong[0]} ${String(wrong[2])}, expected ${String(wrong[1])}`;
}

function reasonsOf(claim: Json): string {
  const reasons = (claim['reasons'] ?? []) as readonly (number | string)[];
  return `reason ${reasons.map((r) => `${numericToBig(r).toString(16).padStart(2, '0')}h`).join(' or ')}`;
}

export function describeFault(fault: unknown): string {
  if (!isJson(fault)) {
    return 'no record';
  }
  const { reason } = fault as unknown as FaultResult;
  return `reason ${reason.toString(16).padStart(2, '0')}h`;
}

/** Deep equality, numbers and `0x…` strings being the same; keys that only one side has do not count. */
export function isLike(recorded: unknown, ours: unknown): boolean {
  if (isNumeric(recorded) && isNumeric(ours)) {
    return equalNumbers(recorded, ours);
  }
  if (Array.isArray(recorded) && Array.isArray(ours)) {
    return recorded.length === ours.length && recorded.every((item, i) => isLike(item, ours[i]));
  }
  if (isJson(recorded) && isJson(ours)) {
    return Object.keys(recorded).every((key) => !(key in ours) || isLike(recorded[key], ours[key]));
  }
  return recorded === ours;
}
