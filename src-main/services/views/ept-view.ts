/**
 * Memory of a VM: which guest-physical addresses have something behind them, and the EPT walk of one of them as the CPU
 * makes it. `params.unit` chooses the VM, `params.address` the guest-physical address.
 */
import { hexOfHalves, toHex } from '../../bits/hex.ts';
import type {
  Section,
  TableSection,
  ViewModel,
  WalkSection,
  WalkStep,
} from '../../protocol/views.ts';
import { EPT_MEMORY_TYPE, eptEntryAt } from '../../spec/cpu/ept.ts';
import { exitReasonInfo } from '../../spec/cpu/vm-exit.ts';
import { PAGING_LEVELS } from '../../spec/paging/levels.ts';
import { walkEpt, type EptRead, type EptWalk, type Machine } from '../../sim/index.ts';
import { text } from './plain-data.ts';
import { formatAddress, formatBytes, structureSection } from './sections.ts';
import { listOf, numberOf, published, type Published } from './software-objects.ts';
import type { ViewContext } from './view-context.ts';

const PAGE_SIZE_BIT = 0x80;
const MEMORY_TYPES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(EPT_MEMORY_TYPE).map(([name, code]) => [code, name]),
);

function slotsTable(vm: Published): TableSection {
  return {
    kind: 'table',
    id: 'slots',
    title: 'Memory slots',
    columns: [
      { id: 'gpa', title: 'Guest-physical', isMono: true },
      { id: 'bytes', title: 'Size', align: 'right' },
      { id: 'name', title: 'What', grow: 2 },
      { id: 'hva', title: 'In the VMM process', isMono: true },
      { id: 'kind', title: 'Kind' },
    ],
    rows: listOf(vm.state, 'slots').map((slot) => ({
      id: `slot-${numberOf(slot, 'slot')}`,
      cells: [
        formatAddress(numberOf(slot, 'gpa')),
        formatBytes(numberOf(slot, 'bytes')),
        text(slot, 'name') ?? '',
        formatAddress(numberOf(slot, 'hva')),
        slot['isDevice'] === true
          ? {
              text: 'direct device page',
              tone: 'good' as const,
              help: 'Accesses reach the device without an exit.',
            }
          : 'memory',
      ],
    })),
    empty: 'The VM has no memory yet.',
  };
}

/** Live counters of the hardware, by virtual CPU and reason. */
function exitsTable(machine: Machine, vm: Published): TableSection {
  const rows = listOf(vm.state, 'vcpus').flatMap((published) => {
    const vcpu = machine.cpus.vcpu(numberOf(published, 'id'));
    return (vcpu?.exits.counts() ?? []).map(({ reason, count }) => {
      const info = exitReasonInfo(reason);
      return {
        id: `${text(published, 'name') ?? ''}-${reason}`,
        cells: [
          text(published, 'name') ?? '',
          { text: `${reason} ${info.title}`, help: info.meaning },
          String(count),
        ],
      };
    });
  });
  return {
    kind: 'table',
    id: 'exits',
    title: 'Exits',
    columns: [
      { id: 'vcpu', title: 'vCPU' },
      { id: 'reason', title: 'Reason', grow: 2 },
      { id: 'count', title: 'Exits', align: 'right' },
    ],
    rows,
    empty: 'No virtual CPU has left guest mode yet.',
  };
}

function outcomeOf(read: EptRead, isLast: boolean, walk: EptWalk): string {
  if (isLast && walk.kind !== 'mapped') {
    return walk.kind === 'violation' ? 'not present or not allowed' : 'forbidden setting';
  }
  const rights = ['R', 'W', 'X'].map((name, bit) => (((read.low >>> bit) & 1) === 1 ? name : '-'));
  return `${isLast ? 'maps a page' : 'next table'}, ${rights.join('')}`;
}

