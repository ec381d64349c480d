/**
 * Linux's names for the accelerator's numbers and structures (include/uapi/linux/idxd.h), each tied to the declaration in
 * `spec/dsa` that it stands for.
 */
import { FLAG } from '../../spec/dsa/descriptor.ts';
import { OPCODE } from '../../spec/dsa/operations.ts';
import { STATUS } from '../../spec/dsa/status-codes.ts';

export const DSA_OPCODES = {
  DSA_OPCODE_NOOP: OPCODE.noop,
  DSA_OPCODE_BATCH: OPCODE.batch,
  DSA_OPCODE_DRAIN: OPCODE.drain,
  DSA_OPCODE_MEMMOVE: OPCODE.memoryMove,
  DSA_OPCODE_MEMFILL: OPCODE.fill,
  DSA_OPCODE_COMPARE: OPCODE.compare,
  DSA_OPCODE_COMPVAL: OPCODE.comparePattern,
  DSA_OPCODE_CR_DELTA: OPCODE.createDelta,
  DSA_OPCODE_AP_DELTA: OPCODE.applyDelta,
  DSA_OPCODE_DUALCAST: OPCODE.dualcast,
  DSA_OPCODE_TRANSL_FETCH: OPCODE.translationFetch,
  DSA_OPCODE_CRCGEN: OPCODE.crc,
  DSA_OPCODE_COPY_CRC: OPCODE.copyCrc,
  DSA_OPCODE_DIF_CHECK: OPCODE.difCheck,
  DSA_OPCODE_DIF_INS: OPCODE.difInsert,
  DSA_OPCODE_DIF_STRP: OPCODE.difStrip,
  DSA_OPCODE_DIF_UPDT: OPCODE.difUpdate,
  DSA_OPCODE_DIX_GEN: OPCODE.dixGenerate,
  DSA_OPCODE_CFLUSH: OPCODE.cacheFlush,
} as const;

export const OP_FLAGS = {
  IDXD_OP_FLAG_FENCE: FLAG.fence,
  IDXD_OP_FLAG_BOF: FLAG.blockOnFault,
  IDXD_OP_FLAG_CRAV: FLAG.recordAddressValid,
  IDXD_OP_FLAG_RCR: FLAG.requestRecord,
  IDXD_OP_FLAG_RCI: FLAG.requestInterrupt,
  IDXD_OP_FLAG_CR: FLAG.checkResult,
  IDXD_OP_FLAG_CC: FLAG.cacheControl1,
  IDXD_OP_FLAG_ADDR1_TCS: FLAG.tc1,
  IDXD_OP_FLAG_ADDR2_TCS: FLAG.tc2,
  IDXD_OP_FLAG_ADDR3_TCS: FLAG.tc3,
  IDXD_OP_FLAG_CR_TCS: FLAG.tcRecord,
  IDXD_OP_FLAG_STORD: FLAG.strictOrdering,
  IDXD_OP_FLAG_DRDBK: FLAG.cacheControl2,
} as const;

export const OP_FLAG_NOTES: Readonly<Record<keyof typeof OP_FLAGS, string>> = {
  IDXD_OP_FLAG_FENCE: 'In a batch: wait for all earlier descriptors.',
  IDXD_OP_FLAG_BOF: 'Block on Fault: wait for a missing page.',
  IDXD_OP_FLAG_CRAV: 'Completion Record Address Valid: without it no record can be written.',
  IDXD_OP_FLAG_RCR: 'Request Completion Record: without it a record is written only for errors.',
  IDXD_OP_FLAG_RCI: 'Request Completion Interrupt: int_handle says which.',
  IDXD_OP_FLAG_CR: 'Check Result: DSA_COMP_SUCCESS_PRED when the result is not the expected one.',
  IDXD_OP_FLAG_CC: 'Cache Control: write to the CPU cache.',
  IDXD_OP_FLAG_ADDR1_TCS: 'Traffic class B for address 1.',
  IDXD_OP_FLAG_ADDR2_TCS: 'Traffic class B for address 2.',
  IDXD_OP_FLAG_ADDR3_TCS: 'Traffic class B for address 3.',
  IDXD_OP_FLAG_CR_TCS: 'Traffic class B for the completion record.',
  IDXD_OP_FLAG_STORD: 'Strict Ordering of the writes.',
  IDXD_OP_FLAG_DRDBK: 'Destination Readback.',
};

