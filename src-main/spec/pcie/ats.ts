/** Address translation services extended capability. PCIe Base, "ATS Extended Capability". */
import { bit, bits } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { rsvdP } from '../reserved-fields.ts';
import { pcie } from '../source.ts';
import { EXTENDED_CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = pcie('ATS Extended Capability');

/** Invalidate queue depth 0 stands for this many. */
export const ATS_MAX_QUEUE_DEPTH = 32;

export const ATS_CAPABILITY = defineRegister('ATS_CAPABILITY', {
  title: 'ATS Capability Register',
  offset: 0x04,
  bytes: 2,
  source: SOURCE,
  fields: {
    DEPTH: bits(4, 0, 'Invalidate Queue Depth', {
      access: 'RO',
      format: 'decimal',
      note: 'Invalidations the function can hold; 0 means 32.',
    }),
    ALIGNED: bit(5, 'Page Aligned Request', {
      access: 'RO',
      reset: 1,
      note: 'Untranslated addresses of translation requests are page aligned.',
    }),
    GLOBAL: bit(6, 'Global Invalidate Supported', {
      access: 'RO',
      note: 'One invalidation can cover all PASIDs.',
    }),
    RO: bit(7, 'Relaxed Ordering Supported', {
      access: 'RO',
      note: 'Translation requests may be reordered.',
    }),
    _r8: rsvdP(15, 8),
  },
});

export const ATS_CONTROL = defineRegister('ATS_CONTROL', {
  title: 'ATS Control Register',
  offset: 0x06,
  bytes: 2,
  source: SOURCE,
  fields: {
    STU: bits(4, 0, 'Smallest Translation Unit', {
      access: 'RW',
      format: 'decimal',
      note: '2^STU pages of 4 KB.',
    }),
    _r5: rsvdP(14, 5),
    ENABLE: bit(15, 'ATS Enable', {
      access: 'RW',
      note: 'The function may send translation requests and cache the answers.',
    }),
  },
});

export const AtsCapability = defineCapability({
  name: 'ATS',
  title: 'Address Translation Services',
  kind: 'extended',
  id: EXTENDED_CAPABILITY_ID.addressTranslationServices,
  version: 1,
  bytes: 8,
  source: SOURCE,
  registers: { capability: ATS_CAPABILITY, control: ATS_CONTROL },
});
