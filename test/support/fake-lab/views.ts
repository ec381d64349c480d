/** A model for every view, so that each kind of section can be seen in use. */
import type {
  Section,
  TableRow,
  ViewId,
  ViewModel,
  WalkStep,
} from '../../../src-main/protocol/views.ts';
import type { LabParams } from '../../../src-renderer/api/lab-client.ts';
import { fakePasidEntry, fakeRegister } from './structures.ts';

type AskedParams = LabParams<'view.get'>['params'];

const PASIDS = [0x11, 0x12, 0x21] as const;

function topology(): Section {
  return {
    kind: 'topology',
    id: 'machine',
    nodes: [
      { id: 'vm0', kind: 'vm', title: 'vm0', subtitle: '2 vCPUs, 512 MiB', refs: { unit: 'vm0' } },
      { id: 'guest', kind: 'process', title: 'guest.ts', subtitle: 'guest driver', parent: 'vm0' },
      { id: 'vm1', kind: 'vm', title: 'vm1', subtitle: '1 vCPU, 256 MiB', refs: { unit: 'vm1' } },
      {
        id: 'app',
        kind: 'process',
        title: 'app',
        subtitle: 'pid 412, PASID 0x21',
        refs: { pasid: 0x21 },
      },
      {
        id: 'mdev0',
        kind: 'mdev',
        title: 'mdev 83b8f4f2',
        subtitle: 'VDEV of vm0',
        tone: 'good',
        refs: { pasid: 0x11 },
        link: { view: 'vdev', label: 'Show the VDEV' },
      },
      {
        id: 'mdev1',
        kind: 'mdev',
        title: 'mdev 9f1c22e0',
        subtitle: 'VDEV of vm1',
        tone: 'stale',
        isChanged: true,
        refs: { pasid: 0x12 },
      },
      { id: 'cpu', kind: 'cpu', title: 'cpu0', subtitle: '4 logical CPUs' },
      {
        id: 'memory',
        kind: 'memory',
        title: 'Memory',
        subtitle: '4 GiB',
        link: { view: 'memory', label: 'Show memory' },
      },
      {
        id: 'dmar0',
        kind: 'iommu',
        title: 'dmar0',
        subtitle: 'scalable mode',
        refs: { unit: 'dmar0' },
        link: { view: 'registers', label: 'Show registers' },
      },
      { id: 'rp0', kind: 'root-port', title: '00:01.0', subtitle: 'root port, ACS on' },
      { id: 'rp1', kind: 'root-port', title: '00:02.0', subtitle: 'root port' },
      {
        id: 'dsa0',
        kind: 'device',
        title: 'dsa0',
        subtitle: '6a:01.0',
        refs: { unit: 'dsa0', rid: '0x6a08' },
      },
      {
        id: 'adi0',
        kind: 'adi',
        title: 'ADI 0',
        subtitle: 'PASID 0x11',
        parent: 'dsa0',
        refs: { pasid: 0x11, rid: '0x6a08' },
      },
      {
        id: 'adi1',
        kind: 'adi',
        title: 'ADI 1',
        subtitle: 'PASID 0x12',
        parent: 'dsa0',
        tone: 'fault',
        refs: { pasid: 0x12, rid: '0x6a08' },
      },
      {
        id: 'wq1',
        kind: 'queue',
        title: 'wq1',
        subtitle: 'shared, 12 of 16',
        parent: 'dsa0',
        refs: { queue: 'dsa0/wq1' },
      },
      {
        id: 'nic0',
        kind: 'device',
        title: 'nic0',
        subtitle: '6b:00.0',
        refs: { unit: 'nic0', rid: '0x6b00' },
      },
    ],
    edges: [
      { id: 'e1', from: 'vm0', to: 'mdev0' },
      { id: 'e2', from: 'vm1', to: 'mdev1' },
      { id: 'e3', from: 'mdev0', to: 'adi0', label: 'portal', tone: 'accent' },
      { id: 'e4', from: 'mdev1', to: 'adi1', isDashed: true, tone: 'fault', label: 'trapped' },
      { id: 'e5', from: 'app', to: 'wq1', label: 'ENQCMD' },
      { id: 'e6', from: 'dmar0', to: 'rp0' },
      { id: 'e7', from: 'dmar0', to: 'rp1' },
      { id: 'e8', from: 'rp0', to: 'dsa0' },
      { id: 'e9', from: 'rp1', to: 'nic0' },
      { id: 'e10', from: 'cpu', to: 'memory' },
      { id: 'e11', from: 'memory', to: 'dmar0' },
    ],
  };
}

