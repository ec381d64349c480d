/** Trace records of SR-IOV: virtual functions that come, go, or cannot exist. */
import { pcie } from '../source.ts';
import { defineEvent } from './event.ts';

const SOURCE = pcie('SR-IOV Extended Capability');

export const VFS_ENABLED = defineEvent('sriov.functions.enabled', {
  title: 'Virtual functions appeared',
  meaning:
    'VF Enable was set: each virtual function is a PCIe function with a Requester ID of its own.',
  source: SOURCE,
  fields: {
    count: ['number', 'Functions'],
    first: ['rid', 'First'],
    stride: ['number', 'Stride'],
  },
  template: '{count} virtual functions from {first} on, stride {stride}',
  mark: 'good',
});

export const VFS_DISABLED = defineEvent('sriov.functions.disabled', {
  title: 'Virtual functions disappeared',
  meaning: 'All of them at once: their number cannot change while one of them is in use.',
  source: SOURCE,
  fields: { count: ['number', 'Functions'] },
  template: '{count} virtual functions are gone',
  mark: 'warning',
});

export const VF_UNREACHABLE = defineEvent('sriov.function.unreachable', {
  level: 'guest-error',
  title: 'Virtual function out of reach',
  meaning: 'Its Requester ID is taken, or lies on a bus that the port above does not have.',
  source: SOURCE,
  fields: { number: ['number', 'Virtual function'], rid: ['rid', 'Requester ID'] },
  template: 'Virtual function {number} would be {rid}, which cannot be reached',
  mark: 'warning',
});

export const SRIOV_WRITE_IGNORED = defineEvent('sriov.write.ignored', {
  level: 'guest-error',
  title: 'SR-IOV register write ignored',
  meaning: 'Number and page size of virtual functions can change only while none exist.',
  source: SOURCE,
  fields: { register: ['text', 'Register'], value: ['hex', 'Value'] },
  template: '{register} keeps its value: {value} was not taken',
});
