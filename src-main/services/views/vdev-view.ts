/**
 * Virtual devices: how each is composed, which pages of its BARs are trapped and which reach the device directly, its virtual
 * configuration space and registers, and what its accesses cost. `params.filter` chooses one by its UUID.
 */
import { toHex } from '../../bits/hex.ts';
import type { Register } from '../../bits/register-block.ts';
import type {
  KeyValueSection,
  Section,
  TableRow,
  TableSection,
  ViewModel,
} from '../../protocol/views.ts';
import { EXIT_REASON, exitReasonInfo } from '../../spec/cpu/vm-exit.ts';
import type { Machine } from '../../sim/index.ts';
import { capabilityTree, headerSection, type ReadConfig } from './config-space.ts';
import { dsaDevices } from './device-facts.ts';
import { inline, record, text, type PlainRecord } from './plain-data.ts';
import { formatAddress, formatBytes, formatPasid, formatRid, registerSection } from './sections.ts';
import { listOf, numberOf, queueOfVdev, vdevs, type VdevFact } from './software-objects.ts';
import type { ViewContext } from './view-context.ts';

const PAGE = 4096;
/** Registers before the tables of BAR0. */
const FIXED_REGISTERS_END = 0x300;

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

/** Little-endian values out of bytes; what is beyond them reads as zero. */
function reader(hex: string): ReadConfig {
  const bytes = bytesOf(hex);
  return (offset, size) => {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[offset + i] ?? 0);
    return value;
  };
}

function ownerOf({ vm, process }: VdevFact): string {
  return vm ?? process ?? 'nobody';
}

function listTable(all: readonly VdevFact[], chosen: VdevFact): TableSection {
  return {
    kind: 'table',
    id: 'vdevs',
    columns: [
      { id: 'uuid', title: 'VDEV', isMono: true },
      { id: 'type', title: 'Type', isMono: true },
      { id: 'queue', title: 'ADI', isMono: true, help: 'The queue of the device behind it' },
      {
        id: 'pasid',
        title: 'PASID',
        isMono: true,
        align: 'right',
        help: 'Host PASID that its requests carry',
      },
      { id: 'user', title: 'Used by' },
      { id: 'state', title: 'State', grow: 1 },
    ],
    rows: all.map((fact): TableRow => {
      const queue = queueOfVdev(fact);
      const state = fact.vdev === undefined ? undefined : text(fact.vdev, 'state');
      const pasids = fact.vdev?.['pasids'];
      const pasid: unknown = Array.isArray(pasids) ? pasids[0] : undefined;
      return {
        id: fact.uuid,
        ...(fact.uuid === chosen.uuid ? { tone: 'accent' as const } : {}),
        refs: {
          ...(queue === undefined ? {} : { queue }),
          ...(typeof pasid === 'number' ? { pasid } : {}),
        },
        cells: [
          {
            text: fact.label,
            help: fact.uuid,
            link: { view: 'vdev', params: { filter: fact.uuid }, label: 'Show this VDEV' },
          },
          text(fact.mdev, 'type') ?? '',
          queue ?? '—',
          Array.isArray(pasids) && pasids.length > 0 ? inline(pasids as never) : 'none',
          ownerOf(fact),
          {
            text: state ?? text(fact.mdev, 'state') ?? '',
            tone: state === 'enabled' ? 'good' : 'muted',
          },
        ],
      };
    }),
    empty: '',
  };
}

function composition(fact: VdevFact, vdev: PlainRecord): KeyValueSection {
  const queue = record(vdev['queue']);
  const guestPasid = numberOf(queue ?? {}, 'pasid');
  const fallback = numberOf(vdev, 'defaultPasid');
  const place = fact.plugged === undefined ? undefined : numberOf(fact.plugged, 'rid');
  return {
    kind: 'keyvalue',
    id: `composition-${fact.uuid}`,
    title: 'Composition',
    rows: [
      { key: 'Parent', value: text(fact.mdev, 'parent') ?? '', help: 'Physical function' },
      { key: 'Queue', value: `${queueOfVdev(fact) ?? ''}, ${text(vdev, 'mode') ?? ''}` },
      {
        key: 'Default PASID',
        value: fallback < 0 ? 'none' : formatPasid(fallback),
        help: 'Stands for the whole memory of the guest',
      },
      {
        key: 'PASID in the queue',
        value:
          queue?.['pasidEnable'] !== true
            ? 'default'
            : guestPasid === 0
              ? 'from descriptors'
              : `guest ${guestPasid} → host ${inline(queue['hardwarePasid'])}`,
        help: 'The VDCM writes the host PASID where the guest wrote its own',
      },
      {
        key: 'Trapped accesses',
        value: String(numberOf(vdev, 'accesses')),
        help: 'Accesses that the VDCM played instead of the hardware',
      },
      { key: 'Portal slots staged', value: String(numberOf(vdev, 'stagedSlots')) },
      ...(place === undefined
        ? []
        : [{ key: 'On the guest’s bus', value: formatRid(place), help: 'As the guest found it' }]),
    ],
  };
}

