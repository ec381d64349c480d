/** Everything the machine counts: translation, interrupts, VM exits, device work. */
import type { KeyValueSection, Section, ViewModel } from '../../protocol/views.ts';
import { deviceCounters } from './device-facts.ts';
import { formatDuration } from './sections.ts';
import type { ViewContext } from './view-context.ts';

const HELP: Readonly<Record<string, string>> = {
  requests: 'Requests that the IOMMU looked at',
  iotlbHits: 'Requests answered from the IOTLB without a walk',
  contextHits: 'Context entries taken from the context cache',
  pasidHits: 'PASID entries taken from the PASID cache',
  walks: 'Page walks',
  faults: 'Requests that were refused',
};

/** `iotlbHits` → `IOTLB hits`. */
function label(name: string): string {
  const words = name.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
  return words
    .replace(/^iotlb/, 'IOTLB')
    .replace(/^pasid/, 'PASID')
    .replace(/^./, (c) => c.toUpperCase());
}

function counterSection(
  id: string,
  title: string,
  counters: Readonly<Record<string, number>>,
): KeyValueSection {
  return {
    kind: 'keyvalue',
    id,
    title,
    rows: Object.entries(counters).map(([name, value]) => ({
      key: label(name),
      value: String(value),
      ...(HELP[name] === undefined ? {} : { help: HELP[name] }),
    })),
  };
}

export function countersView({ machine }: ViewContext): ViewModel {
  const sections: Section[] = [
    counterSection('iommu', machine.unit.name, { ...machine.unit.translation.counters }),
    counterSection('interrupts', 'Interrupt messages', { ...machine.cpus.router.counters }),
  ];
  for (const device of machine.fabric.functions().values()) {
    const counters = deviceCounters(device);
    if (counters !== undefined) {
      sections.push(counterSection(device.name, device.name, counters));
    }
  }
  return {
    view: 'counters',
    title: 'Counters',
    subtitle: `after ${formatDuration(machine.queue.nowNs)}`,
    sections,
  };
}
