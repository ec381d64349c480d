/**
 * Performance monitoring registers, declared so that the map is complete. Layouts as the Linux driver reads them
 * (drivers/iommu/intel/iommu.h and perfmon.h).
 *
 * Not modelled: they store what is written and count nothing.
 */
import { bit, bits } from '../../../bits/field.ts';
import { defineRegister } from '../../../bits/register-block.ts';
import { rsvdZ } from '../../reserved-fields.ts';
import { linux } from '../../source.ts';

const SOURCE = linux('drivers/iommu/intel/iommu.h');

export const PERFCAP_REG = defineRegister('PERFCAP_REG', {
  title: 'Performance Monitoring Capability Register',
  offset: 0x300,
  bytes: 8,
  source: SOURCE,
  isUnimplemented: true,
  fields: {
    NUM_COUNTERS: bits(15, 0, 'Number of counters', { access: 'RO', format: 'decimal' }),
    COUNTER_WIDTH: bits(22, 16, 'Counter width in bits', { access: 'RO', format: 'decimal' }),
    _r23: rsvdZ(23),
    NUM_EVENT_GROUPS: bits(28, 24, 'Number of event groups', { access: 'RO', format: 'decimal' }),
    _r29: rsvdZ(31, 29),
    FILTERS: bits(36, 32, 'Filters supported', {
      access: 'RO',
      note: 'Bit 0 requester, 1 domain, 2 PASID, 3 ATS, 4 page table.',
    }),
    _r37: rsvdZ(49, 37),
    INTERRUPT: bit(50, 'Interrupt on overflow', { access: 'RO' }),
    _r51: rsvdZ(51),
    STRIDE: bits(54, 52, 'Counter stride', { access: 'RO', note: '2^(STRIDE+10) bytes.' }),
    _r55: rsvdZ(63, 55),
  },
});

function offsetRegister(name: string, title: string, offset: number) {
  return defineRegister(name, {
    title,
    offset,
    bytes: 4,
    source: SOURCE,
    isUnimplemented: true,
    fields: { OFFSET: bits(31, 0, 'Offset in the register region', { access: 'RO' }) },
  });
}

export const PERFCFGOFF_REG = offsetRegister(
  'PERFCFGOFF_REG',
  'Performance Monitoring Configuration Offset Register',
  0x310,
);
export const PERFFRZOFF_REG = offsetRegister(
  'PERFFRZOFF_REG',
  'Performance Monitoring Freeze Offset Register',
  0x314,
);
export const PERFOVFOFF_REG = offsetRegister(
  'PERFOVFOFF_REG',
  'Performance Monitoring Overflow Offset Register',
  0x318,
);
export const PERFCNTROFF_REG = offsetRegister(
  'PERFCNTROFF_REG',
  'Performance Monitoring Counter Offset Register',
  0x31c,
);

export const PERFINTRSTS_REG = defineRegister('PERFINTRSTS_REG', {
  title: 'Performance Monitoring Interrupt Status Register',
  offset: 0x324,
  bytes: 4,
  source: SOURCE,
  isUnimplemented: true,
  fields: {
    PIS: bit(0, 'Performance Interrupt Status', { access: 'RW1CS' }),
    _r1: rsvdZ(31, 1),
  },
});

export const PERFINTRCTL_REG = defineRegister('PERFINTRCTL_REG', {
  title: 'Performance Monitoring Interrupt Control Register',
  offset: 0x328,
  bytes: 4,
  source: SOURCE,
  isUnimplemented: true,
  fields: {
    _r0: rsvdZ(29, 0),
    IP: bit(30, 'Interrupt Pending', { access: 'RO' }),
    IM: bit(31, 'Interrupt Mask', { access: 'RW', reset: 1 }),
  },
});

export const PERFEVNTCAP_REG = defineRegister('PERFEVNTCAP_REG', {
  title: 'Performance Monitoring Event Capability Register, group 0',
  offset: 0x380,
  bytes: 8,
  source: SOURCE,
  isUnimplemented: true,
  fields: {
    ES: bits(27, 0, 'Events supported', { access: 'RO' }),
    _r28: rsvdZ(63, 28),
  },
});
