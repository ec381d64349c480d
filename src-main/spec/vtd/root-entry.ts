/**
 * Root table entries, one for each bus number: the first step of every walk. VT-d 5.10 sections 9.1 and 9.2.
 *
 * A legacy entry names one context table for the bus; a scalable entry names two, one for each half of the devices.
 * When a present bit is 0, the rest of the entry (of that half) is ignored and its reserved bits are not checked.
 */
import { address, bit, reserved } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { vtd } from '../source.ts';

export const ROOT_TABLE_ENTRIES = 256;

export const RootEntry = defineStructure({
  name: 'RootEntry',
  title: 'Root Entry (legacy mode)',
  bytes: 16,
  source: vtd('9.1'),
  note: 'Selected by the bus number of the requester; names the context table of that bus.',
  fields: {
    P: bit(0, 'Present', { note: '0 blocks every request from this bus with fault 01h.' }),
    _r0: reserved(11, 1),
    CTP: address(63, 12, 'Context Table Pointer', {
      validBits: 'HAW',
      note: 'Host physical address of a 4 KB table with 256 entries of 16 bytes, one for each function of the bus.',
    }),
    _r1: reserved(127, 64),
  },
});

export const ScalableRootEntry = defineStructure({
  name: 'ScalableRootEntry',
  title: 'Root Entry (scalable mode)',
  bytes: 16,
  source: vtd('9.2'),
  note: 'Selected by the bus number; scalable context entries are twice as large, so a bus needs two tables.',
  fields: {
    LP: bit(0, 'Lower Present', {
      note: '0 blocks devices 0 to 15 of this bus with fault 39h.',
    }),
    _r0: reserved(11, 1),
    LCTP: address(63, 12, 'Lower Context Table Pointer', {
      validBits: 'HAW',
      note: 'Table for devices 0 to 15: 128 entries of 32 bytes, indexed by the low seven bits of devfn.',
    }),
    UP: bit(64, 'Upper Present', {
      note: '0 blocks devices 16 to 31 of this bus with fault 39h.',
    }),
    _r1: reserved(75, 65),
    UCTP: address(127, 76, 'Upper Context Table Pointer', {
      validBits: 'HAW',
      note: 'Table for devices 16 to 31.',
    }),
  },
});
