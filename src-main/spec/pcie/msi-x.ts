/** MSI-X capability and the entries of its table. PCIe Base, "MSI-X Capability and Table Structures". */
import { address, bit, bits, reserved } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { defineStructure } from '../../bits/structure.ts';
import { rsvdP } from '../reserved-fields.ts';
import { pcie } from '../source.ts';
import { CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = pcie('MSI-X Capability and Table Structures');

export const MSIX_CONTROL = defineRegister('MSIX_CONTROL', {
  title: 'Message Control Register for MSI-X',
  offset: 0x02,
  bytes: 2,
  source: SOURCE,
  fields: {
    SIZE: bits(10, 0, 'Table Size', {
      access: 'RO',
      format: 'decimal',
      note: 'The table has SIZE+1 entries.',
    }),
    _r11: rsvdP(13, 11),
    MASK: bit(14, 'Function Mask', { access: 'RW', note: 'All vectors are masked.' }),
    ENABLE: bit(15, 'MSI-X Enable', { access: 'RW', note: 'The function uses MSI-X.' }),
  },
});

export const MSIX_TABLE = defineRegister('MSIX_TABLE', {
  title: 'Table Offset/BIR Register for MSI-X',
  offset: 0x04,
  bytes: 4,
  source: SOURCE,
  fields: {
    BIR: bits(2, 0, 'Table BIR', { access: 'RO', format: 'decimal', note: 'BAR of the table.' }),
    OFFSET: address(31, 3, 'Table Offset', {
      access: 'RO',
      shift: 3,
      note: 'Where the table starts in that BAR.',
    }),
  },
});

export const MSIX_PBA = defineRegister('MSIX_PBA', {
  title: 'PBA Offset/BIR Register for MSI-X',
  offset: 0x08,
  bytes: 4,
  source: SOURCE,
  fields: {
    BIR: bits(2, 0, 'PBA BIR', {
      access: 'RO',
      format: 'decimal',
      note: 'BAR of the pending bit array.',
    }),
    OFFSET: address(31, 3, 'PBA Offset', {
      access: 'RO',
      shift: 3,
      note: 'Where the pending bit array starts in that BAR.',
    }),
  },
});

export const MsiXCapability = defineCapability({
  name: 'MSIX',
  title: 'MSI-X',
  kind: 'standard',
  id: CAPABILITY_ID.msiX,
  version: 0,
  bytes: 0x0c,
  source: SOURCE,
  registers: { control: MSIX_CONTROL, table: MSIX_TABLE, pba: MSIX_PBA },
});

export const MsiXTableEntry = defineStructure({
  name: 'MsiXTableEntry',
  title: 'MSI-X Table Entry',
  bytes: 16,
  source: SOURCE,
  note: 'Message a vector sends; the pending bit array remembers masked ones.',
  fields: {
    _r0: reserved(1, 0),
    ADDR: address(63, 2, 'Message Address', {
      shift: 2,
      note: 'Where the interrupt is written: an interrupt message address.',
    }),
    DATA: bits(95, 64, 'Message Data', { format: 'hex', note: 'What is written there.' }),
    MASK: bit(96, 'Mask', { reset: 1, note: 'The vector is held back and becomes pending.' }),
    _r97: reserved(127, 97),
  },
});
