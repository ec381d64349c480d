/**
 * Designated vendor-specific extended capability: vendor and identifier say what the rest means. PCIe Base, "Designated
 * Vendor-Specific Extended Capability".
 */
import { bits } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { pcie } from '../source.ts';
import { EXTENDED_CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = pcie('Designated Vendor-Specific Extended Capability');

export const DVSEC_HEADER_1 = defineRegister('DVSEC_HEADER_1', {
  title: 'Designated Vendor-Specific Header 1',
  offset: 0x04,
  bytes: 4,
  source: SOURCE,
  fields: {
    VENDOR: bits(15, 0, 'DVSEC Vendor ID', {
      access: 'RO',
      format: 'hex',
      note: 'Vendor that defines the contents.',
    }),
    REVISION: bits(19, 16, 'DVSEC Revision', {
      access: 'RO',
      format: 'decimal',
      note: 'Layout version.',
    }),
    LENGTH: bits(31, 20, 'DVSEC Length', {
      access: 'RO',
      format: 'decimal',
      note: 'Bytes, headers included.',
    }),
  },
});

export const DVSEC_HEADER_2 = defineRegister('DVSEC_HEADER_2', {
  title: 'Designated Vendor-Specific Header 2',
  offset: 0x08,
  bytes: 2,
  source: SOURCE,
  fields: {
    ID: bits(15, 0, 'DVSEC ID', { access: 'RO', format: 'hex', note: 'Which structure this is.' }),
  },
});

export const DvsecCapability = defineCapability({
  name: 'DVSEC',
  title: 'Designated Vendor-Specific',
  kind: 'extended',
  id: EXTENDED_CAPABILITY_ID.designatedVendorSpecific,
  version: 1,
  bytes: 0x0a,
  source: SOURCE,
  registers: { header1: DVSEC_HEADER_1, header2: DVSEC_HEADER_2 },
});
