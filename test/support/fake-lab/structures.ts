/** Decoded structures with every kind of mark. */
import type { FieldRow, StructureSection } from '../../../src-main/protocol/views.ts';

const SOURCE = 'VT-d 5.10, section 9.6';

interface FieldDraft {
  readonly name: string;
  readonly title: string;
  readonly high: number;
  readonly low: number;
  readonly raw: string;
  readonly value?: string;
  readonly meaning?: string;
  readonly marks?: Partial<Pick<FieldRow, 'isChanged' | 'isViolated' | 'link' | 'access'>>;
}

export function field(draft: FieldDraft): FieldRow {
  const { name, title, high, low, raw, value = raw, meaning, marks = {} } = draft;
  return {
    name,
    title,
    bits: high === low ? `[${String(high)}]` : `[${String(high)}:${String(low)}]`,
    high,
    low,
    raw,
    value,
    source: SOURCE,
    isReserved: name.startsWith('_'),
    ...(meaning !== undefined && { meaning }),
    ...marks,
  };
}

export function fakePasidEntry(pasid: number, isChanged = false): StructureSection {
  return {
    kind: 'structure',
    id: `pasid-entry-${String(pasid)}`,
    name: 'PasidTableEntry',
    title: `PASID table entry 0x${pasid.toString(16)}`,
    address: `0x0000000001a0${(0x2000 + pasid * 64).toString(16)}`,
    widthBits: 512,
    words: [
      '01c40083',
      '00000000',
      '00000021',
      '00000000',
      '00000000',
      '00000000',
      '00000000',
      '00000000',
      '00000000',
      '00000000',
      '00000000',
      '00000000',
      '00000000',
      '00000000',
      '00000000',
      '00000000',
    ],
    source: SOURCE,
    refs: {
      rid: '0x6a08',
      pasid,
      unit: 'dmar0',
      address: `0x1a0${(0x2000 + pasid * 64).toString(16)}`,
    },
    ...(isChanged && { isChanged }),
    note: 'The IOTLB may hold translations made with an earlier value of this entry.',
    fields: [
      field({
        name: 'P',
        title: 'Present',
        high: 0,
        low: 0,
        raw: '0x1',
        value: '1',
        meaning: 'The entry is valid.',
        marks: { isChanged },
      }),
      field({
        name: 'FPD',
        title: 'Fault Processing Disable',
        high: 1,
        low: 1,
        raw: '0x0',
        value: '0',
        meaning: 'Faults are recorded.',
      }),
      field({
        name: 'AW',
        title: 'Address Width',
        high: 4,
        low: 2,
        raw: '0x2',
        value: '48-bit',
        meaning: 'Second-stage tables have four levels.',
      }),
      field({
        name: 'SLEE',
        title: 'Second-Stage Execute Enable',
        high: 5,
        low: 5,
        raw: '0x0',
        value: '0',
      }),
      field({
        name: 'PGTT',
        title: 'PASID Granular Translation Type',
        high: 8,
        low: 6,
        raw: '0x2',
        value: 'second-stage',
        meaning: 'Addresses are translated by the second-stage tables only.',
        marks: { isChanged },
      }),
      field({
        name: 'SLADE',
        title: 'Second-Stage Access/Dirty Enable',
        high: 9,
        low: 9,
        raw: '0x0',
        value: '0',
      }),
      field({
        name: '_r0',
        title: 'Reserved',
        high: 11,
        low: 10,
        raw: '0x2',
        meaning: 'Reserved bits are set: hardware reports fault 5Ah.',
        marks: { isViolated: true },
      }),
      field({
        name: 'SLPTPTR',
        title: 'Second-Stage Page-Table Pointer',
        high: 63,
        low: 12,
        raw: '0x0000000001c40',
        value: '0x0000000001c40000',
        meaning: 'Host physical address of the top-level table.',
        marks: { link: { view: 'page-walk', params: { pasid }, label: 'Walk these tables' } },
      }),
      field({
        name: 'DID',
        title: 'Domain Identifier',
        high: 79,
        low: 64,
        raw: '0x21',
        value: '0x21',
        meaning: 'Tags cached translations of this domain.',
      }),
      field({ name: '_r1', title: 'Reserved', high: 86, low: 80, raw: '0x0' }),
      field({ name: 'PWSNP', title: 'Page-Walk Snoop', high: 87, low: 87, raw: '0x0', value: '0' }),
      field({ name: 'PGSNP', title: 'Page Snoop', high: 88, low: 88, raw: '0x0', value: '0' }),
      field({ name: '_r2', title: 'Reserved', high: 127, low: 89, raw: '0x0' }),
      field({
        name: 'SRE',
        title: 'Supervisor Request Enable',
        high: 128,
        low: 128,
        raw: '0x0',
        value: '0',
      }),
      field({ name: '_r3', title: 'Reserved', high: 139, low: 129, raw: '0x0' }),
      field({
        name: 'FLPTPTR',
        title: 'First-Stage Page-Table Pointer',
        high: 191,
        low: 140,
        raw: '0x0',
        value: '0x0',
      }),
      field({ name: '_r4', title: 'Reserved', high: 511, low: 192, raw: '0x0' }),
    ],
  };
}

export function fakeRegister(): StructureSection {
  return {
    kind: 'structure',
    id: 'gsts',
    name: 'GSTS_REG',
    title: 'Global Status Register',
    widthBits: 32,
    words: ['c6000000'],
    source: 'VT-d 5.10, section 11.4.4.2',
    fields: [
      field({
        name: 'TES',
        title: 'Translation Enable Status',
        high: 31,
        low: 31,
        raw: '0x1',
        value: '1',
        marks: { access: 'RO' },
      }),
      field({
        name: 'RTPS',
        title: 'Root Table Pointer Status',
        high: 30,
        low: 30,
        raw: '0x1',
        value: '1',
        marks: { access: 'RO' },
      }),
      field({ name: '_r0', title: 'Reserved', high: 29, low: 27, raw: '0x0' }),
      field({
        name: 'QIES',
        title: 'Queued Invalidation Enable Status',
        high: 26,
        low: 26,
        raw: '0x1',
        value: '1',
        marks: { access: 'RO', isChanged: true },
      }),
      field({
        name: 'IRES',
        title: 'Interrupt Remapping Enable Status',
        high: 25,
        low: 25,
        raw: '0x1',
        value: '1',
        marks: { access: 'RO' },
      }),
      field({ name: '_r1', title: 'Reserved', high: 24, low: 0, raw: '0x0' }),
    ],
  };
}
