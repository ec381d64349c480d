/**
 * Records of a run as lines of a golden file: who recorded what, in order, with the values that are the point of a kind and
 * with repetitions counted. Times, sequence numbers and addresses that an allocator chose stay out.
 */
import { defined } from '../../src-main/bits/invariant.ts';
import type { TraceRow } from './linux-machine.ts';

/** Kinds that tell a story, and the values of each that belong to it. */
const SHOWN: Readonly<Record<string, readonly string[]>> = {
  'linux.callback.called': ['owner', 'callback'],
  'linux.object.state-changed': ['object', 'from', 'to'],
  'linux.uevent.sent': ['action', 'variables'],
  'linux.context-entry.written': ['word'],
  'linux.pasid-directory-entry.written': [],
  'linux.pasid-entry.written': ['pasid', 'word'],
  'linux.irte.written': ['word'],
  'linux.ims-entry.written': ['index', 'word'],
  'linux.domain.attached': ['rid', 'pasid'],
  'linux.domain.detached': ['rid', 'pasid'],
  'linux.pasid.allocated': ['pasid'],
  'linux.pasid.freed': ['pasid'],
  'linux.pages.pinned': ['pages'],
  'linux.pages.unpinned': ['pages'],
  'linux.invalidation.submitted': ['command', 'pasid'],
  'linux.idxd.command-given': ['command'],
  'linux.vdev.command-handled': ['command', 'status'],
  'linux.interrupt.handled': [],
  'linux.eventfd.signalled': [],
  'vmm.slot.set': ['name'],
  'vmm.slot.removed': [],
  'vmm.irqfd.assigned': [],
  'vmm.irqfd.removed': [],
  'vmm.bypass.changed': [],
  'vmm.interrupt.injected': [],
  'vmm.pasid.set': [],
  'cpu.block-write.issued': [],
  'cpu.enqcmd.accepted': [],
  'cpu.pasid.translated': ['guestPasid', 'hostPasid'],
  'cpu.posted-interrupt.processed': [],
  'cpu.virtual-interrupt.delivered': [],
  'dsa.descriptor.enqueued': ['wq', 'pasid'],
  'dsa.descriptor.dispatched': ['wq'],
  'dsa.descriptor.completed': [],
  'dsa.interrupt.sent': ['table', 'index'],
  'dsa.wq.enabled': ['wq'],
  'dsa.wq.disabled': ['wq'],
  'dsa.wq.reset': ['wq'],
  'dsa.device.enabled': [],
  'dsa.device.disabled': [],
  'nic.doorbell.rung': ['queue', 'ring'],
  'nic.packet.sent': ['queue', 'pasid'],
  'nic.packet.delivered': ['from', 'queue', 'pasid'],
  'nic.packet.dropped': ['from', 'verdict'],
  'nic.interrupt.raised': ['queue', 'table', 'outcome'],
  'nic.queue.reset': ['queue'],
  'iommu.request.translated': ['rid', 'pasid'],
  'iommu.interrupt.posted': [],
  'iommu.interrupt.remapped': [],
};

/** One JSON text a line; equal neighbours are one line with their number. */
export function goldenLines(rows: readonly TraceRow[]): readonly string[] {
  const lines: { text: string; count: number }[] = [];
  for (const { source, kind, values } of rows) {
    const names = SHOWN[kind];
    if (names === undefined || isTrappedAccess(kind, values['callback'])) {
      continue;
    }
    const shown = Object.fromEntries(
      names.map((name) => [name, String(defined(values[name], `${name} of ${kind}`))]),
    );
    const text = JSON.stringify({ source, kind, ...shown });
    const last = lines.at(-1);
    if (last?.text === text) {
      last.count += 1;
    } else {
      lines.push({ text, count: 1 });
    }
  }
  return lines.map(({ text, count }) =>
    count === 1 ? text : `${text.slice(0, -1)},"times":${count}}`,
  );
}

/** Each exit of the slow path is one; they are counted elsewhere. */
function isTrappedAccess(kind: string, callback: unknown): boolean {
  return kind === 'linux.callback.called' && (callback === 'read' || callback === 'write');
}