function pasidTree(): Section {
  return {
    kind: 'tree',
    id: 'tables',
    empty: 'No root table is set.',
    nodes: [
      {
        id: 'root',
        title: 'Root table',
        subtitle: '0x0000000001a00000',
        children: [
          {
            id: 'context',
            title: 'Context entry 6a:01.0',
            subtitle: '0x0000000001a01080',
            refs: { rid: '0x6a08' },
            children: [
              {
                id: 'directory',
                title: 'PASID directory [0]',
                subtitle: '0x0000000001a02000',
                children: PASIDS.map((pasid, index) => ({
                  id: `entry-${String(pasid)}`,
                  title: `PASID 0x${pasid.toString(16)}`,
                  subtitle:
                    index === 2
                      ? 'first-stage, DID 0x31'
                      : `second-stage, DID 0x2${String(index + 1)}`,
                  refs: { rid: '0x6a08', pasid },
                  isChanged: index === 0,
                  ...(index === 1 && { tone: 'stale' as const }),
                  detail: [fakePasidEntry(pasid, index === 0)],
                  link: {
                    view: 'page-walk' as const,
                    params: { pasid },
                    label: 'Walk from this entry',
                  },
                })),
              },
            ],
          },
        ],
      },
    ],
  };
}

const LEVELS = ['PML4', 'PDPT', 'PD', 'PT'] as const;

function nestedSteps(prefix: string): readonly WalkStep[] {
  return LEVELS.map((name, index) => ({
    id: `${prefix}-${name}`,
    stage: 'second-stage',
    level: 4 - index,
    title: `SS-${name}E`,
    value: `0x00000001c4${String(index)}003`,
    outcome: 'R W',
    tone: 'good',
  }));
}

function walk(pasid: number, isNested: boolean): Section {
  const steps: WalkStep[] = [
    {
      id: 'cache',
      stage: 'cache',
      title: 'IOTLB',
      outcome: 'No entry for DID 0x21, PASID 0x11',
      tone: 'muted',
    },
    {
      id: 'root',
      stage: 'root',
      title: 'Scalable-mode root entry',
      index: 'bus = 0x6a, upper half',
      address: '0x0000000001a006a0',
      value: '0x0000000001a01001',
      outcome: 'Present',
      tone: 'good',
    },
    {
      id: 'context',
      stage: 'context',
      title: 'Scalable-mode context entry',
      index: 'devfn = 0x08',
      address: '0x0000000001a01080',
      value: '0x0000000001a02001',
      outcome: 'PASID enabled, directory of 64 entries',
      tone: 'good',
    },
    {
      id: 'pasid',
      stage: 'pasid-entry',
      title: 'PASID table entry',
      index: `PASID = 0x${pasid.toString(16)}`,
      address: '0x0000000001a02440',
      value: '0x0000000001c40083',
      outcome: 'Second-stage, DID 0x21',
      tone: 'good',
      structure: fakePasidEntry(pasid, true),
    },
    ...LEVELS.map((name, index): WalkStep => ({
      id: name,
      stage: isNested ? 'first-stage' : 'second-stage',
      level: 4 - index,
      title: `${isNested ? 'FS' : 'SS'}-${name}E`,
      index: `${name} index = IOVA[${String(47 - index * 9)}:${String(39 - index * 9)}] = 0x${(index * 3).toString(16)}`,
      address: `0x0000000001c4${String(index)}018`,
      value: index === 3 ? '0x0000000000000000' : `0x0000000001c4${String(index + 1)}003`,
      outcome: index === 3 ? 'Not present: R = 0, W = 0' : 'Readable, writable',
      tone: index === 3 ? 'fault' : 'good',
      ...(isNested && index < 3 && { nested: nestedSteps(name) }),
    })),
  ];
  return {
    kind: 'walk',
    id: 'walk',
    title: 'How this request is translated',
    request: { rid: '0x6a08', pasid, address: '0x0000000040002000', access: 'read' },
    steps,
    result: {
      ok: false,
      text: 'The request is blocked and fault 79h is recorded.',
      faultReason: '0x79',
      source: 'VT-d 5.10, section 7.1.3',
    },
  };
}

function queueRows(count: number): readonly TableRow[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `slot-${String(index)}`,
    cells: [
      `wq${String(index % 4)}`,
      index % 3 === 0 ? 'dedicated' : 'shared',
      {
        text: `${String((index * 5) % 17)} of 16`,
        fill: Math.min(1, ((index * 5) % 17) / 16),
        help: 'Descriptors in the queue',
      },
      index % 5 === 0
        ? { text: 'enabled', tone: 'good' as const }
        : { text: 'disabled', tone: 'muted' as const },
      {
        text: `0x${(0x11 + (index % 3)).toString(16)}`,
        link: {
          view: 'pasid-table' as const,
          params: { pasid: 0x11 + (index % 3) },
          label: 'Show the entry',
        },
      },
      `0x000000e0${(0x10000 + index * 0x1000).toString(16)}`,
    ],
    refs: { queue: `dsa0/wq${String(index)}`, pasid: 0x11 + (index % 3) },
    isChanged: index === 1,
    ...(index === 2 && { tone: 'warning' as const }),
    ...(index < 3 && {
      detail: [
        {
          kind: 'keyvalue' as const,
          id: `d${String(index)}`,
          rows: [
            { key: 'Size', value: '16' },
            { key: 'Threshold', value: '14', help: 'ENQCMD is retried above this occupancy.' },
            { key: 'Priority', value: '10', isChanged: true },
            { key: 'Traffic class', value: '0' },
          ],
        },
      ],
    }),
  }));
}

