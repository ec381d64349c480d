/**
 * Masks and shifts of interrupt messages, remapping entries and posted-interrupt descriptors, taken from their declarations
 * once, and the message that reaches the CPUs. VT-d 5.10 sections 5.1.2 to 5.1.6 and 9.9 to 9.11.
 */
import { ANY_CONTEXT, type LayoutContext } from '../../bits/layout.ts';
import { defined } from '../../bits/invariant.ts';
import { fieldOf, isFieldSet, withField, wordField } from '../../bits/word-field.ts';
import {
  CompatibilityMessageAddress,
  CompatibilityMessageData,
  INTERRUPT_ADDRESS_PREFIX,
  RemappableMessageAddress,
  RemappableMessageData,
} from '../../spec/vtd/interrupt-message.ts';
import {
  DELIVERY_MODE,
  PostedInterruptEntry,
  RemappedInterruptEntry,
  RemappedInterruptEntryXapic,
  SQ,
} from '../../spec/vtd/interrupt-remap-entry.ts';
import { PostedInterruptDescriptor } from '../../spec/vtd/posted-interrupt-descriptor.ts';

// ---- requests ----------------------------------------------------------------------------------------------------------

const FORMAT = wordField(RemappableMessageAddress, 'FORMAT');
const SHV = wordField(RemappableMessageAddress, 'SHV');
const HANDLE = RemappableMessageAddress.field('HANDLE').pieces;
const HANDLE_LOW = defined(HANDLE[0], 'Low part of the handle');
const HANDLE_HIGH = defined(HANDLE[1], 'High part of the handle');
const SUBHANDLE = wordField(RemappableMessageData, 'SUBHANDLE');
const ADDRESS_RESERVED = RemappableMessageAddress.reservedMask(ANY_CONTEXT);
const DATA_RESERVED = RemappableMessageData.reservedMask(ANY_CONTEXT)[0] ?? 0;

export function isRemappable(addressLow: number): boolean {
  return isFieldSet(addressLow, FORMAT);
}

/** The data counts only with SHV=1. */
export function hasReservedRequestBits(
  addressHigh: number,
  addressLow: number,
  data: number,
): boolean {
  return (
    (addressHigh & (ADDRESS_RESERVED[1] ?? 0)) !== 0 ||
    (addressLow & (ADDRESS_RESERVED[0] ?? 0)) !== 0 ||
    (isFieldSet(addressLow, SHV) && (data & DATA_RESERVED) !== 0)
  );
}

/** Handle plus subhandle: up to 17 bits, so that a sum beyond the table is seen. */
export function interruptIndexOf(addressLow: number, data: number): number {
  const handle =
    (((addressLow & HANDLE_LOW.mask) >>> HANDLE_LOW.shift) << HANDLE_LOW.valueShift) |
    (((addressLow & HANDLE_HIGH.mask) >>> HANDLE_HIGH.shift) << HANDLE_HIGH.valueShift);
  return isFieldSet(addressLow, SHV) ? handle + fieldOf(data, SUBHANDLE) : handle;
}

// ---- entries -----------------------------------------------------------------------------------------------------------

export const IRTE = {
  P: wordField(RemappedInterruptEntry, 'P'),
  FPD: wordField(RemappedInterruptEntry, 'FPD'),
  DM: wordField(RemappedInterruptEntry, 'DM'),
  RH: wordField(RemappedInterruptEntry, 'RH'),
  TM: wordField(RemappedInterruptEntry, 'TM'),
  DLM: wordField(RemappedInterruptEntry, 'DLM'),
  IM: wordField(RemappedInterruptEntry, 'IM'),
  V: wordField(RemappedInterruptEntry, 'V'),
  DST: wordField(RemappedInterruptEntry, 'DST'),
  DST_XAPIC: wordField(RemappedInterruptEntryXapic, 'DST'),
  SID: wordField(RemappedInterruptEntry, 'SID'),
  SQ: wordField(RemappedInterruptEntry, 'SQ'),
  SVT: wordField(RemappedInterruptEntry, 'SVT'),
  URG: wordField(PostedInterruptEntry, 'URG'),
  VV: wordField(PostedInterruptEntry, 'VV'),
} as const;

const PDA = PostedInterruptEntry.field('PDA').pieces;
const PDA_LOW = defined(PDA[0], 'PDAL');
const PDA_HIGH = defined(PDA[1], 'PDAH');
const KNOWN_DELIVERY_MODES: ReadonlySet<number> = new Set(Object.values(DELIVERY_MODE));

export interface EntryMasks {
  readonly remappedExtended: Uint32Array;
  readonly remappedXapic: Uint32Array;
  readonly posted: Uint32Array;
}

