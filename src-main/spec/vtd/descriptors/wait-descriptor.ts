/**
 * Invalidation wait descriptor: tells software that everything before it is complete. VT-d 5.10 section 6.5.2.9.
 *
 * SW and IF may be set together or not at all. Bits of the status address above the host address width are ignored.
 */
import { address, bit, bits, reserved } from '../../../bits/field.ts';
import { vtd } from '../../source.ts';
import { defineDescriptor } from './queue-descriptor.ts';

export const InvalidationWait = defineDescriptor({
  name: 'InvalidationWait',
  title: 'Invalidation Wait Descriptor',
  typeName: 'wait',
  bytes: 16,
  source: vtd('6.5.2.9'),
  isLegacy: true,
  note: 'The barrier software puts behind its invalidations.',
  fields: {
    IF: bit(4, 'Interrupt Flag', { note: 'Completion sets ICS_REG.IWC and raises the event.' }),
    SW: bit(5, 'Status Write', {
      note: 'Completion writes the status data to the status address.',
    }),
    FN: bit(6, 'Fence', { note: 'Later descriptors start only after this one is complete.' }),
    PD: bit(7, 'Page-request Drain', {
      capability: 'PDS',
      note: 'Page requests received before are in the queue before completion shows.',
    }),
    _r8: reserved(8),
    _r12: reserved(31, 12),
    STATUS_DATA: bits(63, 32, 'Status Data', { format: 'hex', note: 'Value written when SW=1.' }),
    _r64: reserved(65, 64),
    STATUS_ADDR: address(127, 66, 'Status Address', {
      shift: 2,
      note: 'Host physical address of a dword, used when SW=1.',
    }),
  },
});
