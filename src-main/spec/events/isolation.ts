/** Records of the isolation oracle: accesses and messages that no fault shows and that left what their principal may use. */
import { defineEvent } from './event.ts';

export const ISOLATION_ACCESS = { read: 0, write: 1, peer: 2 } as const;

const ORACLE = { document: 'S-IOV Lab', section: 'ARCHITECTURE.md, Isolation oracle' } as const;

export const ISOLATION_BREACHED = defineEvent('isolation.page.breached', {
  level: 'info',
  title: 'Isolation breach',
  meaning:
    'A device reached a page that belongs to somebody else than the one it worked for. Hardware saw a valid request: stale translations, forged PASIDs and invented addresses give no fault.',
  source: ORACLE,
  fields: {
    principal: ['text', 'On behalf of'],
    owner: ['text', 'Owner of the page'],
    address: ['u64', 'Host physical address'],
    access: [{ names: { 0: 'read', 1: 'write', 2: 'peer access' } }, 'Access'],
    rid: ['rid', 'Requester'],
    pasid: ['pasid', 'PASID'],
    translated: ['flag', 'Request that claimed to be translated'],
  },
  template: '{principal}: {access} at {address}, which belongs to {owner} ({rid} PASID {pasid})',
  mark: 'fault',
});

/** How an interrupt came to whom it was not for. */
export const INTERRUPT_PATH = { table: 0, dma: 1 } as const;
/** Where it arrived. */
export const INTERRUPT_ARRIVAL = { cpu: 0, posted: 1 } as const;

export const ISOLATION_INTERRUPT_BREACHED = defineEvent('isolation.interrupt.breached', {
  level: 'info',
  title: 'Interrupt breach',
  meaning:
    'A vector arrived at somebody by the doing of somebody else. The message passed all checks there were: without remapping any write to FEEx_xxxxh names a vector, without a source check any function names any entry, and a stale entry of the message storage works for the next owner of its PASID.',
  source: ORACLE,
  fields: {
    principal: ['text', 'On behalf of'],
    owner: ['text', 'Owner of the vector'],
    rid: ['rid', 'Requester'],
    vector: ['hex', 'Vector'],
    arrival: [{ names: { 0: 'CPU', 1: 'posted descriptor' } }, 'Arrived at'],
    path: [{ names: { 0: 'interrupt table', 1: 'memory write' } }, 'Sent by'],
  },
  template:
    '{principal}: vector {vector} by {rid} ({path}) arrives at a {arrival} and belongs to {owner}',
  mark: 'fault',
});
