/**
 * Administrative commands and their error codes. DSA 3.0 sections 3.15 and 9.2.12 to 9.2.14.
 */

export const COMMAND = {
  enableDevice: 1,
  disableDevice: 2,
  drainAll: 3,
  abortAll: 4,
  resetDevice: 5,
  enableWq: 6,
  disableWq: 7,
  drainWq: 8,
  abortWq: 9,
  resetWq: 10,
  drainPasid: 11,
  abortPasid: 12,
  requestInterruptHandle: 13,
  releaseInterruptHandle: 14,
  requestIdptHandle: 15,
  releaseIdptHandle: 16,
  invalidateBitmapCache: 17,
} as const;
export type CommandCode = (typeof COMMAND)[keyof typeof COMMAND];

export interface CommandSpec {
  readonly code: number;
  readonly title: string;
  /** How the 20 operand bits are read; the rest of them must be zero. */
  readonly operand:
    'none' | 'wqIndex' | 'wqBitmap' | 'pasid' | 'interruptIndex' | 'idptIndex' | 'bitmapSize';
}

export const COMMANDS: readonly CommandSpec[] = [
  { code: 1, title: 'Enable Device', operand: 'none' },
  { code: 2, title: 'Disable Device', operand: 'none' },
  { code: 3, title: 'Drain All', operand: 'none' },
  { code: 4, title: 'Abort All', operand: 'none' },
  { code: 5, title: 'Reset Device', operand: 'none' },
  { code: 6, title: 'Enable WQ', operand: 'wqIndex' },
  { code: 7, title: 'Disable WQ', operand: 'wqBitmap' },
  { code: 8, title: 'Drain WQ', operand: 'wqBitmap' },
  { code: 9, title: 'Abort WQ', operand: 'wqBitmap' },
  { code: 10, title: 'Reset WQ', operand: 'wqBitmap' },
  { code: 11, title: 'Drain PASID', operand: 'pasid' },
  { code: 12, title: 'Abort PASID', operand: 'pasid' },
  { code: 13, title: 'Request Interrupt Handle', operand: 'interruptIndex' },
  { code: 14, title: 'Release Interrupt Handle', operand: 'interruptIndex' },
  { code: 15, title: 'Request IDPT Handle', operand: 'idptIndex' },
  { code: 16, title: 'Release IDPT Handle', operand: 'idptIndex' },
  { code: 17, title: 'Invalidate Submitter Bitmap Cache', operand: 'bitmapSize' },
];

/** Commands that every device has, CMDCAP or not. */
export const IMPLIED_COMMANDS = 0x0000_1ffe;

/** Error codes in CMDSTATUS. */
export const COMMAND_ERROR = {
  success: 0x00,
  unsupported: 0x01,
  invalidWq: 0x02,
  hardware: 0x03,
  reserved: 0x04,
  halted: 0x05,
  deviceNotDisabled: 0x10,
  configuration: 0x11,
  busMasterOff: 0x12,
  pageRequestAllocation: 0x13,
  wqSizeTotal: 0x14,
  groupIncomplete: 0x15,
  wqGrouping: 0x16,
  engineGrouping: 0x17,
  readBuffers: 0x18,
  eventLog: 0x19,
  atsPlatform: 0x1a,
  logPasid: 0x1b,
  deviceNotEnabled: 0x20,
  wqNotDisabled: 0x21,
  wqSizeZero: 0x22,
  wqPriority: 0x23,
  wqMode: 0x24,
  blockOnFault: 0x25,
  wqPasid: 0x26,
  maxBatch: 0x27,
  maxTransfer: 0x28,
  wqPriv: 0x2a,
  occupancyHandle: 0x2b,
  atsDisable: 0x2c,
  operationConfig: 0x2d,
  prsDisable: 0x2e,
  disableDeviceNotEnabled: 0x31,
  wqNotEnabled: 0x32,
  interruptIndex: 0x41,
  noInterruptHandle: 0x42,
  idptIndex: 0x51,
  noIdptHandle: 0x52,
} as const;
export type CommandError = (typeof COMMAND_ERROR)[keyof typeof COMMAND_ERROR];

export const COMMAND_ERROR_NAMES: Readonly<Record<number, string>> = {
  0x00: 'success',
  0x01: 'undefined or unsupported command',
  0x02: 'invalid WQ index',
  0x03: 'hardware error',
  0x04: 'non-zero reserved field',
  0x05: 'device is halted',
  0x10: 'device is not Disabled',
  0x11: 'unspecified configuration error',
  0x12: 'bus master enable is 0',
  0x13: 'page request allocation unsupported',
  0x14: 'sum of WQ sizes above the total',
  0x15: 'group with WQs but no engine, or the reverse',
  0x16: 'WQ in two groups, active WQ in none, or inactive WQ in one',
  0x17: 'engine in two groups or beyond the count',
  0x18: 'read buffer or bandwidth limits invalid',
  0x19: 'event log configuration invalid',
  0x1a: 'ATS setting contradicts the platform',
  0x1b: 'PASID or privilege of EVLCFG or IDBR contradicts the PASID capability',
  0x20: 'device is not Enabled',
  0x21: 'WQ is not Disabled',
  0x22: 'WQ size is 0',
  0x23: 'WQ priority is 0',
  0x24: 'WQ mode not supported',
  0x25: 'block on fault without support or with page requests off',
  0x26: 'WQ PASID enable contradicts the mode or the PASID capability',
  0x27: 'maximum batch or SGL size invalid',
  0x28: 'maximum transfer size too large',
  0x2a: 'privileged WQ while privileged mode is off',
  0x2b: 'occupancy interrupt handle invalid',
  0x2c: 'ATS disable not supported',
  0x2d: 'operation configuration is no subset of OPCAP',
  0x2e: 'PRS disable not possible here',
  0x31: 'device is not Enabled',
  0x32: 'a listed WQ is not Enabled',
  0x41: 'interrupt table index invalid',
  0x42: 'no interrupt handle available',
  0x51: 'IDPT index invalid',
  0x52: 'no IDPT handle available',
};
