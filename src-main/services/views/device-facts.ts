/** What views need to know of devices whatever their class: queues and counters. */
import { DsaDevice, type PcieFunction } from '../../sim/index.ts';

export interface QueueFact {
  /** `dsa0/wq1`: the same everywhere. */
  readonly name: string;
  readonly title: string;
  readonly subtitle: string;
  readonly isEnabled: boolean;
  readonly pasid?: number;
}

/** Queues shown in the drawing; more are summed up. */
const MAX_QUEUES = 16;

export function isDsa(device: PcieFunction): device is PcieFunction & DsaDevice {
  return device instanceof DsaDevice;
}

export function dsaDevices(
  functions: ReadonlyMap<number, PcieFunction>,
): readonly (readonly [rid: number, device: DsaDevice])[] {
  return [...functions].flatMap(([rid, device]) => (isDsa(device) ? [[rid, device] as const] : []));
}

export function queueName(device: string, index: number): string {
  return `${device}/wq${index}`;
}

export function deviceQueues(device: PcieFunction): readonly QueueFact[] {
  if (!isDsa(device)) {
    return [];
  }
  return device.inspect
    .wqs()
    .filter((wq) => wq.size > 0 || wq.state !== 0)
    .slice(0, MAX_QUEUES)
    .map((wq) => {
      const isDedicated = wq.config.mode === 1;
      return {
        name: queueName(device.name, wq.index),
        title: `wq${wq.index}`,
        subtitle: `${isDedicated ? 'dedicated' : 'shared'}, ${wq.occupancy}/${wq.size}`,
        isEnabled: wq.state === 1,
        ...(isDedicated && wq.config.pasidEnable === 1 ? { pasid: wq.config.pasid } : {}),
      };
    });
}

/** Totals over all queues; undefined for functions that count nothing. */
export function deviceCounters(device: PcieFunction): Readonly<Record<string, number>> | undefined {
  if (!isDsa(device)) {
    return undefined;
  }
  const totals: Record<string, number> = {};
  for (const wq of device.inspect.wqs()) {
    for (const [name, value] of Object.entries(wq.counters)) {
      totals[name] = (totals[name] ?? 0) + value;
    }
  }
  return totals;
}
