/**
 * Open file descriptors of VFIO and iommufd, process by process, and the state machines that they go through. A filter takes
 * the descriptors of one process.
 */
import type { Section, TableRow, TableSection, Tone, ViewModel } from '../../protocol/views.ts';
import type { Machine } from '../../sim/index.ts';
import { inline, text, type PlainRecord } from './plain-data.ts';
import { formatAddress, formatBytes } from './sections.ts';
import {
  listOf,
  numberOf,
  openFiles,
  published,
  type OpenFile,
  type Published,
} from './software-objects.ts';
import type { ViewContext } from './view-context.ts';

interface MachineState {
  readonly state: string;
  readonly by: string;
  readonly allows: string;
}

/** Linux drivers/vfio/device_cdev.c: the way through a device node of its own. */
const DEVICE_STATES: readonly MachineState[] = [
  { state: 'unbound', by: 'open(/dev/vfio/devices/vfioN)', allows: 'VFIO_DEVICE_BIND_IOMMUFD' },
  {
    state: 'bound',
    by: 'VFIO_DEVICE_BIND_IOMMUFD',
    allows: 'regions, interrupts, VFIO_DEVICE_ATTACH_IOMMUFD_PT',
  },
  { state: 'attached', by: 'VFIO_DEVICE_ATTACH_IOMMUFD_PT', allows: 'DMA through the page table' },
  { state: 'open', by: 'VFIO_GROUP_GET_DEVICE_FD', allows: 'everything: the group path is ready' },
];
const CONTAINER_STATES: readonly MachineState[] = [
  { state: 'EMPTY', by: 'open(/dev/vfio/vfio)', allows: 'VFIO_GROUP_SET_CONTAINER' },
  { state: 'HAS_GROUP', by: 'VFIO_GROUP_SET_CONTAINER', allows: 'VFIO_SET_IOMMU' },
  { state: 'READY', by: 'VFIO_SET_IOMMU', allows: 'VFIO_IOMMU_MAP_DMA, VFIO_GROUP_GET_DEVICE_FD' },
];
const GROUP_STATES: readonly MachineState[] = [
  { state: 'CLOSED', by: 'last close()', allows: 'open(/dev/vfio/N)' },
  { state: 'OPEN', by: 'open(/dev/vfio/N)', allows: 'VFIO_GROUP_SET_CONTAINER' },
  { state: 'CONTAINED', by: 'VFIO_GROUP_SET_CONTAINER', allows: 'VFIO_GROUP_GET_DEVICE_FD' },
  { state: 'IN_USE', by: 'VFIO_GROUP_GET_DEVICE_FD', allows: 'close() of the device first' },
];

const READY: ReadonlySet<string> = new Set(['attached', 'open', 'READY', 'IN_USE']);

function toneOf(state: string): Tone {
  if (READY.has(state)) return 'good';
  return state === 'CLOSED' ? 'muted' : 'accent';
}

const KINDS: Readonly<Record<string, string>> = {
  device: 'VFIO device',
  container: 'VFIO container',
  group: 'VFIO group',
  iommufd: 'iommufd',
  kvm: 'KVM VM',
  wq: 'work queue',
};

function stateOf(file: OpenFile): string {
  const { state } = file;
  const named = text(state, 'state');
  if (named !== undefined) return named;
  if (state['total'] !== undefined) return `${inline(state['total'])} signals`;
  if (state['pasid'] !== undefined) return `PASID ${inline(state['pasid'])}`;
  return '';
}

function fileRow(file: OpenFile): TableRow {
  const kind = text(file.state, 'kind');
  const device = text(file.state, 'device');
  const state = stateOf(file);
  const pasid = file.state['pasid'];
  return {
    id: `fd-${file.process}-${file.fd}`,
    ...(typeof pasid === 'number' ? { refs: { pasid } } : {}),
    cells: [
      file.process,
      String(file.fd),
      kind === undefined ? 'eventfd' : (KINDS[kind] ?? kind),
      device === undefined
        ? file.file
        : {
            text: device,
            link: { view: 'vdev', params: { filter: device }, label: 'Show the VDEV' },
          },
      kind === 'device' || kind === 'container' || kind === 'group'
        ? { text: state, tone: toneOf(state) }
        : state,
    ],
  };
}

