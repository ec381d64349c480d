/**
 * Descriptors and completion records of each operation: what lies in bytes 16 to 63, and in the record from byte 16 on.
 * DSA 3.0 sections 5.5 and 8.3.
 */
import { address, bit, bits, wide } from '../../bits/field.ts';
import { defineDescriptor, defineRecord } from './descriptor.ts';

const source = address(191, 128, 'Source Address', { shift: 0, note: 'Where data is read.' });
const source1 = address(191, 128, 'Source 1 Address', { shift: 0, note: 'First buffer.' });
const source2 = address(255, 192, 'Source 2 Address', { shift: 0, note: 'Second buffer.' });
const destination = address(255, 192, 'Destination Address', {
  shift: 0,
  note: 'Where data is written.',
});
const pattern = wide(191, 128, 'Pattern', { note: 'First eight bytes of the pattern.' });
const size = bits(287, 256, 'Transfer Size', {
  format: 'decimal',
  note: 'Bytes, at most the maximum transfer size of the queue.',
});
const expectedResult = bit(320, 'Expected Result', {
  note: 'Result that counts as success with Check Result.',
});

export const NoopDescriptor = defineDescriptor('Noop', 'No-op', {});

export const BatchDescriptor = defineDescriptor('Batch', 'Batch', {
  batchError: bit(48, 'Batch Error', {
    note: 'Carries a failure of an earlier part of the same batch.',
  }),
  list: address(191, 128, 'Descriptor List Address', { shift: 0, note: 'Aligned to 64 bytes.' }),
  count: bits(287, 256, 'Descriptor Count', { format: 'decimal', note: 'Members of the batch.' }),
});

export const DrainDescriptor = defineDescriptor('Drain', 'Drain', {
  readback1Valid: bit(48, 'Readback Address 1 Valid', { note: 'Address 1 is read back.' }),
  readback2Valid: bit(49, 'Readback Address 2 Valid', { note: 'Address 2 is read back.' }),
  suppressA: bit(50, 'Suppress TC-A Implicit Readback', {
    note: 'No readback for traffic class A.',
  }),
  suppressB: bit(51, 'Suppress TC-B Implicit Readback', {
    note: 'No readback for traffic class B.',
  }),
  readback1: address(191, 128, 'Readback Address 1', {
    shift: 0,
    note: 'Reading here pushes earlier writes out.',
  }),
  readback2: address(255, 192, 'Readback Address 2', {
    shift: 0,
    note: 'Reading here pushes earlier writes out.',
  }),
});

export const MoveDescriptor = defineDescriptor('Move', 'Memory Move', {
  source,
  destination,
  size,
});

export const FillDescriptor = defineDescriptor('Fill', 'Fill', {
  pattern16: bit(50, '16-byte Pattern', { note: 'The pattern has 16 bytes.' }),
  pattern,
  destination,
  size,
  patternHigh: wide(383, 320, 'Pattern, upper half', {
    note: 'Last eight bytes of a 16-byte pattern.',
  }),
});

export const CompareDescriptor = defineDescriptor('Compare', 'Compare', {
  source1,
  source2,
  size,
  expectedResult,
});

export const ComparePatternDescriptor = defineDescriptor('ComparePattern', 'Compare Pattern', {
  source,
  pattern: wide(255, 192, 'Pattern', { note: 'Eight bytes that the source should repeat.' }),
  size,
  expectedResult,
});

export const CreateDeltaDescriptor = defineDescriptor('CreateDelta', 'Create Delta Record', {
  source1,
  source2,
  size,
  delta: address(383, 320, 'Delta Record Address', {
    shift: 0,
    note: 'Where the differences are written.',
  }),
  maxDeltaSize: bits(415, 384, 'Maximum Delta Record Size', {
    format: 'decimal',
    note: 'Room for differences, a multiple of ten.',
  }),
  expectedMask: bits(450, 448, 'Expected Result Mask', { note: 'Bit r: result r is a success.' }),
});

export const ApplyDeltaDescriptor = defineDescriptor('ApplyDelta', 'Apply Delta Record', {
  delta: address(191, 128, 'Delta Record Address', { shift: 0, note: 'Differences to apply.' }),
  destination,
  size,
  deltaSize: bits(351, 320, 'Delta Record Size', {
    format: 'decimal',
    note: 'Bytes of the record, a multiple of ten.',
  }),
});

export const DualcastDescriptor = defineDescriptor('Dualcast', 'Memory Copy with Dualcast', {
  source,
  destination: address(255, 192, 'Destination 1 Address', {
    shift: 0,
    note: 'Where data is written first.',
  }),
  size,
  destination2: address(383, 320, 'Destination 2 Address', {
    shift: 0,
    note: 'Where data is written too; same offset in its page.',
  }),
});

export const TranslationFetchDescriptor = defineDescriptor(
  'TranslationFetch',
  'Translation Fetch',
  {
    useStride: bit(48, 'Use Stride', { note: 'One translation for each stride.' }),
    region: address(191, 128, 'Region Address', { shift: 0, note: 'Where the region starts.' }),
    size: bits(287, 256, 'Region Size', { format: 'decimal', note: 'Bytes of the region.' }),
    stride: bits(415, 384, 'Region Stride', {
      format: 'decimal',
      note: 'A power of two of at least 4096.',
    }),
  },
);

