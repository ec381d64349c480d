/** Rings in memory that devices work through: NIC-class queue pairs and QAT-class ring pairs, one row a ring. */
import type { ViewModel } from '../../protocol/views.ts';
import { nicDevices, qatDevices } from './device-facts.ts';
import { qatRingRows } from './qat-rings.ts';
import { nicRingRows } from './nic-rings.ts';
import type { ViewContext } from './view-context.ts';

export function ringsView(context: ViewContext): ViewModel {
  const functions = context.machine.fabric.functions();
  const nics = nicDevices(functions).map(([, device]) => device);
  const qats = qatDevices(functions);
  if (nics.length + qats.length === 0) {
    return {
      view: 'rings',
      title: 'Rings',
      sections: [],
      empty: 'This machine has no device with descriptor rings.',
    };
  }
  return {
    view: 'rings',
    title: 'Rings',
    subtitle: [
      ...nics.map((d) => `${d.name}: ${d.inspect.queuePairCount} queue pairs`),
      ...qats.map(([, d]) => `${d.name}: ${d.pairs.length} ring pairs`),
    ].join(', '),
    sections: [
      {
        kind: 'table',
        id: 'rings',
        columns: [
          { id: 'pair', title: 'Owner of the ring', isMono: true },
          { id: 'ring', title: 'Ring' },
          { id: 'function', title: 'Function', isMono: true },
          { id: 'pasid', title: 'PASID', align: 'right', isMono: true },
          {
            id: 'base',
            title: 'Base',
            isMono: true,
            help: 'In the address space of PASID or function',
          },
          { id: 'indexes', title: 'Head → tail', isMono: true },
          { id: 'waiting', title: 'With the device', align: 'right' },
          { id: 'state', title: 'State', grow: 2 },
        ],
        rows: [...nics.flatMap(nicRingRows), ...qats.flatMap(([rid, d]) => qatRingRows(rid, d))],
        empty: 'No ring is set up. Write base, size and enable of a queue pair or ring pair.',
      },
    ],
  };
}
