/**
 * Virtual channel extended capability with two channels. PCIe Base, "Virtual Channel Extended Capability". Arbitration
 * tables are not modelled.
 */
import { bit, bits } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { rsvdP, rsvdZ } from '../reserved-fields.ts';
import { pcie } from '../source.ts';
import { EXTENDED_CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = pcie('Virtual Channel Extended Capability');

export const VC_PORT_CAPABILITY_1 = defineRegister('VC_PORT_CAPABILITY_1', {
  title: 'Port VC Capability Register 1',
  offset: 0x04,
  bytes: 4,
  source: SOURCE,
  fields: {
    EXTVC: bits(2, 0, 'Extended VC Count', {
      access: 'RO',
      reset: 1,
      format: 'decimal',
      note: 'Channels beside VC0.',
    }),
    _r3: rsvdP(3),
    LPEVC: bits(6, 4, 'Low Priority Extended VC Count', { access: 'RO', note: 'Always 0.' }),
    _r7: rsvdP(7),
    CLOCK: bits(9, 8, 'Reference Clock', { access: 'RO', note: 'Always 0.' }),
    ENTRY: bits(11, 10, 'Port Arbitration Table Entry Size', { access: 'RO', note: 'Always 0.' }),
    _r12: rsvdP(31, 12),
  },
});

export const VC_PORT_CAPABILITY_2 = defineRegister('VC_PORT_CAPABILITY_2', {
  title: 'Port VC Capability Register 2',
  offset: 0x08,
  bytes: 4,
  source: SOURCE,
  fields: {
    ARB: bits(7, 0, 'VC Arbitration Capability', { access: 'RO', note: 'Always 0.' }),
    _r8: rsvdP(23, 8),
    TABLE: bits(31, 24, 'VC Arbitration Table Offset', { access: 'RO', note: 'Always 0.' }),
  },
});

export const VC_PORT_CONTROL = defineRegister('VC_PORT_CONTROL', {
  title: 'Port VC Control Register',
  offset: 0x0c,
  bytes: 2,
  source: SOURCE,
  fields: {
    LOAD: bit(0, 'Load VC Arbitration Table', { access: 'RO', note: 'Hardwired to 0.' }),
    SELECT: bits(3, 1, 'VC Arbitration Select', { access: 'RW', note: 'Stored only.' }),
    _r4: rsvdP(15, 4),
  },
});

export const VC_PORT_STATUS = defineRegister('VC_PORT_STATUS', {
  title: 'Port VC Status Register',
  offset: 0x0e,
  bytes: 2,
  source: SOURCE,
  fields: {
    TABLE: bit(0, 'VC Arbitration Table Status', { access: 'RO', note: 'Always 0.' }),
    _r1: rsvdZ(15, 1),
  },
});

const FIRST_RESOURCE = 0x10;
const RESOURCE_STRIDE = 0x0c;

function resourceCapability(channel: number) {
  return defineRegister(`VC${channel}_CAPABILITY`, {
    title: `VC Resource Capability Register ${channel}`,
    offset: FIRST_RESOURCE + channel * RESOURCE_STRIDE,
    bytes: 4,
    source: SOURCE,
    fields: {
      ARB: bits(7, 0, 'Port Arbitration Capability', { access: 'RO', note: 'Always 0.' }),
      _r8: rsvdP(14, 8),
      RST: bit(15, 'Reject Snoop Transactions', { access: 'RO', note: 'Always 0.' }),
      SLOTS: bits(22, 16, 'Maximum Time Slots', { access: 'RO', note: 'Always 0.' }),
      _r23: rsvdP(23),
      TABLE: bits(31, 24, 'Port Arbitration Table Offset', { access: 'RO', note: 'Always 0.' }),
    },
  });
}

function resourceControl(channel: number) {
  const isDefault = channel === 0;
  return defineRegister(`VC${channel}_CONTROL`, {
    title: `VC Resource Control Register ${channel}`,
    offset: FIRST_RESOURCE + channel * RESOURCE_STRIDE + 4,
    bytes: 4,
    source: SOURCE,
    fields: {
      MAP: bits(7, 0, 'TC/VC Map', {
        access: 'RW',
        reset: isDefault ? 0xff : 0,
        note: 'Traffic classes that use this channel.',
      }),
      _r8: rsvdP(15, 8),
      LOAD: bit(16, 'Load Port Arbitration Table', { access: 'RO', note: 'Hardwired to 0.' }),
      SELECT: bits(19, 17, 'Port Arbitration Select', { access: 'RW', note: 'Stored only.' }),
      _r20: rsvdP(23, 20),
      ID: bits(26, 24, 'VC ID', {
        access: isDefault ? 'RO' : 'RW',
        reset: channel,
        format: 'decimal',
        note: 'Number of the channel.',
      }),
      _r27: rsvdP(30, 27),
      ENABLE: bit(31, 'VC Enable', {
        access: isDefault ? 'RO' : 'RW',
        reset: isDefault ? 1 : 0,
        note: 'The channel is used; VC0 always is.',
      }),
    },
  });
}

function resourceStatus(channel: number) {
  return defineRegister(`VC${channel}_STATUS`, {
    title: `VC Resource Status Register ${channel}`,
    offset: FIRST_RESOURCE + channel * RESOURCE_STRIDE + 10,
    bytes: 2,
    source: SOURCE,
    fields: {
      TABLE: bit(0, 'Port Arbitration Table Status', { access: 'RO', note: 'Always 0.' }),
      PENDING: bit(1, 'VC Negotiation Pending', { access: 'RO', note: 'Always 0.' }),
      _r2: rsvdZ(15, 2),
    },
  });
}

export const VirtualChannelCapability = defineCapability({
  name: 'VC',
  title: 'Virtual Channel',
  kind: 'extended',
  id: EXTENDED_CAPABILITY_ID.virtualChannel,
  version: 1,
  bytes: 0x28,
  source: SOURCE,
  registers: {
    portCapability1: VC_PORT_CAPABILITY_1,
    portCapability2: VC_PORT_CAPABILITY_2,
    portControl: VC_PORT_CONTROL,
    portStatus: VC_PORT_STATUS,
    vc0Capability: resourceCapability(0),
    vc0Control: resourceControl(0),
    vc0Status: resourceStatus(0),
    vc1Capability: resourceCapability(1),
    vc1Control: resourceControl(1),
    vc1Status: resourceStatus(1),
  },
});
