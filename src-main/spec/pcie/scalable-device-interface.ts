/**
 * Extended capability of Scalable IOV revision 2: how many scalable device interfaces (SDI) a function has, and where their
 * Requester IDs lie. An SDI has a Requester ID of its own and nothing else of a function.
 *
 * From the proposed Linux support (linux-pci, June 2026, "PCI: Add support for Scalable I/O Virtualization"); bits that it
 * does not name are reserved here.
 */
import { bit, bits } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { rsvdP } from '../reserved-fields.ts';
import { linux } from '../source.ts';
import { EXTENDED_CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = linux('proposed drivers/pci/siov.c (2026)');

export const SDI_CAPABILITIES = defineRegister('SDI_CAPABILITIES', {
  title: 'SDI Capabilities Register',
  offset: 0x04,
  bytes: 4,
  source: SOURCE,
  fields: { _r0: rsvdP(31, 0) },
});

export const SDI_TOTAL = defineRegister('SDI_TOTAL', {
  title: 'Total SDIs Register',
  offset: 0x08,
  bytes: 2,
  source: SOURCE,
  fields: {
    VALUE: bits(15, 0, 'Total SDIs', {
      access: 'RO',
      format: 'decimal',
      note: 'Interfaces that the function can have; 0 leaves the capability without meaning.',
    }),
  },
});

export const SDI_STATUS = defineRegister('SDI_STATUS', {
  title: 'SDI Status Register',
  offset: 0x0b,
  bytes: 1,
  source: SOURCE,
  fields: {
    ENABLED: bit(0, 'SDI Enabled', { access: 'RO', note: 'At least one interface is enabled.' }),
    _r1: rsvdP(7, 1),
  },
});

export const SDI_FIRST_OFFSET = defineRegister('SDI_FIRST_OFFSET', {
  title: 'First SDI Offset Register',
  offset: 0x0c,
  bytes: 2,
  source: SOURCE,
  fields: {
    VALUE: bits(15, 0, 'First SDI Offset', {
      access: 'RO',
      format: 'decimal',
      note: 'Requester ID of the first interface minus that of the function; 0 is an error.',
    }),
  },
});

export const SDI_STRIDE = defineRegister('SDI_STRIDE', {
  title: 'SDI Stride Register',
  offset: 0x0e,
  bytes: 2,
  source: SOURCE,
  fields: {
    VALUE: bits(15, 0, 'SDI Stride', {
      access: 'RO',
      format: 'decimal',
      note: 'Distance of two interfaces; 0 is an error when there are several.',
    }),
  },
});

export const SdiCapability = defineCapability({
  name: 'SDI',
  title: 'Scalable Device Interfaces',
  kind: 'extended',
  id: EXTENDED_CAPABILITY_ID.scalableDeviceInterfaces,
  version: 1,
  bytes: 16,
  source: SOURCE,
  registers: {
    capabilities: SDI_CAPABILITIES,
    total: SDI_TOTAL,
    status: SDI_STATUS,
    firstOffset: SDI_FIRST_OFFSET,
    stride: SDI_STRIDE,
  },
});
