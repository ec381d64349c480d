/** The invalidation queue around its head and tail, each descriptor with its fields. */
import { toHex } from '../../bits/hex.ts';
import type { Structure } from '../../bits/structure.ts';
import type { Section, StructureSection, TableRow, ViewModel } from '../../protocol/views.ts';
import { descriptorType, queueDescriptor } from '../../spec/vtd/descriptors.ts';
import { INVALIDATION_QUEUE_ERRORS } from '../../spec/vtd/invalidation-queue-error.ts';
import { FSTS_REG } from '../../spec/vtd/registers/fault.ts';
import { IQA_REG, IQERCD_REG } from '../../spec/vtd/registers/invalidation-queue.ts';
import { formatAddress, structureSection, textSection } from './sections.ts';
import { readWords } from './translation-tables.ts';
import { layoutContextOf, type ViewContext } from './view-context.ts';

/** Rows of the queue that are shown around head and tail. */
const QUEUE_ROWS = 256;

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
        { id: 'type', title: 'Descriptor' },
        { id: 'fields', title: 'Says', grow: 2, isMono: true, help: 'Fields that are not zero' },
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

/** `DID=5 G=2`: the type is in the title already. */
function fieldsThatAreSet({ fields }: StructureSection): string {
  return fields
    .filter((f) => !f.isReserved && !f.name.startsWith('TYPE') && !/^0x0+$/.test(f.raw))
    .map((f) => `${f.name}=${f.value}`)
    .join(' ');
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
  const section =
    layout === undefined
      ? undefined
      : structureSection(layout as unknown as Structure, {
          id: `descriptor-${place.index}`,
          words,
          address: place.address,
          context: layoutContextOf(machine),
        });
  return {
    id: `iq-${place.index}`,
    cells: [
      String(place.index),
      marks,
      (descriptor?.title ?? 'empty or unknown').replace(/ Descriptor$/, ''),
      section === undefined ? '' : fieldsThatAreSet(section),
      quad(0),
      quad(2),
    ],
    ...(place.isHead ? { tone: 'accent' as const } : {}),
    ...(section === undefined ? {} : { detail: [section] }),
  };
}
