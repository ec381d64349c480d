/** Records of the isolation oracle: accesses that no fault shows and that left the memory of whom they were done for. */
import { defineEvent } from './event.ts';

export const ISOLATION_ACCESS = { read: 0, write: 1, peer: 2 } as const;

export const ISOLATION_BREACHED = defineEvent('isolation.page.breached', {
  level: 'info',
  title: 'Isolation breach',
  meaning:
    'A device reached a page that belongs to somebody else than the one it worked for. Hardware saw a valid request: stale translations, forged PASIDs and invented addresses give no fault.',
  source: { document: 'S-IOV Lab', section: 'ARCHITECTURE.md, Isolation oracle' },
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
