/**
 * GRPCFG: which work queues an engine serves, and what of the device they may use. DSA 3.0 section 9.2.23, chapter 4.
 *
 * Writable only while the device is Disabled and GENCAP bit 31 is 1.
 */
import { bit, bits, reserved, wide } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { dsa } from '../source.ts';

/** Fractions that the two progress limits and the two bandwidth limits encode. */
export const GROUP_FRACTION = { full: 0, half: 1, quarter: 2, eighth: 3 } as const;

export const GroupConfig = defineStructure({
  name: 'GroupConfig',
  title: 'Group Configuration',
  bytes: 64,
  source: dsa('9.2.23'),
  note: 'A group joins work queues with the engines that may serve them.',
  fields: {
    wqs: wide(255, 0, 'Work Queues', { note: 'Bit n stands for work queue n.' }),
    engines: wide(319, 256, 'Engines', { note: 'Bit n stands for engine n.' }),
    tcA: bits(322, 320, 'Traffic Class A', {
      format: 'decimal',
      note: 'Traffic class that selector value 0 stands for.',
    }),
    tcB: bits(325, 323, 'Traffic Class B', {
      format: 'decimal',
      note: 'Traffic class that selector value 1 stands for.',
    }),
    _r0: reserved(326),
    useGlobalLimit: bit(327, 'Use Global Read Buffer Limit', {
      capability: 'GLOBAL_READ_BUFFERS',
      aka: ['Use Token Limit'],
      note: 'Shares the limit of GENCFG with other groups.',
    }),
    readBuffersReserved: bits(335, 328, 'Read Buffers Reserved', {
      format: 'decimal',
      capability: 'READ_BUFFERS',
      aka: ['Tokens Reserved'],
      note: 'Buffers that no other group can take.',
    }),
    _r1: reserved(339, 336),
    readBuffersAllowed: bits(347, 340, 'Read Buffers Allowed', {
      format: 'decimal',
      capability: 'READ_BUFFERS',
      aka: ['Tokens Allowed'],
      note: 'Buffers that the group may use at most.',
    }),
    _r2: reserved(351, 348),
    workLimit: bits(353, 352, 'Work Descriptors in Progress Limit', {
      values: GROUP_FRACTION,
      capability: 'PROGRESS_LIMITS',
      note: 'Part of the work slots that each engine uses.',
    }),
    _r3: reserved(355, 354),
    batchLimit: bits(357, 356, 'Batch Descriptors in Progress Limit', {
      values: GROUP_FRACTION,
      capability: 'PROGRESS_LIMITS',
      note: 'Part of the batch slots that each engine uses.',
    }),
    _r4: reserved(359, 358),
    readBandwidth: bits(363, 360, 'Read Bandwidth Limit', {
      capability: 'BANDWIDTH_LIMITS',
      note: '0 no limit, 1 half, 2 a quarter, 3 an eighth.',
    }),
    writeBandwidth: bits(367, 364, 'Write Bandwidth Limit', {
      capability: 'BANDWIDTH_LIMITS',
      note: '0 no limit, 1 half, 2 a quarter, 3 an eighth.',
    }),
    _r5: reserved(383, 368),
    window: bits(387, 384, 'WQ Window', {
      format: 'decimal',
      capability: 'WIDE_WQ',
      note: 'Simulator extension: the bitmap names the work queues from 256 times this number on.',
    }),
    _r6: reserved(511, 388),
  },
});
