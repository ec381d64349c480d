/**
 * What follows from a fault reason: completion status, whether it is recorded, whether FPD silences it. Tables indexed by
 * request class and reason code, filled from the catalogue (VT-d 5.10 sections 7.1.1 to 7.1.3).
 */
import { REQUEST_CLASSES, type FaultResponse } from '../../spec/vtd/fault-reasons/fault-reason.ts';
import { allFaultReasons, isFaultRecorded } from '../../spec/vtd/faults.ts';

/** Index of a request's class in `REQUEST_CLASSES`. */
export const REQUEST_CLASS = {
  untranslated: 0,
  translation: 2,
  translated: 4,
  pageRequest: 6,
} as const;

export const RESPONSE = { none: 0, UR: 1, CA: 2, S0: 3, Seff: 4, IR: 5 } as const satisfies Record<
  FaultResponse | 'none',
  number
>;

const CODES = 256;
const responses = new Uint8Array(REQUEST_CLASSES.length * CODES);
const recorded = new Uint8Array(REQUEST_CLASSES.length * CODES);
const qualified = new Uint8Array(CODES);

for (const reason of allFaultReasons()) {
  qualified[reason.code] = reason.isQualified ? 1 : 0;
  REQUEST_CLASSES.forEach((requestClass, index) => {
    const response = reason.responses[requestClass];
    const at = index * CODES + reason.code;
    if (response !== null && responses[at] === RESPONSE.none) {
      responses[at] = RESPONSE[response];
      recorded[at] = isFaultRecorded(reason, requestClass) ? 1 : 0;
    }
  });
}

export function responseOf(requestClass: number, reason: number): number {
  return responses[requestClass * CODES + reason] as number;
}

/** False for faults that are answered with success; FPD apart. */
export function isRecordedReason(requestClass: number, reason: number): boolean {
  return recorded[requestClass * CODES + reason] === 1;
}

export function isQualifiedReason(reason: number): boolean {
  return qualified[reason] === 1;
}
