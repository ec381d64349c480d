/**
 * Registers of the NIC-class function. The split is that of Scalable IOV section 3.1: the queue context is set up rarely and
 * by the host; the doorbell page of a queue pair holds what a guest touches for every packet and fills a page of its own, so
 * that it can be mapped. What the registers do follows Linux drivers/net/ethernet/intel/ice; where they lie is this model's
 * choice, because the real context is programmed by an admin queue.
 */
import { address, bit, bits, wide } from '../../bits/field.ts';
import { defineRegister, defineRegisterBlock } from '../../bits/register-block.ts';
import { rsvdP, rsvdZ } from '../reserved-fields.ts';
import { linux, siov } from '../source.ts';

const ICE = linux('drivers/net/ethernet/intel/ice');
const FAST = siov('3.1');

/** Bytes of one queue context and of one doorbell page. */
export const QUEUE_CONTEXT_BYTES = 0x100;
export const DOORBELL_PAGE_BYTES = 0x1000;
/** Unit of the moderation interval. */
export const ITR_UNIT_NS = 2_000;

export const NIC_CAPS = defineRegister('NIC_CAPS', {
  title: 'Capabilities',
  offset: 0x00,
  bytes: 8,
  source: ICE,
  fields: {
    QUEUES: bits(15, 0, 'Queue Pairs', { access: 'RO', format: 'decimal', note: 'How many ADIs.' }),
    IMS: bits(31, 16, 'IMS Entries', {
      access: 'RO',
      format: 'decimal',
      note: 'Interrupt messages stored in the device.',
    }),
    FRAME: bits(47, 32, 'Largest Frame', {
      access: 'RO',
      format: 'decimal',
      note: 'Longer packets are dropped.',
    }),
    _r48: rsvdZ(63, 48),
  },
});

export const NIC_CONTROL = defineRegister('NIC_CONTROL', {
  title: 'Control',
  offset: 0x08,
  bytes: 4,
  source: ICE,
  fields: {
    LEARN: bit(0, 'Learn', {
      access: 'RW',
      reset: 1,
      note: 'The switch remembers which queue pair a source address came from.',
    }),
    _r1: rsvdP(31, 1),
  },
});

/** Unit of the table places. */
export const TABLE_UNIT_BYTES = 0x1000;

export const NIC_TABLES = defineRegister('NIC_TABLES', {
  title: 'Table Places',
  offset: 0x10,
  bytes: 4,
  source: ICE,
  note: 'Places in BAR0, in units of 4 KiB.',
  fields: {
    CONTEXTS: bits(15, 0, 'Queue Contexts', {
      access: 'RO',
      format: 'hex',
      note: 'Context of queue pair 0; the others follow.',
    }),
    IMS: bits(31, 16, 'Interrupt Message Storage', {
      access: 'RO',
      format: 'hex',
      note: 'Entry 0; the others follow.',
    }),
  },
});

/** Registers of the function itself, at the start of BAR0. */
export const NIC_GENERAL = defineRegisterBlock('NIC_GENERAL', [NIC_CAPS, NIC_CONTROL, NIC_TABLES]);

export const Q_CONTROL = defineRegister('Q_CONTROL', {
  title: 'Queue Pair Control',
  offset: 0x00,
  bytes: 4,
  source: ICE,
  fields: {
    TXE: bit(0, 'Transmit Enable', { access: 'RW', note: 'A rising edge starts at descriptor 0.' }),
    RXE: bit(1, 'Receive Enable', { access: 'RW', note: 'A rising edge starts at descriptor 0.' }),
    PROMISC: bit(2, 'Promiscuous', { access: 'RW', note: 'Gets every packet of the switch.' }),
    ANTISPOOF: bit(3, 'Anti-spoof', {
      access: 'RW',
      note: 'Packets with a foreign source address are dropped.',
    }),
    _r4: rsvdP(31, 4),
  },
});

export const Q_STATUS = defineRegister('Q_STATUS', {
  title: 'Queue Pair Status',
  offset: 0x04,
  bytes: 4,
  source: ICE,
  fields: {
    TXR: bit(0, 'Transmit Running', { access: 'RO', note: 'Enabled and not stopped.' }),
    RXR: bit(1, 'Receive Running', { access: 'RO', note: 'Enabled and not stopped.' }),
    _r2: rsvdZ(7, 2),
    TXSTOP: bits(11, 8, 'Transmit Stop Reason', { access: 'RO', note: '0 while it runs.' }),
    RXSTOP: bits(15, 12, 'Receive Stop Reason', { access: 'RO', note: '0 while it runs.' }),
    _r16: rsvdZ(31, 16),
  },
});

