/**
 * Trace events of interrupt remapping and posting, and of event messages that are not sent (those that are sent or held back
 * stand in `iommu.ts`).
 */
import { vtd } from '../source.ts';
import { defineEvent, type EventFieldType } from './event.ts';

const DESTINATION_MODE: EventFieldType = { names: { 0: 'physical', 1: 'logical' } };
const TRIGGER: EventFieldType = { names: { 0: 'edge', 1: 'level' } };

export const INTERRUPT_REQUESTED = defineEvent('iommu.interrupt.requested', {
  title: 'Interrupt request',
  meaning:
    'A function wrote one dword into FEEx_xxxxh. The address holds the index into the interrupt remapping table, not a CPU and a vector.',
  source: vtd('5.1.2'),
  fields: {
    rid: ['rid', 'Requester'],
    address: ['hex', 'Address'],
    data: ['hex', 'Data'],
  },
  template: '{rid} writes {data} to {address}',
});

export const INTERRUPT_ENTRY_FETCHED = defineEvent('iommu.interrupt-entry.fetched', {
  title: 'Interrupt remapping entry read',
  meaning: 'The unit read the 16 bytes of the entry from memory.',
  source: vtd('9.9'),
  fields: {
    index: ['hex', 'Interrupt index'],
    address: ['u64', 'Address of the entry'],
    low: ['u64', 'Bits 63:0'],
    high: ['u64', 'Bits 127:64'],
  },
  template: 'Entry {index} at {address}: {low} {high}',
});

export const INTERRUPT_ENTRY_HIT = defineEvent('iommu.interrupt-entry.hit', {
  title: 'Interrupt entry cache hit',
  meaning:
    'The cached copy was used; memory was not read, so a changed entry is not seen before an invalidation.',
  source: vtd('6.2.1'),
  fields: { index: ['hex', 'Interrupt index'] },
  template: 'Entry {index} from the cache',
});

export const INTERRUPT_ENTRY_CACHED = defineEvent('iommu.interrupt-entry.cached', {
  level: 'debug',
  title: 'Interrupt entry cached',
  meaning: 'The entry passed all checks and went into the interrupt entry cache.',
  source: vtd('6.2.1'),
  fields: { index: ['hex', 'Interrupt index'] },
  template: 'Entry {index} cached',
});

export const INTERRUPT_ENTRIES_INVALIDATED = defineEvent('iommu.interrupt-entry.invalidated', {
  title: 'Interrupt entry cache invalidated',
  meaning: 'Cached entries were dropped; the next request of those interrupts reads memory again.',
  source: vtd('6.5.2.8'),
  fields: {
    isGlobal: ['flag', 'Global'],
    index: ['hex', 'Interrupt index'],
    mask: ['number', 'Low bits ignored'],
    dropped: ['number', 'Entries dropped'],
  },
  template: '{dropped} entries dropped (index {index}, mask {mask}, global {isGlobal})',
});

export const INTERRUPT_REMAPPED = defineEvent('iommu.interrupt.remapped', {
  title: 'Interrupt remapped',
  meaning:
    'The entry chose vector and destination; what the device wrote has no influence on them.',
  source: vtd('5.1.4'),
  fields: {
    rid: ['rid', 'Requester'],
    index: ['hex', 'Interrupt index'],
    vector: ['hex', 'Vector'],
    destination: ['hex', 'Destination'],
    destinationMode: [DESTINATION_MODE, 'Destination mode'],
    trigger: [TRIGGER, 'Trigger mode'],
  },
  template: 'Index {index} of {rid}: vector {vector} to {destinationMode} {destination}',
  mark: 'good',
});

export const INTERRUPT_PASSED = defineEvent('iommu.interrupt.passed', {
  title: 'Compatibility-format interrupt passed',
  meaning:
    'The message went to the CPU as the device wrote it: nobody checked who may send which vector.',
  source: vtd('5.1.2.1'),
  fields: { rid: ['rid', 'Requester'], address: ['hex', 'Address'], data: ['hex', 'Data'] },
  template: '{rid}: {data} to {address} passed unchanged',
  mark: 'warning',
});

