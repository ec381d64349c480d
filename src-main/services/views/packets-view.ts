/** Packets that passed the switch of a NIC-class function: who sent what to whom, and what became of it. */
import { toHex } from '../../bits/hex.ts';
import type { Section, TableRow, Tone, ViewModel } from '../../protocol/views.ts';
import { VERDICT, VERDICT_TITLES, WIRE } from '../../spec/nic/verdicts.ts';
import { formatMac, type PacketOutcome, type SeenPacket } from '../../sim/index.ts';
import { nicDevices } from './device-facts.ts';
import { formatDuration } from './sections.ts';
import type { ViewContext } from './view-context.ts';

const ROWS = 128;
const NO_DEVICE = 'This machine has no network adapter.';
const MAC_BYTES = 6;

function endName(device: string, end: number): string {
  return end === WIRE ? 'wire' : `${device}/qp${end}`;
}

function macAt(bytes: Uint8Array, at: number): string {
  const address = bytes.slice(at, at + MAC_BYTES).reduce((all, byte) => all * 256 + byte, 0);
  return bytes.length < at + MAC_BYTES ? '—' : formatMac(address);
}

function toneOf(outcomes: readonly PacketOutcome[]): Tone {
  return outcomes.every((o) => o.verdict <= VERDICT.sentToWire) ? 'good' : 'warning';
}

function packetRow(device: string, packet: SeenPacket): TableRow {
  const { bytes, outcomes } = packet;
  const verdicts = outcomes.map((o) => VERDICT_TITLES[o.verdict] ?? '');
  const detail: Section[] = [
    {
      kind: 'bytes',
      id: `packet-${device}-${packet.number}`,
      title: 'Bytes',
      address: '0x0',
      hex: Array.from(bytes, (byte) => toHex(byte, 2).slice(2)).join(''),
    },
  ];
  return {
    id: `packet-${device}-${packet.number}`,
    refs: { unit: device },
    cells: [
      String(packet.number),
      formatDuration(packet.timeNs),
      endName(device, packet.from),
      outcomes.map((o) => endName(device, o.to)).join(' ') || 'nobody',
      macAt(bytes, MAC_BYTES),
      macAt(bytes, 0),
      String(bytes.length),
      { text: [...new Set(verdicts)].join('; ') || 'no receiver', tone: toneOf(outcomes) },
    ],
    detail,
  };
}

export function packetsView(context: ViewContext): ViewModel {
  const devices = nicDevices(context.machine.fabric.functions());
  const [, device] = devices.find(([, d]) => d.name === context.params.unit) ?? devices[0] ?? [];
  if (device === undefined) {
    return { view: 'packets', title: 'Packets', sections: [], empty: NO_DEVICE };
  }
  const packets = [...device.inspect.packets()].reverse();
  return {
    view: 'packets',
    title: 'Packets',
    subtitle: `${device.name}: ${device.inspect.packetTotal} packets so far`,
    choices: [
      {
        param: 'unit',
        title: 'Adapter',
        value: device.name,
        options: devices.map(([, d]) => ({ value: d.name, title: d.name })),
      },
    ],
    sections: [
      {
        kind: 'table',
        id: 'packets',
        columns: [
          { id: 'number', title: 'No.', align: 'right' },
          { id: 'time', title: 'Time', align: 'right' },
          { id: 'from', title: 'From', isMono: true },
          { id: 'to', title: 'To', isMono: true },
          { id: 'source', title: 'Source address', isMono: true },
          { id: 'destination', title: 'Destination address', isMono: true },
          { id: 'bytes', title: 'Bytes', align: 'right' },
          { id: 'verdict', title: 'What became of it', grow: 2 },
        ],
        rows: packets.slice(0, ROWS).map((packet) => packetRow(device.name, packet)),
        ...(packets.length > ROWS ? { omittedRows: packets.length - ROWS } : {}),
        empty: 'No packet was sent yet. Write a transmit tail to send one.',
      },
    ],
    notModelled: 'VLANs, checksums and offloads; the last 256 packets are kept.',
  };
}