interface Page {
  readonly bar: number;
  readonly offset: number;
  readonly gpa: number | undefined;
  readonly isDirect: boolean;
}

function pagesOf({ plugged, process }: VdevFact, machine: Machine, uuid: string): readonly Page[] {
  const areas = process === undefined ? [] : listOf(processState(machine, process), 'areas');
  const isMapped = areas.some((a) => (text(a, 'name') ?? '').endsWith(uuid));
  const bars =
    plugged === undefined
      ? [
          { bar: 0, bytes: 2 * PAGE },
          { bar: 2, bytes: 2 * PAGE },
        ]
      : listOf(plugged, 'bars');
  return bars.flatMap((bar) => {
    const index = numberOf(bar, 'bar');
    const gpa = numberOf(bar, 'gpa');
    const direct = listOf(bar, 'direct');
    return Array.from({ length: numberOf(bar, 'bytes') / PAGE }, (_, page): Page => {
      const offset = page * PAGE;
      const isDirect =
        plugged === undefined
          ? index === 2 && page === 0 && isMapped
          : direct.some((area) => {
              const from = numberOf(area, 'offset');
              return offset >= from && offset < from + numberOf(area, 'bytes');
            });
      return {
        bar: index,
        offset,
        gpa: plugged === undefined || gpa < 0 ? undefined : gpa + offset,
        isDirect,
      };
    });
  });
}

function processState(machine: Machine, name: string): PlainRecord {
  return record(machine.software.get(`process/${name}`)) ?? {};
}

const PAGE_TITLES: Readonly<Record<string, string>> = {
  '0/0': 'Registers: capabilities, command, queue, vectors',
  '0/4096': 'Rest of the registers',
  '2/0': 'Unlimited portal',
  '2/4096': 'Limited portal',
};

function barTable(fact: VdevFact, machine: Machine): TableSection {
  return {
    kind: 'table',
    id: `bars-${fact.uuid}`,
    title: 'Pages of the BARs',
    columns: [
      { id: 'bar', title: 'BAR', isMono: true },
      { id: 'offset', title: 'Offset', isMono: true },
      { id: 'gpa', title: 'In the guest', isMono: true, help: 'Guest-physical address' },
      { id: 'what', title: 'What', grow: 1 },
      {
        id: 'path',
        title: 'Access',
        help: 'Direct pages reach the device without an exit; trapped ones are played by the VDCM',
      },
    ],
    rows: pagesOf(fact, machine, fact.uuid).map((page) => ({
      id: `bar${page.bar}-${page.offset}`,
      cells: [
        `BAR${page.bar}`,
        toHex(page.offset, 4),
        page.gpa === undefined ? '—' : formatAddress(page.gpa),
        PAGE_TITLES[`${page.bar}/${page.offset}`] ?? '',
        page.isDirect
          ? { text: 'direct', tone: 'good' as const }
          : { text: 'trapped', tone: 'warning' as const },
      ],
    })),
    empty: 'The VDEV has no BARs.',
  };
}

function vectorTable(fact: VdevFact, vdev: PlainRecord): TableSection {
  return {
    kind: 'table',
    id: `vectors-${fact.uuid}`,
    title: 'Virtual MSI-X vectors',
    columns: [
      { id: 'entry', title: 'Vector', align: 'right', isMono: true },
      { id: 'behind', title: 'Behind it', grow: 1, help: 'Vector 0 is played by software' },
      { id: 'mask', title: 'Mask' },
    ],
    rows: listOf(vdev, 'vectors').map((vector) => ({
      id: `vector-${numberOf(vector, 'entry')}`,
      cells: [
        String(numberOf(vector, 'entry')),
        vector['handle'] === null
          ? 'eventfd, signalled by the VDCM'
          : `IMS entry ${inline(vector['handle'])}`,
        vector['isMasked'] === true ? { text: 'masked', tone: 'muted' as const } : 'open',
      ],
    })),
    empty: 'The user has not set up interrupts yet (VFIO_DEVICE_SET_IRQS).',
  };
}