const crcFlags = {
  readSeed: bit(48, 'Read CRC Seed', { note: 'The seed is read from memory.' }),
  bypassInversion: bit(49, 'Bypass CRC Inversion and Reflection', {
    note: 'Seed and result are the plain register.',
  }),
  bypassReflection: bit(50, 'Bypass Data Reflection', {
    note: 'The most significant bit of each byte comes first.',
  }),
  crc64: bit(51, '64-bit CRC', { note: 'The 64-bit polynomial.' }),
} as const;
const crcSeed = {
  seed: wide(383, 320, 'CRC Seed', { note: 'Result of the part before, 0 at first.' }),
  seedAddress: address(447, 384, 'CRC Seed Address', { shift: 0, note: 'Where the seed is read.' }),
} as const;

export const CrcDescriptor = defineDescriptor('Crc', 'CRC Generation', {
  ...crcFlags,
  source,
  size,
  ...crcSeed,
});

export const CopyCrcDescriptor = defineDescriptor('CopyCrc', 'Copy with CRC Generation', {
  ...crcFlags,
  source,
  destination,
  size,
  ...crcSeed,
});

/** Sizes of a protected block, without the eight bytes of the field. */
export const DIF_BLOCK_BYTES = [512, 520, 4096, 4104] as const;

const sourceFlags = {
  allOnesError: bit(320, 'All-F Error', {
    note: 'Report a block whose field is all ones as an error.',
  }),
  allOnesDetect: bit(321, 'All-F Detect', { note: 'A field of all ones is not checked.' }),
  skipAppTag: bit(322, 'Application Tag F Detect', {
    note: 'Do not check a block whose application tag is FFFFh.',
  }),
  skipAppAndRefTag: bit(323, 'Application and Reference Tag F Detect', {
    note: 'Do not check a block whose application and reference tags are all ones.',
  }),
  sourceAppIncrementing: bit(324, 'Source Application Tag Incrementing', {
    note: 'The application tag grows by one each block.',
  }),
  guardDisable: bit(325, 'Guard Check Disable', { note: 'The guard is not checked.' }),
  refDisable: bit(326, 'Reference Tag Check Disable', {
    note: 'The reference tag is not checked.',
  }),
  sourceRefFixed: bit(327, 'Source Reference Tag Fixed', {
    note: 'The reference tag stays the same.',
  }),
} as const;
const passThroughFlags = {
  passApp: bit(331, 'Application Tag Pass Through', {
    note: 'The application tag of the source is written.',
  }),
  passGuard: bit(333, 'Guard Pass Through', { note: 'The guard of the source is written.' }),
  passRef: bit(334, 'Reference Tag Pass Through', {
    note: 'The reference tag of the source is written.',
  }),
} as const;
const destinationFlags = {
  destinationAppIncrementing: bit(332, 'Destination Application Tag Incrementing', {
    note: 'The application tag grows by one each block.',
  }),
  destinationRefFixed: bit(335, 'Destination Reference Tag Fixed', {
    note: 'The reference tag stays the same.',
  }),
} as const;
const difFlags = {
  block: bits(337, 336, 'Block Size', {
    values: { bytes512: 0, bytes520: 1, bytes4096: 2, bytes4104: 3 },
    note: 'Bytes of data before each field.',
  }),
  seedOnes: bit(338, 'CRC Seed', { note: '1: the guard starts at FFFFh instead of 0.' }),
  invertGuard: bit(339, 'Invert CRC', { note: 'The guard is complemented.' }),
} as const;
const sourceTags = {
  sourceRef: bits(415, 384, 'Source Reference Tag Seed', {
    note: 'Reference tag of the first block.',
  }),
  sourceMask: bits(431, 416, 'Source Application Tag Mask', {
    note: 'A bit of 1 is not compared.',
  }),
  sourceApp: bits(447, 432, 'Source Application Tag Seed', {
    note: 'Application tag of the first block.',
  }),
} as const;
const destinationTags = {
  destinationRef: bits(479, 448, 'Destination Reference Tag Seed', {
    note: 'Reference tag of the first block written.',
  }),
  destinationMask: bits(495, 480, 'Destination Application Tag Mask', {
    note: 'A bit of 1 is written as 0.',
  }),
  destinationApp: bits(511, 496, 'Destination Application Tag Seed', {
    note: 'Application tag of the first block written.',
  }),
} as const;

export const DifCheckDescriptor = defineDescriptor('DifCheck', 'DIF Check', {
  source,
  size,
  ...sourceFlags,
  ...difFlags,
  ...sourceTags,
});

export const DifInsertDescriptor = defineDescriptor('DifInsert', 'DIF Insert', {
  source,
  destination,
  size,
  ...destinationFlags,
  ...difFlags,
  ...destinationTags,
});

export const DifStripDescriptor = defineDescriptor('DifStrip', 'DIF Strip', {
  source,
  destination,
  size,
  ...sourceFlags,
  ...difFlags,
  ...sourceTags,
});