export const Q_PASID = defineRegister('Q_PASID', {
  title: 'Queue Pair PASID',
  offset: 0x08,
  bytes: 4,
  source: siov('3.3'),
  note: 'Written by the host only. Survives the reset of the queue pair.',
  fields: {
    PASID: bits(19, 0, 'PASID', {
      access: 'RW',
      note: 'Every DMA of the two rings carries it.',
    }),
    _r20: rsvdP(30, 20),
    VALID: bit(31, 'Valid', {
      access: 'RW',
      note: 'Without it requests carry the Requester ID alone.',
    }),
  },
});

export const Q_VECTOR = defineRegister('Q_VECTOR', {
  title: 'Queue Pair Vector',
  offset: 0x0c,
  bytes: 4,
  source: siov('3.4'),
  note: 'Written by the host only. Survives the reset of the queue pair.',
  fields: {
    INDEX: bits(15, 0, 'Entry', { access: 'RW', note: 'Index in the table.' }),
    IMS: bit(16, 'Table', {
      access: 'RW',
      values: { msix: 0, ims: 1 },
      note: 'MSI-X table of the function or interrupt message storage.',
    }),
    _r17: rsvdP(30, 17),
    VALID: bit(31, 'Valid', { access: 'RW', note: 'Without it the queue pair polls.' }),
  },
});

/** Base, length and buffer size are locked while their ring is enabled. */
function ringBase(name: string, title: string, offset: number, note: string) {
  return defineRegister(name, {
    title,
    offset,
    bytes: 8,
    source: ICE,
    fields: {
      _r0: rsvdP(6, 0),
      BASE: address(63, 7, title, { access: 'RWL', shift: 7, note }),
    },
  });
}

function ringLength(name: string, title: string, offset: number) {
  return defineRegister(name, {
    title,
    offset,
    bytes: 4,
    source: ICE,
    fields: {
      COUNT: bits(12, 0, title, {
        access: 'RWL',
        format: 'decimal',
        note: 'Descriptors of the ring; one always stays free.',
      }),
      _r13: rsvdP(31, 13),
    },
  });
}

export const TX_BASE = ringBase(
  'TX_BASE',
  'Transmit Ring Base',
  0x10,
  'In the address space of the PASID.',
);
export const TX_LENGTH = ringLength('TX_LENGTH', 'Transmit Ring Length', 0x18);
export const TX_HEAD_WRITEBACK = defineRegister('TX_HEAD_WRITEBACK', {
  title: 'Transmit Head Write-back',
  offset: 0x20,
  bytes: 8,
  source: ICE,
  fields: {
    ENABLE: bit(0, 'Enable', {
      access: 'RWL',
      note: 'Write the head to memory after each packet.',
    }),
    _r1: rsvdP(1),
    ADDRESS: address(63, 2, 'Address', {
      access: 'RWL',
      shift: 2,
      note: 'A 32-bit word that software polls instead of descriptors.',
    }),
  },
});
export const RX_BASE = ringBase(
  'RX_BASE',
  'Receive Ring Base',
  0x28,
  'In the address space of the PASID.',
);
export const RX_LENGTH = ringLength('RX_LENGTH', 'Receive Ring Length', 0x30);
export const RX_BUFFER = defineRegister('RX_BUFFER', {
  title: 'Receive Buffer Size',
  offset: 0x34,
  bytes: 4,
  source: ICE,
  fields: {
    BYTES: bits(13, 0, 'Bytes', {
      access: 'RWL',
      reset: 2048,
      format: 'decimal',
      note: 'A longer packet takes several descriptors.',
    }),
    _r14: rsvdP(31, 14),
  },
});
export const MAC_ADDRESS = defineRegister('MAC_ADDRESS', {
  title: 'MAC Address',
  offset: 0x38,
  bytes: 8,
  source: ICE,
  note: 'Survives the reset of the queue pair.',
  fields: {
    ADDRESS: wide(47, 0, 'Address', {
      access: 'RW',
      format: 'hex',
      note: 'First byte of the address in bits 7:0.',
    }),
    _r48: rsvdP(62, 48),
    VALID: bit(63, 'Valid', { access: 'RW', note: 'The switch steers this address here.' }),
  },
});
export const Q_RESET = defineRegister('Q_RESET', {
  title: 'Queue Pair Reset',
  offset: 0x40,
  bytes: 4,
  source: siov('3.6'),
  fields: {
    START: bit(0, 'Start', { access: 'WO', note: 'Resets this queue pair and no other.' }),
    _r1: rsvdP(31, 1),
  },
});

