import { describe, expect, it, vi } from 'vitest';
import { ENOMEM, ETIMEDOUT } from '../../../../src-main/linux/errno.ts';
import type { PageRequestQueue } from '../../../../src-main/linux/iommu/intel/page-request-queue.ts';
import type { IntelIommu } from '../../../../src-main/linux/iommu/intel/intel-iommu.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import { PageRequestDescriptor } from '../../../../src-main/spec/vtd/descriptors/page-request-descriptors.ts';
import { PQH_REG, PQT_REG, PRS_REG } from '../../../../src-main/spec/vtd/registers/page-request.ts';
import { ADDRESS_TYPE } from '../../../../src-main/sim/index.ts';
import { bytesOfWords, type IdxdLab } from '../../../support/linux-idxd.ts';
import type { TraceRow } from '../../../support/linux-machine.ts';
import {
  anonymous,
  bootSva,
  functionAt,
  lazyMove,
  openApp,
  PAGE,
  pageRequest,
  responses,
  statusOf,
  type SvaApp,
} from '../../../support/linux-sva.ts';

const SUCCESS = 0;
const INVALID = 1;
const FAILURE = 15;
const DROPPED = 255;
const QUEUE_ENTRIES = 2048;
const READ_ONLY = 1;
const PIOTLB = 6;
const DEVICE_TLB = 8;
const WAIT = 5;
const PAGE_REQUEST_DRAIN = 1n << 7n;
/** Far below every area of a process. */
const NOWHERE = 0x1000_0000;

function driverOf(lab: IdxdLab): IntelIommu {
  const { driver } = lab.kernel.iommu;
  if (driver === null) {
    throw new Error('No IOMMU');
  }
  return driver;
}

function queueOf(lab: IdxdLab): PageRequestQueue {
  const { pageRequests } = driverOf(lab);
  if (pageRequests === null) {
    throw new Error('No page request queue');
  }
  return pageRequests;
}

function pasidOf(app: SvaApp): number {
  return app.process.mm.pasid ?? -1;
}

function submit(lab: IdxdLab, app: SvaApp, words = lazyMove(app)): string {
  return lab.kernel.instructions.enqcmd(app.process, app.portal, words);
}

function highLow(address: number): { readonly high: number; readonly low: number } {
  return { high: Math.floor(address / 2 ** 32), low: address % 2 ** 32 };
}

/** Sends one page request of the app's PASID, by hand. */
function ask(
  lab: IdxdLab,
  app: SvaApp,
  address: number,
  fields: Parameters<typeof pageRequest>[2] = {},
): void {
  pageRequest(lab, lab.dev.rid, { pasid: pasidOf(app), ...highLow(address), ...fields });
}

/** One read as the device's engine would send it, past everything the device does by itself. */
function readAs(lab: IdxdLab, pasid: number, address: number): number {
  return lab.machine.fabric.portOf(lab.dev.rid).read(
    {
      pasid,
      isPrivileged: false,
      isExecute: false,
      addressType: ADDRESS_TYPE.untranslated,
      ...highLow(address),
      bytes: 8,
      trafficClass: 0,
    },
    new Uint8Array(8),
    0,
  );
}

