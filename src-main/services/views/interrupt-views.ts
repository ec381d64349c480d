/** Interrupts: IMS and MSI-X of devices, the remapping table, local APICs, posted-interrupt descriptors. */
import { bigOf } from '../../bits/u64.ts';
import { toHex } from '../../bits/hex.ts';
import type { Structure } from '../../bits/structure.ts';
import type { Section, TableRow, ViewModel } from '../../protocol/views.ts';
import { interruptRemapEntryOf } from './interrupt-entries.ts';
import {
  CompatibilityMessageAddress,
  CompatibilityMessageData,
  RemappableMessageAddress,
  RemappableMessageData,
} from '../../spec/vtd/interrupt-message.ts';
import { PostedInterruptDescriptor } from '../../spec/vtd/posted-interrupt-descriptor.ts';
import { IRTA_REG } from '../../spec/vtd/registers/interrupt-remapping.ts';
import { GSTS_REG } from '../../spec/vtd/registers/global-command.ts';
import type { InterruptEntry, Machine, PcieFunction } from '../../sim/index.ts';
import { deviceMessages, type MessageFact } from './device-facts.ts';
import { inline, record } from './plain-data.ts';
import { formatAddress, formatRid, ridRef, structureSection } from './sections.ts';
import { listOf, published } from './software-objects.ts';
import { readWords } from './translation-tables.ts';
import { layoutContextOf, type ViewContext } from './view-context.ts';

const MAX_ENTRIES = 4096;

/** Index of the remapping entry that a remappable message names; undefined for the compatibility format. */
function remapIndexOf(entry: InterruptEntry): number | undefined {
  const address = RemappableMessageAddress.decode(
    Uint32Array.of(entry.addressLow, entry.addressHigh),
  );
  if (address.FORMAT === 0) return undefined;
  const subhandle = address.SHV === 1 ? entry.data & 0xffff : 0;
  return address.HANDLE + subhandle;
}

function messageDetail(
  id: string,
  entry: InterruptEntry,
  isRemappable: boolean,
): readonly Section[] {
  const address = Uint32Array.of(entry.addressLow, entry.addressHigh);
  const data = Uint32Array.of(entry.data);
  return isRemappable
    ? [
        structureSection(RemappableMessageAddress, { id: `${id}-address`, words: address }),
        structureSection(RemappableMessageData, { id: `${id}-data`, words: data }),
      ]
    : [
        structureSection(CompatibilityMessageAddress, { id: `${id}-address`, words: address }),
        structureSection(CompatibilityMessageData, { id: `${id}-data`, words: data }),
      ];
}

function messageRow(device: PcieFunction, rid: number, { table, entry }: MessageFact): TableRow {
  const id = `${device.name}-${table}-${entry.index}`;
  const index = remapIndexOf(entry);
  const compatible = `vector ${entry.data & 0xff}`;
  return {
    id,
    ...(entry.isMasked ? { tone: 'muted' as const } : {}),
    refs: {
      rid: ridRef(rid),
      unit: device.name,
      ...(entry.pasid === undefined ? {} : { pasid: entry.pasid }),
    },
    cells: [
      device.name,
      `${table}[${entry.index}]`,
      formatAddress(bigOf(entry.addressHigh, entry.addressLow)),
      toHex(entry.data >>> 0, 4),
      index === undefined ? compatible : `IRTE ${index}`,
      entry.pasid === undefined ? 'none' : String(entry.pasid),
      entry.isMasked ? 'masked' : 'open',
      entry.isPending ? { text: 'pending', tone: 'accent' } : '',
    ],
    detail: messageDetail(id, entry, index !== undefined),
  };
}

/** Name and count of the host's interrupt behind a remapping entry. */
function handlerOf(machine: Machine, index: number): string {
  const found = machine.software
    .entries('irq/')
    .map(([key, value]) => ({ number: key.slice('irq/'.length), state: record(value) }))
    .find(({ state }) => state?.['irte'] === index);
  if (found?.state === undefined) return '';
  const name = inline(found.state['name']);
  return `irq ${found.number}${name === '' ? '' : ` ${name}`}, ${inline(found.state['count'])} so far`;
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
  const messages = [...machine.fabric.functions()].flatMap(([rid, device]) =>
    deviceMessages(device).map((fact) => messageRow(device, rid, fact)),
  );
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
        handlerOf(machine, entry.index),
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
          id: 'leads',
          title: 'Leads to',
          isMono: true,
          help: 'Entry of the interrupt remapping table, or the vector of a message that is not remapped',
        },
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
        { id: 'target', title: 'Target' },
        { id: 'handler', title: 'Handler', grow: 1, help: 'Linux interrupt that has the entry' },
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
  return {
    view: 'interrupts',
    title: 'Interrupts',
    subtitle: `${messages.length} messages, ${remap.length} remapping entries`,
    sections,
  };
}

function vcpuOf(machine: Machine, descriptor: number): string {
  return (
    published(machine, 'vm/')
      .flatMap(({ state }) => listOf(state, 'vcpus'))
      .filter((vcpu) => vcpu['descriptor'] === descriptor)
      .map((vcpu) => inline(vcpu['name']))
      .join(', ') || 'unknown'
  );
}

const VECTOR_WORDS = 8;

/** Bits of the 256 pending requests at the start of the descriptor. */
function pendingVectors(words: Uint32Array): string {
  const vectors: number[] = [];
  for (let word = 0; word < VECTOR_WORDS; word++) {
    for (let bit = 0; bit < 32; bit++) {
      if ((((words[word] ?? 0) >>> bit) & 1) === 1) vectors.push(word * 32 + bit);
    }
  }
  return vectors.join(', ') || 'none';
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
          vcpuOf(machine, decoded.descriptorAddress),
          pendingVectors(words),
          (control & 1) === 1 ? { text: 'notified', tone: 'accent' } : 'idle',
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
    subtitle: `${rows.length} descriptors`,
    sections: [
      {
        kind: 'table',
        id: 'descriptors',
        columns: [
          { id: 'address', title: 'Descriptor', isMono: true },
          { id: 'irte', title: 'IRTE', align: 'right' },
          { id: 'vector', title: 'Vector', align: 'right' },
          { id: 'vcpu', title: 'vCPU', grow: 1, help: 'Whose descriptor it is' },
          { id: 'pending', title: 'Pending', help: 'Vectors that wait in the descriptor' },
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
