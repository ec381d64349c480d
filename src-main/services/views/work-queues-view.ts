/** Work queues of DSA-class devices: configuration, waiting, running and finished descriptors, groups and engines. */
import { bigOf } from '../../bits/u64.ts';
import { toHex } from '../../bits/hex.ts';
import type { Section, StructureSection, TableRow, Tone, ViewModel } from '../../protocol/views.ts';
import { WqConfig } from '../../spec/dsa/wq-config.ts';
import {
  decodeCompletionRecord,
  decodeDescriptor,
  type DsaDevice,
  type Machine,
  type WqView,
} from '../../sim/index.ts';
import { dsaDevices, queueName } from './device-facts.ts';
import {
  formatAddress,
  formatBytes,
  formatDuration,
  formatRid,
  structureSection,
} from './sections.ts';
import type { ViewContext } from './view-context.ts';

const WQ_STATES = ['disabled', 'enabled', 'busy'] as const;
const DEVICE_STATES = ['disabled', 'enabled', 'disable or reset in progress', 'halted'] as const;
export const NO_ACCELERATOR = 'This machine has no accelerator with work queues.';
const COMPLETED_ROWS = 64;

export interface ChosenAccelerator {
  readonly rid: number;
  readonly device: DsaDevice;
  readonly wq: number | undefined;
}

export function chooseAccelerator({ machine, params }: ViewContext): ChosenAccelerator | undefined {
  const devices = dsaDevices(machine.fabric.functions());
  const [name, queue] = (params.queue ?? '').split('/');
  const wanted = name === '' ? params.unit : name;
  const found = devices.find(([, d]) => d.name === wanted) ?? devices[0];
  if (found === undefined) {
    return undefined;
  }
  const index = queue === undefined ? Number.NaN : Number(queue.replace('wq', ''));
  return {
    rid: found[0],
    device: found[1],
    wq: index < found[1].inspect.wqCount ? index : undefined,
  };
}

function wqRow(device: DsaDevice, wq: WqView): TableRow {
  const isDedicated = wq.config.mode === 1;
  const hasPasid = wq.config.pasidEnable === 1 && isDedicated;
  const fill = wq.size === 0 ? 0 : wq.occupancy / wq.size;
  return {
    id: `wq-${wq.index}`,
    refs: {
      queue: queueName(device.name, wq.index),
      unit: device.name,
      ...(hasPasid ? { pasid: wq.config.pasid } : {}),
    },
    ...(wq.state === 0 ? { tone: 'muted' as const } : {}),
    cells: [
      `wq${wq.index}`,
      { text: WQ_STATES[wq.state] ?? String(wq.state), tone: wq.state === 1 ? 'good' : 'muted' },
      wq.size === 0 ? '—' : isDedicated ? 'dedicated' : 'shared',
      hasPasid ? String(wq.config.pasid) : isDedicated ? 'none' : 'from descriptor',
      { text: `${wq.occupancy} / ${wq.size}`, fill },
      wq.group < 0 ? '—' : String(wq.group),
      String(wq.config.priority),
      isDedicated ? '—' : String(wq.limit),
      String(wq.inProgress),
    ],
    detail: [
      structureSection(WqConfig, {
        id: `wqcfg-${wq.index}`,
        words: wq.configWords,
        context: device.inspect.layoutContext,
        refs: { queue: queueName(device.name, wq.index) },
      }),
    ],
  };
}

interface DescriptorFacts {
  readonly id: string;
  readonly words: Uint32Array;
  readonly wq: number;
  readonly pasid: number;
  readonly seq: number;
  readonly state: string;
  readonly tone: Tone;
  readonly help?: string;
  readonly time: string;
  readonly record?: Uint32Array;
}

/** Codes whose names depend on more than the field: `3 (Memory Move)`. */
function named(section: StructureSection, field: string, name: string): StructureSection {
  return {
    ...section,
    fields: section.fields.map((f) =>
      f.name === field && !f.value.includes('(') ? { ...f, value: `${f.value} (${name})` } : f,
    ),
  };
}

