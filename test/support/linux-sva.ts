/** Processes that hand plain pointers to the accelerator, and what the unit and the device made of it. */
import type { Process } from '../../src-main/linux/mm/process.ts';
import { MAP } from '../../src-main/linux/mm/mm.ts';
import type { PcieFunction } from '../../src-main/sim/index.ts';
import type { PageRequest } from '../../src-main/sim/pcie/ports.ts';
import { FLAG } from '../../src-main/spec/dsa/descriptor.ts';
import {
  bootIdxd,
  moveWords,
  wqAt,
  type IdxdLab,
  type IdxdOptions,
  type WqPlan,
} from './linux-idxd.ts';

export const PAGE = 4096;
const RW = 3;

export interface SvaApp {
  readonly process: Process;
  readonly fd: number;
  /** 16 pages that nobody has touched. */
  readonly memory: number;
  readonly portal: number;
  /** A page whose pages are there from the start, for completion records. */
  readonly records: number;
}

/** A machine whose first queue retries page faults by page requests. */
export function bootSva(plan: Partial<WqPlan> = {}, options: IdxdOptions = {}): IdxdLab {
  const lab = bootIdxd({
    wqs: [{ mode: 'shared', type: 'user', ...plan, enable: false }],
    ...options,
  });
  const { name } = wqAt(lab, 0);
  const put = (path: string, text: string): void => {
    const result = lab.sysfsWrite(path, text);
    if (result < 0) {
      throw new Error(`${path}: ${result}`);
    }
  };
  put(`bus/dsa/devices/${name}/block_on_fault`, '1');
  put('bus/dsa/drivers/dsa/bind', name);
  return lab;
}

export function anonymous(
  lab: IdxdLab,
  process: Process,
  pages: number,
  isPopulated = false,
): number {
  return lab.kernel.calls.mmap(process, {
    length: pages * PAGE,
    prot: RW,
    flags: MAP.PRIVATE | MAP.ANONYMOUS | (isPopulated ? MAP.POPULATE : 0),
    fd: -1,
    offset: 0,
  });
}

export function openApp(lab: IdxdLab, name: string, cpu = 0, wq = 0): SvaApp {
  const { kernel } = lab;
  const process = kernel.processes.create(name, { capabilities: ['CAP_SYS_RAWIO'], cpu });
  const fd = kernel.calls.open(process, `/dev/dsa/${wqAt(lab, wq).name}`);
  const portal = kernel.calls.mmap(process, { length: PAGE, prot: 2, flags: 1, fd, offset: 0 });
  return {
    process,
    fd,
    portal,
    memory: anonymous(lab, process, 16),
    records: anonymous(lab, process, 1, true),
  };
}

/** A move inside the app's memory that waits at missing pages; its record goes to slot `at`. */
export function lazyMove(
  app: SvaApp,
  plan: {
    readonly from?: number;
    readonly to?: number;
    readonly bytes?: number;
    readonly at?: number;
  } = {},
): Uint32Array {
  const words = moveWords({
    from: plan.from ?? app.memory,
    to: plan.to ?? app.memory + PAGE,
    bytes: plan.bytes ?? 64,
    record: app.records + (plan.at ?? 0) * 64,
  });
  words[1] = ((words[1] ?? 0) | FLAG.blockOnFault) >>> 0;
  return words;
}

export function statusOf(app: SvaApp, at = 0): number {
  const read = app.process.mm.read(app.records + at * 64, 1);
  return typeof read === 'number' ? read : (read[0] ?? 0);
}

/** Page-group responses as the unit sent them: PASID and code. */
export function responses(lab: IdxdLab): readonly (readonly [unknown, unknown])[] {
  return lab
    .rows('iommu.page-group-response.sent')
    .map((r) => [r.values['pasid'], r.values['code']] as const);
}

/** A page request as a function of this Requester ID would send it. */
export function pageRequest(lab: IdxdLab, rid: number, fields: Partial<PageRequest>): void {
  const address = fields.low ?? 0;
  lab.machine.fabric.portOf(rid).pageRequest({
    pasid: -1,
    isPrivileged: false,
    isExecute: false,
    isRead: true,
    isWrite: false,
    isLastInGroup: true,
    groupIndex: 0,
    high: 0,
    ...fields,
    low: address,
  });
}

export function functionAt(lab: IdxdLab, rid: number): PcieFunction {
  const found = lab.machine.fabric.find(rid);
  if (found === undefined) {
    throw new Error(`No function ${rid}`);
  }
  return found;
}
