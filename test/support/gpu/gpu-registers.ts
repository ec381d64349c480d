/** Registers of the worked example: one page a context slice, its first half for the guest, the second for the host. */
import { bit, bits } from '../../../src-main/bits/field.ts';
import { defineRegister, defineRegisterBlock } from '../../../src-main/bits/register-block.ts';
import { rsvdZ } from '../../../src-main/spec/reserved-fields.ts';
import { siov } from '../../../src-main/spec/source.ts';

const common = { bytes: 8, source: siov('3.1') } as const;

export const GPU_SLICE = defineRegisterBlock('GPU_SLICE', [
  defineRegister('QUEUE', {
    ...{ ...common, title: 'Command Queue', offset: 0x000 },
    fields: {
      TAIL: bits(7, 0, 'Tail', { access: 'RW', note: 'Doorbell: commands before it may run.' }),
      HEAD: bits(15, 8, 'Head', { access: 'RO', note: 'Next command.' }),
      BUSY: bit(16, 'Busy', { access: 'RO', note: 'A command runs.' }),
      _r17: rsvdZ(63, 17),
    },
  }),
  defineRegister('CONTEXT', {
    ...{ ...common, title: 'Context', offset: 0x800 },
    fields: {
      RING: bits(31, 0, 'Ring', { access: 'RW', note: 'Address of 256 commands of 16 bytes.' }),
      PASID: bits(51, 32, 'PASID', { access: 'RW', note: 'Every DMA of the slice carries it.' }),
      VECTOR: bits(62, 52, 'Vector', { access: 'RW', note: 'IMS entry of the slice.' }),
      VALID: bit(63, 'Valid', { access: 'RW', note: 'The slice may run.' }),
    },
  }),
]);
