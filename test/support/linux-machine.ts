/** A host kernel over a whole simulated machine, and its event log as plain records. */
import { eventKindOf } from '../../src-main/spec/events/event.ts';
import {
  Machine,
  Recorder,
  type CryptoPort,
  type DeviceConfig,
  type MachineConfig,
} from '../../src-main/sim/index.ts';
import { createKernel, type Kernel, type KernelOptions } from '../../src-main/linux/kernel.ts';

export interface TraceRow {
  readonly seq: number;
  readonly cause: number;
  readonly source: string;
  readonly kind: string;
  readonly values: Readonly<Record<string, number | bigint | string>>;
}

export interface Lab {
  readonly machine: Machine;
  readonly hw: Recorder;
  readonly kernel: Kernel;
  /** Records of these kinds (all when none is given), oldest first. */
  rows(...kinds: readonly string[]): readonly TraceRow[];
  /** All records from a place in the log on. */
  rowsFrom(seq: number): readonly TraceRow[];
}

export const SIOV_CAPABILITIES = [
  { kind: 'aer', offset: 0x100 },
  { kind: 'dvsec', offset: 0x200, hasIms: true },
  { kind: 'ats', offset: 0x220 },
  { kind: 'pasid', offset: 0x230 },
  { kind: 'pri', offset: 0x240 },
] as const;

export function plainDevice(
  bdf: string,
  capabilities: readonly object[] = SIOV_CAPABILITIES,
): DeviceConfig {
  return {
    kind: 'plain',
    name: `plain-${bdf.replace(/[:.]/g, '-')}`,
    bdf,
    options: { vendorId: 0x8086, deviceId: 0x0b25, classCode: 0x088000, capabilities },
  };
}

export type LabOptions = Partial<MachineConfig> &
  Partial<Pick<KernelOptions, 'profile' | 'params'>> & {
    readonly crypto?: CryptoPort;
    readonly recorder?: ConstructorParameters<typeof Recorder>[1];
  };

export function bootLab(options: LabOptions = {}): Lab {
  const { profile = 'iommufd', params, crypto, recorder, ...config } = options;
  const machine = new Machine({
    config: {
      name: 'lab',
      seed: 1,
      kernelProfile: profile,
      memory: { bytes: 256 * 2 ** 20 },
      cpus: 2,
      iommu: { profile: 'lab' },
      devices: [plainDevice('6a:01.0')],
      ...config,
    },
    trace: { mode: 'store' },
    ...(crypto === undefined ? {} : { crypto }),
  });
  const hw = new Recorder(machine, recorder);
  const kernel = createKernel({
    hw,
    role: 'host',
    profile,
    ...(params === undefined ? {} : { params }),
  });
  return {
    machine,
    hw,
    kernel,
    rows: (...kinds) => traceRows(machine, kinds, machine.trace.tail),
    rowsFrom: (seq) => traceRows(machine, [], seq),
  };
}

function traceRows(machine: Machine, kinds: readonly string[], from: number): readonly TraceRow[] {
  const { trace } = machine;
  const rows: TraceRow[] = [];
  for (let seq = from; seq < trace.head; seq++) {
    const raw = trace.read(seq);
    const kind = raw === undefined ? undefined : eventKindOf(raw.kind);
    if (raw === undefined || kind === undefined) {
      continue;
    }
    if (kinds.length > 0 && !kinds.includes(kind.kind)) {
      continue;
    }
    const values: Record<string, number | bigint | string> = {};
    let at = 0;
    for (const field of kind.fields) {
      const first = raw.slots[at++] ?? 0;
      if (field.type === 'u64') {
        values[field.name] = (BigInt(first) << 32n) | BigInt(raw.slots[at++] ?? 0);
      } else {
        values[field.name] = field.type === 'text' ? trace.textOf(first) : first;
      }
    }
    rows.push({
      seq,
      cause: raw.cause,
      source: trace.sourceName(raw.source),
      kind: kind.kind,
      values,
    });
  }
  return rows;
}
