/** Interrupts: IMS and MSI-X of devices, the remapping table, local APICs, posted-interrupt descriptors. */
import { bigOf } from '../../bits/u64.ts';
import { toHex } from '../../bits/hex.ts';
import type { Structure } from '../../bits/structure.ts';
import type { Section, TableRow, ViewModel } from '../../protocol/views.ts';
import { interruptRemapEntryOf } from './interrupt-entries.ts';
import { PostedInterruptDescriptor } from '../../spec/vtd/posted-interrupt-descriptor.ts';
import { IRTA_REG } from '../../spec/vtd/registers/interrupt-remapping.ts';
import { GSTS_REG } from '../../spec/vtd/registers/global-command.ts';
import type { InterruptEntry, Machine } from '../../sim/index.ts';
import { dsaDevices } from './device-facts.ts';
import { formatAddress, formatRid, structureSection } from './sections.ts';
import { readWords } from './translation-tables.ts';
import { layoutContextOf, type ViewContext } from './view-context.ts';

const MAX_ENTRIES = 4096;

function messageRow(device: string, table: string, entry: InterruptEntry): TableRow {
  return {
    id: `${device}-${table}-${entry.index}`,
    ...(entry.isMasked ? { tone: 'muted' as const } : {}),
    refs: { unit: device, ...(entry.pasid === undefined ? {} : { pasid: entry.pasid }) },
    cells: [
      device,
      `${table}[${entry.index}]`,
      formatAddress(bigOf(entry.addressHigh, entry.addressLow)),
      toHex(entry.data >>> 0, 4),
      entry.pasid === undefined ? 'none' : String(entry.pasid),
      entry.isMasked ? 'masked' : 'open',
      entry.isPending ? 'pending' : '',
    ],
  };
}

interface TableEntry {
  readonly index: number;
  readonly address: number;
  readonly words: Uint32Array;
}

function remapEntries(machine: Machine): readonly TableEntry[] {
  const { registers } = machine.unit;
  const status = GSTS_REG.decode(registers.wordsOf(registers.register('GSTS_REG')));
  if (machine.unit.limits.capability.ecap.IR === 0 || status.IRTPS === 0) {
    return [];
  }
  const irta = IRTA_REG.decode(registers.wordsOf(registers.register('IRTA_REG')));
  const found: TableEntry[] = [];
  const count = Math.min(2 ** (irta.S + 1), MAX_ENTRIES);
  for (let index = 0; index < count; index++) {
    const address = Number(irta.IRTA) + index * 16;
    const words = readWords(machine, address, 16);
    if (words.some((w) => w !== 0)) {
      found.push({ index, address, words });
    }
  }
  return found;
}

export function interruptsView({ machine }: ViewContext): ViewModel {
  const messages = dsaDevices(machine.fabric.functions()).flatMap(([, device]) => [
    ...device.inspect.imsInUse().map((e) => messageRow(device.name, 'IMS', e)),
    ...device.inspect
      .msix()
      .filter((e) => !e.isMasked || e.addressLow !== 0)
      .map((e) => messageRow(device.name, 'MSI-X', e)),
  ]);
  const remap = remapEntries(machine).map((entry): TableRow => {
    const decoded = interruptRemapEntryOf(machine, entry.words);
    return {
      id: `irte-${entry.index}`,
      cells: [
        String(entry.index),
        decoded.kind,
        decoded.isPresent ? 'present' : 'not present',
        String(decoded.vector),
        formatRid(decoded.sid),
        decoded.target,
      ],
      ...(decoded.isPresent ? {} : { tone: 'muted' as const }),
      detail: [
        structureSection(decoded.structure, {
          id: `irte-structure-${entry.index}`,
          words: entry.words,
          address: entry.address,
          context: layoutContextOf(machine),
        }),
      ],
    };
  });
  const sections: Section[] = [
    {
      kind: 'table',
      id: 'messages',
      title: 'Messages of devices',
      columns: [
        { id: 'device', title: 'Device' },
        {
          id: 'entry',
          title: 'Entry',
          isMono: true,
          help: 'IMS: interrupt message storage, device-specific and as large as the device likes',
        },
        { id: 'address', title: 'Address', isMono: true },
        { id: 'data', title: 'Data', isMono: true },
        {
          id: 'pasid',
          title: 'PASID',
          align: 'right',
          help: 'Only descriptors with this PASID may use the entry',
        },
        { id: 'mask', title: 'Mask' },
        { id: 'pending', title: 'Pending' },
      ],
      rows: messages,
      empty: 'No device has a programmed interrupt message.',
    },
    {
      kind: 'table',
      id: 'remapping',
      title: 'Interrupt remapping table',
      columns: [
        { id: 'index', title: 'Index', align: 'right', isMono: true },
        { id: 'kind', title: 'Format' },
        { id: 'present', title: 'State' },
        { id: 'vector', title: 'Vector', align: 'right', isMono: true },
        { id: 'sid', title: 'Source', isMono: true, help: 'Only this requester may use the entry' },
        { id: 'target', title: 'Target', grow: 2 },
      ],
      rows: remap,
      empty: 'No remapping entry is in use.',
    },
    {
      kind: 'table',
      id: 'apics',
      title: 'Local APICs',
      columns: [
        { id: 'cpu', title: 'CPU' },
        { id: 'vcpu', title: 'Runs' },
        { id: 'mode', title: 'Privilege' },
      ],
      rows: machine.cpus.cpus.map((cpu) => ({
        id: cpu.name,
        cells: [cpu.name, cpu.vcpu === undefined ? 'host' : cpu.vcpu.name, `CPL ${cpu.cpl}`],
      })),
      empty: 'The machine has no CPUs.',
    },
  ];
  return { view: 'interrupts', title: 'Interrupts', sections };
}

export function postedInterruptsView({ machine }: ViewContext): ViewModel {
  const rows = remapEntries(machine).flatMap((entry): TableRow[] => {
    const decoded = interruptRemapEntryOf(machine, entry.words);
    if (decoded.descriptorAddress === undefined) {
      return [];
    }
    const words = readWords(machine, decoded.descriptorAddress, PostedInterruptDescriptor.bytes);
    const control = words[8] ?? 0;
    return [
      {
        id: `pid-${entry.index}`,
        cells: [
          formatAddress(decoded.descriptorAddress),
          String(entry.index),
          String(decoded.vector),
          (control & 1) === 1 ? 'notified' : 'idle',
          (control & 2) === 2 ? 'suppressed' : 'open',
        ],
        detail: [
          structureSection(PostedInterruptDescriptor as unknown as Structure, {
            id: `pid-structure-${entry.index}`,
            words,
            address: decoded.descriptorAddress,
          }),
        ],
      },
    ];
  });
  return {
    view: 'posted-interrupts',
    title: 'Posted interrupts',
    sections: [
      {
        kind: 'table',
        id: 'descriptors',
        columns: [
          { id: 'address', title: 'Descriptor', isMono: true },
          { id: 'irte', title: 'IRTE', align: 'right' },
          { id: 'vector', title: 'Vector', align: 'right' },
          { id: 'on', title: 'ON', help: 'Outstanding notification' },
          { id: 'sn', title: 'SN', help: 'Suppress notification: the vCPU does not run' },
        ],
        rows,
        empty:
          'No remapping entry posts. KVM switches an entry to posted format when the VM’s irqfd meets the device’s interrupt.',
      },
    ],
  };
}
