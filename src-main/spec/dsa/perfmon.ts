/**
 * Performance monitoring of the accelerator: counters that software programs with a category, events and filters. DSA 3.0
 * chapter 6, section 9.2.25 and appendix D; fields as Linux drivers/dma/idxd/registers.h and perfmon.h have them.
 *
 * The instance has 8 counters of 32 bits and filters by WQ and engine, which is this model's choice. Not modelled: filters by
 * traffic class, page size, transfer size and PASID; capabilities of single counters.
 */
import { bit, bits } from '../../bits/field.ts';
import { defineRegister, defineRegisterBlock, type Register } from '../../bits/register-block.ts';
import { rsvdP, rsvdZ } from '../reserved-fields.ts';
import { dsa } from '../source.ts';
import { OPERATIONS } from './operations.ts';

export const PERFMON_BYTES = 0x1000;
export const PERF_COUNTERS = 8;
export const PERF_COUNTER_BITS = 32;

export const PERF_CATEGORY = { wq: 0, engine: 1, translation: 2, operation: 3 } as const;
export type PerfCategory = (typeof PERF_CATEGORY)[keyof typeof PERF_CATEGORY];

/** Event bits of each category; of the operations, bit n is operation n. */
export const PERF_EVENT = {
  swqAcceptLimited: 0x01,
  swqRetryLimited: 0x02,
  swqAcceptUnlimited: 0x04,
  swqRetryUnlimited: 0x08,
  dwqAccept: 0x10,
  dwqFull: 0x20,
  inputUnits: 0x01,
  writtenUnits: 0x02,
  readsSource: 0x04,
  writesDestination: 0x08,
  fromBatch: 0x10,
  fromWq: 0x20,
  translatedWithPasid: 0x01,
  faultedWithPasid: 0x02,
  translated: 0x04,
  faulted: 0x08,
  pageGranted: 0x10,
  pageInvalid: 0x20,
} as const;
/** Bytes of the unit in which engines count data. */
export const PERF_DATA_UNIT = 32;
/** Bits that an event field has. */
const EVENT_BITS = 28;

const operationEvents = OPERATIONS.filter((o) => o.code < EVENT_BITS).reduce(
  (mask, { code }) => mask + 2 ** code,
  0,
);
/** What each category can count. */
export const PERF_EVENTS: readonly number[] = [0x3f, 0x3f, 0x3f, operationEvents];

const SOURCE = dsa('9.2.25');
/** Filters that the instance has, by number. */
const FILTER = { wq: 0, engine: 4 } as const;

const PERFCAP = defineRegister('PERFCAP', {
  title: 'Performance Monitoring Capabilities',
  offset: 0x000,
  bytes: 8,
  source: SOURCE,
  fields: {
    counters: bits(5, 0, 'Counters', {
      access: 'RO',
      reset: PERF_COUNTERS,
      format: 'decimal',
      note: 'How many there are.',
    }),
    _r6: rsvdZ(7, 6),
    width: bits(15, 8, 'Counter width', {
      access: 'RO',
      reset: PERF_COUNTER_BITS,
      format: 'decimal',
      note: 'Bits of each counter.',
    }),
    categories: bits(19, 16, 'Categories', {
      access: 'RO',
      reset: PERF_EVENTS.length,
      note: 'How many event categories there are.',
    }),
    categoryMask: bits(35, 20, 'Global category mask', {
      access: 'RO',
      reset: 2 ** PERF_EVENTS.length - 1,
      format: 'hex',
      note: 'Bit n: every counter can count category n.',
    }),
    filters: bits(43, 36, 'Filters', {
      access: 'RO',
      reset: 2 ** FILTER.wq + 2 ** FILTER.engine,
      format: 'hex',
      note: 'Bit 0: WQ, 1: traffic class, 2: page size, 3: transfer size, 4: engine.',
    }),
    _r44: rsvdZ(51, 44),
    perCounter: bit(52, 'Capabilities per counter', {
      access: 'RO',
      note: '0: all counters are alike.',
    }),
    writable: bit(53, 'Writable counters', {
      access: 'RO',
      reset: 1,
      note: 'Software may set their values.',
    }),
    freeze: bit(54, 'Counter freeze', { access: 'RO', reset: 1, note: 'PERFFRZ stops counters.' }),
    overflowInterrupt: bit(55, 'Overflow interrupt', {
      access: 'RO',
      reset: 1,
      note: 'An overflow can raise entry 0.',
    }),
    _r56: rsvdZ(63, 56),
  },
});

