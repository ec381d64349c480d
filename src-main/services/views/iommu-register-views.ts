/** Registers of the remapping unit, fault records, invalidation queue and page-request queue. */
import { toHex } from '../../bits/hex.ts';
import type { Structure } from '../../bits/structure.ts';
import type { Section, TableRow, ViewModel } from '../../protocol/views.ts';
import { PageRequestDescriptor } from '../../spec/vtd/descriptors/page-request-descriptors.ts';
import { descriptorType, queueDescriptor } from '../../spec/vtd/descriptors.ts';
import { faultCodeTitle, faultReasonsOf } from '../../spec/vtd/faults.ts';
import { INVALIDATION_QUEUE_ERRORS } from '../../spec/vtd/invalidation-queue-error.ts';
import { FRCD_REG, FSTS_REG } from '../../spec/vtd/registers/fault.ts';
import { IQA_REG, IQERCD_REG } from '../../spec/vtd/registers/invalidation-queue.ts';
import { PQA_REG, PRS_REG } from '../../spec/vtd/registers/page-request.ts';
import {
  formatAddress,
  formatRid,
  registerSection,
  ridRef,
  structureSection,
  textSection,
} from './sections.ts';
import { readWords } from './translation-tables.ts';
import { layoutContextOf, type ViewContext } from './view-context.ts';

/** Rows of a queue that are shown around head and tail. */
const QUEUE_ROWS = 256;

export function registersView({ machine, params }: ViewContext): ViewModel {
  const { registers } = machine.unit;
  const wanted = params.filter?.toLowerCase() ?? '';
  const rows = registers.block.registers
    .filter(
      (r) =>
        wanted === '' ||
        r.name.toLowerCase().includes(wanted) ||
        r.title.toLowerCase().includes(wanted),
    )
    .map((register): TableRow => {
      const words = registers.wordsOf(register);
      const value = words.reduceRight((all, word) => (all << 32n) | BigInt(word), 0n);
      return {
        id: register.name,
        cells: [
          toHex(register.offset, 3),
          register.name,
          register.title,
          toHex(value, register.bytes * 2),
        ],
        detail: [
          registerSection(register, {
            id: `register-${register.name}`,
            words,
            context: layoutContextOf(machine),
          }),
        ],
      };
    });
  return {
    view: 'registers',
    title: 'IOMMU registers',
    subtitle: `${machine.unit.name}, ${rows.length} registers`,
    choices: [
      {
        param: 'filter',
        title: 'Filter',
        value: params.filter ?? '',
        options: [],
        isFreeText: true,
      },
    ],
    sections: [
      {
        kind: 'table',
        id: 'registers',
        columns: [
          { id: 'offset', title: 'Offset', isMono: true },
          { id: 'name', title: 'Register', isMono: true },
          { id: 'title', title: 'Title', grow: 2 },
          { id: 'value', title: 'Value', isMono: true, align: 'right' },
        ],
        rows,
        empty: 'No register matches the filter.',
      },
    ],
    notModelled:
      'Performance monitoring, MTRRs and resource director registers store values and do nothing else',
  };
}

const REQUEST_TYPES = ['write', 'page request', 'read', 'atomic'] as const;

export function faultRecordsView({ machine }: ViewContext): ViewModel {
  const { registers, limits } = machine.unit;
  const { faultRecordCount, faultRecordOffset } = limits.capability;
  const status = registers.wordsOf(registers.register('FSTS_REG'));
  const rows: TableRow[] = [];
  for (let i = 0; i < faultRecordCount; i++) {
    const words = Uint32Array.from({ length: 4 }, (_, w) =>
      registers.peek32(faultRecordOffset + i * 16 + w * 4),
    );
    const record = FRCD_REG.decode(words);
    if (record.F === 0) {
      continue;
    }
    const [reason] = faultReasonsOf(record.FR);
    rows.push({
      id: `frcd-${i}`,
      tone: 'fault',
      refs: { rid: ridRef(record.SID), ...(record.PP === 1 ? { pasid: record.PV } : {}) },
      cells: [
        String(i),
        {
          text: `${record.FR.toString(16).padStart(2, '0')}h`,
          tone: 'fault',
          help: reason?.explanation ?? '',
        },
        faultCodeTitle(record.FR) ?? '',
        formatRid(record.SID),
        record.PP === 1 ? String(record.PV) : 'none',
        REQUEST_TYPES[record.T1 * 2 + record.T2] ?? '',
        formatAddress(record.FI),
      ],
      link: {
        view: 'page-walk',
        params: {
          rid: ridRef(record.SID),
          ...(record.PP === 1 ? { pasid: record.PV } : {}),
          address: toHex(record.FI),
          access: record.T1 === 0 ? 'write' : 'read',
        },
        label: 'Walk the faulting address',
      },
      detail: [
        ...(reason === undefined
          ? []
          : [
              textSection(
                `why-${i}`,
                'fault',
                `${reason.explanation}\n\n${reason.usualCause}`,
                reason.title,
              ),
            ]),
        registerSection(registers.register(`FRCD_REG_${i}`), {
          id: `record-${i}`,
          words,
          context: layoutContextOf(machine),
        }),
      ],
    });
  }
  return {
    view: 'fault-records',
    title: 'Fault records',
    subtitle: `${rows.length} of ${faultRecordCount} in use`,
    sections: [
      {
        kind: 'table',
        id: 'records',
        columns: [
          { id: 'index', title: '#', align: 'right' },
          { id: 'reason', title: 'Reason', isMono: true },
          { id: 'title', title: 'Meaning', grow: 2 },
          { id: 'rid', title: 'Requester', isMono: true },
          { id: 'pasid', title: 'PASID', align: 'right', isMono: true },
          { id: 'type', title: 'Request' },
          { id: 'address', title: 'Address', isMono: true },
        ],
        rows,
        empty:
          'No fault is on record. A request that the unit refuses leaves one here, unless FPD silences it.',
      },
      registerSection(FSTS_REG, { id: 'fsts', words: status, context: layoutContextOf(machine) }),
    ],
  };
}

