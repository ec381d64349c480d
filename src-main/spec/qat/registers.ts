/**
 * Ring registers of the QAT-class accelerator, generation 4. Offsets and bits as Linux
 * drivers/crypto/intel/qat/qat_common/adf_gen4_hw_csr_data.h has them: one bank of 8 KiB a ring pair, whose first page holds
 * what is touched for every request and whose second page holds configuration. That split lets the first page be mapped
 * into a guest.
 *
 * The PASID register is this model's choice: the real one is in a space that public sources do not describe.
 */
import { bit, bits } from '../../bits/field.ts';
import { defineRegister, defineRegisterBlock } from '../../bits/register-block.ts';
import { rsvdP, rsvdZ } from '../reserved-fields.ts';
import { linux, siov } from '../source.ts';

const CSR = linux('drivers/crypto/intel/qat/qat_common/adf_gen4_hw_csr_data.h');

export const BANK_BYTES = 0x2000;
export const BANK_PAGE_BYTES = 0x1000;
/** Bytes of each page that hold registers. */
export const BANK_REGISTER_BYTES = 0x200;
/**
 * Banks of a device that breaks the rule of Scalable IOV section 3.1, as a choice of this model: each half of a bank holds the
 * registers of a page, so that pages hold both halves, and several banks. No bank is smaller than its registers.
 */
export const SMALLEST_BANK_BYTES = 2 * BANK_REGISTER_BYTES;
/** Banks start here in the BAR of the physical function. */
export const BANKS_OFFSET = 0x10_0000;
/** Interrupt message storage starts here; this model's choice. */
export const IMS_OFFSET = 0x4_0000;
export const RING = { request: 0, response: 1 } as const;
/** Filled into response slots that are empty. */
export const EMPTY_MARKER = 0x7f7f_7f7f;
export const COALESCE_UNIT_NS = 256;

function index(name: string, title: string, offset: number, access: 'RO' | 'RW', note: string) {
  return defineRegister(name, {
    title,
    offset,
    bytes: 4,
    source: CSR,
    fields: { OFFSET: bits(31, 0, title, { access, format: 'hex', note }) },
  });
}

function perRing(
  name: string,
  title: string,
  offset: number,
  access: 'RO' | 'RW' | 'WO',
  note: string,
) {
  return defineRegister(name, {
    title,
    offset,
    bytes: 4,
    source: CSR,
    fields: {
      REQUEST: bit(0, 'Request ring', { access, note }),
      RESPONSE: bit(1, 'Response ring', { access, note }),
      _r2: rsvdZ(31, 2),
    },
  });
}

function word(name: string, title: string, offset: number, note: string) {
  return defineRegister(name, {
    title,
    offset,
    bytes: 4,
    source: CSR,
    fields: { VALUE: bits(31, 0, title, { access: 'RW', format: 'hex', note }) },
  });
}

export const REQUEST_HEAD = index(
  'REQUEST_HEAD',
  'Request Ring Head',
  0xc0,
  'RO',
  'The device moves it.',
);
export const RESPONSE_HEAD = index(
  'RESPONSE_HEAD',
  'Response Ring Head',
  0xc4,
  'RW',
  'Software moves it after reading responses.',
);
export const REQUEST_TAIL = index(
  'REQUEST_TAIL',
  'Request Ring Tail',
  0x100,
  'RW',
  'Doorbell: byte offset after the last request.',
);
export const RESPONSE_TAIL = index(
  'RESPONSE_TAIL',
  'Response Ring Tail',
  0x104,
  'RO',
  'The device moves it.',
);

