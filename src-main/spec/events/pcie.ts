/**
 * Trace records of a PCIe function seen from inside: configuration, translation, page requests, reset. What happens to
 * its requests on the way is told by the fabric and the IOMMU.
 */
import { pcie } from '../source.ts';
import { defineEvent } from './event.ts';

export const CAPABILITY_SWITCHED = defineEvent('pcie.capability.switched', {
  title: 'Capability switched',
  meaning: 'Software changed an enable bit in configuration space.',
  source: pcie('Capability Structures'),
  fields: { capability: ['text', 'Capability'], isOn: ['flag', 'Enabled'] },
  template: '{capability}: enabled {isOn}',
});

export const BAR_PLACED = defineEvent('pcie.bar.placed', {
  title: 'BAR placed',
  meaning: 'Software gave a window of the function its address.',
  source: pcie('Base Address Registers'),
  fields: { bar: ['number', 'BAR'], address: ['u64', 'Address'], bytes: ['hex', 'Size'] },
  template: 'BAR{bar} of {bytes} bytes is at {address}',
});

export const CONFIG_WRITE_IGNORED = defineEvent('pcie.config.write-ignored', {
  level: 'guest-error',
  title: 'Configuration write ignored',
  meaning: 'No writable bit lies at this place.',
  source: pcie('Common Configuration Space'),
  fields: { offset: ['hex', 'Offset'], value: ['hex', 'Value'], bytes: ['number', 'Bytes'] },
  template: 'A write of {value} to configuration offset {offset} changed nothing',
});

export const MMIO_REFUSED = defineEvent('pcie.mmio.refused', {
  level: 'guest-error',
  title: 'Register access refused',
  meaning:
    'The width or alignment is not one that this window takes: reads give all ones, writes are dropped.',
  source: pcie('Common Configuration Space'),
  fields: { bar: ['number', 'BAR'], offset: ['hex', 'Offset'], reason: ['text', 'Reason'] },
  template: 'BAR{bar} offset {offset}: {reason}',
});

export const FUNCTION_RESET = defineEvent('pcie.function.reset', {
  title: 'Function reset',
  meaning:
    'Everything the function knew is gone, except sticky registers; other functions notice nothing.',
  source: pcie('Function Level Reset'),
  fields: { kind: ['text', 'Kind'] },
  template: 'The function went through a {kind} reset',
  mark: 'warning',
});

export const TRANSLATION_RECEIVED = defineEvent('pcie.translation.received', {
  title: 'Translation received',
  meaning:
    'Answer to an ATS translation request. Without the right asked for, the page is not there for this request.',
  source: pcie('Address Translation Services'),
  fields: {
    pasid: ['pasid', 'PASID'],
    address: ['u64', 'Address'],
    isWrite: ['flag', 'Write'],
    status: [
      { names: { 0: 'success', 1: 'unsupported request', 2: 'retry', 4: 'completer abort' } },
      'Status',
    ],
    rights: ['text', 'Rights'],
    translated: ['u64', 'Translated address'],
    pageShift: ['number', 'log2 of the size'],
  },
  template: 'PASID {pasid} {address} is {translated} with rights {rights}',
});

export const DEVICE_TLB_INVALIDATED = defineEvent('pcie.device-tlb.invalidated', {
  title: 'Device TLB invalidated',
  meaning:
    'The function dropped translations because the IOMMU told it to, and answers when none is in use any more.',
  source: pcie('ATS Invalidation'),
  fields: {
    pasid: ['pasid', 'PASID'],
    isGlobal: ['flag', 'All PASIDs'],
    address: ['u64', 'Address'],
    sizeShift: ['number', 'log2 of the size'],
    dropped: ['number', 'Entries dropped'],
    itag: ['number', 'ITag'],
  },
  template: 'Invalidation {itag} dropped {dropped} entries of PASID {pasid}',
});

export const PAGE_RESPONSE_UNEXPECTED = defineEvent('pcie.page-response.unexpected', {
  level: 'guest-error',
  title: 'Unexpected page response',
  meaning:
    'No page request with this group index and PASID is outstanding; the function sets UPRGI in its PRI status.',
  source: pcie('Page Request Services'),
  fields: { pasid: ['pasid', 'PASID'], group: ['number', 'Group index'], code: ['number', 'Code'] },
  template: 'A page response for group {group} of PASID {pasid} answers nothing',
  mark: 'warning',
});
