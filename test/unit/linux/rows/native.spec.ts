import { describe, expect, it } from 'vitest';
import { EBUSY, EINVAL, ENODEV, EPERM } from '../../../../src-main/linux/errno.ts';
import type { Process } from '../../../../src-main/linux/mm/process.ts';
import { PORTAL_PAGE } from '../../../../src-main/spec/dsa/portals.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import {
  bootIdxd,
  bytesOfWords,
  moveWords,
  wqAt,
  type IdxdLab,
  type IdxdOptions,
  type WqPlan,
} from '../../../support/linux-idxd.ts';

const SHARED = { mode: 'shared', type: 'user' } as const;
const DEDICATED = { mode: 'dedicated', type: 'user' } as const;
const PAGE = 4096;
const MAP_SHARED = 1;
const ANONYMOUS = 0x8022;
const RW = 3;

interface App {
  readonly process: Process;
  readonly fd: number;
  readonly memory: number;
  readonly portal: number;
}

function boot(wqs: readonly WqPlan[], options: IdxdOptions = {}): IdxdLab {
  return bootIdxd({ wqs, ...options });
}

function start(lab: IdxdLab, name: string, capabilities = ['CAP_SYS_RAWIO']): Process {
  return lab.kernel.processes.create(name, { capabilities, cpu: name.length % 2 });
}

function open(lab: IdxdLab, process: Process, index = 0): number {
  return lab.kernel.calls.open(process, `/dev/dsa/${wqAt(lab, index).name}`);
}

function anonymous(lab: IdxdLab, process: Process, pages: number): number {
  return lab.kernel.calls.mmap(process, {
    length: pages * PAGE,
    prot: RW,
    flags: ANONYMOUS,
    fd: -1,
    offset: 0,
  });
}

function portalOf(lab: IdxdLab, process: Process, fd: number, length = PAGE): number {
  return lab.kernel.calls.mmap(process, { length, prot: 2, flags: MAP_SHARED, fd, offset: 0 });
}

function app(lab: IdxdLab, name: string, index = 0): App {
  const process = start(lab, name);
  const fd = open(lab, process, index);
  const memory = anonymous(lab, process, 16);
  return { process, fd, memory, portal: portalOf(lab, process, fd) };
}

function copy(user: App, from: number, at = 0x4000, bytes = 64): Uint32Array {
  return moveWords({ from, to: user.memory + 0x1000, bytes, record: user.memory + at });
}

function status(user: App, at = 0x4000): number {
  const read = user.process.mm.read(user.memory + at, 1);
  return typeof read === 'number' ? read : (read[0] ?? 0);
}

