/** Latency tolerance reporting extended capability. PCIe Base, "LTR Extended Capability". Stored only. */
import { bits } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { rsvdP } from '../reserved-fields.ts';
import { pcie } from '../source.ts';
import { EXTENDED_CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = pcie('LTR Extended Capability');

function latency(name: string, title: string, offset: number) {
  return defineRegister(name, {
    title,
    offset,
    bytes: 2,
    source: SOURCE,
    fields: {
      VALUE: bits(9, 0, 'Latency Value', {
        access: 'RW',
        format: 'decimal',
        note: 'In units of the scale.',
      }),
      SCALE: bits(12, 10, 'Latency Scale', { access: 'RW', note: 'Unit of 32^n nanoseconds.' }),
      _r13: rsvdP(15, 13),
    },
  });
}

export const LTR_MAX_SNOOP = latency('LTR_MAX_SNOOP', 'Max Snoop Latency Register', 0x04);
export const LTR_MAX_NO_SNOOP = latency('LTR_MAX_NO_SNOOP', 'Max No-Snoop Latency Register', 0x06);

export const LatencyToleranceCapability = defineCapability({
  name: 'LTR',
  title: 'Latency Tolerance Reporting',
  kind: 'extended',
  id: EXTENDED_CAPABILITY_ID.latencyToleranceReporting,
  version: 1,
  bytes: 8,
  source: SOURCE,
  registers: { maxSnoop: LTR_MAX_SNOOP, maxNoSnoop: LTR_MAX_NO_SNOOP },
});
