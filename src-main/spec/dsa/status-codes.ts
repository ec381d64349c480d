/**
 * Status codes of completion records, and error codes that appear only in SWERROR. DSA 3.0 tables 5-6 and section 5.8.2.
 */

export const STATUS = {
  success: 0x01,
  successFalsePredicate: 0x02,
  pageFault: 0x03,
  pageRequestInvalid: 0x04,
  batchMemberFailed: 0x05,
  batchListFault: 0x06,
  deltaOffsetOrder: 0x07,
  deltaOffsetRange: 0x08,
  difError: 0x09,
  opcode: 0x10,
  flags: 0x11,
  reserved: 0x12,
  transferSize: 0x13,
  descriptorCount: 0x14,
  fieldValue: 0x15,
  overlap: 0x16,
  dualcastOffset: 0x17,
  listAlignment: 0x18,
  interruptHandle: 0x19,
  recordFault: 0x1a,
  recordAlignment: 0x1b,
  alignment: 0x1c,
  privilege: 0x1d,
  trafficClass: 0x1e,
  readbackFault: 0x1f,
  hardwareRead: 0x20,
  hardwareWrite: 0x21,
  translation: 0x22,
  drainAfterRecordFault: 0x26,
  batchAfterRecordFault: 0x27,
  interDomainNoPasid: 0x28,
  idptHandle: 0x29,
  idptPermission: 0x2a,
  windowRange: 0x2b,
  updateWindowDenied: 0x2c,
  updateWindowFields: 0x2d,
  domainUnavailable: 0x2e,
} as const;
export type Status = (typeof STATUS)[keyof typeof STATUS];

/** Errors that no completion record shows. */
export const DEVICE_ERROR = {
  configurationChange: 0x51,
  commandWhileActive: 0x52,
  wqFull: 0x53,
  eventLogAppend: 0x54,
} as const;

export interface StatusText {
  readonly title: string;
  readonly meaning: string;
}

export const STATUS_TEXTS: Readonly<Record<number, StatusText>> = {
  0x01: { title: 'success', meaning: 'The operation is complete.' },
  0x02: {
    title: 'success with false predicate',
    meaning: 'Complete, and the result differs from the expected one.',
  },
  0x03: {
    title: 'page fault',
    meaning: 'Stopped at a page that is not present; block on fault was off.',
  },
  0x04: {
    title: 'page request invalid',
    meaning: 'Stopped because software answered the page request with Invalid.',
  },
  0x05: {
    title: 'batch member failed',
    meaning: 'The batch ran, and at least one of its descriptors failed.',
  },
  0x06: { title: 'batch list fault', meaning: 'The descriptor list could not be read to its end.' },
  0x07: { title: 'delta offsets not increasing', meaning: 'The delta record is malformed.' },
  0x08: {
    title: 'delta offset out of range',
    meaning: 'The delta record names a block behind the destination.',
  },
  0x09: {
    title: 'DIF error',
    meaning: 'Guard, application tag or reference tag differ; the DIF status says which.',
  },
  0x10: {
    title: 'unsupported operation',
    meaning: 'The operation does not exist, is not allowed on this WQ, or not here.',
  },
  0x11: {
    title: 'invalid flags',
    meaning: 'A reserved flag is 1 or a required flag is 0; the record names them.',
  },
  0x12: {
    title: 'reserved field not zero',
    meaning: 'Bytes that the operation does not use must be 0.',
  },
  0x13: {
    title: 'invalid transfer size',
    meaning: 'Zero, above the limit of the WQ, or no multiple of the block.',
  },
  0x14: {
    title: 'invalid descriptor count',
    meaning: 'A batch holds too few or too many descriptors.',
  },
  0x15: {
    title: 'invalid field value',
    meaning: 'Delta record size or another field is out of range.',
  },
  0x16: {
    title: 'overlapping buffers',
    meaning: 'The operation does not allow its buffers to overlap.',
  },
  0x17: {
    title: 'dualcast offsets differ',
    meaning: 'Bits 11:0 of both destinations must be equal.',
  },
  0x18: { title: 'descriptor list misaligned', meaning: 'The list must be aligned to 64 bytes.' },
  0x19: {
    title: 'interrupt handle invalid',
    meaning: 'Out of range, revoked, or the entry belongs to another PASID.',
  },
  0x1a: {
    title: 'completion record fault',
    meaning: 'The completion record address has no writable page.',
  },
  0x1b: {
    title: 'completion record misaligned',
    meaning: 'The address must be aligned to 32 bytes.',
  },
  0x1c: { title: 'misaligned', meaning: 'An address, size or stride has the wrong alignment.' },
  0x1d: { title: 'privilege', meaning: 'Priv is 1 in a shared WQ while privileged mode is off.' },
  0x1e: {
    title: 'traffic class',
    meaning: 'The selected traffic class belongs to no enabled virtual channel.',
  },
  0x1f: { title: 'readback fault', meaning: 'A drain readback address has no page.' },
  0x20: {
    title: 'hardware error on read',
    meaning: 'A read was answered with Unsupported Request or Completer Abort.',
  },
  0x21: { title: 'hardware error on write', meaning: 'A destination readback failed.' },
  0x22: {
    title: 'translation error',
    meaning: 'A translation request was refused, or page requests failed for the function.',
  },
  0x26: {
    title: 'drain after record fault',
    meaning: 'Event log only: software must write this record after earlier ones.',
  },
  0x27: {
    title: 'batch after record fault',
    meaning: 'Event log only: software must write this record after its members.',
  },
  0x28: {
    title: 'inter-domain without PASID',
    meaning: 'Inter-domain operations need a WQ with PASID.',
  },
  0x29: { title: 'IDPT handle', meaning: 'The handle is invalid or not meant for this submitter.' },
  0x2a: { title: 'IDPT permission', meaning: 'The entry does not grant this kind of access.' },
  0x2b: { title: 'window range', meaning: 'The access leaves the window.' },
  0x2c: {
    title: 'update window denied',
    meaning: 'The submitter is not the owner, or the entry is not updatable.',
  },
  0x2d: {
    title: 'update window fields',
    meaning: 'Base, size or mode of the new window are invalid.',
  },
  0x2e: { title: 'domain unavailable', meaning: 'The other domain is being aborted.' },
  0x51: {
    title: 'configuration change',
    meaning: 'PASID, ATS, PRI or bus master enable changed while not Disabled.',
  },
  0x52: {
    title: 'command while active',
    meaning: 'CMD was written while a command was in progress.',
  },
  0x53: {
    title: 'WQ full',
    meaning: 'A descriptor arrived at a full dedicated WQ and was dropped.',
  },
  0x54: { title: 'event log append failed', meaning: 'The log was full or could not be written.' },
};

/** Names for trace fields. */
export const STATUS_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(STATUS_TEXTS).map(([code, text]) => [code, text.title]),
);

/** DIF status byte of a completion record with status 09h. */
export const DIF_STATUS = { guard: 1, applicationTag: 2, referenceTag: 4, allOnes: 8 } as const;

/** Operand in fault information and error information. */
export const OPERAND = {
  source: 1,
  source2: 2,
  destination: 3,
  destination2: 4,
  record: 5,
  sgl: 6,
} as const;
export type Operand = (typeof OPERAND)[keyof typeof OPERAND];
