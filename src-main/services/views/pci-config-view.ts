/** Configuration space of one function as lspci prints it: header, capability list, raw bytes. */
import { bytesToHex, toHex } from '../../bits/hex.ts';
import type { Section, ViewModel } from '../../protocol/views.ts';
import type { PcieFunction } from '../../sim/index.ts';
import { capabilityTree, headerSection, type ReadConfig } from './config-space.ts';
import { formatBytes, formatRid, ridRef } from './sections.ts';
import type { ViewContext } from './view-context.ts';

const SPACE_BYTES = 0x1000;
const SHOWN_BYTES = 0x400;

function barAddress(device: PcieFunction, index: number): bigint {
  const low = BigInt(device.configRead(0x10 + index * 4, 4) & ~0xf) & 0xffff_ffffn;
  const high = BigInt(device.configRead(0x14 + index * 4, 4));
  return (high << 32n) | low;
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
  const read: ReadConfig = (offset, bytes) => device.configRead(offset, bytes);
  const bytes = Uint8Array.from({ length: SHOWN_BYTES }, (_, i) => read(i, 1));
  const bars = device.barBytes.flatMap((size, index) =>
    size === 0
      ? []
      : [
          {
            key: `BAR${index}`,
            value: `${toHex(barAddress(device, index))}, ${formatBytes(size)}`,
            help: 'Where firmware placed the region',
          },
        ],
  );
  const sections: Section[] = [
    headerSection('header', read, bars),
    capabilityTree(`capabilities-${rid}`, read),
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
