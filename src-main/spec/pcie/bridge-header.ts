/**
 * What a type 1 configuration space has where a type 0 one has BARs: bus numbers, windows and the status of the far side. PCIe
 * Base, "Type 1 Configuration Space Header".
 *
 * Firmware has numbered the buses, and nobody renumbers them. Not modelled: windows (BARs are routed whatever they say) and
 * bridge control, whose registers read as zero; BARs of ports.
 */
import { bit, bits } from '../../bits/field.ts';
import { defineRegister, withResets, type Register } from '../../bits/register-block.ts';
import { rsvdZ } from '../reserved-fields.ts';
import { pcie } from '../source.ts';

const TYPE_1 = pcie('Type 1 Configuration Space Header');

function busNumber(name: string, title: string, offset: number, note: string) {
  return defineRegister(name, {
    title,
    offset,
    bytes: 1,
    source: TYPE_1,
    fields: { VALUE: bits(7, 0, title, { access: 'RO', format: 'hex', note }) },
  });
}

export const PRIMARY_BUS = busNumber('PRIMARY_BUS', 'Primary Bus Number', 0x18, 'Where it is.');
export const SECONDARY_BUS = busNumber(
  'SECONDARY_BUS',
  'Secondary Bus Number',
  0x19,
  'Right below it.',
);
export const SUBORDINATE_BUS = busNumber(
  'SUBORDINATE_BUS',
  'Subordinate Bus Number',
  0x1a,
  'The last one below it.',
);

export const SECONDARY_STATUS = defineRegister('SECONDARY_STATUS', {
  title: 'Secondary Status Register',
  offset: 0x1e,
  bytes: 2,
  source: TYPE_1,
  fields: {
    _r0: rsvdZ(7, 0),
    MDPE: bit(8, 'Master Data Parity Error', { access: 'RW1C', note: 'Poisoned data was met.' }),
    _r9: rsvdZ(10, 9),
    STA: bit(11, 'Signaled Target Abort', {
      access: 'RW1C',
      note: 'A request from below was ended with Completer Abort.',
    }),
    RTA: bit(12, 'Received Target Abort', {
      access: 'RW1C',
      note: 'A request to below got Completer Abort.',
    }),
    RMA: bit(13, 'Received Master Abort', {
      access: 'RW1C',
      note: 'A request to below got Unsupported Request.',
    }),
    RSE: bit(14, 'Received System Error', {
      access: 'RW1C',
      note: 'An error message came from below.',
    }),
    DPE: bit(15, 'Detected Parity Error', { access: 'RW1C', note: 'Poisoned data was received.' }),
  },
});

export interface BusNumbers {
  readonly primary: number;
  readonly secondary: number;
}

/** The registers of a port with one bus below it. */
export function bridgeRegisters({ primary, secondary }: BusNumbers): readonly Register[] {
  return [
    withResets(PRIMARY_BUS, { VALUE: primary }),
    withResets(SECONDARY_BUS, { VALUE: secondary }),
    withResets(SUBORDINATE_BUS, { VALUE: secondary }),
    SECONDARY_STATUS,
  ];
}
