/** Configuration space of one function as lspci prints it: header, capability list, raw bytes. */
import { bytesToHex, toHex } from '../../bits/hex.ts';
import type { Section, TreeNode, ViewModel } from '../../protocol/views.ts';
import type { Register } from '../../bits/register-block.ts';
import { declaredCapabilities, type Capability } from '../../spec/pcie/capability.ts';
import type { Machine } from '../../sim/index.ts';
import { formatRid, registerSection, ridRef } from './sections.ts';
import type { ViewContext } from './view-context.ts';

const SPACE_BYTES = 0x1000;
const SHOWN_BYTES = 0x400;
const CAPABILITY_POINTER = 0x34;
const FIRST_EXTENDED = 0x100;
const MAX_CAPABILITIES = 64;

type Device = ReturnType<Machine['fabric']['find']>;
type Found = NonNullable<Device>;

interface FoundCapability {
  readonly offset: number;
  readonly id: number;
  readonly isExtended: boolean;
  readonly next: number;
}

function capabilitiesOf(device: Found): readonly FoundCapability[] {
  const found: FoundCapability[] = [];
  let at = device.configRead(CAPABILITY_POINTER, 1);
  while (at !== 0 && found.length < MAX_CAPABILITIES) {
    const next = device.configRead(at + 1, 1);
    found.push({ offset: at, id: device.configRead(at, 1), isExtended: false, next });
    at = next;
  }
  at = FIRST_EXTENDED;
  while (at !== 0 && found.length < MAX_CAPABILITIES) {
    const header = device.configRead(at, 4);
    if (header === 0 || header === 0xffff_ffff) {
      break;
    }
    found.push({ offset: at, id: header & 0xffff, isExtended: true, next: header >>> 20 });
    at = header >>> 20;
  }
  return found;
}

function declarationOf(device: Found, found: FoundCapability): Capability | undefined {
  const same = declaredCapabilities().filter(
    (c) => c.id === found.id && (c.kind === 'extended') === found.isExtended,
  );
  if (same.length < 2) {
    return same[0];
  }
  // Several declarations share the DVSEC identifier; vendor and DVSEC id tell them apart.
  const isSiov =
    device.configRead(found.offset + 4, 2) === 0x8086 &&
    device.configRead(found.offset + 8, 2) === 5;
  return same.find((c) => (c.name === 'SIOV') === isSiov) ?? same[0];
}

function registerWords(device: Found, offset: number, register: Register): Uint32Array {
  const words = new Uint32Array(register.words);
  const at = offset + register.offset;
  if (register.bytes < 4) {
    words[0] = device.configRead(at, register.bytes as 1 | 2);
    return words;
  }
  for (let i = 0; i < register.words; i++) {
    words[i] = device.configRead(at + i * 4, 4);
  }
  return words;
}

function capabilityNode(device: Found, rid: number, found: FoundCapability): TreeNode {
  const declaration = declarationOf(device, found);
  const kind = found.isExtended ? 'Extended capability' : 'Capability';
  return {
    id: `cap-${rid}-${found.offset}`,
    title: `[${toHex(found.offset, 3)}] ${declaration?.title ?? `${kind} ${toHex(found.id, 2)}`}`,
    subtitle: found.next === 0 ? 'end of the list' : `next at ${toHex(found.next, 3)}`,
    detail: Object.values(declaration?.registers ?? {}).map((register) =>
      registerSection(register, {
        id: `cap-${rid}-${found.offset}-${register.name}`,
        words: registerWords(device, found.offset, register),
      }),
    ),
  };
}

export function pciConfigView({ machine, params }: ViewContext): ViewModel {
  const functions = [...machine.fabric.functions()];
  const chosen =
    functions.find(([rid]) => params.rid === undefined || ridRef(rid) === params.rid) ??
    functions[0];
  if (chosen === undefined) {
    return {
      view: 'pci-config',
      title: 'PCI configuration space',
      sections: [],
      empty: 'This machine has no PCI functions.',
    };
  }
  const [rid, device] = chosen;
  const bytes = Uint8Array.from({ length: SHOWN_BYTES }, (_, i) => device.configRead(i, 1));
  const sections: Section[] = [
    {
      kind: 'keyvalue',
      id: 'header',
      title: 'Header',
      rows: [
        {
          key: 'Vendor : device',
          value: `${hex4(device.configRead(0, 2))}:${hex4(device.configRead(2, 2))}`,
        },
        {
          key: 'Class',
          value: toHex(device.configRead(8, 4) >>> 8, 6),
          help: 'Base class, sub-class, programming interface',
        },
        {
          key: 'Command',
          value: toHex(device.configRead(4, 2), 4),
          help: 'Bit 1: memory space enable. Bit 2: bus master enable',
        },
        {
          key: 'Status',
          value: toHex(device.configRead(6, 2), 4),
          help: 'Bit 4: there is a capability list',
        },
        ...device.barBytes.flatMap((size, index) =>
          size === 0
            ? []
            : [
                {
                  key: `BAR${index}`,
                  value: `${toHex(barAddress(device, index))}, ${size / 1024} KiB`,
                  help: 'Where firmware placed the region',
                },
              ],
        ),
      ],
    },
    {
      kind: 'tree',
      id: 'capabilities',
      title: 'Capability lists',
      nodes: capabilitiesOf(device).map((found) => capabilityNode(device, rid, found)),
      empty: 'The function has no capabilities.',
    },
    {
      kind: 'bytes',
      id: 'bytes',
      title: `First ${SHOWN_BYTES} of ${SPACE_BYTES} bytes`,
      address: '0x000',
      hex: bytesToHex(bytes),
    },
  ];
  return {
    view: 'pci-config',
    title: 'PCI configuration space',
    subtitle: `${formatRid(rid)} ${device.name}`,
    choices: [
      {
        param: 'rid',
        title: 'Function',
        value: ridRef(rid),
        options: functions.map(([r, d]) => ({
          value: ridRef(r),
          title: `${formatRid(r)} ${d.name}`,
        })),
      },
    ],
    sections,
  };
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
}

function barAddress(device: Found, index: number): bigint {
  const low = BigInt(device.configRead(0x10 + index * 4, 4) & ~0xf) & 0xffff_ffffn;
  const high = BigInt(device.configRead(0x14 + index * 4, 4));
  return (high << 32n) | low;
}
