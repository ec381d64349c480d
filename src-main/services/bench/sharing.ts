/**
 * What it costs to share one adapter among tenants, by SR-IOV and by Scalable IOV, and where each stops. Everything is
 * counted on a simulated machine with a host kernel that really does it: table entries are read from memory, accesses are
 * counted on the port, and every tenant proves itself by sending a packet to the next one through its own mappings.
 */
import { CONFIG_SPACE_BYTES } from '../../spec/pcie/capability-id.ts';
import { defined, invariant } from '../../bits/invariant.ts';
import { difference, type AccessCounts } from './counting-hardware.ts';
import { countTables } from './iommu-table-counts.ts';
import { SiovHost, SriovHost, type SharingHost } from './sharing-hosts.ts';
import {
  bootSharingMachine,
  DEFAULT_SHARING,
  type SharingMachine,
  type SharingSettings,
} from './sharing-machine.ts';
import type { SharingTenant } from './sharing-tenant.ts';

export type Technology = 'sriov' | 'siov';

/** What `n` tenants take, beyond what the adapter takes without any. */
export interface SharingCost {
  /** PCIe functions, each with a Requester ID. */
  readonly functions: number;
  readonly configSpaceBytes: number;
  readonly contextEntries: number;
  readonly pasidEntries: number;
  /** Bytes of PASID directories and tables. */
  readonly pasidTableBytes: number;
  readonly vectors: number;
  readonly barBytes: number;
  /** Accesses of the host until all tenants could start. */
  readonly hostSetup: AccessCounts;
  /** Accesses of the tenants' own drivers. */
  readonly tenantSetup: AccessCounts;
  /** Of those that were sent from each tenant to the next. */
  readonly packetsDelivered: number;
  readonly interruptsTaken: number;
  /** Tenants that lose their device when one more is wanted. */
  readonly disturbedByOneMore: number;
}

export interface SharingLimit {
  readonly maxTenants: number;
  readonly stoppedBy: string;
}

export interface SharingReport {
  readonly adapter: {
    readonly queuePairs: number;
    readonly imsEntries: number;
    readonly totalVfs: number;
    readonly buses: number;
  };
  readonly tenants: readonly {
    readonly n: number;
    /** Null where there cannot be so many. */
    readonly sriov: SharingCost | null;
    readonly siov: SharingCost | null;
  }[];
  readonly limits: Readonly<Record<Technology, SharingLimit>>;
}

export const DEFAULT_TENANTS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** Time for packets and interrupts to settle. */
const SETTLE_NS = 1_000_000;

function hostFor(technology: Technology, m: SharingMachine): SharingHost {
  return technology === 'sriov' ? new SriovHost(m) : new SiovHost(m);
}

interface Opened {
  readonly host: SharingHost;
  readonly tenants: readonly SharingTenant[];
  readonly stoppedBy: string | undefined;
}

function openTenants(technology: Technology, m: SharingMachine, count: number): Opened {
  const host = hostFor(technology, m);
  const tenants: SharingTenant[] = [];
  let stoppedBy = host.prepare(count);
  while (stoppedBy === undefined && tenants.length < count) {
    const result = host.open(tenants.length);
    if ('tenant' in result) {
      tenants.push(result.tenant);
    } else {
      stoppedBy = result.stoppedBy;
    }
  }
  return { host, tenants, stoppedBy };
}

/** Each sends to the next; gives how many arrived at the right one from the right one. */
function exchangePackets(m: SharingMachine, tenants: readonly SharingTenant[]): number {
  let delivered = 0;
  tenants.forEach((tenant, i) => {
    tenant.send(defined(tenants[(i + 1) % tenants.length], 'Next tenant').mac);
  });
  m.kernel.core.advance(SETTLE_NS);
  tenants.forEach((tenant, i) => {
    const sender = defined(tenants.at(i - 1), 'Previous tenant').mac;
    const senders = tenant.received();
    invariant(
      senders.every((mac) => mac === sender),
      `Tenant ${i} received a packet that was not for it`,
    );
    delivered += senders.length;
  });
  return delivered;
}

/** Wants one tenant more while the others run; gives how many of them do not run any more. */
function disturbedByOneMore({ host, tenants }: Opened): number {
  host.extend(tenants.length);
  return tenants.filter((tenant) => !tenant.isRunning).length;
}

/** What `count` tenants cost, or null when there cannot be so many. */
export function measureSharing(
  technology: Technology,
  count: number,
  settings: SharingSettings = DEFAULT_SHARING,
): SharingCost | null {
  const m = bootSharingMachine(settings);
  const root = defined(m.kernel.iommu.driver?.unit.contexts.root, 'Root table');
  const before = countTables(m.hw, root);
  const vectorsBefore = m.kernel.irqs.list().length;
  const start = m.hw.counts;
  const opened = openTenants(technology, m, count);
  if (opened.stoppedBy !== undefined) {
    return null;
  }
  const created = m.hw.counts;
  for (const tenant of opened.tenants) {
    tenant.start();
  }
  const started = m.hw.counts;
  const tables = countTables(m.hw, root);
  const functions = m.machine.fabric.functions().size - 1;
  const packetsDelivered = count === 1 ? 0 : exchangePackets(m, opened.tenants);
  return {
    functions,
    configSpaceBytes: functions * CONFIG_SPACE_BYTES,
    contextEntries: tables.contextEntries - before.contextEntries,
    pasidEntries: tables.pasidEntries - before.pasidEntries,
    pasidTableBytes: tables.pasidTableBytes - before.pasidTableBytes,
    vectors: m.kernel.irqs.list().length - vectorsBefore,
    barBytes: opened.host.barBytes,
    hostSetup: difference(created, start),
    tenantSetup: difference(started, created),
    packetsDelivered,
    interruptsTaken: opened.tenants.reduce((sum, t) => sum + t.interrupts, 0),
    disturbedByOneMore: disturbedByOneMore(opened),
  };
}

/** Opens tenants until something runs out. */
export function findLimit(
  technology: Technology,
  settings: SharingSettings = DEFAULT_SHARING,
): SharingLimit {
  let wanted = Math.max(settings.queuePairs, settings.totalVfs) + 1;
  let stoppedBy = '';
  // The number of virtual functions is set once, so a number that is refused is lowered to what the adapter announces.
  for (const attempt of [wanted, settings.totalVfs]) {
    wanted = attempt;
    const opened = openTenants(technology, bootSharingMachine(settings), wanted);
    stoppedBy = opened.stoppedBy ?? stoppedBy;
    if (opened.tenants.length > 0) {
      return { maxTenants: opened.tenants.length, stoppedBy };
    }
  }
  return { maxTenants: 0, stoppedBy };
}

export function runSharing(
  tenants: readonly number[] = DEFAULT_TENANTS,
  settings: SharingSettings = DEFAULT_SHARING,
): SharingReport {
  const { queuePairs, imsEntries, totalVfs, extraBuses } = settings;
  return {
    adapter: { queuePairs, imsEntries, totalVfs, buses: extraBuses + 1 },
    tenants: tenants.map((n) => ({
      n,
      sriov: measureSharing('sriov', n, settings),
      siov: measureSharing('siov', n, settings),
    })),
    limits: { sriov: findLimit('sriov', settings), siov: findLimit('siov', settings) },
  };
}