function descriptorRow(device: DsaDevice, facts: DescriptorFacts): TableRow {
  const decoded = decodeDescriptor(facts.words, device.inspect.layoutContext);
  const recordAddress = bigOf(facts.words[3] ?? 0, facts.words[2] ?? 0);
  const detail: Section[] = [
    named(
      structureSection(decoded.structure, {
        id: `descriptor-${facts.id}`,
        words: facts.words,
        context: device.inspect.layoutContext,
      }),
      'opcode',
      decoded.title,
    ),
  ];
  if (facts.record !== undefined) {
    const record = decodeCompletionRecord(
      facts.record,
      decoded.operation,
      device.inspect.layoutContext,
    );
    const section = structureSection(record.structure, {
      id: `record-${facts.id}`,
      words: facts.record,
      note: record.text?.meaning ?? 'The record is empty: the operation is not complete.',
    });
    detail.push(record.text === undefined ? section : named(section, 'status', record.text.title));
  }
  return {
    id: facts.id,
    refs: {
      queue: queueName(device.name, facts.wq),
      unit: device.name,
      ...(facts.pasid >= 0 ? { pasid: facts.pasid } : {}),
      ...(facts.seq >= 0 ? { event: facts.seq } : {}),
    },
    cells: [
      `wq${facts.wq}`,
      decoded.title,
      facts.pasid < 0 ? 'none' : String(facts.pasid),
      formatBytes(facts.words[8] ?? 0),
      formatAddress(recordAddress),
      {
        text: facts.state,
        tone: facts.tone,
        ...(facts.help === undefined ? {} : { help: facts.help }),
      },
      facts.time,
    ],
    detail,
  };
}

function descriptorRows(device: DsaDevice, wq: number | undefined): readonly TableRow[] {
  const { inspect } = device;
  const isWanted = (index: number): boolean => wq === undefined || wq === index;
  const queued = inspect
    .wqs()
    .filter((q) => isWanted(q.index) && q.occupancy > 0)
    .flatMap((q) =>
      inspect.queued(q.index).map((d) =>
        descriptorRow(device, {
          id: `queued-${q.index}-${d.admission}`,
          words: d.words,
          wq: q.index,
          pasid: d.pasid,
          seq: d.seq,
          state: 'waiting',
          tone: 'neutral',
          time: '',
        }),
      ),
    );
  const running = inspect
    .running()
    .filter((d) => isWanted(d.wq))
    .map((d, i) =>
      descriptorRow(device, {
        id: `running-${d.seq}-${i}`,
        words: d.words,
        wq: d.wq,
        pasid: d.pasid,
        seq: d.seq,
        state: `${d.state}, ${d.bytesDone} bytes done`,
        tone: 'accent',
        time: formatDuration(d.startedNs),
      }),
    );
  const completed = [...inspect.completed()]
    .reverse()
    .filter((d) => isWanted(d.wq))
    .slice(0, COMPLETED_ROWS)
    .map((d) => {
      const record = decodeCompletionRecord(d.record, (d.words[1] ?? 0) >>> 24);
      const text =
        record.text ??
        decodeCompletionRecord(Uint32Array.of(d.status, 0, 0, 0, 0, 0, 0, 0), 0).text;
      return descriptorRow(device, {
        id: `done-${d.number}`,
        words: d.words,
        wq: d.wq,
        pasid: d.pasid,
        seq: d.seq,
        state: `${toHex(d.status, 2)} ${text?.title ?? ''}`.trim(),
        tone: d.status === 1 || d.status === 2 ? 'good' : 'fault',
        ...(text === undefined ? {} : { help: text.meaning }),
        time: formatDuration(d.endedNs - d.startedNs),
        record: d.record,
      });
    });
  return [...running, ...queued, ...completed];
}

