/**
 * Capability registers of the accelerator: what software reads before it configures anything. DSA 3.0 sections 9.2.1 to
 * 9.2.7, 9.2.14 and 9.2.30 to 9.2.32.
 *
 * The fields marked "simulator extension" exist only on instances with more than 255 work queues, which no silicon has:
 * the architecture gives the index of a work queue 8 bits.
 */
import { bit, bits, wide } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { rsvdZ } from '../reserved-fields.ts';
import { dsa } from '../source.ts';

const RO = { access: 'RO' } as const;

export const VERSION = defineRegister('VERSION', {
  title: 'Version',
  offset: 0x000,
  bytes: 4,
  source: dsa('9.2.1'),
  fields: {
    minor: bits(7, 0, 'Minor Version', { ...RO, note: 'Zero on all known devices.' }),
    major: bits(15, 8, 'Major Version', {
      ...RO,
      note: '1 on Sapphire Rapids, 2 on Granite Rapids, 3 on Diamond Rapids.',
    }),
    _r0: rsvdZ(31, 16),
  },
});

/** Value of the event log support field in GENCAP. */
export const EVENT_LOG_ENTRY = { none: 0, bytes64: 1, bytes128: 2, bytes256: 3 } as const;

export const GENCAP = defineRegister('GENCAP', {
  title: 'General Capabilities',
  offset: 0x010,
  bytes: 8,
  source: dsa('9.2.2'),
  fields: {
    blockOnFault: bit(0, 'Block on Fault Support', {
      ...RO,
      note: 'A descriptor may wait for a page to arrive instead of ending with a partial completion.',
    }),
    overlappingCopy: bit(1, 'Overlapping Copy Support', {
      ...RO,
      note: 'Memory Move behaves as if through a temporary buffer.',
    }),
    cacheControl: bit(2, 'Cache Control Support', {
      ...RO,
      note: 'Hints may direct writes to the CPU cache.',
    }),
    unused3: bit(3, 'Unused', {
      ...RO,
      aka: ['Cache Flush with Write-back'],
      note: 'Older revisions called it cache flush with write-back.',
    }),
    commandCapabilities: bit(4, 'Command Capabilities Support', {
      ...RO,
      note: '0: the CMDCAP register does not exist and commands 1 to 12 are implied.',
    }),
    durableWrite: bit(5, 'Durable Write Support', {
      ...RO,
      note: 'Hints may ask for writes to durable memory.',
    }),
    interDomain: bit(6, 'Inter-domain Support', {
      ...RO,
      note: 'IDCAP and the inter-domain permission table exist.',
    }),
    translationFetchStride: bit(7, 'Translation Fetch Stride Support', {
      ...RO,
      note: 'Translation Fetch may skip over memory.',
    }),
    destinationReadback: bit(8, 'Destination Readback Support', {
      ...RO,
      note: 'A descriptor may ask for its data to be visible before its record.',
    }),
    drainReadback: bit(9, 'Drain Readback Address Support', {
      ...RO,
      note: 'Drain may name two addresses to read back.',
    }),
    fill16: bit(10, '16-byte Fill Pattern Support', {
      ...RO,
      note: 'Fill takes a pattern of 16 bytes.',
    }),
    crc64: bit(11, 'CRC64 Support', {
      ...RO,
      note: 'CRC operations can compute the 64-bit NVMe polynomial.',
    }),
    faultInfo: bit(12, 'Completion Record Fault Info Support', {
      ...RO,
      note: 'Completion records tell which operand faulted.',
    }),
    eventLog: bits(14, 13, 'Event Log Support', {
      ...RO,
      values: EVENT_LOG_ENTRY,
      note: 'Size of an event log entry; version 1 has no log.',
    }),
    batchContinuation: bit(15, 'Batch Continuation Support', {
      ...RO,
      note: 'A batch cut in two by a fault still reports a failure of its first part.',
    }),
    maxTransferShift: bits(20, 16, 'Maximum Transfer Size', {
      ...RO,
      format: 'decimal',
      note: 'A descriptor moves at most 2 to this power bytes.',
    }),
    maxBatchShift: bits(24, 21, 'Maximum Batch Size', {
      ...RO,
      format: 'decimal',
      note: 'A batch holds at most 2 to this power descriptors.',
    }),
    imsBlocks: bits(30, 25, 'Interrupt Message Storage Size', {
      ...RO,
      format: 'decimal',
      note: 'Entries in units of 256. 0: no IMS, and the IMS portals do not exist.',
    }),
    configuration: bit(31, 'Configuration Support', {
      ...RO,
      note: '0 makes GENCFG, GRPCFG and most of WQCFG read-only: what a virtual device shows.',
    }),
    eventLogOverflow: bit(32, 'Event Log Overflow Support', {
      ...RO,
      note: '0: a full log blocks the device. 1: the entry is dropped and reported as software error 54h.',
    }),
    _r0: rsvdZ(37, 33),
    unused38: bit(38, 'Unused', {
      ...RO,
      note: 'Set on Sapphire Rapids, without a published meaning.',
    }),
    _r1: rsvdZ(51, 39),
    singleEntryBatch: bit(52, 'Batch1 Support', {
      ...RO,
      note: 'A batch may hold a single descriptor.',
    }),
    noStrictMemory: bit(53, 'Strict Ordering Flag Reserved for Memory', {
      ...RO,
      note: '1: strict ordering is not offered for writes to memory.',
    }),
    noStrictPeer: bit(54, 'Strict Ordering Flag Reserved for Peers', {
      ...RO,
      note: '1: strict ordering is not offered for writes to peer devices.',
    }),
    _r2: rsvdZ(63, 55),
  },
});