describe('row 50: the page request queue', () => {
  it('holds 32 bytes a request, in the layout of the specification', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    const queue = queueOf(lab);
    ask(lab, app, app.memory, { groupIndex: 0x155, isWrite: true });
    const bytes = lab.hw.memoryRead(queue.base, PageRequestDescriptor.bytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const low = view.getBigUint64(0, true);
    const high = view.getBigUint64(8, true);
    expect(low).toBe(
      1n | (1n << 8n) | (BigInt(lab.dev.rid) << 16n) | (BigInt(pasidOf(app)) << 32n),
    );
    expect(high).toBe(BigInt(app.memory) | (0x155n << 3n) | 7n);
    expect(bytes.subarray(16)).toEqual(new Uint8Array(16));
    const { registers } = driverOf(lab).unit;
    expect(registers.value(PQT_REG)).toBe(32n);
    expect(registers.read(PRS_REG)).toMatchObject({ PPR: 1, PRO: 0 });
    lab.kernel.core.advance(1_000_000);
    expect(registers.value(PQH_REG)).toBe(32n);
    expect(registers.read(PRS_REG).PPR).toBe(0);
  });

  it('gets one response for a group, after its last request', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    ask(lab, app, app.memory, { groupIndex: 5, isLastInGroup: false });
    ask(lab, app, app.memory + PAGE, { groupIndex: 6 });
    lab.kernel.core.advance(1_000_000);
    expect(responses(lab)).toEqual([[pasidOf(app), SUCCESS]]);
    expect(app.process.mm.table.lookup(app.memory)).toBeUndefined();
    ask(lab, app, app.memory + 2 * PAGE, { groupIndex: 5 });
    lab.kernel.core.advance(1_000_000);
    expect(responses(lab)).toHaveLength(2);
    for (const page of [0, 1, 2]) {
      expect(app.process.mm.table.lookup(app.memory + page * PAGE)).toBeDefined();
    }
  });

  it('stops a group at its first bad request: one Invalid for all', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    ask(lab, app, app.memory, { groupIndex: 5, isLastInGroup: false });
    ask(lab, app, NOWHERE, { groupIndex: 5, isLastInGroup: false });
    ask(lab, app, app.memory + PAGE, { groupIndex: 5 });
    lab.kernel.core.advance(1_000_000);
    expect(responses(lab)).toEqual([[pasidOf(app), INVALID]]);
    const isThere = (page: number): boolean =>
      app.process.mm.table.lookup(app.memory + page * PAGE) !== undefined;
    expect([isThere(0), isThere(1)]).toEqual([true, false]);
  });

  it('drops stop markers, and answers what no process may ask with Invalid, at once', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    ask(lab, app, 0, { isRead: false, isWrite: false, isLastInGroup: true });
    lab.kernel.core.settle();
    expect(driverOf(lab).unit.registers.value(PQH_REG)).toBe(32n);
    expect(responses(lab)).toEqual([]);
    const kernelHalf = { high: 0xffff_8000, low: 0 };
    const bad = [{ ...kernelHalf }, { isPrivileged: true }, { isExecute: true }, { pasid: -1 }];
    for (const fields of bad) {
      ask(lab, app, app.memory, { ...fields, isLastInGroup: false });
      lab.kernel.core.settle();
    }
    expect(responses(lab)).toEqual([]);
    for (const fields of bad) {
      ask(lab, app, app.memory, fields);
      lab.kernel.core.settle();
    }
    const pasids = [pasidOf(app), pasidOf(app), pasidOf(app), -1];
    const sent = responses(lab);
    expect(sent.map(([, code]) => code)).toEqual(pasids.map(() => INVALID));
    expect(sent.slice(0, 3).map(([pasid]) => pasid)).toEqual(pasids.slice(0, 3));
    expect(app.process.mm.table.lookup(app.memory)).toBeUndefined();
  });

  it('answers a requester that the driver does not know with Invalid', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    const words = PageRequestDescriptor.encode({
      TYPE: 1,
      PP: 1,
      RID: 0x1234,
      PASID: pasidOf(app),
      RDR: 1,
      LPIG: 1,
      ADDR: BigInt(app.memory),
    });
    lab.hw.memoryWrite(queueOf(lab).base, bytesOfWords(words));
    driverOf(lab).unit.registers.writeAt(PQT_REG.offset, 8, 32n);
    queueOf(lab).handle();
    expect(lab.rows('linux.page-request.answered').at(-1)?.values).toMatchObject({
      rid: 0x1234,
      code: INVALID,
    });
  });

  it('overflows at 2047 requests: the unit answers Success itself until PRO is cleared', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    const { registers } = driverOf(lab).unit;
    // The first of a group whose last one will be lost.
    ask(lab, app, app.memory, { groupIndex: 9, isLastInGroup: false });
    for (let n = 1; n < QUEUE_ENTRIES - 1; n++) {
      ask(lab, app, app.memory, { groupIndex: 1 });
    }
    expect(registers.read(PRS_REG).PRO).toBe(0);
    ask(lab, app, app.memory, { groupIndex: 9 });
    ask(lab, app, app.memory, { groupIndex: 2, isLastInGroup: false });
    expect(registers.read(PRS_REG).PRO).toBe(1);
    const byUnit = lab.rows('iommu.page-request.answered-by-unit').map((r) => r.values['response']);
    expect(byUnit).toEqual([SUCCESS, DROPPED]);
    lab.kernel.core.advance(100_000_000);
    expect(registers.read(PRS_REG)).toMatchObject({ PRO: 0, PPR: 0 });
    expect(lab.rows('linux.warning.printed').map((r) => r.values['text'])).toContain(
      'DMAR: page request overflow on dmar0',
    );
    expect(responses(lab)).toHaveLength(QUEUE_ENTRIES - 2);
    // The queue works again, and the half group was given up: a new one with its index starts empty.
    const faults = vi.spyOn(app.process.mm, 'handleFault');
    ask(lab, app, app.memory + PAGE, { groupIndex: 9 });
    lab.kernel.core.advance(1_000_000);
    expect(responses(lab)).toHaveLength(QUEUE_ENTRIES - 1);
    expect(faults.mock.calls).toEqual([[app.memory + PAGE, false]]);
  });
});

