/** Rings of QAT-class ring pairs for the ring pane. */
import { bigOf } from '../../bits/u64.ts';
import { toHex } from '../../bits/hex.ts';
import type { TableRow } from '../../protocol/views.ts';
import { RING } from '../../spec/qat/registers.ts';
import type { QatDevice } from '../../sim/index.ts';
import { isPairInUse } from './device-facts.ts';
import { formatAddress, formatPasid, formatRid, ridRef } from './sections.ts';

type Pair = QatDevice['pairs'][number];

function ringRow(rid: number, device: QatDevice, pair: Pair, ring: 0 | 1): TableRow {
  const isRequest = ring === RING.request;
  const head = isRequest ? pair.requestHead : pair.responseHead;
  const tail = isRequest ? pair.requestTail : pair.responseTail;
  const bytes = pair.ringBytes(ring);
  const name = `${device.name}/rp${pair.index}`;
  return {
    id: `${device.name}-rp${pair.index}-${ring}`,
    refs: {
      queue: name,
      unit: device.name,
      rid: ridRef(rid),
      ...(pair.pasid < 0 ? {} : { pasid: pair.pasid }),
    },
    cells: [
      name,
      isRequest ? 'request' : 'response',
      `${device.name} ${formatRid(rid)}`,
      formatPasid(pair.pasid),
      formatAddress(bigOf(pair.baseHigh(ring), pair.baseLow(ring))),
      `${toHex(head)} → ${toHex(tail)}`,
      `${(tail - head + bytes) % bytes} of ${bytes} bytes`,
      pair.isHalted ? { text: 'halted', tone: 'fault' } : { text: 'running', tone: 'good' },
    ],
    detail: [
      {
        kind: 'keyvalue',
        id: `counters-${device.name}-${pair.index}-${ring}`,
        title: 'Counters since the last reset',
        rows: Object.entries(pair.counters).map(([key, value]) => ({ key, value: String(value) })),
      },
    ],
  };
}

export function qatRingRows(rid: number, device: QatDevice): readonly TableRow[] {
  return device.pairs
    .filter(isPairInUse)
    .flatMap((pair) => [
      ringRow(rid, device, pair, RING.request),
      ringRow(rid, device, pair, RING.response),
    ]);
}