export const WQCAP = defineRegister('WQCAP', {
  title: 'Work Queue Capabilities',
  offset: 0x020,
  bytes: 8,
  source: dsa('9.2.3'),
  fields: {
    totalSize: bits(15, 0, 'Total Work Queue Size', {
      ...RO,
      format: 'decimal',
      note: 'Entries of storage that all work queues share.',
    }),
    count: bits(23, 16, 'Number of Work Queues', {
      ...RO,
      format: 'decimal',
      note: 'Work queues, the assignable device interfaces of this device.',
    }),
    configShift: bits(27, 24, 'WQCFG Size', {
      ...RO,
      note: 'A WQCFG entry takes 32 bytes shifted left by this.',
    }),
    countHigh: bits(31, 28, 'Number of Work Queues, upper bits', {
      ...RO,
      capability: 'WIDE_WQ',
      note: 'Simulator extension: bits 11:8 of the number.',
    }),
    _r0: rsvdZ(47, 32),
    shared: bit(48, 'Shared Mode Support', {
      ...RO,
      note: 'A queue can take descriptors of many PASIDs, with ENQCMD.',
    }),
    dedicated: bit(49, 'Dedicated Mode Support', {
      ...RO,
      note: 'A queue can belong to one submitter, with MOVDIR64B.',
    }),
    atsDisable: bit(50, 'WQ ATS Disable Support', {
      ...RO,
      note: 'A single queue can do without the device TLB.',
    }),
    priority: bit(51, 'Priority Support', {
      ...RO,
      note: 'Queues of a group are served in proportion to their priorities.',
    }),
    occupancy: bit(52, 'Occupancy Support', {
      ...RO,
      note: 'WQCFG tells how many descriptors wait.',
    }),
    occupancyInterrupt: bit(53, 'Occupancy Interrupt Support', {
      ...RO,
      note: 'A queue can tell when it has drained to a limit.',
    }),
    operationConfig: bit(54, 'Operation Configuration Support', {
      ...RO,
      note: 'A queue can be restricted to some operations; WQCFG then has 64 bytes.',
    }),
    prsDisable: bit(55, 'WQ PRS Disable Support', {
      ...RO,
      note: 'A single queue can do without page requests.',
    }),
    _r1: rsvdZ(63, 56),
  },
});

export const GRPCAP = defineRegister('GRPCAP', {
  title: 'Group Capabilities',
  offset: 0x030,
  bytes: 8,
  source: dsa('9.2.4'),
  fields: {
    count: bits(7, 0, 'Number of Groups', {
      ...RO,
      format: 'decimal',
      note: 'Groups, each joining queues with engines.',
    }),
    readBuffers: bits(15, 8, 'Total Read Buffers', {
      ...RO,
      format: 'decimal',
      aka: ['Total Tokens'],
      note: 'Buffers for data on its way from memory; they bound the bandwidth.',
    }),
    readBufferControls: bit(16, 'Read Buffer Controls Support', {
      ...RO,
      aka: ['Token Support'],
      note: 'Groups can reserve and limit read buffers.',
    }),
    globalReadBufferLimit: bit(17, 'Global Read Buffer Limit Support', {
      ...RO,
      note: 'Several groups can share one limit.',
    }),
    progressLimits: bit(18, 'Descriptors in Progress Limit Support', {
      ...RO,
      note: 'Groups can hold fewer descriptors in progress.',
    }),
    bandwidthLimits: bit(19, 'Bandwidth Limit Support', {
      ...RO,
      note: 'Groups can be held to a part of the bandwidth.',
    }),
    _r0: rsvdZ(63, 20),
  },
});

