/**
 * Single root I/O virtualization extended capability of a physical function. PCIe Base, "SR-IOV Extended Capability".
 *
 * Virtual function n (from 1) has the routing identifier of the physical function plus offset plus (n-1) times stride; both
 * may change with the number of functions. VF migration is not modelled.
 */
import { address, bit, bits } from '../../bits/field.ts';
import { defineRegister, type Register } from '../../bits/register-block.ts';
import { rsvdP } from '../reserved-fields.ts';
import { pcie } from '../source.ts';
import { EXTENDED_CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = pcie('SR-IOV Extended Capability');

export const SRIOV_CAPABILITIES = defineRegister('SRIOV_CAPABILITIES', {
  title: 'SR-IOV Capabilities Register',
  offset: 0x04,
  bytes: 4,
  source: SOURCE,
  fields: {
    VFMC: bit(0, 'VF Migration Capable', { access: 'RO', note: 'Always 0.' }),
    ARIP: bit(1, 'ARI Capable Hierarchy Preserved', {
      access: 'RO',
      note: 'The setting survives some power states.',
    }),
    _r2: rsvdP(20, 2),
    VFMIM: bits(31, 21, 'VF Migration Interrupt Message Number', {
      access: 'RO',
      note: 'Always 0.',
    }),
  },
});

export const SRIOV_CONTROL = defineRegister('SRIOV_CONTROL', {
  title: 'SR-IOV Control Register',
  offset: 0x08,
  bytes: 2,
  source: SOURCE,
  fields: {
    VFE: bit(0, 'VF Enable', { access: 'RW', note: 'The virtual functions exist.' }),
    VFME: bit(1, 'VF Migration Enable', { access: 'RO', note: 'Hardwired to 0.' }),
    VFMIE: bit(2, 'VF Migration Interrupt Enable', { access: 'RO', note: 'Hardwired to 0.' }),
    VFMSE: bit(3, 'VF Memory Space Enable', { access: 'RW', note: 'They answer at their BARs.' }),
    ARICH: bit(4, 'ARI Capable Hierarchy', {
      access: 'RW',
      note: 'They may use function numbers above 7.',
    }),
    _r5: rsvdP(15, 5),
  },
});

export const SRIOV_STATUS = defineRegister('SRIOV_STATUS', {
  title: 'SR-IOV Status Register',
  offset: 0x0a,
  bytes: 2,
  source: SOURCE,
  fields: {
    VFMS: bit(0, 'VF Migration Status', { access: 'RO', note: 'Always 0.' }),
    _r1: rsvdP(15, 1),
  },
});

function halfWord(name: string, title: string, offset: number, access: 'RO' | 'RW', note: string) {
  return defineRegister(name, {
    title,
    offset,
    bytes: 2,
    source: SOURCE,
    fields: { VALUE: bits(15, 0, title, { access, format: 'decimal', note }) },
  });
}

export const SRIOV_INITIAL_VFS = halfWord(
  'SRIOV_INITIAL_VFS',
  'InitialVFs',
  0x0c,
  'RO',
  'Virtual functions at first; equals TotalVFs without migration.',
);
export const SRIOV_TOTAL_VFS = halfWord(
  'SRIOV_TOTAL_VFS',
  'TotalVFs',
  0x0e,
  'RO',
  'Most virtual functions there can be.',
);
export const SRIOV_NUM_VFS = halfWord(
  'SRIOV_NUM_VFS',
  'NumVFs',
  0x10,
  'RW',
  'How many there are; can change only while VF Enable is 0.',
);

export const SRIOV_DEPENDENCY_LINK = defineRegister('SRIOV_DEPENDENCY_LINK', {
  title: 'Function Dependency Link',
  offset: 0x12,
  bytes: 1,
  source: SOURCE,
  fields: {
    VALUE: bits(7, 0, 'Function Dependency Link', {
      access: 'RO',
      note: 'Next function that must be assigned together with this one; itself when none.',
    }),
  },
});

export const SRIOV_FIRST_VF_OFFSET = halfWord(
  'SRIOV_FIRST_VF_OFFSET',
  'First VF Offset',
  0x14,
  'RO',
  'Distance from the physical to the first virtual function.',
);
export const SRIOV_VF_STRIDE = halfWord(
  'SRIOV_VF_STRIDE',
  'VF Stride',
  0x16,
  'RO',
  'Distance from one virtual function to the next.',
);
export const SRIOV_VF_DEVICE_ID = defineRegister('SRIOV_VF_DEVICE_ID', {
  title: 'VF Device ID',
  offset: 0x1a,
  bytes: 2,
  source: SOURCE,
  fields: {
    VALUE: bits(15, 0, 'VF Device ID', {
      access: 'RO',
      format: 'hex',
      note: 'Device identifier of all virtual functions, whose own register reads as FFFFh.',
    }),
  },
});

export const SRIOV_SUPPORTED_PAGE_SIZES = defineRegister('SRIOV_SUPPORTED_PAGE_SIZES', {
  title: 'Supported Page Sizes Register',
  offset: 0x1c,
  bytes: 4,
  source: SOURCE,
  fields: {
    SIZES: bits(31, 0, 'Supported Page Sizes', {
      access: 'RO',
      reset: 1,
      format: 'hex',
      note: 'Bit n: pages of 2^(n+12) bytes.',
    }),
  },
});

export const SRIOV_SYSTEM_PAGE_SIZE = defineRegister('SRIOV_SYSTEM_PAGE_SIZE', {
  title: 'System Page Size Register',
  offset: 0x20,
  bytes: 4,
  source: SOURCE,
  fields: {
    SIZE: bits(31, 0, 'System Page Size', {
      access: 'RW',
      reset: 1,
      format: 'hex',
      note: 'One bit set; VF apertures are aligned to it.',
    }),
  },
});

const FIRST_VF_BAR = 0x24;

function vfBar(index: number): Register {
  return defineRegister(`SRIOV_VF_BAR${index}`, {
    title: `VF BAR${index}`,
    offset: FIRST_VF_BAR + 4 * index,
    bytes: 4,
    source: SOURCE,
    note: 'Covers the apertures of all virtual functions, one after the other.',
    fields: {
      VALUE: bits(31, 0, 'VF Base Address', {
        access: 'RW',
        format: 'hex',
        note: 'Type in bits 3:0 and address above; the size of one aperture limits what can be written.',
      }),
    },
  });
}

export const SRIOV_VF_MIGRATION = defineRegister('SRIOV_VF_MIGRATION', {
  title: 'VF Migration State Array Offset Register',
  offset: 0x3c,
  bytes: 4,
  source: SOURCE,
  fields: {
    BIR: bits(2, 0, 'VF Migration State BIR', { access: 'RO', note: 'Always 0.' }),
    OFFSET: address(31, 3, 'VF Migration State Offset', {
      access: 'RO',
      shift: 3,
      note: 'Always 0.',
    }),
  },
});

export const SrIovCapability = defineCapability({
  name: 'SRIOV',
  title: 'Single Root I/O Virtualization',
  kind: 'extended',
  id: EXTENDED_CAPABILITY_ID.singleRootIov,
  version: 1,
  bytes: 0x40,
  source: SOURCE,
  registers: {
    capabilities: SRIOV_CAPABILITIES,
    control: SRIOV_CONTROL,
    status: SRIOV_STATUS,
    initialVfs: SRIOV_INITIAL_VFS,
    totalVfs: SRIOV_TOTAL_VFS,
    numVfs: SRIOV_NUM_VFS,
    dependencyLink: SRIOV_DEPENDENCY_LINK,
    firstVfOffset: SRIOV_FIRST_VF_OFFSET,
    vfStride: SRIOV_VF_STRIDE,
    vfDeviceId: SRIOV_VF_DEVICE_ID,
    supportedPageSizes: SRIOV_SUPPORTED_PAGE_SIZES,
    systemPageSize: SRIOV_SYSTEM_PAGE_SIZE,
    vfBar0: vfBar(0),
    vfBar1: vfBar(1),
    vfBar2: vfBar(2),
    vfBar3: vfBar(3),
    vfBar4: vfBar(4),
    vfBar5: vfBar(5),
    vfMigration: SRIOV_VF_MIGRATION,
  },
});
