/**
 * A PCI configuration space decoded: header and both capability lists, read through a function that gives bytes, so that the
 * physical and the virtual ones are shown alike.
 */
import { toHex } from '../../bits/hex.ts';
import type { Register } from '../../bits/register-block.ts';
import type { KeyValueSection, TreeNode, TreeSection } from '../../protocol/views.ts';
import { declaredCapabilities, type Capability } from '../../spec/pcie/capability.ts';
import { PRIMARY_BUS, SECONDARY_BUS } from '../../spec/pcie/bridge-header.ts';
import { COMMAND, HEADER_TYPE, STATUS } from '../../spec/pcie/config-header.ts';
import { registerSection } from './sections.ts';

export type ReadConfig = (offset: number, bytes: 1 | 2 | 4) => number;

const CAPABILITY_POINTER = 0x34;
const FIRST_EXTENDED = 0x100;
const MAX_CAPABILITIES = 64;
const INTEL = 0x8086;
const SIOV_DVSEC_ID = 5;

interface FoundCapability {
  readonly offset: number;
  readonly id: number;
  readonly isExtended: boolean;
  readonly next: number;
}

function capabilitiesOf(read: ReadConfig): readonly FoundCapability[] {
  const found: FoundCapability[] = [];
  let at = read(CAPABILITY_POINTER, 1);
  while (at !== 0 && found.length < MAX_CAPABILITIES) {
    const next = read(at + 1, 1);
    found.push({ offset: at, id: read(at, 1), isExtended: false, next });
    at = next;
  }
  at = FIRST_EXTENDED;
  while (at !== 0 && found.length < MAX_CAPABILITIES) {
    const header = read(at, 4);
    if (header === 0 || header === 0xffff_ffff) break;
    found.push({ offset: at, id: header & 0xffff, isExtended: true, next: header >>> 20 });
    at = header >>> 20;
  }
  return found;
}

function declarationOf(read: ReadConfig, found: FoundCapability): Capability | undefined {
  const same = declaredCapabilities().filter(
    (c) => c.id === found.id && (c.kind === 'extended') === found.isExtended,
  );
  if (same.length < 2) return same[0];
  // Several declarations share the DVSEC identifier; vendor and DVSEC id tell them apart.
  const isSiov = read(found.offset + 4, 2) === INTEL && read(found.offset + 8, 2) === SIOV_DVSEC_ID;
  return same.find((c) => (c.name === 'SIOV') === isSiov) ?? same[0];
}

function registerWords(read: ReadConfig, base: number, register: Register): Uint32Array {
  const words = new Uint32Array(register.words);
  const at = base + register.offset;
  if (register.bytes < 4) {
    words[0] = read(at, register.bytes as 1 | 2);
    return words;
  }
  for (let i = 0; i < register.words; i++) {
    words[i] = read(at + i * 4, 4);
  }
  return words;
}

function headerNode(id: string, read: ReadConfig, register: Register): TreeNode {
  return {
    id: `${id}-${register.name}`,
    title: `[${toHex(register.offset, 3)}] ${register.title}`,
    subtitle: toHex(read(register.offset, 2), 4),
    detail: [
      registerSection(register, {
        id: `${id}-${register.name}-register`,
        words: registerWords(read, 0, register),
      }),
    ],
  };
}

function capabilityNode(id: string, read: ReadConfig, found: FoundCapability): TreeNode {
  const declaration = declarationOf(read, found);
  const kind = found.isExtended ? 'Extended capability' : 'Capability';
  return {
    id: `${id}-${found.offset}`,
    title: `[${toHex(found.offset, 3)}] ${declaration?.title ?? `${kind} ${toHex(found.id, 2)}`}`,
    subtitle: found.next === 0 ? 'end of the list' : `next at ${toHex(found.next, 3)}`,
    detail: Object.values(declaration?.registers ?? {}).map((register) =>
      registerSection(register, {
        id: `${id}-${found.offset}-${register.name}`,
        words: registerWords(read, found.offset, register),
      }),
    ),
  };
}

/** Command, status and capabilities, each with its fields. */
export function capabilityTree(id: string, read: ReadConfig): TreeSection {
  return {
    kind: 'tree',
    id,
    title: 'Registers and capability lists',
    nodes: [
      headerNode(id, read, COMMAND),
      headerNode(id, read, STATUS),
      ...capabilitiesOf(read).map((found) => capabilityNode(id, read, found)),
    ],
    empty: 'The function has no capabilities.',
  };
}

/** Bits in the order and by the names of lspci. */
const COMMAND_FLAGS: Readonly<Record<string, string>> = {
  IOSE: 'I/O',
  MSE: 'Mem',
  BME: 'BusMaster',
  PER: 'ParErr',
  SERR: 'SERR',
  INTXD: 'DisINTx',
};
const STATUS_FLAGS: Readonly<Record<string, string>> = {
  CAPL: 'Cap',
  MDPE: 'ParErr',
  STA: '>TAbort',
  RTA: '<TAbort',
  RMA: '<MAbort',
  SSE: '>SERR',
  DPE: '<PERR',
  INTXS: 'INTx',
};

function flags(
  values: Readonly<Record<string, number | bigint>>,
  names: Readonly<Record<string, string>>,
): string {
  return Object.entries(names)
    .map(([field, name]) => `${name}${Number(values[field] ?? 0) === 1 ? '+' : '-'}`)
    .join(' ');
}

/** What lspci prints first. `barRows` comes from who knows sizes. */
export function headerSection(
  id: string,
  read: ReadConfig,
  barRows: KeyValueSection['rows'],
): KeyValueSection {
  const hex4 = (value: number): string => value.toString(16).padStart(4, '0');
  const isPort = HEADER_TYPE.decode(Uint32Array.of(read(HEADER_TYPE.offset, 1))).LAYOUT === 1;
  return {
    kind: 'keyvalue',
    id,
    title: 'Header',
    rows: [
      { key: 'Vendor : device', value: `${hex4(read(0, 2))}:${hex4(read(2, 2))}` },
      {
        key: 'Class',
        value: toHex(read(8, 4) >>> 8, 6),
        help: 'Base class, sub-class, programming interface',
      },
      isPort
        ? {
            key: 'Buses',
            value: `${toHex(read(PRIMARY_BUS.offset, 1))}, ${toHex(read(SECONDARY_BUS.offset, 1))}`,
            help: 'The one it is on, and the one below it',
          }
        : {
            key: 'Subsystem',
            value: `${hex4(read(0x2c, 2))}:${hex4(read(0x2e, 2))}`,
            help: 'Identifiers of the maker of the board',
          },
      {
        key: 'Control',
        value: flags(COMMAND.decode(Uint32Array.of(read(4, 2))), COMMAND_FLAGS),
        help: 'Command register as lspci prints it: + is set, - is clear',
      },
      {
        key: 'Status',
        value: flags(STATUS.decode(Uint32Array.of(read(6, 2))), STATUS_FLAGS),
        help: 'Status register as lspci prints it: + is set, - is clear',
      },
      ...barRows,
    ],
  };
}