export const ENGCAP = defineRegister('ENGCAP', {
  title: 'Engine Capabilities',
  offset: 0x038,
  bytes: 8,
  source: dsa('9.2.5'),
  fields: {
    count: bits(7, 0, 'Number of Engines', {
      ...RO,
      format: 'decimal',
      note: 'Engines, the units that execute descriptors.',
    }),
    workInProgress: bits(15, 8, 'Maximum Work Descriptors in Progress', {
      ...RO,
      format: 'decimal',
      capability: 'PROGRESS_LIMITS',
      note: 'Descriptors that one engine executes at a time.',
    }),
    batchInProgress: bits(23, 16, 'Maximum Batch Descriptors in Progress', {
      ...RO,
      format: 'decimal',
      capability: 'PROGRESS_LIMITS',
      note: 'Batches that one engine executes at a time.',
    }),
    _r0: rsvdZ(63, 24),
  },
});

export const OPCAP = defineRegister('OPCAP', {
  title: 'Operation Capabilities',
  offset: 0x040,
  bytes: 32,
  source: dsa('9.2.6'),
  fields: {
    operations: wide(255, 0, 'Operations Supported', {
      ...RO,
      note: 'Bit n stands for operation code n.',
    }),
  },
});

export const OFFSETS = defineRegister('OFFSETS', {
  title: 'Table Offsets',
  offset: 0x060,
  bytes: 16,
  source: dsa('9.2.7'),
  note: 'Places of the tables in BAR0, each in units of 100h bytes.',
  fields: {
    groupConfig: bits(15, 0, 'Group Configuration Offset', {
      ...RO,
      note: 'Where GRPCFG 0 starts.',
    }),
    wqConfig: bits(31, 16, 'Work Queue Configuration Offset', {
      ...RO,
      note: 'Where WQCFG 0 starts.',
    }),
    msixPermissions: bits(47, 32, 'MSI-X Permissions Offset', {
      ...RO,
      note: 'Where the permissions of MSI-X entry 0 are.',
    }),
    ims: bits(63, 48, 'IMS Offset', { ...RO, note: 'Where interrupt message storage starts.' }),
    perfmon: bits(79, 64, 'Perfmon Offset', { ...RO, note: 'Where the performance counters are.' }),
    interDomain: bits(95, 80, 'Inter-domain Permission Table Offset', {
      ...RO,
      note: 'Where the inter-domain permission table starts.',
    }),
    _r0: rsvdZ(127, 96),
  },
});

export const CMDCAP = defineRegister('CMDCAP', {
  title: 'Command Capabilities',
  offset: 0x0b0,
  bytes: 8,
  source: dsa('9.2.14'),
  fields: {
    commands: bits(31, 0, 'Commands Supported', {
      ...RO,
      capability: 'CMDCAP',
      note: 'Bit n stands for command code n.',
    }),
    _r0: rsvdZ(63, 32),
  },
});

export const IDCAP = defineRegister('IDCAP', {
  title: 'Inter-domain Capabilities',
  offset: 0x100,
  bytes: 8,
  source: dsa('9.2'),
  fields: {
    types: bits(1, 0, 'Entry Types Supported', {
      ...RO,
      capability: 'INTER_DOMAIN',
      note: 'Bit 0 single submitter, bit 1 submitter bitmap.',
    }),
    _r0: rsvdZ(7, 2),
    entries: bits(23, 8, 'Number of Entries', {
      ...RO,
      format: 'decimal',
      capability: 'INTER_DOMAIN',
      note: 'Entries of the inter-domain permission table.',
    }),
    offsetMode: bit(24, 'Offset Mode Support', {
      ...RO,
      capability: 'INTER_DOMAIN',
      note: 'A window can take offsets in place of addresses.',
    }),
    suppressDrain: bit(25, 'Suppress Drain Support', {
      ...RO,
      capability: 'INTER_DOMAIN',
      note: 'Update Window need not wait for work in progress.',
    }),
    entryShift: bits(27, 26, 'Entry Size', {
      ...RO,
      capability: 'INTER_DOMAIN',
      note: 'An entry takes 32 bytes shifted left by this.',
    }),
    _r1: rsvdZ(63, 28),
  },
});

