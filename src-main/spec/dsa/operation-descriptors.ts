/**
 * Descriptors and completion records of each operation: what lies in bytes 16 to 63, and in the record from byte 16 on.
 * DSA 3.0 sections 5.5 and 8.3.
 */
import { address, bit, bits, wide } from '../../bits/field.ts';
import { defineDescriptor, defineRecord } from './descriptor.ts';

const source = address(191, 128, 'Source Address', { shift: 0 });
const source1 = address(191, 128, 'Source 1 Address', { shift: 0 });
const source2 = address(255, 192, 'Source 2 Address', { shift: 0 });
const destination = address(255, 192, 'Destination Address', { shift: 0 });
const pattern = wide(191, 128, 'Pattern');
const size = bits(287, 256, 'Transfer Size', { format: 'decimal' });
const expectedResult = bit(320, 'Expected Result');

export const NoopDescriptor = defineDescriptor('Noop', 'No-op', {});

export const BatchDescriptor = defineDescriptor('Batch', 'Batch', {
  batchError: bit(48, 'Batch Error', {
    note: 'Carries a failure of an earlier part of the same batch.',
  }),
  list: address(191, 128, 'Descriptor List Address', { shift: 0, note: 'Aligned to 64 bytes.' }),
  count: bits(287, 256, 'Descriptor Count', { format: 'decimal' }),
});

export const DrainDescriptor = defineDescriptor('Drain', 'Drain', {
  readback1Valid: bit(48, 'Readback Address 1 Valid'),
  readback2Valid: bit(49, 'Readback Address 2 Valid'),
  suppressA: bit(50, 'Suppress TC-A Implicit Readback'),
  suppressB: bit(51, 'Suppress TC-B Implicit Readback'),
  readback1: address(191, 128, 'Readback Address 1', { shift: 0 }),
  readback2: address(255, 192, 'Readback Address 2', { shift: 0 }),
});

export const MoveDescriptor = defineDescriptor('Move', 'Memory Move', {
  source,
  destination,
  size,
});

export const FillDescriptor = defineDescriptor('Fill', 'Fill', {
  pattern16: bit(50, '16-byte Pattern'),
  pattern,
  destination,
  size,
  patternHigh: wide(383, 320, 'Pattern, upper half'),
});

export const CompareDescriptor = defineDescriptor('Compare', 'Compare', {
  source1,
  source2,
  size,
  expectedResult,
});

export const ComparePatternDescriptor = defineDescriptor('ComparePattern', 'Compare Pattern', {
  source,
  pattern: wide(255, 192, 'Pattern'),
  size,
  expectedResult,
});

export const CreateDeltaDescriptor = defineDescriptor('CreateDelta', 'Create Delta Record', {
  source1,
  source2,
  size,
  delta: address(383, 320, 'Delta Record Address', { shift: 0 }),
  maxDeltaSize: bits(415, 384, 'Maximum Delta Record Size', { format: 'decimal' }),
  expectedMask: bits(450, 448, 'Expected Result Mask', { note: 'Bit r: result r is a success.' }),
});

export const ApplyDeltaDescriptor = defineDescriptor('ApplyDelta', 'Apply Delta Record', {
  delta: address(191, 128, 'Delta Record Address', { shift: 0 }),
  destination,
  size,
  deltaSize: bits(351, 320, 'Delta Record Size', { format: 'decimal' }),
});

export const DualcastDescriptor = defineDescriptor('Dualcast', 'Memory Copy with Dualcast', {
  source,
  destination: address(255, 192, 'Destination 1 Address', { shift: 0 }),
  size,
  destination2: address(383, 320, 'Destination 2 Address', { shift: 0 }),
});

export const TranslationFetchDescriptor = defineDescriptor(
  'TranslationFetch',
  'Translation Fetch',
  {
    useStride: bit(48, 'Use Stride'),
    region: address(191, 128, 'Region Address', { shift: 0 }),
    size: bits(287, 256, 'Region Size', { format: 'decimal' }),
    stride: bits(415, 384, 'Region Stride', { format: 'decimal' }),
  },
);