export const INTERRUPT_BLOCKED = defineEvent('iommu.interrupt.blocked', {
  title: 'Interrupt blocked',
  meaning:
    'The request was dropped and behaves as unsupported. With FPD=1 in the entry no fault is recorded.',
  source: vtd('5.1.4.1'),
  fields: {
    rid: ['rid', 'Requester'],
    reason: ['hex', 'Fault reason'],
    index: ['hex', 'Interrupt index'],
    isRecorded: ['flag', 'Recorded'],
  },
  template: 'Interrupt of {rid}, index {index}, blocked: fault {reason}',
  mark: 'fault',
});

export const INTERRUPT_POSTED = defineEvent('iommu.interrupt.posted', {
  title: 'Interrupt posted',
  meaning:
    'The unit set the vector in PIR of the descriptor by one atomic update. A notification goes out only when ON was 0 and the vCPU accepts one (SN=0) or the interrupt is urgent.',
  source: vtd('5.2.3'),
  fields: {
    rid: ['rid', 'Requester'],
    index: ['hex', 'Interrupt index'],
    vector: ['hex', 'Virtual vector'],
    descriptor: ['u64', 'Descriptor'],
    isUrgent: ['flag', 'URG'],
    wasOutstanding: ['flag', 'ON before'],
    isSuppressed: ['flag', 'SN'],
    notifies: ['flag', 'Notification sent'],
  },
  template: 'Vector {vector} posted to {descriptor}, notification {notifies}',
  mark: 'good',
});

export const NOTIFICATION_SENT = defineEvent('iommu.notification.sent', {
  title: 'Posted-interrupt notification sent',
  meaning:
    'NV went to NDST: the CPU that runs the vCPU fetches PIR by itself, another CPU runs a handler.',
  source: vtd('5.2.3'),
  fields: { vector: ['hex', 'NV'], destination: ['hex', 'NDST'] },
  template: 'Notification vector {vector} to {destination}',
});

export const INTERRUPT_TABLE_LATCHED = defineEvent('iommu.interrupt-table.latched', {
  title: 'Interrupt remapping table latched',
  meaning:
    'SIRTP took IRTA_REG over: from now on the unit uses this table, size and destination format.',
  source: vtd('11.4.10'),
  fields: {
    address: ['u64', 'Table'],
    entries: ['number', 'Entries'],
    isExtended: ['flag', 'EIME'],
  },
  template: 'Table {address} with {entries} entries, EIME={isExtended}',
});

export const INTERRUPT_REMAPPING_SWITCHED = defineEvent('iommu.interrupt-remapping.switched', {
  title: 'Interrupt remapping switched',
  meaning: 'IRES changed: remappable requests are remapped from here on, or no longer.',
  source: vtd('11.4.4.1'),
  fields: { isEnabled: ['flag', 'IRES'] },
  template: 'IRES={isEnabled}',
});

export const COMPATIBILITY_FORMAT_SWITCHED = defineEvent('iommu.compatibility-format.switched', {
  title: 'Compatibility format switched',
  meaning: 'CFIS changed: plain MSIs pass while it is 1 and EIME is 0.',
  source: vtd('11.4.4.1'),
  fields: { isAllowed: ['flag', 'CFIS'] },
  template: 'CFIS={isAllowed}',
});

export const EVENT_MESSAGE_SUPPRESSED = defineEvent('iommu.event-message.suppressed', {
  level: 'debug',
  title: 'Event raised no message',
  meaning: 'A condition of this event was already set, so software knows already.',
  source: vtd('7.3'),
  fields: { event: ['text', 'Event'] },
  template: '{event} event: no second message',
});

export const EVENT_MESSAGE_WITHDRAWN = defineEvent('iommu.event-message.withdrawn', {
  title: 'Pending event message withdrawn',
  meaning:
    'Software cleared all status conditions before it cleared IM: IP falls and nothing is sent.',
  source: vtd('7.3'),
  fields: { event: ['text', 'Event'] },
  template: '{event} event withdrawn',
});