export const DSACAP0 = defineRegister('DSACAP0', {
  title: 'DSA Capabilities 0',
  offset: 0x180,
  bytes: 8,
  source: dsa('9.2.30'),
  fields: {
    maxSglShift: bits(3, 0, 'Maximum SGL Size', {
      ...RO,
      capability: 'V3',
      note: 'Entries, as a power of two.',
    }),
    maxReduceBlockShift: bits(7, 4, 'Maximum Gather-Reduce Block', {
      ...RO,
      capability: 'V3',
      note: 'Elements of a gather-reduce block, as a power of two.',
    }),
    interDomainConversion: bit(8, 'Inter-domain Type Conversion', {
      ...RO,
      capability: 'V3',
      note: 'Type conversion may reach other domains.',
    }),
    interDomainReduce: bit(9, 'Inter-domain Reduce', {
      ...RO,
      capability: 'V3',
      note: 'Reduce may reach other domains.',
    }),
    interDomainReduceDualcast: bit(10, 'Inter-domain Reduce with Dualcast', {
      ...RO,
      capability: 'V3',
      note: 'Reduce with dualcast may reach other domains.',
    }),
    _r0: rsvdZ(11),
    interDomainGather: bit(12, 'Inter-domain Gather Copy', {
      ...RO,
      capability: 'V3',
      note: 'Gather copy may reach other domains.',
    }),
    interDomainScatter: bit(13, 'Inter-domain Scatter Copy', {
      ...RO,
      capability: 'V3',
      note: 'Scatter copy may reach other domains.',
    }),
    interDomainScatterFill: bit(14, 'Inter-domain Scatter Fill', {
      ...RO,
      capability: 'V3',
      note: 'Scatter fill may reach other domains.',
    }),
    _r1: rsvdZ(31, 15),
    sglFormats: bits(47, 32, 'SGL Formats', {
      ...RO,
      capability: 'V3',
      note: 'Bit n stands for format n.',
    }),
    maxScatterGather: bits(55, 48, 'Maximum Scatter-Gather Descriptors in Progress', {
      ...RO,
      capability: 'V3',
      note: 'Scatter-gather descriptors that one engine executes at a time.',
    }),
    _r2: rsvdZ(63, 56),
  },
});

export const DSACAP1 = defineRegister('DSACAP1', {
  title: 'DSA Capabilities 1',
  offset: 0x188,
  bytes: 8,
  source: dsa('9.2.31'),
  fields: {
    dataTypes: bits(15, 0, 'Data Types', {
      ...RO,
      capability: 'V3',
      note: 'Bit n stands for data type n.',
    }),
    upConversions: bits(31, 16, 'Floating-Point Up-conversions', {
      ...RO,
      capability: 'V3',
      note: 'Conversions to wider floating-point types.',
    }),
    downConversions: bits(47, 32, 'Floating-Point Down-conversions', {
      ...RO,
      capability: 'V3',
      note: 'Conversions to narrower floating-point types.',
    }),
    computeOperations: bits(63, 48, 'Compute Operations', {
      ...RO,
      capability: 'V3',
      note: 'Bit n stands for compute operation n.',
    }),
  },
});

export const DSACAP2 = defineRegister('DSACAP2', {
  title: 'DSA Capabilities 2',
  offset: 0x190,
  bytes: 8,
  source: dsa('9.2.32'),
  fields: {
    negation: bit(0, 'Operand Negation', {
      ...RO,
      capability: 'V3',
      note: 'Operands can be negated.',
    }),
    _r0: rsvdZ(1),
    flushToZero: bit(2, 'Flush to Zero', {
      ...RO,
      capability: 'V3',
      note: 'Tiny results can become zero.',
    }),
    denormalsAreZero: bit(3, 'Denormals are Zero', {
      ...RO,
      capability: 'V3',
      note: 'Denormal operands can count as zero.',
    }),
    _r1: rsvdZ(6, 4),
    signedIntegers: bit(7, 'Signed Integers', {
      ...RO,
      capability: 'V3',
      note: 'Integers can be signed.',
    }),
    saturation: bit(8, 'Saturation', {
      ...RO,
      capability: 'V3',
      note: 'Integers can saturate instead of wrapping.',
    }),
    _r2: rsvdZ(11, 9),
    roundingModes: bits(15, 12, 'Rounding Modes', {
      ...RO,
      capability: 'V3',
      note: 'RNE, RD, RU, RTZ from bit 12 up.',
    }),
    _r3: rsvdZ(63, 16),
  },
});