const crcFlags = {
  readSeed: bit(48, 'Read CRC Seed'),
  bypassInversion: bit(49, 'Bypass CRC Inversion and Reflection'),
  bypassReflection: bit(50, 'Bypass Data Reflection'),
  crc64: bit(51, '64-bit CRC'),
} as const;
const crcSeed = {
  seed: wide(383, 320, 'CRC Seed'),
  seedAddress: address(447, 384, 'CRC Seed Address', { shift: 0 }),
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
  allOnesDetect: bit(321, 'All-F Detect'),
  skipAppTag: bit(322, 'Application Tag F Detect', {
    note: 'Do not check a block whose application tag is FFFFh.',
  }),
  skipAppAndRefTag: bit(323, 'Application and Reference Tag F Detect'),
  sourceAppIncrementing: bit(324, 'Source Application Tag Incrementing'),
  guardDisable: bit(325, 'Guard Check Disable'),
  refDisable: bit(326, 'Reference Tag Check Disable'),
  sourceRefFixed: bit(327, 'Source Reference Tag Fixed'),
} as const;
const passThroughFlags = {
  passApp: bit(331, 'Application Tag Pass Through'),
  passGuard: bit(333, 'Guard Pass Through'),
  passRef: bit(334, 'Reference Tag Pass Through'),
} as const;
const destinationFlags = {
  destinationAppIncrementing: bit(332, 'Destination Application Tag Incrementing'),
  destinationRefFixed: bit(335, 'Destination Reference Tag Fixed'),
} as const;
const difFlags = {
  block: bits(337, 336, 'Block Size', {
    values: { bytes512: 0, bytes520: 1, bytes4096: 2, bytes4104: 3 },
  }),
  seedOnes: bit(338, 'CRC Seed', { note: '1: the guard starts at FFFFh instead of 0.' }),
  invertGuard: bit(339, 'Invert CRC'),
} as const;
const sourceTags = {
  sourceRef: bits(415, 384, 'Source Reference Tag Seed'),
  sourceMask: bits(431, 416, 'Source Application Tag Mask', {
    note: 'A bit of 1 is not compared.',
  }),
  sourceApp: bits(447, 432, 'Source Application Tag Seed'),
} as const;
const destinationTags = {
  destinationRef: bits(479, 448, 'Destination Reference Tag Seed'),
  destinationMask: bits(495, 480, 'Destination Application Tag Mask', {
    note: 'A bit of 1 is written as 0.',
  }),
  destinationApp: bits(511, 496, 'Destination Application Tag Seed'),
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
const alternateDestination = bit(49, 'Alternate PASID for Address 2');
const sourceHandle = bits(495, 480, 'IDPT Handle 1');
const destinationHandle = bits(511, 496, 'IDPT Handle 2');

export const UpdateWindowDescriptor = defineDescriptor('UpdateWindow', 'Update Window', {
  suppressDrain: bit(48, 'Suppress Drain'),
  windowBase: address(191, 128, 'Window Base', { shift: 0 }),
  windowSize: wide(255, 192, 'Window Size'),
  windowEnable: bit(488, 'Window Enable'),
  offsetMode: bit(489, 'Window Mode'),
  handle: bits(511, 496, 'IDPT Handle'),
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
  pattern16: bit(50, '16-byte Pattern'),
  pattern,
  destination,
  size,
  patternHigh: wide(383, 320, 'Pattern, upper half'),
  destinationHandle,
});

export const InterDomainCompareDescriptor = defineDescriptor(
  'InterDomainCompare',
  'Inter-domain Compare',
  {
    alternateSource,
    alternateDestination: bit(49, 'Alternate PASID for Address 2'),
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
    pattern: wide(255, 192, 'Pattern'),
    size,
    expectedResult,
    sourceHandle,
  },
);

export const DeltaRecord = defineRecord('Delta', 'Create Delta', {
  deltaSize: bits(159, 128, 'Delta Record Size', { format: 'decimal' }),
});

export const CrcRecord = defineRecord('Crc', 'CRC', { crc: wide(191, 128, 'CRC') });

const recordSourceTags = {
  sourceRef: bits(159, 128, 'Source Reference Tag'),
  sourceMask: bits(175, 160, 'Source Application Tag Mask'),
  sourceApp: bits(191, 176, 'Source Application Tag'),
} as const;
const recordDestinationTags = {
  destinationRef: bits(223, 192, 'Destination Reference Tag'),
  destinationMask: bits(239, 224, 'Destination Application Tag Mask'),
  destinationApp: bits(255, 240, 'Destination Application Tag'),
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