export function invalidationQueueView({ machine }: ViewContext): ViewModel {
  const { registers, invalidationQueue } = machine.unit;
  const iqa = IQA_REG.decode(registers.wordsOf(registers.register('IQA_REG')));
  if (!invalidationQueue.isEnabled) {
    return {
      view: 'invalidation-queue',
      title: 'Invalidation queue',
      sections: [],
      empty:
        'Queued invalidation is off. The driver sets IQA_REG and GCMD_REG.QIE when it brings the unit up.',
    };
  }
  const bytes = iqa.DW === 1 ? 32 : 16;
  const count = (4096 * 2 ** iqa.QS) / bytes;
  const head = (registers.peek32(0x80) & 0x7_fff0) / bytes;
  const tail = (registers.peek32(0x88) & 0x7_fff0) / bytes;
  const first = Math.max(0, Math.min(head, count - 1) - QUEUE_ROWS / 2);
  const last = Math.min(count, first + QUEUE_ROWS);
  const rows: TableRow[] = [];
  for (let i = first; i < last; i++) {
    const address = Number(iqa.IQA) + i * bytes;
    const words = readWords(machine, address, bytes);
    if (words.every((w) => w === 0) && i !== head && i !== tail) {
      continue;
    }
    rows.push(
      descriptorRow(machine, words, {
        index: i,
        address,
        isHead: i === head,
        isTail: i === tail,
        isWide: bytes === 32,
      }),
    );
  }
  const sections: Section[] = [
    {
      kind: 'table',
      id: 'queue',
      columns: [
        { id: 'index', title: '#', align: 'right', isMono: true },
        {
          id: 'mark',
          title: 'Pointer',
          help: 'IQH: next for hardware. IQT: next free for software',
        },
        { id: 'type', title: 'Descriptor', grow: 2 },
        { id: 'low', title: 'Bits 63:0', isMono: true },
        { id: 'high', title: 'Bits 127:64', isMono: true },
      ],
      rows,
      empty: 'The queue is empty.',
    },
  ];
  const status = FSTS_REG.decode(registers.wordsOf(registers.register('FSTS_REG')));
  if (status.IQE === 1) {
    const code = IQERCD_REG.decode(registers.wordsOf(registers.register('IQERCD_REG'))).IQEI;
    const error = INVALIDATION_QUEUE_ERRORS[code];
    sections.unshift(
      textSection(
        'error',
        'fault',
        `The queue stopped at descriptor ${head}. ${error?.explanation ?? ''}`,
        error?.title ?? 'Queue error',
      ),
    );
  }
  return {
    view: 'invalidation-queue',
    title: 'Invalidation queue',
    subtitle: `${count} descriptors of ${bytes * 8} bits at ${formatAddress(iqa.IQA)}, head ${head}, tail ${tail}`,
    sections,
  };
}

interface QueuePlace {
  readonly index: number;
  readonly address: number;
  readonly isHead: boolean;
  readonly isTail: boolean;
  readonly isWide: boolean;
}

function descriptorRow(
  machine: ViewContext['machine'],
  words: Uint32Array,
  place: QueuePlace,
): TableRow {
  const descriptor = queueDescriptor(descriptorType(words));
  const quad = (at: number): string =>
    toHex((BigInt(words[at + 1] ?? 0) << 32n) | BigInt(words[at] ?? 0), 16);
  const marks = [place.isHead ? 'IQH' : '', place.isTail ? 'IQT' : '']
    .filter((m) => m !== '')
    .join(', ');
  const layout =
    descriptor === undefined ? undefined : place.isWide ? descriptor.padded : descriptor;
  return {
    id: `iq-${place.index}`,
    cells: [String(place.index), marks, descriptor?.title ?? 'empty or unknown', quad(0), quad(2)],
    ...(place.isHead ? { tone: 'accent' as const } : {}),
    ...(layout === undefined
      ? {}
      : {
          detail: [
            structureSection(layout as unknown as Structure, {
              id: `descriptor-${place.index}`,
              words,
              address: place.address,
              context: layoutContextOf(machine),
            }),
          ],
        }),
  };
}

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
  for (let i = 0; i < Math.min(pending, QUEUE_ROWS); i++) {
    const index = (head + i) % count;
    const address = Number(pqa.PQA) + index * bytes;
    const words = readWords(machine, address, bytes);
    const request = PageRequestDescriptor.decode(words);
    rows.push({
      id: `prq-${index}`,
      refs: { rid: ridRef(request.RID), ...(request.PP === 1 ? { pasid: request.PASID } : {}) },
      cells: [
        String(index),
        formatRid(request.RID),
        request.PP === 1 ? String(request.PASID) : 'none',
        formatAddress(request.ADDR),
        `${request.RDR === 1 ? 'R' : '-'}${request.WRR === 1 ? 'W' : '-'}`,
        String(request.PRGI),
        request.LPIG === 1 ? 'last' : '',
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