export const NIC_COUNTERS = [
  ['txPackets', 'Packets sent'],
  ['txBytes', 'Bytes sent'],
  ['txDropped', 'Packets dropped on transmit'],
  ['rxPackets', 'Packets received'],
  ['rxBytes', 'Bytes received'],
  ['rxNoDescriptor', 'Packets dropped: no descriptor'],
  ['rxDropped', 'Packets dropped: queue off or faulted'],
  ['faults', 'DMA faults'],
  ['interrupts', 'Interrupts raised'],
] as const;
export type NicCounterName = (typeof NIC_COUNTERS)[number][0];
export const FIRST_COUNTER = 0x80;

const COUNTER_REGISTERS = NIC_COUNTERS.map(([name, title], i) =>
  defineRegister(`COUNT_${name.replace(/[A-Z]/g, (l) => `_${l}`).toUpperCase()}`, {
    title,
    offset: FIRST_COUNTER + 8 * i,
    bytes: 8,
    source: ICE,
    fields: {
      VALUE: wide(63, 0, title, { access: 'RO', format: 'decimal', note: 'Since the last reset.' }),
    },
  }),
);

/** Context of one queue pair. */
export const QUEUE_CONTEXT = defineRegisterBlock('NIC_QUEUE_CONTEXT', [
  Q_CONTROL,
  Q_STATUS,
  Q_PASID,
  Q_VECTOR,
  TX_BASE,
  TX_LENGTH,
  TX_HEAD_WRITEBACK,
  RX_BASE,
  RX_LENGTH,
  RX_BUFFER,
  MAC_ADDRESS,
  Q_RESET,
  ...COUNTER_REGISTERS,
]);

function index(name: string, title: string, offset: number, access: 'RW' | 'RO', note: string) {
  return defineRegister(name, {
    title,
    offset,
    bytes: 4,
    source: FAST,
    fields: {
      INDEX: bits(12, 0, title, { access, format: 'decimal', note }),
      _r13: rsvdP(31, 13),
    },
  });
}

export const TX_TAIL = index(
  'TX_TAIL',
  'Transmit Tail',
  0x00,
  'RW',
  'First descriptor that is not ready; writing it is the doorbell.',
);
export const RX_TAIL = index(
  'RX_TAIL',
  'Receive Tail',
  0x04,
  'RW',
  'First descriptor without a buffer.',
);
export const TX_HEAD = index('TX_HEAD', 'Transmit Head', 0x08, 'RO', 'Next to be fetched.');
export const RX_HEAD = index('RX_HEAD', 'Receive Head', 0x0c, 'RO', 'Next to be filled.');
export const DYN_CTL = defineRegister('DYN_CTL', {
  title: 'Interrupt Dynamic Control',
  offset: 0x10,
  bytes: 4,
  source: linux('drivers/net/ethernet/intel/ice/ice_hw_autogen.h, GLINT_DYN_CTL'),
  fields: {
    INTENA: bit(0, 'Interrupt Enable', { access: 'RW', note: 'Causes raise the vector.' }),
    CLEARPBA: bit(1, 'Clear Pending', { access: 'WO', note: 'Forget a cause that waits.' }),
    SWINT: bit(2, 'Software Trigger', { access: 'WO', note: 'Raises a cause.' }),
    _r3: rsvdP(30, 3),
    INTENA_MSK: bit(31, 'Enable Mask', { access: 'WO', note: 'Bit 0 of this write is ignored.' }),
  },
});
export const ITR = defineRegister('ITR', {
  title: 'Interrupt Throttling Interval',
  offset: 0x14,
  bytes: 4,
  source: linux('drivers/net/ethernet/intel/ice/ice_hw_autogen.h, GLINT_ITR'),
  fields: {
    INTERVAL: bits(11, 0, 'Interval', {
      access: 'RW',
      format: 'decimal',
      note: 'Shortest time between two interrupts, in units of 2 us.',
    }),
    _r12: rsvdP(31, 12),
  },
});

/** Doorbell page of one queue pair: the fast path that can be mapped into a guest. */
export const DOORBELL_PAGE = defineRegisterBlock('NIC_DOORBELL_PAGE', [
  TX_TAIL,
  RX_TAIL,
  TX_HEAD,
  RX_HEAD,
  DYN_CTL,
  ITR,
]);