export const DifUpdateDescriptor = defineDescriptor('DifUpdate', 'DIF Update', {
  source,
  destination,
  size,
  ...sourceFlags,
  ...passThroughFlags,
  ...destinationFlags,
  ...difFlags,
  ...sourceTags,
  ...destinationTags,
});

export const DixGenerateDescriptor = defineDescriptor('DixGenerate', 'DIX Generate', {
  source,
  destination,
  size,
  ...destinationFlags,
  ...difFlags,
  ...destinationTags,
});

export const CacheFlushDescriptor = defineDescriptor('CacheFlush', 'Cache Flush', {
  destination,
  size,
});

const alternateSource = bit(48, 'Alternate PASID for Address 1', {
  note: 'Address 1 lies in the domain of its IDPT handle.',
});
const alternateDestination = bit(49, 'Alternate PASID for Address 2', {
  note: 'Address 2 lies in the domain of its IDPT handle.',
});
const sourceHandle = bits(495, 480, 'IDPT Handle 1', {
  note: 'Entry that opens the domain of address 1.',
});
const destinationHandle = bits(511, 496, 'IDPT Handle 2', {
  note: 'Entry that opens the domain of address 2.',
});

export const UpdateWindowDescriptor = defineDescriptor('UpdateWindow', 'Update Window', {
  suppressDrain: bit(48, 'Suppress Drain', { note: 'Do not wait for work in other domains.' }),
  windowBase: address(191, 128, 'Window Base', {
    shift: 0,
    note: 'Where the window starts from now on.',
  }),
  windowSize: wide(255, 192, 'Window Size', { note: 'Bytes of the window.' }),
  windowEnable: bit(488, 'Window Enable', { note: 'Only the window can be reached.' }),
  offsetMode: bit(489, 'Window Mode', { note: 'Addresses are offsets into the window.' }),
  handle: bits(511, 496, 'IDPT Handle', {
    note: 'Entry to change; its access PASID must be the submitter.',
  }),
});

export const InterDomainCopyDescriptor = defineDescriptor(
  'InterDomainCopy',
  'Inter-domain Memory Copy',
  {
    alternateSource,
    alternateDestination,
    source,
    destination,
    size,
    sourceHandle,
    destinationHandle,
  },
);

export const InterDomainFillDescriptor = defineDescriptor('InterDomainFill', 'Inter-domain Fill', {
  alternateDestination,
  pattern16: bit(50, '16-byte Pattern', { note: 'The pattern has 16 bytes.' }),
  pattern,
  destination,
  size,
  patternHigh: wide(383, 320, 'Pattern, upper half', {
    note: 'Last eight bytes of a 16-byte pattern.',
  }),
  destinationHandle,
});

export const InterDomainCompareDescriptor = defineDescriptor(
  'InterDomainCompare',
  'Inter-domain Compare',
  {
    alternateSource,
    alternateDestination: bit(49, 'Alternate PASID for Address 2', {
      note: 'Address 2 lies in the domain of its IDPT handle.',
    }),
    source1,
    source2,
    size,
    expectedResult,
    sourceHandle,
    destinationHandle,
  },
);

export const InterDomainComparePatternDescriptor = defineDescriptor(
  'InterDomainComparePattern',
  'Inter-domain Compare Pattern',
  {
    alternateSource,
    source,
    pattern: wide(255, 192, 'Pattern', { note: 'Eight bytes that the source should repeat.' }),
    size,
    expectedResult,
    sourceHandle,
  },
);

export const DeltaRecord = defineRecord('Delta', 'Create Delta', {
  deltaSize: bits(159, 128, 'Delta Record Size', {
    format: 'decimal',
    note: 'Bytes of differences written.',
  }),
});

export const CrcRecord = defineRecord('Crc', 'CRC', {
  crc: wide(191, 128, 'CRC', { note: 'Result, and seed of a continuation.' }),
});

const recordSourceTags = {
  sourceRef: bits(159, 128, 'Source Reference Tag', {
    note: 'Reference tag that the next block would have.',
  }),
  sourceMask: bits(175, 160, 'Source Application Tag Mask', { note: 'As in the descriptor.' }),
  sourceApp: bits(191, 176, 'Source Application Tag', {
    note: 'Application tag that the next block would have.',
  }),
} as const;
const recordDestinationTags = {
  destinationRef: bits(223, 192, 'Destination Reference Tag', {
    note: 'Reference tag that the next block would get.',
  }),
  destinationMask: bits(239, 224, 'Destination Application Tag Mask', {
    note: 'As in the descriptor.',
  }),
  destinationApp: bits(255, 240, 'Destination Application Tag', {
    note: 'Application tag that the next block would get.',
  }),
} as const;

export const DifSourceRecord = defineRecord('DifSource', 'DIF Check and Strip', recordSourceTags);
export const DifDestinationRecord = defineRecord(
  'DifDestination',
  'DIF Insert and DIX',
  recordDestinationTags,
);
export const DifUpdateRecord = defineRecord('DifUpdate', 'DIF Update', {
  ...recordSourceTags,
  ...recordDestinationTags,
});
