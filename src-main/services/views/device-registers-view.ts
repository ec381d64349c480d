/** Registers of a device with their fields: BAR0 of the accelerator, queue contexts of the adapter, banks of the crypto device. */
import { toHex } from '../../bits/hex.ts';
import type { LayoutContext } from '../../bits/layout.ts';
import type { Register } from '../../bits/register-block.ts';
import type { TableRow, TableSection, ViewModel } from '../../protocol/views.ts';
import {
  DOORBELL_PAGE,
  DOORBELL_PAGE_BYTES,
  NIC_GENERAL,
  QUEUE_CONTEXT,
  QUEUE_CONTEXT_BYTES,
} from '../../spec/nic/registers.ts';
import { BANKS_OFFSET, QAT_CONFIG, QAT_FAST } from '../../spec/qat/registers.ts';
import {
  DsaDevice,
  NIC_BAR,
  NicDevice,
  QatDevice,
  nicPlaces,
  type Machine,
  type PcieFunction,
} from '../../sim/index.ts';
import { isPairInUse } from './device-facts.ts';
import { registerSection } from './sections.ts';
import type { ViewContext } from './view-context.ts';

const NO_DEVICE = 'This machine has no device whose registers are described.';

interface Group {
  readonly id: string;
  readonly title?: string;
  /** Added to the offset of each register. */
  readonly base: number;
  readonly registers: readonly Register[];
  readonly wordsOf: (register: Register) => Uint32Array;
  readonly context?: LayoutContext;
}

function registerRow(group: Group, register: Register): TableRow {
  const words = group.wordsOf(register);
  const value = words.reduceRight((all, word) => (all << 32n) | BigInt(word), 0n);
  return {
    id: `${group.id}-${register.name}`,
    cells: [
      toHex(group.base + register.offset, 3),
      `${register.name}: ${register.title}`,
      toHex(value, register.bytes * 2),
    ],
    detail: [
      registerSection(register, {
        id: `device-register-${group.id}-${register.name}`,
        words,
        ...(group.context === undefined ? {} : { context: group.context }),
      }),
    ],
  };
}

function groupTable(group: Group): TableSection {
  return {
    kind: 'table',
    id: `registers-${group.id}`,
    ...(group.title === undefined ? {} : { title: group.title }),
    columns: [
      { id: 'offset', title: 'Offset', isMono: true },
      { id: 'register', title: 'Register', grow: 1 },
      { id: 'value', title: 'Value', isMono: true, align: 'right' },
    ],
    rows: group.registers.map((register) => registerRow(group, register)),
    empty: 'The device has no registers.',
  };
}

/** A register read as software reads it; reads of these devices have no side effects. */
function mmioWords(device: PcieFunction, bar: number, base: number) {
  return (register: Register): Uint32Array =>
    Uint32Array.from({ length: register.words }, (_, i) =>
      Number(device.mmioRead(bar, base + register.offset + i * 4, 4)),
    );
}

function dsaGroups(device: DsaDevice): readonly Group[] {
  const { registers, layoutContext } = device.inspect;
  return [
    {
      id: device.name,
      base: 0,
      registers: registers.block.registers,
      wordsOf: (register) => registers.wordsOf(register),
      context: layoutContext,
    },
  ];
}

function nicGroups(device: NicDevice): readonly Group[] {
  const { contexts } = nicPlaces(device.settings);
  const pairs = device.inspect.inUse().filter((pair) => !pair.isVirtual);
  return [
    {
      id: device.name,
      title: 'Function, BAR0',
      base: 0,
      registers: NIC_GENERAL.registers,
      wordsOf: mmioWords(device, NIC_BAR.registers, 0),
    },
    ...pairs.flatMap(({ index }): readonly Group[] => {
      const context = contexts + index * QUEUE_CONTEXT_BYTES;
      const doorbell = index * DOORBELL_PAGE_BYTES;
      return [
        {
          id: `${device.name}-context-${index}`,
          title: `Context of queue pair ${index}, BAR0: the host’s`,
          base: context,
          registers: QUEUE_CONTEXT.registers,
          wordsOf: mmioWords(device, NIC_BAR.registers, context),
        },
        {
          id: `${device.name}-doorbell-${index}`,
          title: `Doorbell page of queue pair ${index}, BAR2: the tenant’s`,
          base: doorbell,
          registers: DOORBELL_PAGE.registers,
          wordsOf: mmioWords(device, NIC_BAR.doorbells, doorbell),
        },
      ];
    }),
  ];
}

function qatGroups(device: QatDevice): readonly Group[] {
  return device.pairs.filter(isPairInUse).flatMap(({ index }): readonly Group[] => {
    const { bankBytes } = device.settings;
    const base = BANKS_OFFSET + index * bankBytes;
    const config = base + bankBytes / 2;
    return [
      {
        id: `${device.name}-fast-${index}`,
        title: `Fast registers of ring pair ${index}: the tenant’s`,
        base,
        registers: QAT_FAST.registers,
        wordsOf: mmioWords(device, 0, base),
      },
      {
        id: `${device.name}-config-${index}`,
        title: `Configuration of ring pair ${index}: the host’s`,
        base: config,
        registers: QAT_CONFIG.registers,
        wordsOf: mmioWords(device, 0, config),
      },
    ];
  });
}

function groupsOf(device: PcieFunction): readonly Group[] | undefined {
  if (device instanceof DsaDevice) return dsaGroups(device);
  if (device instanceof NicDevice) return nicGroups(device);
  return device instanceof QatDevice ? qatGroups(device) : undefined;
}

function described(machine: Machine): readonly PcieFunction[] {
  return [...machine.fabric.functions().values()].filter((d) => groupsOf(d) !== undefined);
}

export function deviceRegistersView({ machine, params }: ViewContext): ViewModel {
  const devices = described(machine);
  const chosen = devices.find((device) => device.name === params.unit) ?? devices[0];
  if (chosen === undefined) {
    return { view: 'device-registers', title: 'Device registers', sections: [], empty: NO_DEVICE };
  }
  return {
    view: 'device-registers',
    title: 'Device registers',
    subtitle: chosen.name,
    choices: [
      {
        param: 'unit',
        title: 'Device',
        value: chosen.name,
        options: devices.map(({ name }) => ({ value: name, title: name })),
      },
    ],
    sections: (groupsOf(chosen) ?? []).map(groupTable),
    empty: 'No queue of this device is in use yet.',
  };
}
