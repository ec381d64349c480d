/**
 * Transaction layer packets: kinds, address types, completion status, message codes of ATS and PRI. PCIe Base, chapters
 * "Transaction Layer Specification" and "Address Translation Services".
 *
 * The lab passes requests as objects, so only names and numbers live here.
 */

export type TlpClass = 'posted' | 'non-posted' | 'completion';

export interface TlpKind {
  readonly title: string;
  readonly class: TlpClass;
  /** Type field of the header. */
  readonly type: number;
  readonly hasData: boolean;
}

export const TLP_KINDS = {
  MRd: { title: 'Memory Read Request', class: 'non-posted', type: 0b0_0000, hasData: false },
  MWr: { title: 'Memory Write Request', class: 'posted', type: 0b0_0000, hasData: true },
  DMWr: {
    title: 'Deferrable Memory Write Request',
    class: 'non-posted',
    type: 0b1_1011,
    hasData: true,
  },
  FetchAdd: {
    title: 'Fetch and Add AtomicOp Request',
    class: 'non-posted',
    type: 0b0_1100,
    hasData: true,
  },
  Swap: {
    title: 'Unconditional Swap AtomicOp Request',
    class: 'non-posted',
    type: 0b0_1101,
    hasData: true,
  },
  CAS: {
    title: 'Compare and Swap AtomicOp Request',
    class: 'non-posted',
    type: 0b0_1110,
    hasData: true,
  },
  CfgRd0: {
    title: 'Configuration Read Type 0',
    class: 'non-posted',
    type: 0b0_0100,
    hasData: false,
  },
  CfgWr0: {
    title: 'Configuration Write Type 0',
    class: 'non-posted',
    type: 0b0_0100,
    hasData: true,
  },
  CfgRd1: {
    title: 'Configuration Read Type 1',
    class: 'non-posted',
    type: 0b0_0101,
    hasData: false,
  },
  CfgWr1: {
    title: 'Configuration Write Type 1',
    class: 'non-posted',
    type: 0b0_0101,
    hasData: true,
  },
  Msg: { title: 'Message Request', class: 'posted', type: 0b1_0000, hasData: false },
  MsgD: { title: 'Message Request with Data', class: 'posted', type: 0b1_0000, hasData: true },
  Cpl: { title: 'Completion without Data', class: 'completion', type: 0b0_1010, hasData: false },
  CplD: { title: 'Completion with Data', class: 'completion', type: 0b0_1010, hasData: true },
} as const satisfies Readonly<Record<string, TlpKind>>;

export type TlpName = keyof typeof TLP_KINDS;

/** Address type field of memory requests; 11b is reserved. */
export const ADDRESS_TYPES = {
  untranslated: 0b00,
  translationRequest: 0b01,
  translated: 0b10,
} as const;

export type AddressTypeName = keyof typeof ADDRESS_TYPES;

/** Completion status field. `retry` was called CRS before PCIe 6.0 and is what ENQCMD reports as ZF=1. */
export const COMPLETION_STATUS = {
  success: 0b000,
  unsupportedRequest: 0b001,
  retry: 0b010,
  completerAbort: 0b100,
} as const;

export type CompletionStatusName = keyof typeof COMPLETION_STATUS;

export interface CompletionStatusInfo {
  readonly code: number;
  readonly abbreviation: string;
  readonly title: string;
}

export const COMPLETION_STATUS_INFO: Readonly<Record<CompletionStatusName, CompletionStatusInfo>> =
  {
    success: {
      code: COMPLETION_STATUS.success,
      abbreviation: 'SC',
      title: 'Successful Completion',
    },
    unsupportedRequest: {
      code: COMPLETION_STATUS.unsupportedRequest,
      abbreviation: 'UR',
      title: 'Unsupported Request',
    },
    retry: {
      code: COMPLETION_STATUS.retry,
      abbreviation: 'RRS',
      title: 'Request Retry Status',
    },
    completerAbort: {
      code: COMPLETION_STATUS.completerAbort,
      abbreviation: 'CA',
      title: 'Completer Abort',
    },
  };

export function completionStatusInfo(code: number): CompletionStatusInfo | undefined {
  return Object.values(COMPLETION_STATUS_INFO).find((s) => s.code === code);
}

/** Message codes of address translation services. */
export const ATS_MESSAGE = {
  invalidateRequest: 0x01,
  invalidateCompletion: 0x02,
  pageRequest: 0x04,
  pageGroupResponse: 0x05,
} as const;

/** Tags an unit has for outstanding invalidate requests to one function. */
export const INVALIDATE_TAGS = 32;
/** Group indexes of page requests. */
export const PAGE_REQUEST_GROUPS = 512;
