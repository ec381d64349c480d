/**
 * What one row of the fault tables says. VT-d 5.10 sections 7.1.1 to 7.1.3 (requests) and 5.1.4.1 (interrupts).
 *
 * Several conditions can share one numeric code: the code is what a fault record holds, the mnemonic names the condition.
 */
import type { SourceRef } from '../../../bits/field.ts';
import { invariant } from '../../../bits/invariant.ts';

/** Untranslated, translation and translated requests without and with PASID, and page requests. */
export const REQUEST_CLASSES = ['U', 'UP', 'T', 'TP', 'X', 'XP', 'P'] as const;
export type RequestClass = (typeof REQUEST_CLASSES)[number];

/**
 * What the requester gets. `UR`, `CA`: completion status. `S0`: success without rights, so the endpoint may ask for the
 * page. `Seff`: success with the rights there are. `IR`: page response Invalid Request when the group ends here, else the
 * request is dropped.
 */
export const FAULT_RESPONSES = ['UR', 'CA', 'S0', 'Seff', 'IR'] as const;
export type FaultResponse = (typeof FAULT_RESPONSES)[number];

export type FaultResponses = Readonly<Record<RequestClass, FaultResponse | null>>;

/** What bits 63:12 of the fault record hold. */
export type FaultInformation = 'address' | 'interrupt-index' | 'nothing';

export interface FaultReason {
  /** Fault reason field of the fault record. */
  readonly code: number;
  /** Condition, as the specification names it; `IR.xx` for interrupts, whose conditions have no name there. */
  readonly mnemonic: string;
  readonly title: string;
  /** One sentence for a learner. */
  readonly explanation: string;
  readonly usualCause: string;
  readonly subject: 'request' | 'interrupt';
  /** Not recorded when an entry met on the way (for interrupts, the IRTE) has FPD=1. */
  readonly isQualified: boolean;
  /** Null where the condition cannot meet that request. */
  readonly responses: FaultResponses;
  /** Faults answered with success are normally silent; this one is recorded all the same. */
  readonly isRecordedOnSuccess: boolean;
  readonly information: FaultInformation;
  readonly source: SourceRef;
}

export interface FaultRow {
  readonly code: number;
  readonly title: string;
  readonly explanation: string;
  readonly usualCause: string;
  readonly isQualified: boolean;
  /** Seven answers in the order of `REQUEST_CLASSES`, `-` where the condition cannot occur. */
  readonly responses: string;
  readonly isRecordedOnSuccess?: boolean;
  readonly information?: FaultInformation;
}

function isResponse(text: string): text is FaultResponse {
  return FAULT_RESPONSES.some((r) => r === text);
}

function parseResponses(mnemonic: string, text: string): FaultResponses {
  const cells = text.split(/\s+/);
  invariant(cells.length === REQUEST_CLASSES.length, `${mnemonic}: seven answers expected`);
  const out: Partial<Record<RequestClass, FaultResponse | null>> = {};
  for (const [i, requestClass] of REQUEST_CLASSES.entries()) {
    const cell = cells[i] ?? '';
    invariant(cell === '-' || isResponse(cell), `${mnemonic}: unknown answer ${cell}`);
    out[requestClass] = cell === '-' ? null : cell;
  }
  return out as FaultResponses;
}

/** Turns rows keyed by mnemonic into reasons. */
export function faultReasons<const M extends string>(
  subject: FaultReason['subject'],
  source: SourceRef,
  rows: Readonly<Record<M, FaultRow>>,
): Readonly<Record<M, FaultReason>> {
  const out: Partial<Record<M, FaultReason>> = {};
  for (const [mnemonic, row] of Object.entries(rows) as [M, FaultRow][]) {
    out[mnemonic] = {
      code: row.code,
      mnemonic,
      title: row.title,
      explanation: row.explanation,
      usualCause: row.usualCause,
      subject,
      isQualified: row.isQualified,
      responses: parseResponses(mnemonic, row.responses),
      isRecordedOnSuccess: row.isRecordedOnSuccess ?? false,
      information: row.information ?? 'address',
      source,
    };
  }
  return out as Readonly<Record<M, FaultReason>>;
}
