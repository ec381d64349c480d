/** Records of a remapping unit. */
import { vtd } from '../source.ts';
import { defineEvent } from './event.ts';

const ACCESS_NAMES = {
  names: { 0: 'read', 1: 'write', 2: 'atomic', 3: 'page request', 4: 'interrupt' },
} as const;
const ADDRESS_TYPES = { names: { 0: 'untranslated', 1: 'translation', 2: 'translated' } } as const;
const STAGES = {
  names: {
    0: 'root',
    1: 'context',
    2: 'PASID directory',
    3: 'PASID entry',
    4: 'first-stage',
    5: 'second-stage',
  },
} as const;

export const REQUEST_TRANSLATED = defineEvent('iommu.request.translated', {
  title: 'Request translated',
  meaning:
    'The unit found a host address for the request and let it pass with the rights that the tables grant.',
  source: vtd('3.2'),
  fields: {
    rid: ['rid', 'Requester'],
    pasid: ['pasid', 'PASID of the request'],
    access: [ACCESS_NAMES, 'Access'],
    type: [ADDRESS_TYPES, 'Address type'],
    iova: ['u64', 'Input address'],
    hpa: ['u64', 'Host physical address'],
    pageShift: ['number', 'log2 of the page size'],
    hit: ['flag', 'Answered by the IOTLB'],
  },
  template: '{access} {iova} → {hpa} for {rid} PASID {pasid}',
});

export const REQUEST_BLOCKED = defineEvent('iommu.request.blocked', {
  title: 'Request blocked',
  meaning:
    'The unit refused the request. The reason names the structure and the condition that stopped it.',
  source: vtd('7.1.3'),
  fields: {
    rid: ['rid', 'Requester'],
    pasid: ['pasid', 'PASID of the request'],
    access: [ACCESS_NAMES, 'Access'],
    type: [ADDRESS_TYPES, 'Address type'],
    iova: ['u64', 'Input address'],
    reason: ['hex', 'Fault reason'],
    status: [{ names: { 0: 'Success', 1: 'UR', 2: 'Retry', 4: 'CA' } }, 'Completion status'],
  },
  template: '{access} {iova} of {rid} PASID {pasid} blocked: reason {reason}',
  mark: 'fault',
});

export const ENTRY_READ = defineEvent('iommu.entry.read', {
  level: 'debug',
  title: 'Table entry read',
  meaning: 'One step of the walk that led to a fault: the entry that was read and its value.',
  source: vtd('3.4'),
  fields: {
    stage: [STAGES, 'Structure'],
    level: ['number', 'Paging level'],
    address: ['u64', 'Address of the entry'],
    value: ['u64', 'First eight bytes of the entry'],
    present: ['flag', 'There was memory to read'],
  },
  template: '{stage} level {level} at {address}: {value}',
});

export const FAULT_RECORDED = defineEvent('iommu.fault.recorded', {
  title: 'Fault recorded',
  meaning:
    'The fault was stored in a fault recording register, where the fault handler of the operating system finds it.',
  source: vtd('7.2.1'),
  fields: {
    index: ['number', 'Fault recording register'],
    reason: ['hex', 'Fault reason'],
    rid: ['rid', 'Requester'],
    pasid: ['pasid', 'PASID'],
    access: [ACCESS_NAMES, 'Request'],
    address: ['u64', 'Faulting address'],
  },
  template: 'FRCD{index}: reason {reason}, {access} by {rid} PASID {pasid} at {address}',
  mark: 'fault',
});

export const FAULT_LOST = defineEvent('iommu.fault.lost', {
  title: 'Fault lost',
  meaning:
    'No fault recording register was free, so the fault left no record; the overflow flag tells that some were lost.',
  source: vtd('7.2.1'),
  fields: {
    reason: ['hex', 'Fault reason'],
    rid: ['rid', 'Requester'],
    collapsed: ['flag', 'Same requester is on record already'],
  },
  template: 'reason {reason} of {rid} found no fault recording register',
  mark: 'warning',
});

export const REGISTER_WRITTEN = defineEvent('iommu.register.written', {
  title: 'Register written',
  meaning: 'Software wrote a register of the remapping unit.',
  source: vtd('11.4'),
  fields: {
    register: ['text', 'Register'],
    before: ['u64', 'Value before'],
    after: ['u64', 'Value after'],
  },
  template: '{register}: {before} → {after}',
});

