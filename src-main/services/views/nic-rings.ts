/** Rings of NIC-class queue pairs for the ring pane: indexes, context, and the descriptors as they lie in memory. */
import { bigOf } from '../../bits/u64.ts';
import { toHex } from '../../bits/hex.ts';
import type { Section, TableRow } from '../../protocol/views.ts';
import { STOP, STOP_TITLES } from '../../spec/nic/verdicts.ts';
import type { NicDevice, QueuePairView, RingView } from '../../sim/index.ts';
import { formatAddress, formatPasid, formatRid, ridRef } from './sections.ts';

function ringCells(ring: RingView): readonly [string, string, string] {
  const waiting = ring.count === 0 ? 0 : (ring.tail - ring.head + ring.count) % ring.count;
  const state = ring.isEnabled
    ? ring.stop === STOP.none
      ? 'running'
      : `stopped: ${STOP_TITLES[ring.stop] ?? ''}`
    : 'off';
  return [`${ring.head} → ${ring.tail}`, `${waiting} of ${ring.count}`, state];
}

function ringRow(device: NicDevice, pair: QueuePairView, kind: 'tx' | 'rx'): TableRow {
  const ring = pair[kind];
  const [indexes, waiting, state] = ringCells(ring);
  return {
    id: `${device.name}-qp${pair.index}-${kind}`,
    refs: {
      queue: `${device.name}/qp${pair.index}`,
      unit: device.name,
      rid: ridRef(pair.rid),
      ...(pair.pasid < 0 ? {} : { pasid: pair.pasid }),
    },
    ...(ring.isEnabled ? {} : { tone: 'muted' as const }),
    cells: [
      `${device.name}/qp${pair.index}`,
      kind === 'tx' ? 'transmit' : 'receive',
      `${pair.owner} ${formatRid(pair.rid)}`,
      formatPasid(pair.pasid),
      formatAddress(bigOf(ring.baseHigh, ring.baseLow)),
      indexes,
      waiting,
      {
        text: state,
        tone: ring.stop === STOP.none ? (ring.isEnabled ? 'good' : 'muted') : 'fault',
      },
    ],
    detail: [countersOf(device, pair)],
  };
}

function countersOf(device: NicDevice, pair: QueuePairView): Section {
  return {
    kind: 'keyvalue',
    id: `counters-${device.name}-${pair.index}`,
    title: 'Counters since the last reset',
    rows: [
      ...Object.entries(pair.counters).map(([key, value]) => ({ key, value: String(value) })),
      {
        key: 'vector',
        value:
          pair.vector < 0
            ? 'none'
            : `${pair.isVectorInIms ? 'IMS' : 'MSI-X'} ${toHex(pair.vector)}`,
      },
    ],
  };
}

export function nicRingRows(device: NicDevice): readonly TableRow[] {
  return device.inspect
    .inUse()
    .flatMap((pair) => [ringRow(device, pair, 'tx'), ringRow(device, pair, 'rx')]);
}
