/**
 * Access control services extended capability of ports and multi-function devices. PCIe Base, "ACS Extended Capability".
 *
 * Without these controls peers reach each other behind the IOMMU's back. The egress control vector is not modelled.
 */
import { bit, bits } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { rsvdP } from '../reserved-fields.ts';
import { pcie } from '../source.ts';
import { EXTENDED_CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = pcie('ACS Extended Capability');

const CONTROLS = [
  ['SV', 'Source Validation', 'Requests with a foreign bus number are blocked.'],
  ['TB', 'Translation Blocking', 'Requests that claim to be translated are blocked.'],
  ['RR', 'P2P Request Redirect', 'Requests between peers go to the root complex.'],
  ['CR', 'P2P Completion Redirect', 'Completions between peers go to the root complex.'],
  ['UF', 'Upstream Forwarding', 'Redirected requests that came back from below go up.'],
  ['EC', 'P2P Egress Control', 'Peers are allowed or blocked one by one.'],
  ['DT', 'Direct Translated P2P', 'Translated requests between peers may go directly.'],
] as const;

type ControlName = (typeof CONTROLS)[number][0];
type ControlFields = Readonly<Record<ControlName, ReturnType<typeof bit>>>;

function controls(access: 'RO' | 'RW', suffix: string): ControlFields {
  return Object.fromEntries(
    CONTROLS.map(([name, title, note], i) => [
      name,
      bit(i, `${title} ${suffix}`, { access, note }),
    ]),
  ) as unknown as ControlFields;
}

export const ACS_CAPABILITY = defineRegister('ACS_CAPABILITY', {
  title: 'ACS Capability Register',
  offset: 0x04,
  bytes: 2,
  source: SOURCE,
  fields: {
    ...controls('RO', 'Supported'),
    _r7: rsvdP(7),
    EGRESS: bits(15, 8, 'Egress Control Vector Size', {
      access: 'RO',
      format: 'decimal',
      note: 'Bits of the egress control vector.',
    }),
  },
});

export const ACS_CONTROL = defineRegister('ACS_CONTROL', {
  title: 'ACS Control Register',
  offset: 0x06,
  bytes: 2,
  source: SOURCE,
  fields: { ...controls('RW', 'Enable'), _r7: rsvdP(15, 7) },
});

export const AcsCapability = defineCapability({
  name: 'ACS',
  title: 'Access Control Services',
  kind: 'extended',
  id: EXTENDED_CAPABILITY_ID.accessControlServices,
  version: 1,
  bytes: 8,
  source: SOURCE,
  registers: { capability: ACS_CAPABILITY, control: ACS_CONTROL },
});