export const COMPLETION_STATUSES = {
  DSA_COMP_NONE: 0,
  DSA_COMP_SUCCESS: STATUS.success,
  DSA_COMP_SUCCESS_PRED: STATUS.successFalsePredicate,
  DSA_COMP_PAGE_FAULT_NOBOF: STATUS.pageFault,
  DSA_COMP_PAGE_FAULT_IR: STATUS.pageRequestInvalid,
  DSA_COMP_BATCH_FAIL: STATUS.batchMemberFailed,
  DSA_COMP_BATCH_PAGE_FAULT: STATUS.batchListFault,
  DSA_COMP_DR_OFFSET_NOINC: STATUS.deltaOffsetOrder,
  DSA_COMP_DR_OFFSET_ERANGE: STATUS.deltaOffsetRange,
  DSA_COMP_DIF_ERR: STATUS.difError,
  DSA_COMP_BAD_OPCODE: STATUS.opcode,
  DSA_COMP_INVALID_FLAGS: STATUS.flags,
  DSA_COMP_NOZERO_RESERVE: STATUS.reserved,
  DSA_COMP_XFER_ERANGE: STATUS.transferSize,
  DSA_COMP_DESC_CNT_ERANGE: STATUS.descriptorCount,
  DSA_COMP_DR_ERANGE: STATUS.fieldValue,
  DSA_COMP_OVERLAP_BUFFERS: STATUS.overlap,
  DSA_COMP_DCAST_ERR: STATUS.dualcastOffset,
  DSA_COMP_DESCLIST_ALIGN: STATUS.listAlignment,
  DSA_COMP_INT_HANDLE_INVAL: STATUS.interruptHandle,
  DSA_COMP_CRA_XLAT: STATUS.recordFault,
  DSA_COMP_CRA_ALIGN: STATUS.recordAlignment,
  DSA_COMP_ADDR_ALIGN: STATUS.alignment,
  DSA_COMP_PRIV_BAD: STATUS.privilege,
  DSA_COMP_TRAFFIC_CLASS_CONF: STATUS.trafficClass,
  DSA_COMP_PFAULT_RDBA: STATUS.readbackFault,
  DSA_COMP_TRANSLATION_FAIL: STATUS.translation,
} as const;

/** Members of `struct dsa_hw_desc`, with the declared fields that one of them is in some operation. */
export const DESCRIPTOR_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  pasid: ['pasid'],
  priv: ['priv'],
  completion_addr: ['recordAddress'],
  src_addr: ['source', 'source1'],
  src2_addr: ['source2'],
  dst_addr: ['destination'],
  dest2: ['destination2'],
  pattern: ['pattern'],
  comp_pattern: ['pattern'],
  pattern_upper: ['patternHigh'],
  desc_list_addr: ['list'],
  desc_count: ['count'],
  xfer_size: ['size'],
  region_size: ['size'],
  region_stride: ['stride'],
  transl_fetch_addr: ['region'],
  int_handle: ['interruptHandle'],
  expected_res: ['expectedResult'],
  expected_res_mask: ['expectedMask'],
  delta_addr: ['delta'],
  max_delta_size: ['maxDeltaSize'],
  delta_rec_size: ['deltaSize'],
  crc_seed: ['seed'],
  seed_addr: ['seedAddress'],
  rdback_addr: ['readback1'],
  rdback_addr2: ['readback2'],
};

/** Members of `struct dsa_completion_record`. */
export const RECORD_MEMBERS: Readonly<Record<string, string>> = {
  status: 'status',
  result: 'result',
  bytesCompleted: 'bytes_completed',
  faultAddress: 'fault_addr',
  operand: 'fault_operand',
  write: 'fault_is_write',
  invalidFlags: 'invalid_flags',
  deltaSize: 'delta_rec_size',
  crc: 'crc_val',
};