function queueChoices(
  machine: Machine,
  chosen: ChosenAccelerator,
): NonNullable<ViewModel['choices']> {
  const queues = dsaDevices(machine.fabric.functions()).flatMap(([, d]) => [
    { value: d.name, title: `${d.name}, all queues` },
    ...d.inspect
      .wqs()
      .filter((q) => q.size > 0 || q.state !== 0)
      .map((q) => ({ value: queueName(d.name, q.index), title: queueName(d.name, q.index) })),
  ]);
  return [
    {
      param: 'queue',
      title: 'Queue',
      value:
        chosen.wq === undefined ? chosen.device.name : queueName(chosen.device.name, chosen.wq),
      options: queues,
    },
  ];
}

export function workQueuesView(context: ViewContext): ViewModel {
  const chosen = chooseAccelerator(context);
  if (chosen === undefined) {
    return { view: 'work-queues', title: 'Work queues', sections: [], empty: NO_ACCELERATOR };
  }
  const { device, rid, wq } = chosen;
  const { inspect } = device;
  const queues = inspect
    .wqs()
    .filter((q) => (wq === undefined ? q.size > 0 || q.state !== 0 : q.index === wq));
  return {
    view: 'work-queues',
    title: 'Work queues',
    subtitle: `${device.name} at ${formatRid(rid)}, device ${DEVICE_STATES[inspect.deviceState] ?? ''}`,
    choices: queueChoices(context.machine, chosen),
    sections: [
      {
        kind: 'table',
        id: 'queues',
        title: 'Queues',
        columns: [
          { id: 'name', title: 'Queue', isMono: true },
          { id: 'state', title: 'State' },
          {
            id: 'mode',
            title: 'Mode',
            help: 'Dedicated: one client, MOVDIR64B. Shared: many clients, ENQCMD',
          },
          {
            id: 'pasid',
            title: 'PASID',
            help: 'Dedicated: from WQCFG. Shared: from each descriptor',
            align: 'right',
          },
          {
            id: 'occupancy',
            title: 'Waiting',
            align: 'right',
            help: 'Descriptors waiting, of the entries configured',
          },
          { id: 'group', title: 'Group', align: 'right' },
          { id: 'priority', title: 'Priority', align: 'right' },
          {
            id: 'limit',
            title: 'Threshold',
            align: 'right',
            help: 'Occupancy at which the limited portal answers Retry',
          },
          { id: 'busy', title: 'In progress', align: 'right' },
        ],
        rows: queues.map((q) => wqRow(device, q)),
        empty:
          'No work queue is configured. Give one a size, a mode and a group, enable the device, then the queue.',
      },
      {
        kind: 'table',
        id: 'descriptors',
        title: 'Descriptors',
        columns: [
          { id: 'wq', title: 'Queue', isMono: true },
          { id: 'operation', title: 'Operation' },
          { id: 'pasid', title: 'PASID', align: 'right', isMono: true },
          { id: 'size', title: 'Size', align: 'right' },
          { id: 'record', title: 'Completion record', isMono: true },
          { id: 'state', title: 'State', grow: 2 },
          { id: 'time', title: 'Took', align: 'right' },
        ],
        rows: descriptorRows(device, wq),
        empty: 'Nothing was submitted yet. A 64-byte write to a portal puts a descriptor here.',
      },
      {
        kind: 'table',
        id: 'groups',
        title: 'Groups and engines',
        columns: [
          { id: 'group', title: 'Group', align: 'right' },
          { id: 'wqs', title: 'Queues', isMono: true },
          { id: 'engines', title: 'Engines', isMono: true },
        ],
        rows: inspect
          .groups()
          .filter((g) => g.wqs.length > 0 || g.engines.length > 0)
          .map((g) => ({
            id: `group-${g.index}`,
            cells: [
              String(g.index),
              g.wqs.map((q) => `wq${q}`).join(' '),
              g.engines.map((e) => `engine${e}`).join(' '),
            ],
          })),
        empty: 'No group has queues and engines yet.',
      },
    ],
  };
}
