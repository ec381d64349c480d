/**
 * Posted-interrupt descriptor: where interrupts for a virtual CPU wait. VT-d 5.10 section 9.11.
 *
 * Hardware and VMM update it with atomic operations on the whole 64 bytes. Set reserved bits block posting (fault 28h).
 */
import { bit, bits, reserved, wide } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { vtd } from '../source.ts';

export const PostedInterruptDescriptor = defineStructure({
  name: 'PostedInterruptDescriptor',
  title: 'Posted-interrupt Descriptor',
  bytes: 64,
  source: vtd('9.11'),
  note: 'One for each virtual CPU; must be aligned to 64 bytes.',
  fields: {
    PIR: wide(255, 0, 'Posted Interrupt Requests', { note: 'Bit n: vector n is waiting.' }),
    ON: bit(256, 'Outstanding Notification', {
      note: 'A notification is on its way; no other is sent meanwhile.',
    }),
    SN: bit(257, 'Suppress Notification', {
      note: 'The virtual CPU does not run: post, but do not notify.',
    }),
    _r258: reserved(271, 258),
    NV: bits(279, 272, 'Notification Vector', {
      format: 'hex',
      note: 'Vector that tells the physical CPU to look here.',
    }),
    _r280: reserved(287, 280),
    NDST: bits(319, 288, 'Notification Destination', {
      format: 'hex',
      note: 'Physical CPU: all bits for x2APIC; for xAPIC only bits 15:8 may be set.',
    }),
    _r320: reserved(511, 320),
  },
});
