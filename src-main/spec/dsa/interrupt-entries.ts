/**
 * Entries behind completion interrupts: MSI-X permissions and interrupt message storage. DSA 3.0 sections 3.7, 9.2.22
 * and 9.2.28.
 *
 * The PASID fields are the interrupt isolation of Scalable IOV: a descriptor that names an entry of somebody else ends
 * with status 19h before it is executed.
 */
import { bit, bits, reserved } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { dsa } from '../source.ts';

export const MsixPermission = defineStructure({
  name: 'DsaMsixPermission',
  title: 'MSI-X Permissions Entry',
  bytes: 8,
  source: dsa('9.2.22'),
  fields: {
    _r0: reserved(1, 0),
    ignore: bit(2, 'Ignore', {
      note: 'Descriptor completions send nothing and leave nothing pending.',
    }),
    pasidEnable: bit(3, 'PASID Enable', {
      note: 'Only descriptors of the PASID may name the entry; 0: only those without PASID.',
    }),
    _r1: reserved(11, 4),
    pasid: bits(31, 12, 'PASID', { note: 'The only PASID whose descriptors may name this entry.' }),
    _r2: reserved(63, 32),
  },
});

export const ImsEntry = defineStructure({
  name: 'DsaImsEntry',
  title: 'Interrupt Message Storage Entry',
  bytes: 16,
  source: dsa('9.2.28'),
  note: 'One interrupt of one guest; only the host can program it.',
  fields: {
    addressLow: bits(31, 0, 'Message Address', {
      reset: 0xfee0_0000,
      note: 'A write whose upper 44 bits are not 0000_0000_FEEh is dropped.',
    }),
    addressHigh: bits(63, 32, 'Message Address, upper half', {
      note: 'Always zero: interrupt messages lie below 4 GiB.',
    }),
    data: bits(95, 64, 'Message Data', { note: 'What is written to the address.' }),
    mask: bit(96, 'Mask', { reset: 1, note: 'The message is held back and becomes pending.' }),
    pending: bit(97, 'Pending', { access: 'RO', note: 'A message waits for the mask to go.' }),
    ignore: bit(98, 'Ignore', {
      note: 'Descriptor completions send nothing and leave nothing pending.',
    }),
    pasidEnable: bit(99, 'PASID Enable', {
      note: '0: only descriptors without PASID may name the entry.',
    }),
    _r0: reserved(107, 100),
    pasid: bits(127, 108, 'PASID', {
      note: 'The only PASID whose descriptors may name this entry.',
    }),
  },
});
