/**
 * WQCFG: configuration and state of one work queue, the unit that Scalable IOV assigns. DSA 3.0 section 9.2.24.
 *
 * An entry takes 32 bytes, or 64 where the operation configuration exists. Which field software may write, and when,
 * follows from the lock class of the field, the state of the queue and device, GENCAP bit 31 and the mode support bit.
 */
import { bit, bits, reserved, wide } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { dsa } from '../source.ts';

export const WQ_MODE = { shared: 0, dedicated: 1 } as const;
export const WQ_STATE = { disabled: 0, enabled: 1, busy: 2 } as const;
/** Which interrupt table a handle belongs to. */
export const INTERRUPT_TABLE = { msix: 0, ims: 1 } as const;

export const WqConfig = defineStructure({
  name: 'WqConfig',
  title: 'Work Queue Configuration',
  bytes: 64,
  source: dsa('9.2.24'),
  note: 'One work queue is one assignable device interface: a dedicated queue has one owner, a shared queue many.',
  fields: {
    size: bits(15, 0, 'WQ Size', {
      format: 'decimal',
      note: 'Entries of the WQ storage that belong to this queue.',
    }),
    _r0: reserved(31, 16),
    threshold: bits(47, 32, 'WQ Threshold', {
      format: 'decimal',
      note: 'The limited portal accepts a descriptor only while fewer are queued. Ignored in dedicated mode.',
    }),
    _r1: reserved(63, 48),
    mode: bit(64, 'WQ Mode', {
      values: WQ_MODE,
      note: 'Shared queues answer ENQCMD with success or Retry, dedicated ones take MOVDIR64B.',
    }),
    blockOnFault: bit(65, 'Block on Fault Enable', {
      capability: 'BLOCK_ON_FAULT',
      aka: ['BOF'],
      note: 'Descriptors of this queue may wait for pages.',
    }),
    atsDisable: bit(66, 'WQ ATS Disable', {
      capability: 'WQ_ATS_DISABLE',
      note: 'Addresses of this queue go out untranslated.',
    }),
    prsDisable: bit(67, 'WQ PRS Disable', {
      capability: 'WQ_PRS_DISABLE',
      note: 'This queue asks for no pages; faults go to record and event log.',
    }),
    priority: bits(71, 68, 'WQ Priority', {
      format: 'decimal',
      note: 'Descriptors dispatched in one round, 1 to 15.',
    }),
    pasid: bits(91, 72, 'WQ PASID', {
      note: 'Used in dedicated mode with PASID enable; shared queues take it from the descriptor.',
    }),
    pasidEnable: bit(92, 'WQ PASID Enable', { note: 'Must be 1 in shared mode.' }),
    priv: bit(93, 'WQ Priv', { note: 'Dedicated mode only.' }),
    _r2: reserved(95, 94),
    maxTransferShift: bits(100, 96, 'WQ Maximum Transfer Size', {
      format: 'decimal',
      note: 'A descriptor moves at most 2 to this power bytes.',
    }),
    maxBatchShift: bits(104, 101, 'WQ Maximum Batch Size', {
      format: 'decimal',
      note: 'A batch holds at most 2 to this power descriptors.',
    }),
    maxSglShift: bits(108, 105, 'WQ Maximum SGL Size', {
      format: 'decimal',
      capability: 'V3',
      note: 'A scatter-gather list holds at most 2 to this power entries.',
    }),
    _r3: reserved(127, 109),
    occupancyHandle: bits(143, 128, 'WQ Occupancy Interrupt Handle', {
      note: 'Entry or handle of the occupancy interrupt.',
    }),
    occupancyTable: bit(144, 'WQ Occupancy Interrupt Table', {
      values: INTERRUPT_TABLE,
      note: 'Table that the handle belongs to.',
    }),
    _r4: reserved(159, 145),
    occupancyLimit: bits(175, 160, 'WQ Occupancy Limit', {
      format: 'decimal',
      note: 'Occupancy at which the interrupt fires.',
    }),
    occupancyInterruptEnable: bit(176, 'WQ Occupancy Interrupt Enable', {
      note: 'Fires when the occupancy is at or below the limit, at once if it already is.',
    }),
    _r5: reserved(191, 177),
    occupancy: bits(207, 192, 'WQ Occupancy', {
      access: 'RO',
      format: 'decimal',
      note: 'Descriptors that wait; those in an engine do not count.',
    }),
    occupancyInterruptGenerated: bit(208, 'WQ Occupancy Interrupt Generated', {
      access: 'RW1C',
      note: 'Writing 1 arms the interrupt again.',
    }),
    _r6: reserved(220, 209),
    modeSupport: bit(221, 'WQ Mode Support', {
      access: 'RO',
      note: 'Meaningful without configuration support: 1 on a queue that a single guest owns.',
    }),
    state: bits(223, 222, 'WQ State', {
      access: 'RO',
      values: WQ_STATE,
      note: 'What the queue takes and does now.',
    }),
    _r7: reserved(255, 224),
    operations: wide(511, 256, 'Operation Configuration', {
      capability: 'OPERATION_CONFIG',
      note: 'Operations that descriptors of this queue may ask for. Resets to OPCAP.',
    }),
  },
});

/**
 * When software may write a field: `size` while the device is Disabled; `mode` and `limits` while the queue is Disabled;
 * `occupancyHandle` as `mode`; `occupancyLimit` while its interrupt is off or is being turned on; `always` at any time.
 */
export type WqLock = 'size' | 'mode' | 'limits' | 'always' | 'occupancyLimit' | 'occupancyHandle';

export const WQ_FIELD_LOCK = {
  size: 'size',
  threshold: 'always',
  mode: 'mode',
  priv: 'mode',
  pasidEnable: 'mode',
  pasid: 'mode',
  priority: 'limits',
  blockOnFault: 'limits',
  maxTransferShift: 'limits',
  maxBatchShift: 'limits',
  maxSglShift: 'limits',
  atsDisable: 'limits',
  prsDisable: 'limits',
  operations: 'limits',
  occupancyInterruptEnable: 'always',
  occupancyLimit: 'occupancyLimit',
  occupancyHandle: 'occupancyHandle',
  occupancyTable: 'occupancyHandle',
} as const satisfies Readonly<Record<string, WqLock>>;

/**
 * Lock classes that software may write at all, by (GENCAP bit 31, mode support): the two columns without configuration
 * support are what a virtual device shows for a queue shared between guests and for one owned by a single guest.
 */
export const WQ_WRITABLE: {
  readonly configurable: readonly WqLock[];
  readonly fixed: readonly WqLock[];
  readonly fixedWithModeSupport: readonly WqLock[];
} = {
  configurable: ['size', 'mode', 'limits', 'always', 'occupancyLimit', 'occupancyHandle'],
  fixed: [],
  fixedWithModeSupport: ['mode', 'always', 'occupancyLimit', 'occupancyHandle'],
};