function filesTable(files: readonly OpenFile[]): TableSection {
  return {
    kind: 'table',
    id: 'files',
    title: 'Open file descriptors',
    columns: [
      { id: 'process', title: 'Process' },
      { id: 'fd', title: 'fd', align: 'right', isMono: true },
      { id: 'kind', title: 'Kind' },
      { id: 'what', title: 'What', grow: 1, isMono: true },
      { id: 'state', title: 'State' },
    ],
    rows: files.map(fileRow),
    empty: 'No process has such a file open.',
  };
}

function machineTable(
  id: string,
  title: string,
  states: readonly MachineState[],
  holders: (state: string) => readonly string[],
): TableSection {
  return {
    kind: 'table',
    id,
    title,
    columns: [
      { id: 'state', title: 'State', isMono: true },
      { id: 'by', title: 'Reached by', isMono: true },
      { id: 'allows', title: 'Allows next', grow: 1 },
      { id: 'who', title: 'Here now', grow: 1 },
    ],
    rows: states.map(({ state, by, allows }) => {
      const here = holders(state);
      return {
        id: `${id}-${state}`,
        ...(here.length > 0 ? { tone: toneOf(state) } : { tone: 'muted' as const }),
        cells: [state, by, allows, here.join(', ') || '—'],
      };
    }),
    empty: '',
  };
}

function holdersOf(files: readonly OpenFile[], kind: string) {
  return (state: string): readonly string[] =>
    files
      .filter((f) => f.state['kind'] === kind && f.state['state'] === state)
      .map((f) => `${f.process}:${f.fd}`);
}

function devicesTable(devices: readonly Published[]): TableSection {
  return {
    kind: 'table',
    id: 'devices',
    title: 'VFIO devices',
    columns: [
      { id: 'name', title: 'Device', isMono: true, grow: 1 },
      { id: 'node', title: 'Node', isMono: true },
      { id: 'group', title: 'Group' },
      { id: 'backing', title: 'Isolation by', help: 'What separates its DMA from that of others' },
      { id: 'opens', title: 'Opens', align: 'right' },
      { id: 'ops', title: 'Driver', isMono: true },
    ],
    rows: devices.map(({ name, state }) => ({
      id: `vfio-${name}`,
      cells: [
        name,
        `vfio${inline(state['index'])}`,
        inline(state['group']),
        inline(state['backing']),
        inline(state['openCount']),
        inline(state['ops']),
      ],
      ...(state['isRemoving'] === true ? { tone: 'warning' as const } : {}),
    })),
    empty: 'No driver has registered a VFIO device yet.',
  };
}

function rangesTable(containers: readonly Published[]): TableSection {
  return {
    kind: 'table',
    id: 'ranges',
    title: 'DMA mappings of containers',
    columns: [
      { id: 'container', title: 'Container', align: 'right' },
      { id: 'iova', title: 'IOVA', isMono: true },
      { id: 'vaddr', title: 'In the process', isMono: true },
      { id: 'bytes', title: 'Size', align: 'right' },
      { id: 'rights', title: 'Rights', isMono: true },
    ],
    rows: containers.flatMap(({ name, state }) =>
      listOf(state, 'ranges').map((range) => ({
        id: `range-${name}-${numberOf(range, 'iova')}`,
        cells: [
          name,
          formatAddress(numberOf(range, 'iova')),
          formatAddress(numberOf(range, 'vaddr')),
          formatBytes(numberOf(range, 'bytes')),
          rights(range),
        ],
      })),
    ),
    empty: 'Nothing is mapped (VFIO_IOMMU_MAP_DMA).',
  };
}

function rights(range: PlainRecord): string {
  return `${range['isReadable'] === true ? 'R' : '-'}${range['isWritable'] === true ? 'W' : '-'}`;
}

