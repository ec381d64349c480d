/**
 * Page requests as hardware queues them and page group responses as software sends them. VT-d 5.10 sections 7.4.1.1 and
 * 7.6.1.
 *
 * Private data of revision 3 is gone: those bits are reserved. A stop marker is a request with PP=1, LPIG=1 and neither
 * RDR nor WRR; it needs no response.
 */
import { address, bit, bits, ignored, reserved } from '../../../bits/field.ts';
import { defineStructure } from '../../../bits/structure.ts';
import { vtd } from '../../source.ts';
import { defineDescriptor } from './queue-descriptor.ts';

/** Type field of a page request descriptor. */
export const PAGE_REQUEST_TYPE = 0x01;

/** Response codes; others are reserved. */
export const PAGE_RESPONSE_CODE = {
  success: 0x0,
  invalidRequest: 0x1,
  responseFailure: 0xf,
} as const;

export const PageRequestDescriptor = defineStructure({
  name: 'PageRequestDescriptor',
  title: 'Page Request Descriptor',
  bytes: 32,
  source: vtd('7.4.1.1'),
  note: 'A device asks software to make a page present.',
  fields: {
    TYPE: bits(7, 0, 'Type', { values: { pageRequest: PAGE_REQUEST_TYPE }, note: 'Always 1.' }),
    PP: bit(8, 'PASID Present', { note: 'The request carried a PASID.' }),
    _r9: reserved(15, 9),
    RID: bits(31, 16, 'Requester Identifier', { note: 'Who asks; the response goes there.' }),
    PASID: bits(51, 32, 'PASID', { format: 'hex', note: 'Counts with PP=1.' }),
    EXR: bit(52, 'Execute Requested', { note: 'Counts with PP=1 and RDR=1.' }),
    PMR: bit(53, 'Privilege Mode Requested', { note: 'The request asks as supervisor.' }),
    _r54: reserved(63, 54),
    RDR: bit(64, 'Read Requested', { note: 'The device wants to read the page.' }),
    WRR: bit(65, 'Write Requested', { note: 'The device wants to write the page.' }),
    LPIG: bit(66, 'Last Page In Group', {
      note: '1: exactly one response is due for the whole group; 0: none.',
    }),
    PRGI: bits(75, 67, 'Page Request Group Index', {
      format: 'decimal',
      note: 'Names the group in the response.',
    }),
    ADDR: address(127, 76, 'Address', { note: 'Page that is wanted.' }),
    _r128: reserved(255, 128),
  },
});

export const PageGroupResponse = defineDescriptor({
  name: 'PageGroupResponse',
  title: 'Page Group Response Descriptor',
  typeName: 'pageGroupResponse',
  bytes: 32,
  source: vtd('7.6.1'),
  capability: 'PRS',
  note: 'Software answers a page request group; RID, PASID and index are copied from the request.',
  fields: {
    PP: bit(4, 'PASID Present', { note: 'The response carries the PASID.' }),
    _r5: reserved(8, 5),
    RC: bits(15, 12, 'Response Code', {
      values: PAGE_RESPONSE_CODE,
      note: 'Success: the device tries again. Invalid: this group fails. Failure: the device disables PRI.',
    }),
    RID: bits(31, 16, 'Requester Identifier', { note: 'Who asked.' }),
    PASID: bits(51, 32, 'PASID', { format: 'hex', note: 'Counts with PP=1.' }),
    _r52: reserved(65, 52),
    _i66: ignored(66),
    PRGI: bits(75, 67, 'Page Request Group Index', {
      format: 'decimal',
      note: 'Group that is answered.',
    }),
    _r76: reserved(255, 76),
  },
});
