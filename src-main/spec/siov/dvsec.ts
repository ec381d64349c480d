/**
 * The Scalable IOV DVSEC: how a function says that it can be shared by ADIs. Scalable IOV specification section 3.7;
 * offsets as Linux tests them.
 *
 * Software looks for vendor 8086h and DVSEC identifier 5, then for IMS; the function needs PASID as well. A virtual device
 * shows the DVSEC without IMS, because its interrupts are the VMM's business.
 */
import { bit, bits } from '../../bits/field.ts';
import { defineRegister, withResets } from '../../bits/register-block.ts';
import { EXTENDED_CAPABILITY_ID } from '../pcie/capability-id.ts';
import { defineCapability } from '../pcie/capability.ts';
import { DVSEC_HEADER_1, DVSEC_HEADER_2 } from '../pcie/dvsec.ts';
import { rsvdP } from '../reserved-fields.ts';
import { siov } from '../source.ts';

const SOURCE = siov('3.7');

export const SIOV_DVSEC_VENDOR = 0x8086;
export const SIOV_DVSEC_ID = 0x0005;
export const SIOV_DVSEC_BYTES = 0x18;

export const SIOV_DEPENDENCY_LINK = defineRegister('SIOV_DEPENDENCY_LINK', {
  title: 'Function Dependency Link',
  offset: 0x0a,
  bytes: 1,
  source: SOURCE,
  fields: {
    VALUE: bits(7, 0, 'Function Dependency Link', {
      access: 'RO',
      note: 'Next function that must be assigned together with this one; itself when none.',
    }),
  },
});

export const SIOV_FLAGS = defineRegister('SIOV_FLAGS', {
  title: 'Flags',
  offset: 0x0b,
  bytes: 1,
  source: SOURCE,
  fields: {
    H: bit(0, 'Homogeneous', {
      access: 'RO',
      note: 'All functions of the dependency list must be used the same way.',
    }),
    _r1: rsvdP(7, 1),
  },
});

export const SIOV_SUPPORTED_PAGE_SIZES = defineRegister('SIOV_SUPPORTED_PAGE_SIZES', {
  title: 'Supported Page Sizes',
  offset: 0x0c,
  bytes: 4,
  source: SOURCE,
  fields: {
    SIZES: bits(31, 0, 'Supported Page Sizes', {
      access: 'RO',
      reset: 1,
      format: 'hex',
      note: 'Bit n: ADI registers can be laid out in pages of 2^(n+12) bytes; bit 0 is always set.',
    }),
  },
});

export const SIOV_SYSTEM_PAGE_SIZE = defineRegister('SIOV_SYSTEM_PAGE_SIZE', {
  title: 'System Page Size',
  offset: 0x10,
  bytes: 4,
  source: SOURCE,
  fields: {
    SIZE: bits(31, 0, 'System Page Size', {
      access: 'RW',
      reset: 1,
      format: 'hex',
      note: 'Page size in use: one bit set, the same numbering as above.',
    }),
  },
});

export const SIOV_CAPABILITIES = defineRegister('SIOV_CAPABILITIES', {
  title: 'Scalable IOV Capabilities',
  offset: 0x14,
  bytes: 4,
  source: SOURCE,
  fields: {
    IMS: bit(0, 'IMS Supported', {
      access: 'RO',
      reset: 1,
      note: 'Interrupt messages can be stored in the device (IMS); a virtual device reports 0.',
    }),
    _r1: rsvdP(31, 1),
  },
});

export const SiovDvsec = defineCapability({
  name: 'SIOV',
  title: 'Scalable IOV (DVSEC)',
  kind: 'extended',
  id: EXTENDED_CAPABILITY_ID.designatedVendorSpecific,
  version: 1,
  bytes: SIOV_DVSEC_BYTES,
  source: SOURCE,
  registers: {
    header1: {
      ...withResets(DVSEC_HEADER_1, { VENDOR: SIOV_DVSEC_VENDOR, LENGTH: SIOV_DVSEC_BYTES }),
      name: 'SIOV_HEADER_1',
    },
    header2: { ...withResets(DVSEC_HEADER_2, { ID: SIOV_DVSEC_ID }), name: 'SIOV_HEADER_2' },
    dependencyLink: SIOV_DEPENDENCY_LINK,
    flags: SIOV_FLAGS,
    supportedPageSizes: SIOV_SUPPORTED_PAGE_SIZES,
    systemPageSize: SIOV_SYSTEM_PAGE_SIZE,
    capabilities: SIOV_CAPABILITIES,
  },
});