export const REGISTER_ACCESS_REFUSED = defineEvent('iommu.register.access-refused', {
  level: 'guest-error',
  title: 'Register access refused',
  meaning:
    'Registers take aligned accesses of 32 or 64 bits: other reads give all ones, other writes are dropped.',
  source: vtd('11.3'),
  fields: { offset: ['hex', 'Offset'], bytes: ['number', 'Bytes'] },
  template: 'An access of {bytes} bytes at offset {offset} was refused',
  mark: 'warning',
});

export const ROOT_LATCHED = defineEvent('iommu.root-table.latched', {
  title: 'Root table pointer latched',
  meaning: 'SRTP made the unit take over address and mode of RTADDR_REG.',
  source: vtd('6.6'),
  fields: {
    address: ['u64', 'Root table'],
    mode: [
      { names: { 0: 'legacy', 1: 'scalable', 2: 'reserved', 3: 'abort-DMA' } },
      'Translation table mode',
    ],
  },
  template: 'root table at {address}, {mode} mode',
});

export const TRANSLATION_SWITCHED = defineEvent('iommu.translation.switched', {
  title: 'DMA remapping switched',
  meaning: 'GCMD_REG.TE turned DMA remapping on or off.',
  source: vtd('11.4.4.1'),
  fields: { enabled: ['flag', 'DMA is remapped'] },
  template: 'DMA remapping enabled: {enabled}',
});

export const DESCRIPTOR_EXECUTED = defineEvent('iommu.descriptor.executed', {
  title: 'Invalidation descriptor executed',
  meaning: 'The unit took a descriptor from the invalidation queue and did what it asks.',
  source: vtd('6.5.2'),
  fields: {
    index: ['number', 'Index in the queue'],
    type: [
      {
        names: {
          1: 'context cache',
          2: 'IOTLB',
          3: 'device TLB',
          4: 'interrupt entry cache',
          5: 'wait',
          6: 'PASID-based IOTLB',
          7: 'PASID cache',
          8: 'PASID-based device TLB',
          9: 'page group response',
          10: 'host permission cache',
        },
      },
      'Type',
    ],
    low: ['u64', 'First eight bytes'],
    high: ['u64', 'Second eight bytes'],
    dropped: ['number', 'Cached entries that went'],
  },
  template: '#{index} {type}: {dropped} cached entries dropped',
});

export const WAIT_COMPLETED = defineEvent('iommu.wait.completed', {
  title: 'Invalidation wait completed',
  meaning:
    'Every invalidation before the wait descriptor is done; software polls the status word or gets the event.',
  source: vtd('6.5.2.9'),
  fields: {
    index: ['number', 'Index in the queue'],
    address: ['u64', 'Status address'],
    data: ['hex', 'Status data'],
    written: ['flag', 'Status was written'],
  },
  template: 'wait #{index} complete, status {data} at {address}',
});

export const QUEUE_ERROR = defineEvent('iommu.invalidation-queue.stopped', {
  level: 'guest-error',
  title: 'Invalidation queue error',
  meaning:
    'The unit cannot go on with the invalidation queue. It stays at the bad descriptor until software repairs it.',
  source: vtd('6.5.2.11'),
  fields: {
    index: ['number', 'Index in the queue'],
    info: ['number', 'IQERCD_REG.IQEI'],
    low: ['u64', 'First eight bytes'],
  },
  template: 'queue stopped at #{index}, error information {info}',
  mark: 'fault',
});

export const DEVICE_TLB_REQUESTED = defineEvent('iommu.device-tlb-invalidation.sent', {
  title: 'Device-TLB invalidation sent',
  meaning:
    'The unit asked a device to forget translations; the next wait descriptor stays pending until it answers.',
  source: vtd('4.3'),
  fields: {
    rid: ['rid', 'Device'],
    itag: ['number', 'Invalidation tag'],
    pasid: ['pasid', 'PASID'],
    address: ['u64', 'Address'],
    sizeShift: ['number', 'log2 of the size'],
  },
  template: 'device TLB of {rid}: tag {itag}, PASID {pasid}, {address}',
});

export const DEVICE_TLB_COMPLETED = defineEvent('iommu.device-tlb-invalidation.completed', {
  title: 'Device-TLB invalidation completed',
  meaning: 'The device has dropped the translations and all its accesses that used them are done.',
  source: vtd('4.3'),
  fields: { rid: ['rid', 'Device'], itag: ['number', 'Invalidation tag'] },
  template: 'device TLB of {rid}: tag {itag} done',
});

export const DEVICE_TLB_TIMED_OUT = defineEvent('iommu.device-tlb-invalidation.timed-out', {
  title: 'Device-TLB invalidation timed out',
  meaning:
    'The device did not answer an invalidation in time; pending waits are dropped and the queue stops.',
  source: vtd('6.5.2.11'),
  fields: { rid: ['rid', 'Device'], itag: ['number', 'Invalidation tag'] },
  template: 'device TLB of {rid}: tag {itag} timed out',
  mark: 'fault',
});