describe('row 66: queues for processes', () => {
  it('give a dedicated queue to one process at a time', () => {
    const lab = boot([DEDICATED]);
    const first = app(lab, 'first');
    expect(open(lab, start(lab, 'other'))).toBe(-EBUSY);
    expect(wqAt(lab, 0).read()).toMatchObject({
      state: 1,
      pasid: first.process.mm.pasid,
      pasidEnable: 1,
      priv: 0,
    });
    lab.kernel.processes.exit(first.process);
    expect(wqAt(lab, 0).read()).toMatchObject({ state: 1, pasid: 0, pasidEnable: 0 });
    expect(open(lab, start(lab, 'third'))).toBeGreaterThan(0);
  });

  it.each(['kvmforum2019', 'iommufd'] as const)(
    'work in the memory of their process, also where nobody asked for mediated devices (%s)',
    (profile) => {
      const lab = boot([DEDICATED], { profile, params: { idxd_mdev: false } });
      const user = app(lab, 'app');
      user.process.mm.write(user.memory, new Uint8Array([7]));
      user.process.mm.write(user.memory + 0x1000, new Uint8Array(1));
      user.process.mm.write(user.memory + 0x4000, new Uint8Array(1));
      lab.kernel.instructions.movdir64b(user.process, user.portal, copy(user, user.memory));
      lab.kernel.core.advance(100_000);
      expect(status(user)).toBe(STATUS.success);
      expect(user.process.mm.read(user.memory + 0x1000, 1)).toEqual(new Uint8Array([7]));
    },
  );

  it('tell the administrator of an error that no record can report', () => {
    const lab = boot([DEDICATED]);
    const user = app(lab, 'app');
    const errors = `${lab.dev.path}/${lab.idxd.name}/errors`;
    expect(lab.sysfsRead(errors)).toBe(Array.from({ length: 8 }, () => '00000000').join(','));
    const words = copy(user, user.memory, 0x4008);
    lab.kernel.instructions.movdir64b(user.process, user.portal, words);
    lab.kernel.core.advance(100_000);
    const low = String(lab.sysfsRead(errors)).split(',').at(-1) ?? '';
    expect(low.slice(4, 6)).toBe(STATUS.recordAlignment.toString(16));
    expect(parseInt(low, 16) & 1).toBe(1);
  });

  it('share it where that defence is taken away', () => {
    const lab = boot([DEDICATED], { defences: { 'dwq-exclusive': false } });
    app(lab, 'first');
    expect(open(lab, start(lab, 'other'))).toBeGreaterThan(0);
  });

  it('are good for the process that opened them only, and not for its children', () => {
    const lab = boot([SHARED]);
    const parent = app(lab, 'parent');
    const child = lab.kernel.processes.fork(parent.process, 'child');
    if (typeof child === 'number') {
      throw new Error('fork failed');
    }
    expect(portalOf(lab, child, parent.fd)).toBe(-EPERM);
    expect(lab.kernel.calls.pwrite(child, parent.fd, new Uint8Array(64), 0)).toBe(-EPERM);
    const words = copy(parent, parent.memory);
    expect(lab.kernel.instructions.enqcmd(child, parent.portal, words)).toBe('sigsegv');
    expect(child.signal).toBe('SIGSEGV');
  });

  it('map one page, the limited portal, and only for the privileged on first-generation parts', () => {
    const lab = boot([SHARED]);
    const user = app(lab, 'app');
    const expected = lab.idxd.portalAddress(0, PORTAL_PAGE.limitedMsix);
    expect(user.process.mm.table.translate(user.portal)).toBe(expected);
    expect(portalOf(lab, user.process, user.fd, 2 * PAGE)).toBe(-EINVAL);
    const plain = start(lab, 'plain', []);
    const fd = open(lab, plain);
    expect(portalOf(lab, plain, fd)).toBe(-EPERM);
    const memory = anonymous(lab, plain, 4);
    plain.mm.write(memory, new Uint8Array([7]));
    const words = moveWords({ from: memory, to: memory + 64, bytes: 1, record: memory + 0x1000 });
    expect(lab.kernel.calls.pwrite(plain, fd, bytesOfWords(words), 0)).toBe(64);
    lab.kernel.core.advance(100_000);
    expect(plain.mm.read(memory + 64, 1)).toEqual(new Uint8Array([7]));
    // A batch could hide anything from the check.
    const batch = moveWords({ from: memory, to: memory, bytes: 1, record: memory + 0x1000 });
    batch[1] = ((batch[1] ?? 0) & 0xff_ffff) | (1 << 24);
    expect(lab.kernel.calls.pwrite(plain, fd, bytesOfWords(batch), 0)).toBe(-EINVAL);
    const later = boot([SHARED], { dsa: { profile: 'v2' } });
    const modern = start(later, 'plain', []);
    expect(portalOf(later, modern, open(later, modern))).toBeGreaterThan(0);
  });

  it('finish what a process has in the device before its PASID goes', () => {
    for (const plan of [SHARED, DEDICATED]) {
      const lab = boot([plan]);
      const user = app(lab, 'app');
      const { instructions, core, processes } = lab.kernel;
      const words = copy(user, user.memory, 0x4000, 0x3000);
      const submit = plan === SHARED ? instructions.enqcmd : instructions.movdir64b;
      submit.call(instructions, user.process, user.portal, words);
      const pasid = user.process.mm.pasid;
      processes.exit(user.process);
      const done = lab.rows('dsa.descriptor.completed', 'dsa.descriptor.failed').at(-1);
      const freed = lab.rows('linux.pasid.freed').find((r) => r.values['pasid'] === pasid);
      expect(done?.seq).toBeLessThan(freed?.seq ?? -1);
      core.advance(100_000);
      expect(lab.rows('iommu.fault.recorded')).toEqual([]);
    }
  });

  it('exist while the queue is enabled', () => {
    const lab = boot([{ ...SHARED, enable: false }]);
    expect(open(lab, start(lab, 'app'))).toBe(-2);
    lab.sysfsWrite('bus/dsa/drivers/user/bind', wqAt(lab, 0).name);
    const user = app(lab, 'second');
    expect(lab.sysfsWrite('bus/dsa/drivers/user/unbind', wqAt(lab, 0).name)).toBe(-EBUSY);
    lab.kernel.processes.exit(user.process);
    expect(lab.sysfsWrite('bus/dsa/drivers/user/unbind', wqAt(lab, 0).name)).toBeGreaterThan(0);
    expect(lab.sysfsWrite('bus/dsa/drivers/user/unbind', wqAt(lab, 0).name)).toBe(-ENODEV);
  });
});