describe('row 51: what becomes of an I/O page fault', () => {
  it('a lazy page comes in: Success, and the descriptor completes as if nothing had been', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    app.process.mm.write(app.memory, new Uint8Array([0x5a]));
    expect(app.process.mm.table.lookup(app.memory + PAGE)).toBeUndefined();
    submit(lab, app);
    lab.kernel.core.advance(1_000_000);
    expect(statusOf(app)).toBe(STATUS.success);
    expect(responses(lab)).toEqual([[pasidOf(app), SUCCESS]]);
    expect(app.process.mm.read(app.memory + PAGE, 1)).toEqual(new Uint8Array([0x5a]));
    expect(lab.rows('iommu.fault.recorded')).toEqual([]);
  });

  it('no area allows the access: Invalid, status 04h with the address, and the process lives', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    const readOnly = lab.kernel.calls.mmap(app.process, {
      length: PAGE,
      prot: READ_ONLY,
      flags: 0x22,
      fd: -1,
      offset: 0,
    });
    const cases = [lazyMove(app, { from: NOWHERE, at: 0 }), lazyMove(app, { to: readOnly, at: 1 })];
    app.process.mm.write(app.memory, new Uint8Array([1]));
    cases.forEach((words) => submit(lab, app, words));
    lab.kernel.core.advance(10_000_000);
    expect([0, 1].map((at) => statusOf(app, at))).toEqual([
      STATUS.pageRequestInvalid,
      // The page was read-only: bit 7 tells that the write faulted.
      STATUS.pageRequestInvalid | 0x80,
    ]);
    expect(responses(lab).map(([, code]) => code)).toEqual([INVALID, INVALID]);
    const address = app.process.mm.read(app.records + 8, 8);
    expect(
      typeof address === 'number' ? address : new DataView(address.buffer).getBigUint64(0, true),
    ).toBe(BigInt(NOWHERE));
    expect(app.process.isAlive).toBe(true);
  });

  it('the address space is going away: Invalid', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    ask(lab, app, app.memory);
    lab.kernel.core.settle();
    expect(driverOf(lab).iopf.pendingGroups).toBe(1);
    lab.kernel.processes.exit(app.process);
    lab.kernel.core.advance(1_000_000);
    expect(responses(lab).map(([, code]) => code)).toEqual([INVALID]);
  });

  it('nobody handles faults of the PASID: Invalid; a handler refuses: Failure', () => {
    const lab = bootSva();
    const { kernel, dev } = lab;
    const domain = kernel.iommu.iommu_paging_domain_alloc(dev);
    if (typeof domain === 'number') {
      throw new Error('No domain');
    }
    const pasid = kernel.iommu.iommu_alloc_global_pasid(dev);
    kernel.iommu.iommu_attach_device_pasid(domain, dev, pasid);
    const request = { pasid, low: NOWHERE };
    pageRequest(lab, dev.rid, request);
    kernel.core.advance(1_000_000);
    expect(responses(lab)).toEqual([[pasid, INVALID]]);
    domain.iopf_handler = () => -ENOMEM;
    pageRequest(lab, dev.rid, request);
    kernel.core.advance(1_000_000);
    expect(responses(lab).at(-1)).toEqual([pasid, FAILURE]);
  });

  it('after Failure the device asks for no page any more, for no one', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    const other = openApp(lab, 'other');
    const domain = driverOf(lab).info(lab.dev)?.domains.get(pasidOf(app));
    if (domain === undefined) {
      throw new Error('No domain');
    }
    domain.iopf_handler = () => -ENOMEM;
    app.process.mm.write(app.memory, new Uint8Array([1]));
    submit(lab, app);
    lab.kernel.core.advance(10_000_000);
    expect(responses(lab)).toEqual([[pasidOf(app), FAILURE]]);
    expect(statusOf(app) & 0x7f).not.toBe(STATUS.success);
    const asked = lab.rows('dsa.page-request.sent').length;
    submit(lab, other);
    lab.kernel.core.advance(10_000_000);
    expect(lab.rows('dsa.page-request.sent')).toHaveLength(asked);
    expect(statusOf(other) & 0x7f).not.toBe(STATUS.success);
  });
});

