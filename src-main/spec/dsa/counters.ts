/**
 * Statistics of the device, named after the events of the performance counters, and always counted. DSA 3.0 chapter 6. The
 * programmable counters (`perfmon.ts`) watch them.
 */

export const DSA_COUNTERS = [
  ['swqAcceptLimited', 'Descriptors accepted by a shared WQ through the limited portal'],
  ['swqRetryLimited', 'Retries of the limited portal'],
  ['swqAcceptUnlimited', 'Descriptors accepted by a shared WQ through the unlimited portal'],
  ['swqRetryUnlimited', 'Retries of the unlimited portal'],
  ['dwqAccept', 'Descriptors accepted by a dedicated WQ'],
  ['dwqFull', 'Descriptors dropped because a dedicated WQ was full'],
  ['ignored', 'Portal writes that nobody took'],
  ['dispatched', 'Descriptors dispatched from WQs'],
  ['batchMembers', 'Descriptors dispatched from batches'],
  ['completed', 'Descriptors completed'],
  ['failed', 'Descriptors that ended with another status than success'],
  ['dropped', 'Descriptors dropped by abort or reset'],
  ['bytesRead', 'Bytes read from memory'],
  ['bytesWritten', 'Bytes written to memory'],
  ['atcHits', 'Translations found in the device TLB'],
  ['translations', 'Translation requests answered with an address'],
  ['translationFaults', 'Translation requests answered without the rights asked for'],
  ['pageRequests', 'Page requests sent'],
  ['pageRequestsInvalid', 'Page requests answered with Invalid or Failure'],
  ['pageRequestsGranted', 'Page requests answered with Success'],
  ['records', 'Completion records written'],
  ['interrupts', 'Interrupts sent'],
] as const satisfies readonly (readonly [string, string])[];
export type DsaCounter = (typeof DSA_COUNTERS)[number][0];