describe('row 67: processes on one shared queue', () => {
  it('cannot reach each other’s memory, whatever PASID they write', () => {
    const lab = boot([SHARED]);
    const alice = app(lab, 'alice');
    const mallory = app(lab, 'mallory!');
    const secret = anonymous(lab, alice.process, 300);
    alice.process.mm.write(secret + 299 * PAGE, new Uint8Array([0x42]));
    expect(mallory.process.mm.areaAt(secret + 299 * PAGE)).toBeUndefined();
    const words = copy(mallory, secret + 299 * PAGE);
    expect(lab.kernel.instructions.enqcmd(mallory.process, mallory.portal, words)).toBe('accepted');
    lab.kernel.core.advance(1_000_000);
    expect(status(mallory)).toBe(STATUS.pageFault);
    expect(mallory.process.mm.read(mallory.memory + 0x1000, 1)).toEqual(new Uint8Array([0]));
    // ENQCMD takes the PASID from the thread, and nothing else may stand in its place.
    words[0] = alice.process.mm.pasid ?? 0;
    expect(lab.kernel.instructions.enqcmd(mallory.process, mallory.portal, words)).toBe('sigsegv');
    expect(lab.kernel.processes.find('alice')?.isAlive).toBe(true);
  });

  it('are accounted by process and PASID', () => {
    const lab = boot([SHARED]);
    const users = ['alice', 'bobby!'].map((name) => app(lab, name));
    users.forEach((user, i) => {
      for (let n = 0; n <= i; n++) {
        const words = copy(user, user.memory, 0x4000 + n * 64);
        lab.kernel.instructions.enqcmd(user.process, user.portal, words);
      }
    });
    lab.kernel.core.advance(100_000);
    expect(users.map((u) => u.process.counters.accepted)).toEqual([1, 2]);
    const completed = lab.rows('dsa.descriptor.enqueued').map((r) => r.values['pasid']);
    expect(users.map((u) => completed.filter((p) => p === u.process.mm.pasid).length)).toEqual([
      1, 2,
    ]);
    expect(users.map((u) => status(u))).toEqual([STATUS.success, STATUS.success]);
  });
});

describe('row 70: quality of service', () => {
  it('dispatches 3 to 1 for priorities 6 and 2 over a full round', () => {
    const lab = boot([
      { ...DEDICATED, priority: 6, size: 32 },
      { ...DEDICATED, priority: 2, size: 32 },
    ]);
    const users = [app(lab, 'high', 0), app(lab, 'low', 1)];
    for (let n = 0; n < 32; n++) {
      for (const user of users) {
        const words = copy(user, user.memory, 0x4000 + n * 64, 0x1000);
        lab.kernel.instructions.movdir64b(user.process, user.portal, words);
      }
    }
    lab.kernel.core.advance(1_000_000);
    const order = lab.rows('dsa.descriptor.dispatched').map((r) => Number(r.values['wq']));
    expect(order).toHaveLength(64);
    // While both queues have work, every round of 8 takes 6 of one and 2 of the other.
    const round = order.slice(8, 32);
    expect(round.filter((wq) => wq === 0)).toHaveLength(18);
    expect(round.filter((wq) => wq === 1)).toHaveLength(6);
  });

  it('keeps room for the kernel above the threshold of a shared queue', () => {
    const lab = boot([{ ...SHARED, size: 8, threshold: 2 }]);
    const user = app(lab, 'flooder');
    const results: string[] = [];
    for (let n = 0; n < 200; n++) {
      const words = copy(user, user.memory, 0x4000, 0x8000);
      results.push(lab.kernel.instructions.enqcmd(user.process, user.portal, words));
    }
    expect(results).toContain('retry');
    const { kernel } = lab;
    const buffer = kernel.dma.dma_alloc_coherent(lab.dev, PAGE);
    const dma = buffer?.dma ?? 0;
    const words = moveWords({ from: dma, to: dma + 64, bytes: 8, record: dma + 0x800 });
    expect(kernel.idxd.idxd_submit_desc(wqAt(lab, 0), words)).toBe(0);
    kernel.core.advance(10_000_000);
    expect(lab.hw.memoryRead((buffer?.cpu ?? 0) + 0x800, 1)[0]).toBe(STATUS.success);
  });
});