function stepOf(
  machine: Machine,
  walk: EptWalk,
  read: EptRead,
  gpa: number,
  position: number,
): WalkStep {
  const isLast = position === walk.path.length - 1;
  const level = PAGING_LEVELS[read.level - 1];
  const size = 2 ** (level?.indexLow ?? 0);
  const index = Math.floor(gpa / size) % 512;
  return {
    id: `step-${position}`,
    stage: 'second-stage',
    level: read.level,
    title: `EPT ${level?.firstStageName ?? ''}`,
    index: `guest-physical[${level?.indexHigh ?? 0}:${level?.indexLow ?? 0}] = ${toHex(index)}`,
    address: formatAddress(read.address),
    value: hexOfHalves(read.high, read.low),
    outcome: outcomeOf(read, isLast, walk),
    tone: isLast && walk.kind !== 'mapped' ? 'fault' : 'neutral',
    structure: structureSection(eptEntryAt(read.level, (read.low & PAGE_SIZE_BIT) !== 0), {
      id: `ept-${position}`,
      words: [read.low, read.high],
      address: read.address,
      context: { has: () => true, width: () => machine.unit.limits.capability.haw },
    }),
  };
}

const RESULTS = {
  violation: 'EPT violation (exit 48): the VMM looks for a device at this address',
  misconfiguration: 'EPT misconfiguration (exit 49): marked by KVM, registers are emulated here',
} as const;

function walkSection(
  machine: Machine,
  vm: Published,
  gpa: number,
  access: 'read' | 'write',
): WalkSection {
  const eptPointer = BigInt(text(vm.state, 'eptPointer') ?? '0x0');
  const physicalAddressBits = machine.unit.limits.capability.haw;
  const walk = walkEpt({ memory: machine.memory, eptPointer, physicalAddressBits }, gpa, access);
  const steps = walk.path.map((read, i) => stepOf(machine, walk, read, gpa, i));
  const isMapped = walk.kind === 'mapped';
  return {
    kind: 'walk',
    id: 'ept-walk',
    title: 'EPT walk',
    request: { by: 'VM', rid: vm.name, address: formatAddress(gpa), access },
    steps: isMapped
      ? [
          ...steps,
          {
            id: 'output',
            stage: 'output',
            title: 'Host-physical address',
            address: formatAddress(walk.address),
            outcome: `page of ${formatBytes(walk.pageBytes)}, ${MEMORY_TYPES[walk.memoryType] ?? '?'}`,
            tone: 'good',
          },
        ]
      : steps,
    result: isMapped
      ? { ok: true, text: `${formatAddress(gpa)} → ${formatAddress(walk.address)}, no exit` }
      : { ok: false, text: RESULTS[walk.kind] },
  };
}

export function eptView({ machine, params }: ViewContext): ViewModel {
  const vms = published(machine, 'vm/');
  const vm = vms.find(({ name }) => name === params.unit) ?? vms[0];
  if (vm === undefined) {
    return {
      view: 'ept',
      title: 'Memory of VMs',
      sections: [],
      empty:
        'No VM runs. Once a VMM has made one, its memory slots and the EPT walk of an address are here.',
    };
  }
  const slots = listOf(vm.state, 'slots');
  const first = slots[0];
  const fallback = first === undefined ? 0 : numberOf(first, 'gpa');
  const wanted = params.address === undefined ? fallback : Number(params.address);
  const gpa = Number.isSafeInteger(wanted) && wanted >= 0 ? wanted : fallback;
  const access = params.access === 'write' ? 'write' : 'read';
  const sections: readonly Section[] = [
    slotsTable(vm),
    walkSection(machine, vm, gpa, access),
    exitsTable(machine, vm),
  ];
  return {
    view: 'ept',
    title: 'Memory of VMs',
    subtitle: `${vm.name}: ${formatBytes(numberOf(vm.state, 'memoryBytes'))}`,
    choices: [
      {
        param: 'unit',
        title: 'VM',
        value: vm.name,
        options: vms.map(({ name }) => ({ value: name, title: name })),
      },
      {
        param: 'address',
        title: 'Guest-physical address',
        value: toHex(gpa),
        options: slots.map((slot) => ({
          value: toHex(numberOf(slot, 'gpa')),
          title: text(slot, 'name') ?? '',
        })),
        isFreeText: true,
      },
      {
        param: 'access',
        title: 'Access',
        value: access,
        options: [
          { value: 'read', title: 'read' },
          { value: 'write', title: 'write' },
        ],
      },
    ],
    sections,
    notModelled: 'Accessed and dirty flags, faults on demand, dirty logging.',
  };
}