function queueTable(count: number): Section {
  return {
    kind: 'table',
    id: 'queues',
    title: 'Work queues',
    columns: [
      { id: 'name', title: 'Queue', isMono: true },
      { id: 'mode', title: 'Mode', help: 'Shared queues take ENQCMD, dedicated ones MOVDIR64B.' },
      { id: 'fill', title: 'Occupancy', align: 'right' },
      { id: 'state', title: 'State' },
      { id: 'pasid', title: 'PASID', isMono: true },
      { id: 'portal', title: 'Portal', isMono: true, grow: 1 },
    ],
    rows: queueRows(count),
    empty: 'No work queue is configured. Enable one from the driver.',
  };
}

function bytes(): Section {
  const hex = Array.from({ length: 4_096 }, (_, at) =>
    ((at * 37 + (at >> 4)) % 256).toString(16).padStart(2, '0'),
  ).join('');
  return {
    kind: 'bytes',
    id: 'page',
    title: 'Page 0x1a02',
    address: '0x0000000001a02000',
    hex: `${'0'.repeat(64)}${hex.slice(64)}`,
    changedOffsets: [64, 65, 66, 67, 72],
  };
}

function chart(): Section {
  const x = Array.from({ length: 120 }, (_, at) => at * 50);
  return {
    kind: 'chart',
    id: 'throughput',
    title: 'Throughput by PASID',
    unit: 'MB/s',
    xTitle: 'time, µs',
    x,
    series: PASIDS.map((pasid, index) => ({
      title: `PASID 0x${pasid.toString(16)}`,
      values: x.map((at) =>
        Math.round(400 + index * 220 + 120 * Math.sin(at / (300 + index * 120))),
      ),
    })),
  };
}

const COUNTERS: Section = {
  kind: 'keyvalue',
  id: 'counters',
  title: 'Counters',
  rows: [
    { key: 'VM exits', value: '3', help: 'Exits of all VMs since the run began.', tone: 'good' },
    { key: 'IOTLB hits', value: '1204', isChanged: true },
    { key: 'IOTLB misses', value: '87' },
    {
      key: 'Faults recorded',
      value: '4',
      tone: 'fault',
      link: { view: 'fault-records', label: 'Show the faults' },
    },
    { key: 'ENQCMD retries', value: '12', tone: 'warning' },
    { key: 'Root table', value: '0x0000000001a00000' },
  ],
};

const NOTE: Section = {
  kind: 'text',
  id: 'note',
  tone: 'stale',
  title: 'One cached translation is stale',
  text: 'The IOTLB still answers for PASID 0x11 with the frame of the earlier domain.\n\nThe smallest cure is a PASID-selective invalidation with DID 0x21.',
  links: [{ view: 'invalidation-queue', label: 'Show the invalidation queue' }],
};

function sectionsOf(view: ViewId, params: AskedParams): readonly Section[] {
  switch (view) {
    case 'topology':
      return [topology()];
    case 'pasid-table':
      return [pasidTree()];
    case 'page-walk':
      return [walk(params.pasid ?? 0x11, false)];
    case 'nested-walk':
      return [walk(params.pasid ?? 0x11, true)];
    case 'work-queues':
      return [queueTable(8)];
    case 'portals':
      return [queueTable(5_000)];
    case 'memory':
      return [bytes()];
    case 'counters':
    case 'sharing-cost':
      return [COUNTERS, chart()];
    case 'iotlb':
      return [NOTE, queueTable(12)];
    case 'registers':
      return [fakeRegister(), COUNTERS];
    case 'page-requests':
      return [];
    default:
      return [fakeRegister(), queueTable(0)];
  }
}

export function fakeView(view: ViewId, params: AskedParams): ViewModel {
  const pasid = params.pasid ?? PASIDS[0];
  const hasAddress = view === 'page-walk' || view === 'nested-walk';
  return {
    view,
    title: view.replaceAll('-', ' ').replace(/^./, (letter) => letter.toUpperCase()),
    subtitle: 'dmar0',
    choices: [
      {
        param: 'pasid',
        title: 'PASID',
        value: String(pasid),
        options: PASIDS.map((value) => ({
          value: String(value),
          title: `0x${value.toString(16)}`,
        })),
      },
      ...(hasAddress
        ? [
            {
              param: 'address' as const,
              title: 'IOVA',
              value: params.address ?? '0x40002000',
              options: [],
              isFreeText: true,
            },
          ]
        : []),
    ],
    sections: sectionsOf(view, params),
    empty:
      'No page request has been sent. They appear when a device touches a page that is not present.',
    notModelled: 'Coherency of page walks is not modelled.',
  };
}
