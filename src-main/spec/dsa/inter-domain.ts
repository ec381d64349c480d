/**
 * Inter-domain permission table: how one address space lets submitters of another copy into and out of it. DSA 3.0
 * sections 3.14 and 9.2.29.
 *
 * Fields are read-only while the entry is usable or may be updated.
 */
import { bit, bits, reserved, wide } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { dsa } from '../source.ts';

export const IDPT_TYPE = { singleSubmitter: 0, submitterBitmap: 1 } as const;

export const IdptEntry = defineStructure({
  name: 'DsaIdptEntry',
  title: 'Inter-domain Permission Table Entry',
  bytes: 32,
  source: dsa('9.2.29'),
  note: 'The owner names who may reach which window of its memory.',
  fields: {
    usable: bit(0, 'Usable', { note: 'Descriptors may name the entry.' }),
    allowUpdate: bit(1, 'Allow Update', {
      note: 'The owner may move the window with an Update Window descriptor.',
    }),
    type: bits(3, 2, 'Type', {
      values: IDPT_TYPE,
      note: 'One submitter, or a bitmap of submitters.',
    }),
    _r0: reserved(11, 4),
    submitterPasid: bits(31, 12, 'Submitter PASID', {
      note: 'The only submitter of a single-submitter entry.',
    }),
    read: bit(32, 'Read Permission', { note: 'Submitters may read.' }),
    write: bit(33, 'Write Permission', { note: 'Submitters may write.' }),
    priv: bit(34, 'Access Privilege', { note: 'Accesses are privileged.' }),
    windowEnable: bit(35, 'Window Enable', { note: 'Only the window can be reached.' }),
    offsetMode: bit(36, 'Window Mode', {
      note: '1: addresses of the descriptor are offsets into the window.',
    }),
    _r1: reserved(43, 37),
    accessPasid: bits(63, 44, 'Access PASID', { note: 'Address space that is reached.' }),
    windowBase: wide(127, 64, 'Window Base Address', {
      format: 'address',
      note: 'Where the window starts.',
    }),
    windowSize: wide(191, 128, 'Window Size', { note: 'Bytes of the window.' }),
    bitmapAddress: wide(255, 192, 'Submitter Bitmap Address', {
      format: 'address',
      note: 'Bit p stands for PASID p. Aligned to 4 KiB.',
    }),
  },
});