export const RING_STATUS = defineRegister('RING_STATUS', {
  title: 'Ring Status',
  offset: 0x140,
  bytes: 4,
  source: CSR,
  fields: {
    _r0: rsvdZ(8, 0),
    HALTED: bit(9, 'Halted', { access: 'RO', note: 'A DMA failed; the ring pair needs a reset.' }),
    EXCEPTION: bit(10, 'Exception', { access: 'RO', note: 'Software broke a rule of the rings.' }),
    _r11: rsvdZ(31, 11),
  },
});
export const UNDERFLOW_OVERFLOW_STATUS = perRing(
  'UNDERFLOW_OVERFLOW_STATUS',
  'Underflow and Overflow Status',
  0x148,
  'RO',
  'Software put an index where the ring has no message.',
);
export const EMPTY_STATUS = perRing(
  'EMPTY_STATUS',
  'Empty Status',
  0x14c,
  'RO',
  'Head equals tail.',
);
export const NEARLY_EMPTY_STATUS = perRing(
  'NEARLY_EMPTY_STATUS',
  'Nearly Empty Status',
  0x150,
  'RO',
  'As Empty Status: marks have no effect here.',
);
export const NEARLY_FULL_STATUS = perRing(
  'NEARLY_FULL_STATUS',
  'Nearly Full Status',
  0x154,
  'RO',
  'As Full Status: marks have no effect here.',
);
export const FULL_STATUS = perRing(
  'FULL_STATUS',
  'Full Status',
  0x158,
  'RO',
  'One more message would make head and tail equal.',
);
export const C_STATUS = perRing(
  'C_STATUS',
  'C Status',
  0x15c,
  'RO',
  'Not described in public sources: 0.',
);
export const INTERRUPT_FLAG_ENABLE = perRing(
  'INTERRUPT_FLAG_ENABLE',
  'Interrupt Flag Enable',
  0x16c,
  'RW',
  'The ring may raise the flag.',
);
export const INTERRUPT_FLAG = defineRegister('INTERRUPT_FLAG', {
  title: 'Interrupt Flag',
  offset: 0x170,
  bytes: 4,
  source: CSR,
  fields: {
    REQUEST: bit(0, 'Request ring', { access: 'RW1C', note: 'Never set.' }),
    RESPONSE: bit(1, 'Response ring', { access: 'RW1C', note: 'Responses came; clear to re-arm.' }),
    _r2: rsvdZ(31, 2),
  },
});
export const INTERRUPT_SOURCE = defineRegister('INTERRUPT_SOURCE', {
  title: 'Interrupt Source Select',
  offset: 0x174,
  bytes: 4,
  source: CSR,
  fields: {
    SELECT: bits(31, 0, 'Condition of each ring', {
      access: 'RW',
      format: 'hex',
      reset: 0x44,
      note: 'Stored without effect: a ring raises its flag when it is not empty.',
    }),
  },
});
export const COALESCE_ENABLE = perRing(
  'COALESCE_ENABLE',
  'Interrupt Coalescing Enable',
  0x17c,
  'RW',
  'Interrupts of the ring wait for the timer.',
);
export const COALESCE_CONTROL = defineRegister('COALESCE_CONTROL', {
  title: 'Interrupt Coalescing Control',
  offset: 0x180,
  bytes: 4,
  source: CSR,
  fields: {
    COUNT: bits(15, 0, 'Interval', {
      access: 'RW',
      format: 'decimal',
      note: 'In steps of 256 ns, from the first response that waits.',
    }),
    _r16: rsvdP(30, 16),
    ENABLE: bit(31, 'Enable', { access: 'RW', note: 'The timer runs.' }),
  },
});
export const FLAG_AND_COALESCE_ENABLE = perRing(
  'FLAG_AND_COALESCE_ENABLE',
  'Flag and Coalescing Enable',
  0x184,
  'WO',
  'Sets both enables of the rings at once and takes their flags down, as an interrupt handler wants at its ends.',
);
export const EXCEPTION_STATUS = perRing(
  'EXCEPTION_STATUS',
  'Exception Status',
  0x188,
  'RO',
  'The ring that halted the ring pair.',
);
export const EXCEPTION_INTERRUPT_ENABLE = perRing(
  'EXCEPTION_INTERRUPT_ENABLE',
  'Exception Interrupt Enable',
  0x18c,
  'RW',
  'An exception of the ring raises the last MSI-X entry.',
);
export const ARBITER_ENABLE = perRing(
  'ARBITER_ENABLE',
  'Service Arbiter Enable',
  0x19c,
  'RW',
  'The ring pair is served when both bits are set.',
);

function ringConfig(name: string, title: string, offset: number) {
  return defineRegister(name, {
    title,
    offset,
    bytes: 4,
    source: CSR,
    fields: {
      SIZE: bits(4, 0, 'Size Code', { access: 'RW', note: 'The ring has 64 << code bytes.' }),
      NEAR_EMPTY: bits(9, 5, 'Near-empty mark', { access: 'RW', note: 'Stored without effect.' }),
      NEAR_FULL: bits(14, 10, 'Near-full mark', { access: 'RW', note: 'Stored without effect.' }),
      _r15: rsvdP(31, 15),
    },
  });
}

