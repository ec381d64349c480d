/** Registers of the worked example: one 4 KiB page a context slice, the first half for the guest, the rest for the host. */
import { bit, bits } from '../../../src-main/bits/field.ts';
import { defineRegister, defineRegisterBlock } from '../../../src-main/bits/register-block.ts';
import { siov } from '../../../src-main/spec/source.ts';

const SOURCE = siov('3.1');

function word(name: string, title: string, offset: number, note: string) {
  return defineRegister(name, {
    title,
    offset,
    bytes: 4,
    source: SOURCE,
    fields: { VALUE: bits(31, 0, title, { access: 'RW', format: 'hex', note }) },
  });
}

export const GPU_TAIL = word('GPU_TAIL', 'Tail', 0x00, 'Doorbell: commands before it may run.');
export const GPU_HEAD = word('GPU_HEAD', 'Head', 0x04, 'Next command.');
export const GPU_RING = word('GPU_RING', 'Ring Base', 0x800, 'Commands of 16 bytes, 256 of them.');
export const GPU_PASID = defineRegister('GPU_PASID', {
  title: 'PASID and Vector',
  offset: 0x804,
  bytes: 4,
  source: SOURCE,
  note: 'Written by the host only.',
  fields: {
    PASID: bits(19, 0, 'PASID', { access: 'RW', note: 'Every DMA of the slice carries it.' }),
    VECTOR: bits(30, 20, 'IMS entry', { access: 'RW', note: 'Raised by the command that asks.' }),
    VALID: bit(31, 'Valid', { access: 'RW', note: 'The slice may run.' }),
  },
});

export const GPU_SLICE = defineRegisterBlock('GPU_SLICE', [
  GPU_TAIL,
  GPU_HEAD,
  GPU_RING,
  GPU_PASID,
]);

export const GPU_SLICE_BYTES = 0x1000;
/** Command words: operation, bytes or nanoseconds, fill value or source, destination. */
export const GPU_COMMAND = { fill: 1, copy: 2, compute: 3, interrupt: 4 } as const;
export const GPU_COMMAND_BYTES = 16;
export const GPU_RING_COMMANDS = 256;