describe('row 52: munmap', () => {
  it('invalidates IOTLB, then device TLB, waits, and only then frees the page', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    const area = anonymous(lab, app.process, 4, true);
    submit(lab, app, lazyMove(app, { from: area, to: area + PAGE, at: 0 }));
    lab.kernel.core.advance(1_000_000);
    expect(statusOf(app)).toBe(STATUS.success);
    const from = lab.machine.trace.head;
    const drop = vi.spyOn(lab.kernel.userPages, 'drop');
    const freedAt: number[] = [];
    drop.mockImplementation(() => {
      freedAt.push(lab.machine.trace.head);
    });
    expect(lab.kernel.calls.munmap(app.process, area, 4 * PAGE)).toBe(0);
    const executed = lab.rows('iommu.descriptor.executed').filter((r) => r.seq >= from);
    expect(executed.map((r) => r.values['type'])).toEqual([PIOTLB, DEVICE_TLB, WAIT]);
    const cleared = lab
      .rows('linux.paging-entry.written')
      .filter((r) => r.seq >= from)
      .map((r) => r.seq);
    const waited = lab.rows('iommu.wait.completed').at(-1)?.seq ?? -1;
    expect(Math.max(...cleared)).toBeLessThan(executed[0]?.seq ?? -1);
    expect(freedAt).toHaveLength(4);
    expect(Math.min(...freedAt)).toBeGreaterThan(waited);
    expect(lab.rows('iommu.device-tlb-invalidation.completed').at(-1)?.seq).toBeLessThan(waited);
  });

  it('leaves no translation: the next access asks for the page and is told that there is none', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    const area = anonymous(lab, app.process, 2, true);
    submit(lab, app, lazyMove(app, { from: area, to: area + PAGE, at: 0 }));
    lab.kernel.core.advance(1_000_000);
    lab.kernel.calls.munmap(app.process, area, 2 * PAGE);
    submit(lab, app, lazyMove(app, { from: area, to: app.memory, at: 1 }));
    lab.kernel.core.advance(1_000_000);
    expect(statusOf(app, 0)).toBe(STATUS.success);
    expect(statusOf(app, 1)).toBe(STATUS.pageRequestInvalid);
  });
});

