/**
 * PCI Express capability of endpoints. PCIe Base, "PCI Express Capability Structure".
 *
 * Not modelled: link, slot and root registers, which integrated endpoints do not have; the structure keeps its full length.
 */
import { bit, bits } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { rsvdP, rsvdZ } from '../reserved-fields.ts';
import { pcie } from '../source.ts';
import { CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = pcie('PCI Express Capability Structure');

export const DEVICE_PORT_TYPE = {
  endpoint: 0b0000,
  legacyEndpoint: 0b0001,
  rootPort: 0b0100,
  upstreamSwitchPort: 0b0101,
  downstreamSwitchPort: 0b0110,
  integratedEndpoint: 0b1001,
  eventCollector: 0b1010,
} as const;

export const EXP_CAPABILITIES = defineRegister('EXP_CAPABILITIES', {
  title: 'PCI Express Capabilities Register',
  offset: 0x02,
  bytes: 2,
  source: SOURCE,
  fields: {
    VERSION: bits(3, 0, 'Capability Version', { access: 'RO', reset: 2, note: 'Layout version.' }),
    TYPE: bits(7, 4, 'Device/Port Type', {
      access: 'RO',
      values: DEVICE_PORT_TYPE,
      reset: DEVICE_PORT_TYPE.integratedEndpoint,
      note: 'What kind of function this is.',
    }),
    SLOT: bit(8, 'Slot Implemented', { access: 'RO', note: 'For ports.' }),
    IMN: bits(13, 9, 'Interrupt Message Number', { access: 'RO', note: 'For ports.' }),
    _r14: rsvdP(15, 14),
  },
});

export const EXP_DEVICE_CAPABILITIES = defineRegister('EXP_DEVICE_CAPABILITIES', {
  title: 'Device Capabilities Register',
  offset: 0x04,
  bytes: 4,
  source: SOURCE,
  fields: {
    MPSS: bits(2, 0, 'Max Payload Size Supported', {
      access: 'RO',
      reset: 2,
      note: 'Payloads up to 2^(n+7) bytes.',
    }),
    PFS: bits(4, 3, 'Phantom Functions Supported', { access: 'RO', note: 'Always 0.' }),
    ETFS: bit(5, 'Extended Tag Field Supported', { access: 'RO', reset: 1, note: '8-bit tags.' }),
    L0SL: bits(8, 6, 'Acceptable L0s Latency', { access: 'RO', note: 'Link power management.' }),
    L1L: bits(11, 9, 'Acceptable L1 Latency', { access: 'RO', note: 'Link power management.' }),
    _r12: rsvdP(14, 12),
    RBER: bit(15, 'Role-Based Error Reporting', { access: 'RO', reset: 1, note: 'Always 1.' }),
    _r16: rsvdP(17, 16),
    CSPLV: bits(25, 18, 'Captured Slot Power Limit Value', { access: 'RO', note: 'Always 0.' }),
    CSPLS: bits(27, 26, 'Captured Slot Power Limit Scale', { access: 'RO', note: 'Always 0.' }),
    FLR: bit(28, 'Function Level Reset Capability', {
      access: 'RO',
      reset: 1,
      note: 'The function can be reset alone.',
    }),
    _r29: rsvdP(31, 29),
  },
});

export const EXP_DEVICE_CONTROL = defineRegister('EXP_DEVICE_CONTROL', {
  title: 'Device Control Register',
  offset: 0x08,
  bytes: 2,
  source: SOURCE,
  fields: {
    CERE: bit(0, 'Correctable Error Reporting Enable', { access: 'RW', note: 'Send messages.' }),
    NFERE: bit(1, 'Non-Fatal Error Reporting Enable', { access: 'RW', note: 'Send messages.' }),
    FERE: bit(2, 'Fatal Error Reporting Enable', { access: 'RW', note: 'Send messages.' }),
    URRE: bit(3, 'Unsupported Request Reporting Enable', { access: 'RW', note: 'Send messages.' }),
    ERO: bit(4, 'Enable Relaxed Ordering', {
      access: 'RW',
      reset: 1,
      note: 'Requests may be reordered.',
    }),
    MPS: bits(7, 5, 'Max Payload Size', { access: 'RW', note: 'Payloads up to 2^(n+7) bytes.' }),
    ETFE: bit(8, 'Extended Tag Field Enable', { access: 'RW', reset: 1, note: '8-bit tags.' }),
    PFE: bit(9, 'Phantom Functions Enable', { access: 'RO', note: 'Hardwired to 0.' }),
    APE: bit(10, 'Aux Power PM Enable', { access: 'RO', note: 'Hardwired to 0.' }),
    ENS: bit(11, 'Enable No Snoop', {
      access: 'RW',
      reset: 1,
      note: 'Requests may skip snooping.',
    }),
    MRRS: bits(14, 12, 'Max Read Request Size', {
      access: 'RW',
      reset: 2,
      note: 'Reads up to 2^(n+7) bytes.',
    }),
    IFLR: bit(15, 'Initiate Function Level Reset', {
      access: 'WO',
      note: 'Writing 1 resets the function; reads as 0.',
    }),
  },
});

export const EXP_DEVICE_STATUS = defineRegister('EXP_DEVICE_STATUS', {
  title: 'Device Status Register',
  offset: 0x0a,
  bytes: 2,
  source: SOURCE,
  fields: {
    CED: bit(0, 'Correctable Error Detected', { access: 'RW1C', note: 'Since last cleared.' }),
    NFED: bit(1, 'Non-Fatal Error Detected', { access: 'RW1C', note: 'Since last cleared.' }),
    FED: bit(2, 'Fatal Error Detected', { access: 'RW1C', note: 'Since last cleared.' }),
    URD: bit(3, 'Unsupported Request Detected', { access: 'RW1C', note: 'Since last cleared.' }),
    APD: bit(4, 'Aux Power Detected', { access: 'RO', note: 'Always 0.' }),
    TP: bit(5, 'Transactions Pending', {
      access: 'RO',
      note: 'Requests wait for completions; software waits for 0 before a reset.',
    }),
    _r6: rsvdZ(15, 6),
  },
});

export const EXP_DEVICE_CAPABILITIES_2 = defineRegister('EXP_DEVICE_CAPABILITIES_2', {
  title: 'Device Capabilities 2 Register',
  offset: 0x24,
  bytes: 4,
  source: SOURCE,
  fields: {
    CTRS: bits(3, 0, 'Completion Timeout Ranges Supported', { access: 'RO', note: 'Ranges.' }),
    CTDS: bit(4, 'Completion Timeout Disable Supported', {
      access: 'RO',
      reset: 1,
      note: 'The timeout can be switched off.',
    }),
    ARIF: bit(5, 'ARI Forwarding Supported', { access: 'RO', note: 'For ports.' }),
    AOR: bit(6, 'AtomicOp Routing Supported', { access: 'RO', note: 'For ports.' }),
    AO32: bit(7, '32-bit AtomicOp Completer', { access: 'RO', note: 'Answers atomics.' }),
    AO64: bit(8, '64-bit AtomicOp Completer', { access: 'RO', note: 'Answers atomics.' }),
    CAS128: bit(9, '128-bit CAS Completer', { access: 'RO', note: 'Answers atomics.' }),
    NROP: bit(10, 'No RO-enabled PR-PR Passing', { access: 'RO', note: 'For ports.' }),
    LTR: bit(11, 'LTR Mechanism Supported', { access: 'RO', reset: 1, note: 'Latency reports.' }),
    TPHC: bits(13, 12, 'TPH Completer Supported', { access: 'RO', note: 'Processing hints.' }),
    LNSC: bits(15, 14, 'LN System CLS', { access: 'RO', note: 'Always 0.' }),
    TAG10C: bit(16, '10-Bit Tag Completer Supported', { access: 'RO', reset: 1, note: 'Tags.' }),
    TAG10R: bit(17, '10-Bit Tag Requester Supported', { access: 'RO', reset: 1, note: 'Tags.' }),
    OBFF: bits(19, 18, 'OBFF Supported', { access: 'RO', note: 'Always 0.' }),
    EFMT: bit(20, 'Extended Fmt Field Supported', { access: 'RO', reset: 1, note: 'Prefixes.' }),
    EETPS: bit(21, 'End-End TLP Prefix Supported', {
      access: 'RO',
      reset: 1,
      note: 'Requests can carry a PASID prefix.',
    }),
    MEETP: bits(23, 22, 'Max End-End TLP Prefixes', { access: 'RO', reset: 1, note: '0 means 4.' }),
    EPRS: bits(25, 24, 'Emergency Power Reduction Supported', { access: 'RO', note: 'Always 0.' }),
    EPRI: bit(26, 'Emergency Power Reduction Initialization', { access: 'RO', note: 'Always 0.' }),
    _r27: rsvdP(27),
    DMWR: bit(28, 'DMWr Completer Supported', {
      access: 'RO',
      reset: 1,
      note: 'Takes deferrable memory writes, which ENQCMD sends.',
    }),
    DMWRL: bits(30, 29, 'DMWr Lengths Supported', {
      access: 'RO',
      values: { upTo64Bytes: 0, upTo128Bytes: 1 },
      note: 'Largest deferrable write.',
    }),
    FRS: bit(31, 'FRS Supported', { access: 'RO', note: 'Always 0.' }),
  },
});

export const EXP_DEVICE_CONTROL_2 = defineRegister('EXP_DEVICE_CONTROL_2', {
  title: 'Device Control 2 Register',
  offset: 0x28,
  bytes: 2,
  source: SOURCE,
  fields: {
    CTV: bits(3, 0, 'Completion Timeout Value', { access: 'RW', note: 'Range of the timeout.' }),
    CTD: bit(4, 'Completion Timeout Disable', { access: 'RW', note: 'No timeout.' }),
    ARIFE: bit(5, 'ARI Forwarding Enable', { access: 'RO', note: 'For ports.' }),
    AORE: bit(6, 'AtomicOp Requester Enable', { access: 'RW', note: 'May send atomics.' }),
    AOEB: bit(7, 'AtomicOp Egress Blocking', { access: 'RO', note: 'For ports.' }),
    IDORE: bit(8, 'IDO Request Enable', { access: 'RW', note: 'Ordering by requester.' }),
    IDOCE: bit(9, 'IDO Completion Enable', { access: 'RW', note: 'Ordering by requester.' }),
    LTRE: bit(10, 'LTR Mechanism Enable', { access: 'RW', note: 'Latency reports.' }),
    EPRR: bit(11, 'Emergency Power Reduction Request', { access: 'RO', note: 'Hardwired to 0.' }),
    TAG10E: bit(12, '10-Bit Tag Requester Enable', { access: 'RW', note: 'Tags.' }),
    OBFFE: bits(14, 13, 'OBFF Enable', { access: 'RO', note: 'Hardwired to 0.' }),
    EETPB: bit(15, 'End-End TLP Prefix Blocking', { access: 'RO', note: 'For ports.' }),
  },
});

export const ExpressCapability = defineCapability({
  name: 'EXP',
  title: 'PCI Express',
  kind: 'standard',
  id: CAPABILITY_ID.pciExpress,
  version: 0,
  bytes: 0x3c,
  source: SOURCE,
  registers: {
    capabilities: EXP_CAPABILITIES,
    deviceCapabilities: EXP_DEVICE_CAPABILITIES,
    deviceControl: EXP_DEVICE_CONTROL,
    deviceStatus: EXP_DEVICE_STATUS,
    deviceCapabilities2: EXP_DEVICE_CAPABILITIES_2,
    deviceControl2: EXP_DEVICE_CONTROL_2,
  },
});
