/** What views need to know of devices whatever their class: queues, interrupt messages, device TLB, counters. */
import {
  DsaDevice,
  NicDevice,
  QatDevice,
  type InterruptEntry,
  type PcieFunction,
} from '../../sim/index.ts';

export interface QueueFact {
  /** `dsa0/wq1`: the same everywhere. */
  readonly name: string;
  readonly title: string;
  readonly subtitle: string;
  readonly isEnabled: boolean;
  /** It stopped by an error. */
  readonly isHalted?: boolean;
  readonly pasid?: number;
}

export type FunctionMap = ReadonlyMap<number, PcieFunction>;
type Found<D> = readonly (readonly [rid: number, device: D])[];

/** Queues shown in the drawing; more are summed up. */
const MAX_QUEUES = 16;
/** Interrupt entries looked through in a table of thousands. */
const MAX_MESSAGES = 512;

export function isDsa(device: PcieFunction): device is PcieFunction & DsaDevice {
  return device instanceof DsaDevice;
}

export function dsaDevices(functions: FunctionMap): Found<DsaDevice> {
  return [...functions].flatMap(([rid, device]) => (isDsa(device) ? [[rid, device] as const] : []));
}

export function nicDevices(functions: FunctionMap): Found<NicDevice> {
  return [...functions].flatMap(([rid, device]) =>
    device instanceof NicDevice ? [[rid, device] as const] : [],
  );
}

export function qatDevices(functions: FunctionMap): Found<QatDevice> {
  return [...functions].flatMap(([rid, device]) =>
    device instanceof QatDevice ? [[rid, device] as const] : [],
  );
}

export function queueName(device: string, index: number): string {
  return `${device}/wq${index}`;
}

function withPasid(pasid: number): { readonly pasid?: number } {
  return pasid < 0 ? {} : { pasid };
}

export function isPairInUse(pair: QatDevice['pairs'][number]): boolean {
  return pair.pasid >= 0 || pair.baseLow(0) !== 0 || pair.counters.requests > 0;
}

export function deviceQueues(device: PcieFunction): readonly QueueFact[] {
  if (isDsa(device)) return workQueues(device).slice(0, MAX_QUEUES);
  if (device instanceof NicDevice) {
    return device.inspect
      .inUse()
      .filter((pair) => !pair.isVirtual)
      .slice(0, MAX_QUEUES)
      .map((pair) => ({
        name: `${device.name}/qp${pair.index}`,
        title: `qp${pair.index}`,
        subtitle: pair.pasid < 0 ? 'no PASID' : `PASID ${pair.pasid}`,
        isEnabled: pair.tx.isEnabled || pair.rx.isEnabled,
        ...withPasid(pair.pasid),
      }));
  }
  if (device instanceof QatDevice) {
    return device.pairs
      .filter(isPairInUse)
      .slice(0, MAX_QUEUES)
      .map((pair) => ({
        name: `${device.name}/rp${pair.index}`,
        title: `rp${pair.index}`,
        subtitle: pair.pasid < 0 ? 'no PASID' : `PASID ${pair.pasid}`,
        isEnabled: !pair.isHalted,
        isHalted: pair.isHalted,
        ...withPasid(pair.pasid),
      }));
  }
  return [];
}

function workQueues(device: DsaDevice): readonly QueueFact[] {
  return device.inspect
    .wqs()
    .filter((wq) => wq.size > 0 || wq.state !== 0)
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

export interface MessageFact {
  readonly table: 'IMS' | 'MSI-X';
  readonly entry: InterruptEntry;
}

interface Tables {
  readonly imsCount: number;
  readonly msixCount: number;
  imsEntry(index: number): InterruptEntry;
  msixEntry(index: number): InterruptEntry;
}

function tablesOf(device: PcieFunction): Tables | undefined {
  if (device instanceof NicDevice) {
    const { inspect } = device;
    const { imsEntries: imsCount, msixEntries: msixCount } = inspect.settings;
    return {
      imsCount,
      msixCount,
      imsEntry: (index) => inspect.imsEntry(index),
      msixEntry: (index) => inspect.msixEntry(index),
    };
  }
  if (device instanceof QatDevice) {
    const { endpoint, settings } = device;
    return {
      imsCount: settings.imsEntries,
      msixCount: settings.msixEntries,
      imsEntry: (index) => endpoint.ims.entry(index),
      msixEntry: (index) => endpoint.msix.entry(index),
    };
  }
  return undefined;
}

/** Tables start masked with nothing but the prefix of interrupt addresses in them. */
const DESTINATION_MASK = 0x000f_ffff;

function isProgrammed(entry: InterruptEntry): boolean {
  return !entry.isMasked || (entry.addressLow & DESTINATION_MASK) !== 0 || entry.data !== 0;
}

/** Interrupt messages that software has programmed, those stored in the device first. */
export function deviceMessages(device: PcieFunction): readonly MessageFact[] {
  if (isDsa(device)) {
    return [
      ...device.inspect.imsInUse().map((entry) => ({ table: 'IMS' as const, entry })),
      ...device.inspect
        .msix()
        .filter(isProgrammed)
        .map((entry) => ({ table: 'MSI-X' as const, entry })),
    ];
  }
  const tables = tablesOf(device);
  if (tables === undefined) return [];
  const collect = (
    table: MessageFact['table'],
    count: number,
    at: (index: number) => InterruptEntry,
  ): readonly MessageFact[] =>
    Array.from({ length: Math.min(count, MAX_MESSAGES) }, (_, index) => at(index))
      .filter(isProgrammed)
      .map((entry) => ({ table, entry }));
  return [
    ...collect('IMS', tables.imsCount, (index) => tables.imsEntry(index)),
    ...collect('MSI-X', tables.msixCount, (index) => tables.msixEntry(index)),
  ];
}

/** What a function keeps of the answers to its translation requests. */
export function deviceTranslations(
  device: PcieFunction,
): ReturnType<DsaDevice['inspect']['deviceTlb']> {
  if (isDsa(device) || device instanceof NicDevice) return device.inspect.deviceTlb();
  return device instanceof QatDevice ? device.endpoint.atc.entries() : [];
}

function sum(
  rows: readonly Readonly<Record<string, number>>[],
): Readonly<Record<string, number>> | undefined {
  if (rows.length === 0) return undefined;
  const totals: Record<string, number> = {};
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      totals[name] = (totals[name] ?? 0) + value;
    }
  }
  return totals;
}

/** Totals over all queues; undefined for functions that count nothing. */
export function deviceCounters(device: PcieFunction): Readonly<Record<string, number>> | undefined {
  if (isDsa(device)) return sum(device.inspect.wqs().map((wq) => ({ ...wq.counters })));
  if (device instanceof NicDevice) {
    return sum(device.inspect.inUse().map((pair) => ({ ...pair.counters })));
  }
  return device instanceof QatDevice
    ? sum(device.pairs.map((pair) => ({ ...pair.counters })))
    : undefined;
}