export function entryMasks(context: LayoutContext): EntryMasks {
  return {
    remappedExtended: RemappedInterruptEntry.reservedMask(context),
    remappedXapic: RemappedInterruptEntryXapic.reservedMask(context),
    posted: PostedInterruptEntry.reservedMask(context),
  };
}

export function isDeliveryModeReserved(mode: number): boolean {
  return !KNOWN_DELIVERY_MODES.has(mode);
}

/** PDAL is stored in place: bits 31:6 of the address are bits 31:6 of word 1. */
export function descriptorLow(word1: number): number {
  return (word1 & PDA_LOW.mask) >>> 0;
}

export function descriptorHigh(word3: number): number {
  return (word3 & PDA_HIGH.mask) >>> 0;
}

/** SQ: function number bits of the requester that do not count. */
const QUALIFIER_MASKS: readonly number[] = (() => {
  const masks: number[] = [];
  masks[SQ.all] = 0xffff;
  masks[SQ.ignoreBit2] = 0xfffb;
  masks[SQ.ignoreBits2To1] = 0xfff9;
  masks[SQ.ignoreBits2To0] = 0xfff8;
  return masks;
})();

export function matchesSource(rid: number, sid: number, qualifier: number): boolean {
  return ((rid ^ sid) & (QUALIFIER_MASKS[qualifier] ?? 0xffff)) === 0;
}

/** SID holds the first bus in bits 15:8 and the last in bits 7:0. */
export function isInBusRange(rid: number, sid: number): boolean {
  const bus = rid >>> 8;
  return bus >= sid >>> 8 && bus <= (sid & 0xff);
}

// ---- messages to the CPUs ----------------------------------------------------------------------------------------------

const PREFIX = wordField(CompatibilityMessageAddress, 'PREFIX');
const DEST = wordField(CompatibilityMessageAddress, 'DEST');
const DEST_HIGH = wordField(CompatibilityMessageAddress, 'DEST_HIGH');
const MESSAGE_RH = wordField(CompatibilityMessageAddress, 'RH');
const MESSAGE_DM = wordField(CompatibilityMessageAddress, 'DM');
const MESSAGE_V = wordField(CompatibilityMessageData, 'V');
const MESSAGE_DLM = wordField(CompatibilityMessageData, 'DLM');
const MESSAGE_LEVEL = wordField(CompatibilityMessageData, 'LEVEL');
const MESSAGE_TM = wordField(CompatibilityMessageData, 'TM');
const BASE_ADDRESS = withField(0, PREFIX, INTERRUPT_ADDRESS_PREFIX);

/** Destination bits 31:8, in place. */
export function messageAddressHigh(destination: number): number {
  return withField(0, DEST_HIGH, destination >>> 8);
}

export function messageAddressLow(
  destination: number,
  redirectionHint: number,
  destinationMode: number,
): number {
  return withField(
    withField(withField(BASE_ADDRESS, DEST, destination), MESSAGE_RH, redirectionHint),
    MESSAGE_DM,
    destinationMode,
  );
}

/** Remapped and posted interrupts always assert. */
export function messageData(vector: number, deliveryMode: number, triggerMode: number): number {
  return withField(
    withField(withField(MESSAGE_LEVEL.mask, MESSAGE_V, vector), MESSAGE_DLM, deliveryMode),
    MESSAGE_TM,
    triggerMode,
  );
}

// ---- posted-interrupt descriptor ---------------------------------------------------------------------------------------

export const PID = {
  ON: wordField(PostedInterruptDescriptor, 'ON'),
  SN: wordField(PostedInterruptDescriptor, 'SN'),
  NV: wordField(PostedInterruptDescriptor, 'NV'),
  NDST: wordField(PostedInterruptDescriptor, 'NDST'),
} as const;
export const PID_WORDS = PostedInterruptDescriptor.words;

/** xAPIC keeps the identifier in bits 303:296 of the descriptor; the rest of NDST is reserved then. */
const XAPIC_DESTINATION = { word: PID.NDST.word, shift: 8, mask: 0x0000_ff00 } as const;

export const PID_RESERVED: Readonly<Record<'extended' | 'xapic', Uint32Array>> = (() => {
  const extended = PostedInterruptDescriptor.reservedMask(ANY_CONTEXT);
  const xapic = extended.slice();
  xapic[PID.NDST.word] = (PID.NDST.mask & ~XAPIC_DESTINATION.mask) >>> 0;
  return { extended, xapic };
})();

export function notificationDestination(word: number, isExtended: boolean): number {
  return fieldOf(word, isExtended ? PID.NDST : XAPIC_DESTINATION);
}