export const REQUEST_CONFIG = ringConfig('REQUEST_CONFIG', 'Request Ring Configuration', 0x000);
export const RESPONSE_CONFIG = ringConfig('RESPONSE_CONFIG', 'Response Ring Configuration', 0x004);
export const REQUEST_BASE_LOW = word('REQUEST_BASE_LOW', 'Request Ring Base', 0x040, 'Lower half.');
export const RESPONSE_BASE_LOW = word(
  'RESPONSE_BASE_LOW',
  'Response Ring Base',
  0x044,
  'Lower half.',
);
export const REQUEST_BASE_HIGH = word(
  'REQUEST_BASE_HIGH',
  'Request Ring Base, upper half',
  0x080,
  'Upper half.',
);
export const RESPONSE_BASE_HIGH = word(
  'RESPONSE_BASE_HIGH',
  'Response Ring Base, upper half',
  0x084,
  'Upper half.',
);

export const RING_PAIR_RESET = defineRegister('RING_PAIR_RESET', {
  title: 'Ring Pair Reset',
  offset: 0x100,
  bytes: 4,
  source: siov('3.6'),
  fields: {
    START: bit(0, 'Start', { access: 'WO', note: 'Resets this ring pair and no other.' }),
    _r1: rsvdP(31, 1),
  },
});
export const RING_PAIR_RESET_STATUS = defineRegister('RING_PAIR_RESET_STATUS', {
  title: 'Ring Pair Reset Status',
  offset: 0x104,
  bytes: 4,
  source: siov('3.6'),
  fields: {
    DONE: bit(0, 'Done', { access: 'RW1C', note: 'The reset is over.' }),
    _r1: rsvdP(31, 1),
  },
});
export const RING_PAIR_PASID = defineRegister('RING_PAIR_PASID', {
  title: 'Ring Pair PASID',
  offset: 0x108,
  bytes: 4,
  source: siov('3.3'),
  note: 'Written by the host only. Survives the reset of the ring pair.',
  fields: {
    PASID: bits(19, 0, 'PASID', { access: 'RW', note: 'Every DMA of the ring pair carries it.' }),
    _r20: rsvdP(30, 20),
    VALID: bit(31, 'Valid', { access: 'RW', note: 'Without it requests carry no PASID.' }),
  },
});
export const RING_PAIR_VECTOR = defineRegister('RING_PAIR_VECTOR', {
  title: 'Ring Pair Vector',
  offset: 0x10c,
  bytes: 4,
  source: siov('3.4'),
  note: 'Written by the host only. After reset it is MSI-X entry n of ring pair n.',
  fields: {
    INDEX: bits(15, 0, 'Entry', { access: 'RW', note: 'Index in the table.' }),
    IMS: bit(16, 'Table', {
      access: 'RW',
      values: { msix: 0, ims: 1 },
      note: 'MSI-X or interrupt message storage.',
    }),
    _r17: rsvdP(31, 17),
  },
});

/** First page of a bank: what a request touches. A bank is a ring pair, the assignable unit. */
export const QAT_FAST = defineRegisterBlock('QAT_FAST', [
  REQUEST_HEAD,
  RESPONSE_HEAD,
  REQUEST_TAIL,
  RESPONSE_TAIL,
  RING_STATUS,
  UNDERFLOW_OVERFLOW_STATUS,
  EMPTY_STATUS,
  NEARLY_EMPTY_STATUS,
  NEARLY_FULL_STATUS,
  FULL_STATUS,
  C_STATUS,
  INTERRUPT_FLAG_ENABLE,
  INTERRUPT_FLAG,
  INTERRUPT_SOURCE,
  COALESCE_ENABLE,
  COALESCE_CONTROL,
  FLAG_AND_COALESCE_ENABLE,
  EXCEPTION_STATUS,
  EXCEPTION_INTERRUPT_ENABLE,
  ARBITER_ENABLE,
]);

/** Second page of a bank, offsets from its start: configuration, trapped under virtualization. */
export const QAT_CONFIG = defineRegisterBlock('QAT_CONFIG', [
  REQUEST_CONFIG,
  RESPONSE_CONFIG,
  REQUEST_BASE_LOW,
  RESPONSE_BASE_LOW,
  REQUEST_BASE_HIGH,
  RESPONSE_BASE_HIGH,
  RING_PAIR_RESET,
  RING_PAIR_RESET_STATUS,
  RING_PAIR_PASID,
  RING_PAIR_VECTOR,
]);
