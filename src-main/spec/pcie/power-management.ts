/**
 * Power management capability. PCIe Base, "PCI Power Management Capability Structure".
 *
 * Not modelled: D1, D2, PME, and what D3hot means: the state is stored, functions stay awake.
 */
import { bit, bits } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { rsvdP } from '../reserved-fields.ts';
import { pcie } from '../source.ts';
import { CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = pcie('PCI Power Management Capability Structure');

export const POWER_STATE = { d0: 0, d1: 1, d2: 2, d3Hot: 3 } as const;

export const PM_CAPABILITIES = defineRegister('PM_CAPABILITIES', {
  title: 'Power Management Capabilities Register',
  offset: 0x02,
  bytes: 2,
  source: SOURCE,
  fields: {
    VERSION: bits(2, 0, 'Version', { access: 'RO', reset: 3, note: 'Layout version.' }),
    PMECLK: bit(3, 'PME Clock', { access: 'RO', note: 'Always 0.' }),
    IRR: bit(4, 'Immediate Readiness on return to D0', { access: 'RO', note: 'No wait after D0.' }),
    DSI: bit(5, 'Device Specific Initialization', { access: 'RO', note: 'Needs setup after D0.' }),
    AUX: bits(8, 6, 'Auxiliary Current', { access: 'RO', note: 'Current in D3.' }),
    D1: bit(9, 'D1 Support', { access: 'RO', note: 'State D1 exists.' }),
    D2: bit(10, 'D2 Support', { access: 'RO', note: 'State D2 exists.' }),
    PME: bits(15, 11, 'PME Support', { access: 'RO', note: 'States that can send PME.' }),
  },
});

export const PM_CONTROL_STATUS = defineRegister('PM_CONTROL_STATUS', {
  title: 'Power Management Control/Status Register',
  offset: 0x04,
  bytes: 4,
  source: SOURCE,
  fields: {
    STATE: bits(1, 0, 'Power State', {
      access: 'RW',
      values: POWER_STATE,
      note: 'Stored without effect. In D3hot real functions answer configuration requests only.',
    }),
    _r2: rsvdP(2),
    NSR: bit(3, 'No Soft Reset', {
      access: 'RO',
      reset: 1,
      note: 'Going from D3hot to D0 does not reset the function.',
    }),
    _r4: rsvdP(7, 4),
    PMEE: bit(8, 'PME Enable', { access: 'RO', note: 'Hardwired to 0.' }),
    DSEL: bits(12, 9, 'Data Select', { access: 'RO', note: 'Hardwired to 0.' }),
    DSCALE: bits(14, 13, 'Data Scale', { access: 'RO', note: 'Hardwired to 0.' }),
    PMES: bit(15, 'PME Status', { access: 'RO', note: 'Hardwired to 0.' }),
    _r16: rsvdP(31, 16),
  },
});

export const PowerManagementCapability = defineCapability({
  name: 'PM',
  title: 'Power Management',
  kind: 'standard',
  id: CAPABILITY_ID.powerManagement,
  version: 0,
  bytes: 8,
  source: SOURCE,
  registers: { capabilities: PM_CAPABILITIES, controlStatus: PM_CONTROL_STATUS },
});