describe('row 53: exit with DMA in flight', () => {
  it('blocks the PASID silently, frees the tables, drains the device, and gives the PASID back last', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    const pasid = pasidOf(app);
    const source = anonymous(lab, app.process, 8, true);
    const destination = anonymous(lab, app.process, 8, true);
    for (let n = 0; n < 8; n++) {
      submit(lab, app, lazyMove(app, { from: source, to: destination, bytes: 8 * PAGE, at: n }));
    }
    lab.kernel.core.advance(600);
    const from = lab.machine.trace.head;
    lab.kernel.processes.exit(app.process);
    const rows = lab
      .rows(
        'linux.pasid-entry.written',
        'linux.idxd.command-given',
        'dsa.command.completed',
        'dsa.descriptor.completed',
        'dsa.descriptor.failed',
        'linux.pasid.freed',
        'iommu.fault.recorded',
      )
      .filter((r) => r.seq >= from);
    const entryWords = rows
      .filter((r) => r.kind === 'linux.pasid-entry.written' && r.values['word'] === 0)
      .map((r) => Number(BigInt(r.values['new'] ?? 0) & 3n));
    // P clear and FPD set, until the unbind clears the entry for good.
    expect(entryWords[0]).toBe(2);
    expect(entryWords.at(-1)).toBe(0);
    expect(entryWords.every((bits) => (bits & 1) === 0)).toBe(true);
    const seqOf = (kind: string): number => rows.find((r) => r.kind === kind)?.seq ?? -1;
    const ended = rows.filter((r) => r.kind.startsWith('dsa.descriptor.'));
    expect(ended.some((r) => r.kind === 'dsa.descriptor.failed')).toBe(true);
    expect(seqOf('linux.pasid-entry.written')).toBeLessThan(seqOf('linux.idxd.command-given'));
    expect(Math.max(...ended.map((r) => r.seq))).toBeLessThan(seqOf('dsa.command.completed'));
    expect(seqOf('dsa.command.completed')).toBeLessThan(seqOf('linux.pasid.freed'));
    expect(rows.at(-1)?.kind).toBe('linux.pasid.freed');
    expect(rows.filter((r) => r.kind === 'iommu.fault.recorded')).toEqual([]);
    // The release drains no page requests; the unbind, after the device is quiet, does.
    const drains = lab.rows('iommu.descriptor.executed').filter((r) => r.seq >= from && isDrain(r));
    expect(drains).toHaveLength(1);
    expect(drains[0]?.seq).toBeGreaterThan(seqOf('dsa.command.completed'));
    expect(lab.kernel.pasids.ownerOf(pasid)).toBeUndefined();
    const command = rows.find((r) => r.kind === 'linux.idxd.command-given');
    expect(command?.values).toMatchObject({ command: 'Drain PASID', operand: pasid });
  });

  it('suppresses faults with FPD between release and unbind, and reports them afterwards', () => {
    const lab = bootSva();
    const { kernel, dev } = lab;
    const process = kernel.processes.create('app');
    const memory = anonymous(lab, process, 1, true);
    const handle = kernel.sva.iommu_sva_bind_device(dev, process.mm);
    if (typeof handle === 'number') {
      throw new Error('bind failed');
    }
    const pasid = process.mm.pasid ?? -1;
    expect(readAs(lab, pasid, memory)).toBe(0);
    kernel.processes.exit(process);
    expect(handle.isReleased).toBe(true);
    expect(readAs(lab, pasid, memory)).not.toBe(0);
    expect(lab.rows('iommu.fault.recorded')).toEqual([]);
    // The number is taken for as long as the device is bound.
    const next = kernel.processes.create('next');
    kernel.sva.iommu_sva_bind_device(dev, next.mm);
    expect(next.mm.pasid).not.toBe(pasid);
    kernel.sva.iommu_sva_unbind_device(handle);
    expect(kernel.pasids.ownerOf(pasid)).toBeUndefined();
    expect(readAs(lab, pasid, memory)).not.toBe(0);
    expect(lab.rows('iommu.fault.recorded').map((r) => r.values['reason'])).toEqual([0x59]);
  });
});

