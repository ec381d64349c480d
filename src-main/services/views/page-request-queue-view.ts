/** The page-request queue in memory: requests that wait, and the last ones that software has taken. */
import type { TableRow, ViewModel } from '../../protocol/views.ts';
import { PageRequestDescriptor } from '../../spec/vtd/descriptors/page-request-descriptors.ts';
import { PQA_REG, PRS_REG } from '../../spec/vtd/registers/page-request.ts';
import { formatAddress, formatRid, registerSection, ridRef, structureSection } from './sections.ts';
import { readWords } from './translation-tables.ts';
import { layoutContextOf, type ViewContext } from './view-context.ts';

const QUEUE_ROWS = 256;
const TAKEN_ROWS = 32;

export function pageRequestQueueView({ machine }: ViewContext): ViewModel {
  const { registers, limits } = machine.unit;
  if (limits.capability.ecap.PRS === 0) {
    return {
      view: 'page-request-queue',
      title: 'Page-request queue',
      sections: [],
      empty: 'This unit does not report page requests (ECAP_REG.PRS = 0).',
    };
  }
  const pqa = PQA_REG.decode(registers.wordsOf(registers.register('PQA_REG')));
  const bytes = PageRequestDescriptor.bytes;
  const count = 2 ** (pqa.PQS + 7);
  const head = (registers.peek32(0xc0) & 0x7_ffe0) / bytes;
  const tail = (registers.peek32(0xc8) & 0x7_ffe0) / bytes;
  const pending = (tail - head + count) % count;
  const rows: TableRow[] = [];
  const first = pqa.PQA === 0n ? 0 : -Math.min(TAKEN_ROWS, count - pending - 1);
  for (let i = Math.min(pending, QUEUE_ROWS) - 1; i >= first; i--) {
    const index = (head + i + count) % count;
    const address = Number(pqa.PQA) + index * bytes;
    const words = readWords(machine, address, bytes);
    if (words.every((word) => word === 0)) continue;
    const request = PageRequestDescriptor.decode(words);
    const isWaiting = i >= 0;
    rows.push({
      id: `prq-${index}`,
      ...(isWaiting ? {} : { tone: 'muted' as const }),
      refs: { rid: ridRef(request.RID), ...(request.PP === 1 ? { pasid: request.PASID } : {}) },
      cells: [
        String(index),
        formatRid(request.RID),
        request.PP === 1 ? String(request.PASID) : 'none',
        formatAddress(request.ADDR),
        `${request.RDR === 1 ? 'R' : '-'}${request.WRR === 1 ? 'W' : '-'}`,
        String(request.PRGI),
        request.LPIG === 1 ? 'last' : '',
        isWaiting
          ? { text: 'waiting', tone: 'accent' }
          : {
              text: 'taken',
              help: 'Software has moved the head past it; its bytes are still there',
            },
      ],
      detail: [
        structureSection(PageRequestDescriptor, {
          id: `request-${index}`,
          words,
          address,
          context: layoutContextOf(machine),
        }),
      ],
    });
  }
  return {
    view: 'page-request-queue',
    title: 'Page-request queue',
    subtitle:
      pqa.PQA === 0n
        ? 'not set up yet'
        : `${count} requests at ${formatAddress(pqa.PQA)}, ${pending} waiting`,
    sections: [
      {
        kind: 'table',
        id: 'requests',
        columns: [
          { id: 'index', title: '#', align: 'right', isMono: true },
          { id: 'rid', title: 'Device', isMono: true },
          { id: 'pasid', title: 'PASID', align: 'right', isMono: true },
          { id: 'address', title: 'Page', isMono: true },
          { id: 'access', title: 'Wants', isMono: true },
          { id: 'group', title: 'Group', align: 'right', help: 'Page request group index (PRGI)' },
          { id: 'last', title: 'Last in group' },
          { id: 'state', title: 'State', grow: 1 },
        ],
        rows,
        empty:
          'No page request is waiting. A device with PRI asks here for pages that are not present.',
      },
      registerSection(PRS_REG, {
        id: 'prs',
        words: registers.wordsOf(registers.register('PRS_REG')),
      }),
    ],
  };
}
