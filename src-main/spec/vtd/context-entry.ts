/**
 * Context entries, one for each PCI function: what kind of translation the function gets (legacy) or where its PASIDs are
 * described (scalable). VT-d 5.10 sections 9.3 and 9.4.
 *
 * FPD counts even when P=0; all other bits are ignored then. Conditions that are no reserved bits (unsupported AW or TT,
 * PRE without DTE, RID_PASID beyond PDTS) are checked by the walk, not by the layout.
 */
import { address, bit, bits, ignored, reserved } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { vtd } from '../source.ts';
import { AW } from './address-width.ts';

/** Translation type of a legacy context entry. 11b is reserved. */
export const TT = { untranslatedOnly: 0b00, withDeviceTlb: 0b01, passThrough: 0b10 } as const;

const FPD = bit(1, 'Fault Processing Disable', {
  note: '1 keeps qualified faults of this function out of the fault log, even when P=0. The request is still blocked.',
});

export const LegacyContextEntry = defineStructure({
  name: 'LegacyContextEntry',
  title: 'Context Entry (legacy mode)',
  bytes: 16,
  source: vtd('9.3'),
  note: 'One translation for the whole function: legacy mode has no PASIDs.',
  fields: {
    P: bit(0, 'Present', { note: '0 blocks every request of the function with fault 02h.' }),
    FPD,
    TT: bits(3, 2, 'Translation Type', {
      values: TT,
      note: 'Whether requests are translated, and whether translation requests and translated requests are welcome.',
    }),
    _r0: reserved(11, 4),
    SSPTPTR: address(63, 12, 'Second Stage Page Table Pointer', {
      validBits: 'HAW',
      aka: ['SLPTPTR', 'ASR'],
      note: 'Host physical address of the top second-stage table; ignored for pass-through.',
    }),
    AW: bits(66, 64, 'Address Width', {
      values: AW,
      note: 'Width of input addresses and so the number of levels; must be one that SAGAW reports.',
    }),
    _i0: ignored(70, 67),
    _r1: reserved(71),
    DID: bits(87, 72, 'Domain Identifier', {
      validBits: 'DID_WIDTH',
      note: 'Tags cached translations; functions that share an address space share the domain.',
    }),
    _r2: reserved(127, 88),
  },
});

export const ScalableContextEntry = defineStructure({
  name: 'ScalableContextEntry',
  title: 'Context Entry (scalable mode)',
  bytes: 32,
  source: vtd('9.4'),
  note: 'Names the PASID directory of the function and says which kinds of request it may send.',
  fields: {
    P: bit(0, 'Present', { note: '0 blocks every request of the function with fault 41h.' }),
    FPD,
    DTE: bit(2, 'Device TLB Enable', {
      capability: 'DEVICE_TLB',
      note: 'Allows translation requests and translated requests (ATS); without it they end with fault 44h.',
    }),
    PASIDE: bit(3, 'PASID Enable', {
      capability: 'PASID',
      note: 'Allows requests-with-PASID; without it they end with fault 45h.',
    }),
    PRE: bit(4, 'Page Request Enable', {
      capability: 'PRS',
      note: 'Allows page requests; needs DTE=1.',
    }),
    HPTE: bit(5, 'Host Permission Table Enable', {
      capability: 'HPTS',
      note: 'Translated requests are checked against the host permission table of their PASID.',
    }),
    EPTR: bit(6, 'Enable PASID in Translated Requests', {
      capability: 'PTRS',
      note: 'Allows translated requests to carry a PASID; needs PASIDE=1.',
    }),
    _r0: reserved(8, 7),
    PDTS: bits(11, 9, 'PASID Directory Size', {
      note: 'The directory has 2^(PDTS+7) entries, so the largest usable PASID is 2^(PDTS+13)-1.',
    }),
    PASIDDIRPTR: address(63, 12, 'PASID Directory Pointer', {
      validBits: 'HAW',
      note: 'Host physical address of the PASID directory of this function.',
    }),
    RID_PASID: bits(83, 64, 'RID PASID', {
      capability: 'RID_PASID_FIELD',
      aka: ['RID2PASID'],
      note: 'Requests without a PASID are translated as if they carried this one.',
    }),
    RID_PRIV: bit(84, 'RID Privilege', {
      capability: 'RPRIVS',
      note: 'Requests without a PASID count as supervisor requests.',
    }),
    _r1: reserved(255, 85),
  },
});