describe('row 54: draining page requests', () => {
  it('ends although the queue overflows meanwhile: it clears PRO and drains again', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    const other = openApp(lab, 'other');
    const driver = driverOf(lab);
    const { queue, registers } = driver.unit;
    const pasid = pasidOf(app);
    ask(lab, app, app.memory);
    const info = driver.info(lab.dev);
    const domain = info?.domains.get(pasid);
    if (info === undefined || domain === undefined) {
      throw new Error('No domain');
    }
    let floods = 0;
    const original = queue.submit.bind(queue);
    const drains: number[] = [];
    vi.spyOn(queue, 'submit').mockImplementation((commands, options) => {
      if (options?.drainsPageRequests === true) {
        drains.push(commands.length);
        if (floods++ < 2) {
          for (let n = 0; n < QUEUE_ENTRIES + 1; n++) {
            ask(lab, other, other.memory, { groupIndex: 3 });
          }
          expect(registers.read(PRS_REG).PRO).toBe(1);
        }
      }
      return original(commands, options);
    });
    driver.detach(domain, lab.dev, pasid);
    // Fence, IOTLB and device TLB each time; twice with overflow, once without.
    expect(drains).toEqual([3, 3, 3]);
    expect(registers.read(PRS_REG).PRO).toBe(0);
    expect(driver.iopf.pendingGroups).toBe(2 * (QUEUE_ENTRIES - 1));
    const own = responses(lab).filter(([of]) => of === pasid);
    expect(own).toHaveLength(1);
  });

  it('answers what waits in the queue and in the workqueue before it returns', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    const driver = driverOf(lab);
    ask(lab, app, app.memory, { groupIndex: 1 });
    lab.kernel.core.settle();
    ask(lab, app, app.memory + PAGE, { groupIndex: 2 });
    expect(driver.iopf.pendingGroups).toBe(1);
    const domain = driver.info(lab.dev)?.domains.get(pasidOf(app));
    if (domain === undefined) {
      throw new Error('No domain');
    }
    driver.detach(domain, lab.dev, pasidOf(app));
    expect(responses(lab)).toHaveLength(2);
    expect(driver.iopf.pendingGroups).toBe(0);
    const last = lab.rows('iommu.page-group-response.sent').at(-1)?.seq ?? -1;
    const drained = lab.rows('iommu.descriptor.executed').filter(isDrain);
    expect(drained.at(-1)?.seq).toBeGreaterThan(last);
  });
});

describe('row 55: a device that does not answer an invalidation', () => {
  it('raises ITE; the batch is submitted again, and the page freed after that', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    const area = anonymous(lab, app.process, 1, true);
    const device = functionAt(lab, lab.dev.rid);
    vi.spyOn(device, 'atsInvalidate').mockImplementationOnce(() => {});
    const from = lab.machine.trace.head;
    expect(lab.kernel.calls.munmap(app.process, area, PAGE)).toBe(0);
    const types = lab
      .rows('iommu.descriptor.executed')
      .filter((r) => r.seq >= from)
      .map((r) => r.values['type']);
    expect(types.filter((type) => type === DEVICE_TLB)).toHaveLength(2);
    expect(types.filter((type) => type === PIOTLB)).toHaveLength(2);
    expect(lab.rows('iommu.device-tlb-invalidation.timed-out')).toHaveLength(1);
    const problems = lab.rows('linux.invalidation.failed').map((r) => r.values['problem']);
    expect(problems).toEqual(['device-TLB invalidation timed out']);
    const done = lab.rows('linux.invalidation.finished').at(-1)?.seq ?? -1;
    expect(done).toBeGreaterThan(lab.rows('linux.invalidation.failed').at(-1)?.seq ?? -1);
  });

  it('is not asked again when it was removed', () => {
    const lab = bootSva();
    openApp(lab, 'app');
    const driver = driverOf(lab);
    const info = driver.info(lab.dev);
    lab.machine.fabric.remove(lab.dev.rid);
    const commands = driver.flush.deviceTlbCommands(info, 1);
    expect(commands).toHaveLength(1);
    expect(driver.unit.queue.submit(commands)).toBe(-ETIMEDOUT);
    expect(lab.rows('iommu.device-tlb-invalidation.timed-out')).toHaveLength(1);
  });
});

/** A wait descriptor with PD. */
function isDrain(row: TraceRow): boolean {
  return (
    row.values['type'] === WAIT && (BigInt(row.values['low'] ?? 0) & PAGE_REQUEST_DRAIN) !== 0n
  );
}