function iommufdTable(machine: Machine): TableSection {
  const objects = machine.software.entries('iommufd/').flatMap(([key, value]) => {
    const [, owner = '', id = ''] = key.split('/');
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? [{ owner, id, state: value as PlainRecord }]
      : [];
  });
  return {
    kind: 'table',
    id: 'iommufd',
    title: 'Objects of iommufd',
    columns: [
      { id: 'owner', title: 'iommufd', align: 'right' },
      { id: 'id', title: 'Id', align: 'right', isMono: true },
      { id: 'kind', title: 'Object', help: 'Device, IO address space (IOAS), page table (HWPT)' },
      { id: 'what', title: 'What', grow: 1 },
      { id: 'users', title: 'Users', align: 'right' },
    ],
    rows: objects.map(({ owner, id, state }) => ({
      id: `iommufd-${owner}-${id}`,
      cells: [owner, id, text(state, 'kind') ?? '', objectText(state), inline(state['users'])],
    })),
    empty: 'No process has made an object of /dev/iommu.',
  };
}

function objectText(state: PlainRecord): string {
  switch (state['kind']) {
    case 'ioas':
      return listOf(state, 'areas')
        .map((a) => `${formatAddress(numberOf(a, 'iova'))} ${formatBytes(numberOf(a, 'bytes'))}`)
        .join(', ');
    case 'hwpt':
      return [
        text(state, 'domain') ?? '',
        state['parent'] === null ? '' : `nested on ${inline(state['parent'])}`,
        state['isNestParent'] === true ? 'nest parent' : '',
        state['isPasidCompatible'] === true ? 'for PASIDs' : '',
      ]
        .filter((part) => part !== '')
        .join(', ');
    case 'device': {
      const pasids = listOf(state, 'pasids')
        .map((p) => `PASID ${inline(p['pasid'])} → ${inline(p['hostPasid'])}`)
        .join(', ');
      return `${text(state, 'device') ?? ''}${pasids === '' ? '' : `; ${pasids}`}`;
    }
    default:
      return '';
  }
}

export function vfioView({ machine, params }: ViewContext): ViewModel {
  const wanted = params.filter ?? '';
  const all = openFiles(machine);
  const processes = [...new Set(all.map((file) => file.process))];
  const files = all.filter((file) => wanted === '' || file.process === wanted);
  const devices = published(machine, 'vfio/device/');
  const groups = published(machine, 'vfio/group/');
  const containers = published(machine, 'vfio/container/');
  if (all.length + devices.length === 0) {
    return {
      view: 'vfio',
      title: 'VFIO file descriptors',
      sections: [],
      empty: 'No file is open. User space opens a container and a group, or a device node.',
    };
  }
  const groupsIn = (state: string): readonly string[] =>
    groups.filter((g) => g.state['state'] === state).map((g) => `group ${g.name}`);
  const hasGroupPath = containers.length > 0 || groups.some((g) => g.state['state'] !== 'CLOSED');
  const sections: readonly Section[] = [
    filesTable(files),
    machineTable(
      'device-states',
      'States of a device file',
      DEVICE_STATES,
      holdersOf(all, 'device'),
    ),
    ...(hasGroupPath
      ? [
          machineTable(
            'container-states',
            'States of a container',
            CONTAINER_STATES,
            holdersOf(all, 'container'),
          ),
          machineTable('group-states', 'States of a group', GROUP_STATES, groupsIn),
          rangesTable(containers),
        ]
      : []),
    devicesTable(devices),
    iommufdTable(machine),
  ];
  return {
    view: 'vfio',
    title: 'VFIO file descriptors',
    subtitle: `${files.length} open files`,
    choices: [
      {
        param: 'filter',
        title: 'Process',
        value: processes.includes(wanted) ? wanted : '',
        options: [
          { value: '', title: 'all' },
          ...processes.map((name) => ({ value: name, title: name })),
        ],
      },
    ],
    sections,
  };
}