export const DEVICE_TLB_UNEXPECTED = defineEvent('iommu.device-tlb-completion.refused', {
  level: 'guest-error',
  title: 'Unexpected invalidation completion',
  meaning: 'A device answered an invalidation that it was not sent.',
  source: vtd('6.5.2.11'),
  fields: { rid: ['rid', 'Device'], itags: ['hex', 'Tag vector'] },
  template: 'unexpected completion from {rid}, tags {itags}',
  mark: 'warning',
});

export const PAGE_REQUEST_QUEUED = defineEvent('iommu.page-request.queued', {
  title: 'Page request queued',
  meaning:
    'A device asked for a page that is not there; the request waits in memory for the operating system.',
  source: vtd('7.4.1'),
  fields: {
    rid: ['rid', 'Device'],
    pasid: ['pasid', 'PASID'],
    address: ['u64', 'Page'],
    group: ['number', 'Page request group index'],
    last: ['flag', 'Last in group'],
    write: ['flag', 'Wants to write'],
  },
  template: '{rid} PASID {pasid} asks for {address}, group {group}',
});

export const PAGE_REQUEST_ANSWERED = defineEvent('iommu.page-request.answered-by-unit', {
  title: 'Page request answered by the unit',
  meaning: 'The request could not be queued, so the unit itself answered or dropped it.',
  source: vtd('7.4.1'),
  fields: {
    rid: ['rid', 'Device'],
    pasid: ['pasid', 'PASID'],
    address: ['u64', 'Page'],
    group: ['number', 'Page request group index'],
    response: [{ names: { 0: 'success', 1: 'invalid request', 255: 'dropped' } }, 'Response'],
  },
  template: '{rid} PASID {pasid} page {address}: {response}',
  mark: 'warning',
});

export const PAGE_RESPONSE_SENT = defineEvent('iommu.page-group-response.sent', {
  title: 'Page group response sent',
  meaning: 'Software answered a page request group; the device goes on or gives up.',
  source: vtd('7.6.1'),
  fields: {
    rid: ['rid', 'Device'],
    pasid: ['pasid', 'PASID'],
    group: ['number', 'Page request group index'],
    code: [
      { names: { 0: 'success', 1: 'invalid request', 15: 'response failure' } },
      'Response code',
    ],
  },
  template: 'response {code} to {rid} PASID {pasid} group {group}',
});

export const CACHES_FLUSHED = defineEvent('iommu.caches.flushed', {
  title: 'Translation caches flushed',
  meaning: 'Every cached translation is gone, as a side effect of a command.',
  source: vtd('6.6'),
  fields: { cause: ['text', 'Command'] },
  template: 'all DMA caches flushed by {cause}',
});

export const REGISTER_INVALIDATION_REFUSED = defineEvent('iommu.register-invalidation.refused', {
  level: 'guest-error',
  title: 'Register-based invalidation refused',
  meaning:
    'This unit invalidates through the queue only, or the command was not valid; nothing was invalidated.',
  source: vtd('6.5.1'),
  fields: { register: ['text', 'Register'] },
  template: '{register} answered with granularity 0 (error)',
  mark: 'warning',
});

export const PROTECTED_ACCESS_BLOCKED = defineEvent('iommu.protected-memory.blocked', {
  title: 'Access to protected memory blocked',
  meaning:
    'The address lies in a protected memory region. Such accesses are blocked without a fault record.',
  source: vtd('11.4.8'),
  fields: { rid: ['rid', 'Requester'], address: ['u64', 'Address'] },
  template: '{rid} blocked at protected address {address}',
  mark: 'warning',
});

export const EVENT_MESSAGE_SENT = defineEvent('iommu.event-message.sent', {
  title: 'Event message sent',
  meaning: 'The unit interrupted a CPU to tell about a fault, a finished wait or a page request.',
  source: vtd('7.3'),
  fields: {
    event: ['text', 'Event'],
    address: ['u64', 'Message address'],
    data: ['hex', 'Message data'],
  },
  template: '{event} event: {data} to {address}',
});

export const EVENT_MESSAGE_HELD = defineEvent('iommu.event-message.held', {
  title: 'Event message held back',
  meaning: 'The event is masked; it stays pending until software clears the mask.',
  source: vtd('7.3'),
  fields: { event: ['text', 'Event'] },
  template: '{event} event masked, pending',
});