function exitTable(fact: VdevFact): TableSection | undefined {
  const exits = record(fact.plugged?.['exits']);
  if (exits === undefined) return undefined;
  return {
    kind: 'table',
    id: `exits-${fact.uuid}`,
    title: `VM exits that ${fact.vm ?? ''} took for this device`,
    columns: [
      { id: 'reason', title: 'Reason', grow: 1 },
      { id: 'count', title: 'Exits', align: 'right', isMono: true },
    ],
    rows: Object.values(EXIT_REASON).flatMap((reason) => {
      const count = exits[String(reason)];
      if (count === undefined) {
        return [];
      }
      const info = exitReasonInfo(reason);
      const cells = [{ text: `${reason} ${info.title}`, help: info.meaning }, inline(count)];
      return [{ id: `exit-${reason}`, cells }];
    }),
    empty: 'The guest has not touched a trapped page yet.',
  };
}

function registerTable(machine: Machine, fact: VdevFact, vdev: PlainRecord): TableSection {
  const device = dsaDevices(machine.fabric.functions())
    .map(([, d]) => d)
    .find((d) => d.name === text(vdev, 'device'));
  const read = reader(text(vdev, 'bar0') ?? '');
  const wordsOf = (register: Register): Uint32Array =>
    Uint32Array.from({ length: register.words }, (_, i) => read(register.offset + i * 4, 4));
  const registers = (device?.inspect.registers.block.registers ?? []).filter(
    (r) => r.offset + r.bytes <= FIXED_REGISTERS_END,
  );
  return {
    kind: 'table',
    id: `bar0-${fact.uuid}`,
    title: 'Virtual registers (BAR0)',
    columns: [
      { id: 'offset', title: 'Offset', isMono: true },
      { id: 'name', title: 'Register', isMono: true },
      { id: 'title', title: 'Title', grow: 1 },
      { id: 'value', title: 'Value', isMono: true, align: 'right' },
    ],
    rows: registers.map((register) => {
      const words = wordsOf(register);
      const value = words.reduceRight((all, word) => (all << 32n) | BigInt(word), 0n);
      return {
        id: `vreg-${register.name}`,
        cells: [toHex(register.offset, 3), register.name, register.title, toHex(value)],
        detail: [
          registerSection(register, {
            id: `vreg-${fact.uuid}-${register.name}`,
            words,
            ...(device === undefined ? {} : { context: device.inspect.layoutContext }),
          }),
        ],
      };
    }),
    empty: 'The VDCM shows no registers.',
  };
}

function vdevSections(machine: Machine, fact: VdevFact): readonly Section[] {
  const { vdev, uuid } = fact;
  const exits = exitTable(fact);
  if (vdev === undefined) {
    return [barTable(fact, machine), ...(exits === undefined ? [] : [exits])];
  }
  const read = reader(text(vdev, 'config') ?? '');
  return [
    composition(fact, vdev),
    barTable(fact, machine),
    ...(exits === undefined ? [] : [exits]),
    vectorTable(fact, vdev),
    headerSection(
      `config-${uuid}`,
      read,
      [0, 2].map((bar) => ({
        key: `BAR${bar}`,
        value: `${formatAddress(barOf(read, bar))}, ${formatBytes(2 * PAGE)}`,
        help: 'As the guest placed it; the physical BARs stay where they are',
      })),
    ),
    { ...capabilityTree(`vconfig-${uuid}`, read), title: 'Virtual configuration space' },
    registerTable(machine, fact, vdev),
  ];
}

function barOf(read: ReadConfig, bar: number): number {
  const low = read(0x10 + bar * 4, 4);
  return read(0x14 + bar * 4, 4) * 2 ** 32 + (low - (low % 16));
}

export function vdevView({ machine, params }: ViewContext): ViewModel {
  const all = vdevs(machine);
  const wanted = params.filter ?? '';
  const chosen = all.find((fact) => wanted !== '' && fact.uuid.includes(wanted)) ?? all[0];
  if (chosen === undefined) {
    return {
      view: 'vdev',
      title: 'Virtual devices',
      sections: [],
      empty: 'No VDEV exists. Writing a UUID to a type’s create file in sysfs makes one.',
    };
  }
  return {
    view: 'vdev',
    title: 'Virtual devices',
    subtitle: `${chosen.label}, used by ${ownerOf(chosen)}`,
    choices: [
      {
        param: 'filter',
        title: 'VDEV',
        value: chosen.uuid,
        options: all.map((fact) => ({
          value: fact.uuid,
          title: `${fact.label} (${ownerOf(fact)})`,
        })),
      },
    ],
    sections: [listTable(all, chosen), ...vdevSections(machine, chosen)],
  };
}
