/** Records of the platform: memory, the address map, the fabric. */
import { pcie } from '../source.ts';
import { defineEvent } from './event.ts';

const HOST = { document: 'S-IOV Lab', section: 'ARCHITECTURE.md, Life of a DMA request' } as const;

export const MEMORY_STORED = defineEvent('memory.bytes.stored', {
  level: 'debug',
  title: 'Memory written by software',
  meaning: 'Software on a CPU stored to memory. Tables and descriptors come into being this way.',
  source: HOST,
  fields: {
    address: ['u64', 'Address'],
    bytes: ['number', 'Length in bytes'],
    value: ['u64', 'First eight bytes'],
  },
  template: '{bytes} bytes at {address}: {value}',
});

export const MEMORY_WRITTEN_BY_DEVICE = defineEvent('memory.bytes.written-by-device', {
  level: 'debug',
  title: 'Memory written by a device',
  meaning: 'A DMA write reached memory after translation.',
  source: pcie('2.2.7'),
  fields: {
    rid: ['rid', 'Device'],
    pasid: ['pasid', 'PASID'],
    address: ['u64', 'Host physical address'],
    bytes: ['number', 'Length in bytes'],
    value: ['u64', 'First eight bytes'],
  },
  template: '{rid} PASID {pasid} wrote {bytes} bytes at {address}: {value}',
});

export const ACCESS_UNCLAIMED = defineEvent('bus.access.unclaimed', {
  level: 'guest-error',
  title: 'Nothing at this address',
  meaning: 'No memory and no device answers at the address: reads give all ones, writes are lost.',
  source: HOST,
  fields: { address: ['u64', 'Address'], write: ['flag', 'Write'] },
  template: 'no device or memory at {address}',
});

export const PEER_ACCESS_REFUSED = defineEvent('pcie.peer-access.refused', {
  level: 'guest-error',
  title: 'Peer-to-peer access refused',
  meaning:
    'The translated address belongs to another device. Access control services keep devices from reaching each other.',
  source: pcie('6.12'),
  fields: { rid: ['rid', 'Requester'], address: ['u64', 'Address'] },
  template: '{rid} tried to reach a device at {address}',
  mark: 'warning',
});

export const PEER_ACCESS_DELIVERED = defineEvent('pcie.peer-access.delivered', {
  level: 'guest-error',
  title: 'Peer-to-peer access, past the IOMMU',
  meaning:
    'Functions of one device reach each other directly while P2P Request Redirect is off: the remapping unit never sees the request.',
  source: pcie('6.12.1.2'),
  fields: {
    rid: ['rid', 'Requester'],
    peer: ['rid', 'Function that answered'],
    address: ['u64', 'Address'],
    bytes: ['number', 'Length in bytes'],
    write: ['flag', 'Write'],
  },
  template: '{rid} reached {peer} at {address}',
  mark: 'fault',
});

export const ACS_VIOLATED = defineEvent('pcie.acs.violated', {
  level: 'guest-error',
  title: 'ACS violation: translation blocking',
  meaning:
    'The port above the function blocks memory requests that do not say that their address is untranslated. The remapping unit never sees the request.',
  source: pcie('6.12.1.1'),
  fields: {
    rid: ['rid', 'Requester'],
    port: ['rid', 'Port'],
    pasid: ['pasid', 'PASID'],
    type: [{ names: { 1: 'translation request', 2: 'translated', 3: 'reserved' } }, 'Address type'],
    address: ['u64', 'Address'],
  },
  template: '{port} blocked a request of {rid} at {address}: {type}',
  mark: 'fault',
});

export const BUS_MASTER_DISABLED = defineEvent('pcie.request.dropped', {
  level: 'guest-error',
  title: 'Request without bus mastering',
  meaning:
    'The function may not send memory requests: Bus Master Enable is 0 in its Command register.',
  source: pcie('7.5.1.1.3'),
  fields: { rid: ['rid', 'Requester'] },
  template: '{rid} is not a bus master',
});