const PERFRST = defineRegister('PERFRST', {
  title: 'Performance Monitoring Reset',
  offset: 0x010,
  bytes: 4,
  source: SOURCE,
  fields: {
    config: bit(0, 'Reset configuration', { access: 'WO', note: 'Counters stop counting.' }),
    counters: bit(1, 'Reset counters', { access: 'WO', note: 'Counters go to zero.' }),
    _r2: rsvdP(31, 2),
  },
});

const PERFFRZ = defineRegister('PERFFRZ', {
  title: 'Performance Monitoring Freeze',
  offset: 0x020,
  bytes: 4,
  source: SOURCE,
  fields: { frozen: bits(31, 0, 'Frozen counters', { format: 'hex', note: 'Bit n: counter n.' }) },
});

const OVFSTATUS = defineRegister('OVFSTATUS', {
  title: 'Overflow Status',
  offset: 0x030,
  bytes: 4,
  source: SOURCE,
  fields: {
    overflowed: bits(31, 0, 'Overflowed counters', {
      access: 'RW1C',
      format: 'hex',
      note: 'Bit n: counter n went around.',
    }),
  },
});

function eventCapability(category: number): Register {
  return defineRegister(`EVNTCAP${category}`, {
    title: `Event Capabilities of category ${category}`,
    offset: 0x080 + 8 * category,
    bytes: 8,
    source: SOURCE,
    fields: {
      events: bits(27, 0, 'Events', {
        access: 'RO',
        reset: PERF_EVENTS[category] ?? 0,
        format: 'hex',
        note: 'Bit n: event n can be counted.',
      }),
      _r28: rsvdZ(63, 28),
    },
  });
}

function counterRegisters(index: number): readonly Register[] {
  const filter = (number: number, title: string): Register =>
    defineRegister(`FLTCFG${index}_${number}`, {
      title: `Filter of counter ${index}: ${title}`,
      offset: 0x300 + 32 * index + 4 * number,
      bytes: 4,
      source: SOURCE,
      fields: {
        mask: bits(31, 0, 'Mask', {
          reset: 0xffff_ffff,
          format: 'hex',
          note: 'All ones count everything.',
        }),
      },
    });
  return [
    defineRegister(`CNTRCFG${index}`, {
      title: `Counter ${index} Configuration`,
      offset: 0x100 + 8 * index,
      bytes: 8,
      source: SOURCE,
      fields: {
        enable: bit(0, 'Enable', { note: 'The counter counts.' }),
        interrupt: bit(1, 'Interrupt on overflow', { note: 'Through entry 0, with its cause.' }),
        freeze: bit(2, 'Global freeze on overflow', { note: 'All counters stop.' }),
        _r3: rsvdP(7, 3),
        category: bits(11, 8, 'Category', {
          values: PERF_CATEGORY,
          note: 'What the events are about.',
        }),
        _r12: rsvdP(31, 12),
        events: bits(59, 32, 'Events', { format: 'hex', note: 'Each event that is 1 counts.' }),
        _r60: rsvdP(63, 60),
      },
    }),
    defineRegister(`CNTRDATA${index}`, {
      title: `Counter ${index}`,
      offset: 0x200 + 8 * index,
      bytes: 8,
      source: SOURCE,
      fields: {
        value: bits(31, 0, 'Value', { format: 'decimal', note: 'Events so far.' }),
        _r32: rsvdZ(63, 32),
      },
    }),
    filter(FILTER.wq, 'work queues'),
    filter(FILTER.engine, 'engines'),
  ] as readonly Register[];
}

export const PERFMON = defineRegisterBlock('PERFMON', [
  ...([PERFCAP, PERFRST, PERFFRZ, OVFSTATUS] as unknown as readonly Register[]),
  ...PERF_EVENTS.map((_, category) => eventCapability(category)),
  ...Array.from({ length: PERF_COUNTERS }, (_, index) => counterRegisters(index)).flat(),
]);
