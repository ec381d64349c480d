/** Portals of a DSA-class device: the pages through which descriptors are submitted, and who may use each. */
import { bigOf } from '../../bits/u64.ts';
import type { ViewModel } from '../../protocol/views.ts';
import type { Machine } from '../../sim/index.ts';
import { dsaDevices, queueName } from './device-facts.ts';
import { formatAddress } from './sections.ts';
import { openFiles, queueOfVdev, vdevs } from './software-objects.ts';
import { text } from './plain-data.ts';
import type { ViewContext } from './view-context.ts';
import { chooseAccelerator, NO_ACCELERATOR } from './work-queues-view.ts';

/** Processes and VDEVs by the queue that they submit to. */
function queueUsers(machine: Machine): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>();
  const add = (queue: string, user: string): void => {
    users.set(queue, [...(users.get(queue) ?? []), user]);
  };
  for (const fact of vdevs(machine)) {
    const queue = queueOfVdev(fact);
    if (queue !== undefined) {
      add(queue, `VDEV ${fact.label} of ${fact.vm ?? fact.process ?? 'nobody'}`);
    }
  }
  for (const { process, state } of openFiles(machine)) {
    const wq = state['kind'] === 'wq' ? text(state, 'wq') : undefined;
    const [device = '', index = ''] = (wq ?? '').replace('wq', '').split('.');
    const [, accelerator] = dsaDevices(machine.fabric.functions())[Number(device)] ?? [];
    if (wq !== undefined && accelerator !== undefined) {
      add(queueName(accelerator.name, Number(index)), process);
    }
  }
  return users;
}

export function portalsView(context: ViewContext): ViewModel {
  const chosen = chooseAccelerator(context);
  if (chosen === undefined) {
    return { view: 'portals', title: 'Portals', sections: [], empty: NO_ACCELERATOR };
  }
  const { device } = chosen;
  const base = device.inspect.configRegisters;
  const bar2 = bigOf(base.peek32(0x1c), base.peek32(0x18) & ~0xf);
  const inUse = new Set(
    device.inspect
      .wqs()
      .filter((q) => q.size > 0 || q.state !== 0)
      .map((q) => q.index),
  );
  const users = queueUsers(context.machine);
  return {
    view: 'portals',
    title: 'Portals',
    subtitle: `${device.name}, BAR2 at ${formatAddress(bar2)}: four pages a queue`,
    sections: [
      {
        kind: 'table',
        id: 'portals',
        columns: [
          { id: 'wq', title: 'Queue', isMono: true },
          { id: 'page', title: 'Page', align: 'right' },
          {
            id: 'title',
            title: 'Portal',
            help: 'Limited portals stop at the threshold of a shared queue; IMS portals name interrupts stored in the device',
          },
          { id: 'address', title: 'Address', isMono: true },
          { id: 'users', title: 'Clients of the queue', grow: 1 },
        ],
        rows: device.inspect
          .portals()
          .filter((p) => inUse.has(p.wq))
          .map((p) => ({
            id: `portal-${p.wq}-${p.page}`,
            refs: { queue: queueName(device.name, p.wq) },
            cells: [
              `wq${p.wq}`,
              String(p.page),
              p.title,
              formatAddress(bar2 + BigInt(p.offset)),
              users.get(queueName(device.name, p.wq))?.join(', ') ?? 'nobody',
            ],
          })),
        empty:
          'Portals of queues without entries answer like a disabled queue. Configure a queue first.',
      },
    ],
  };
}
