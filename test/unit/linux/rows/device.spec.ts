import { describe, expect, it } from 'vitest';
import { EINVAL } from '../../../../src-main/linux/errno.ts';
import { COMMAND } from '../../../../src-main/spec/dsa/commands.ts';
import { SWERROR } from '../../../../src-main/spec/dsa/general-registers.ts';
import { ImsEntry } from '../../../../src-main/spec/dsa/interrupt-entries.ts';
import { PORTAL_PAGE } from '../../../../src-main/spec/dsa/portals.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import {
  VFIO_DEVICE_IOCTLS as D,
  VFIO_FLAGS as F,
} from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import type { MemoryRequest } from '../../../../src-main/sim/pcie/ports.ts';
import { ADDRESS_TYPE, DsaDevice } from '../../../../src-main/sim/index.ts';
import { parseBdf } from '../../../../src-main/linux/pci/pci-scan.ts';
import {
  bootIdxd,
  createVdev,
  GUEST_RAM,
  mapPortal,
  moveWords,
  openVdev,
  startVdev,
  vdevCommand,
  wqAt,
  type IdxdLab,
  type IdxdOptions,
} from '../../../support/linux-idxd.ts';
import { bootLab, plainDevice, SIOV_CAPABILITIES } from '../../../support/linux-machine.ts';

const BDF = '6a:01.0';
const SHARED = { mode: 'shared', type: 'user' } as const;
const DEDICATED = { mode: 'dedicated', type: 'user' } as const;
const MDEV = { mode: 'dedicated', type: 'mdev' } as const;
const PAGE = 4096;
const IMS_TABLE = 1;
const MSIX_TABLE = 0;
const PRIV = 2 ** 31;
const IMS_PASID_ENABLE = 8;
const EVENTFD = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;

/** A queue with memory that one kernel PASID reaches. */
interface Bench extends IdxdLab {
  readonly pasid: number;
  readonly memory: number;
  readonly cpu: number;
  /** Submits by ENQCMDS to a page of a queue. */
  enqcmds(wq: number, page: number, words: Uint32Array): string;
  move(at: number, bytes?: number, handle?: number): Uint32Array;
}

function boot(options: IdxdOptions): Bench {
  const lab = bootIdxd(options);
  const { kernel, dev, idxd } = lab;
  const domain = kernel.iommu.iommu_paging_domain_alloc(dev);
  if (typeof domain === 'number') {
    throw new Error('No domain');
  }
  const pasid = kernel.iommu.iommu_alloc_global_pasid(dev);
  const cpu = kernel.pages.alloc(64, { owner: 'bench' });
  expect(kernel.iommu.iommu_map(domain, GUEST_RAM, cpu, 64 * PAGE, 3)).toBe(0);
  expect(kernel.iommu.iommu_attach_device_pasid(domain, dev, pasid)).toBe(0);
  return {
    ...lab,
    pasid,
    memory: GUEST_RAM,
    cpu,
    enqcmds: (wq, page, words) => lab.hw.enqcmds(0, idxd.portalAddress(wq, page), words),
    move: (at, bytes = 64, handle) => {
      const words = moveWords({
        from: GUEST_RAM,
        to: GUEST_RAM + 32 * PAGE,
        bytes,
        record: GUEST_RAM + 0x1_0000 + at * 64,
        ...(handle === undefined ? {} : { handle }),
      });
      // The kernel's own work is privileged: only that may ask for interrupts.
      words[0] = PRIV + pasid;
      return words;
    },
  };
}

function dsaOf(lab: IdxdLab): DsaDevice {
  const device = lab.machine.fabric.functions().get(parseBdf(BDF));
  if (!(device instanceof DsaDevice)) {
    throw new Error('No accelerator');
  }
  return device;
}

function softwareError(lab: IdxdLab): ReturnType<typeof SWERROR.decode> {
  return lab.idxd.registers.read(SWERROR);
}

describe('row 4: directory and table of PASIDs', () => {
  /** One page of directory entries, the smallest table that the driver makes. */
  const WIDTH = 15;
  const chain = SIOV_CAPABILITIES.map((c) =>
    c.kind === 'pasid' ? { ...c, pasidWidth: WIDTH } : c,
  );

  function reasonFor(pasid: number): unknown {
    const lab = bootLab({ devices: [plainDevice(BDF, chain)] });
    const dev = lab.kernel.pci.deviceAt(parseBdf(BDF));
    const domain = dev === undefined ? -1 : lab.kernel.iommu.iommu_paging_domain_alloc(dev);
    if (dev === undefined || typeof domain === 'number') {
      throw new Error('No domain');
    }
    const page = lab.kernel.pages.alloc(1, { owner: 'bench' });
    lab.kernel.iommu.iommu_map(domain, GUEST_RAM, page, PAGE, 3);
    // Directory 2, slot 5: the only PASID of the function.
    expect(lab.kernel.iommu.iommu_attach_device_pasid(domain, dev, 2 * 64 + 5)).toBe(0);
    const request: MemoryRequest = {
      pasid,
      isPrivileged: false,
      isExecute: false,
      addressType: ADDRESS_TYPE.untranslated,
      high: 0,
      low: GUEST_RAM,
      bytes: 8,
      trafficClass: 0,
    };
    lab.kernel.pci.pci_set_master(dev);
    lab.machine.fabric.portOf(dev.rid).read(request, new Uint8Array(8), 0);
    return lab.rows('iommu.fault.recorded').at(-1)?.values['reason'];
  }

  it('splits a PASID into directory p>>6 and slot p&63', () => {
    const lab = bootLab({ devices: [plainDevice(BDF, chain)] });
    const dev = lab.kernel.pci.deviceAt(parseBdf(BDF));
    const domain = dev === undefined ? -1 : lab.kernel.iommu.iommu_paging_domain_alloc(dev);
    if (dev === undefined || typeof domain === 'number') {
      throw new Error('No domain');
    }
    const info = lab.kernel.iommu.driver?.info(dev);
    const directory = info?.pasidTable?.directory ?? 0;
    for (const pasid of [1, 63, 64, 2 * 64 + 5, 2 ** WIDTH - 1]) {
      expect(lab.kernel.iommu.iommu_attach_device_pasid(domain, dev, pasid)).toBe(0);
      const entry = lab.hw.memoryRead64(directory + (pasid >>> 6) * 8);
      expect(entry & 1n).toBe(1n);
      const table = Number(entry & ~0xfffn);
      expect(lab.hw.memoryRead64(table + (pasid & 63) * 64) & 1n).toBe(1n);
    }
    expect(lab.kernel.iommu.iommu_attach_device_pasid(domain, dev, 2 ** WIDTH)).toBe(-EINVAL);
  });

  it('ends in 51h without the directory entry, in 59h without the entry, in 46h beyond the table', () => {
    expect(reasonFor(2 * 64 + 5)).toBeUndefined();
    expect(reasonFor(3 * 64)).toBe(0x51);
    expect(reasonFor(2 * 64 + 6)).toBe(0x59);
    expect(reasonFor(2 ** WIDTH)).toBe(0x46);
  });
});

describe('row 6: portals', () => {
  it('are four pages at 4000h a queue: MSI-X and IMS, each unlimited and limited', () => {
    const lab = boot({ wqs: [SHARED, SHARED, DEDICATED] });
    const base = lab.kernel.pci.pci_resource_start(lab.dev, 2);
    for (const wq of [0, 1, 2]) {
      const pages = Object.values(PORTAL_PAGE);
      expect(pages.map((page) => lab.idxd.portalAddress(wq, page) - base)).toEqual(
        [0, 1, 2, 3].map((page) => wq * 0x4000 + page * 0x1000),
      );
    }
    for (const page of Object.values(PORTAL_PAGE)) {
      for (const wq of [0, 1]) {
        expect(lab.enqcmds(wq, page, lab.move(0))).toBe('accepted');
      }
    }
    const took = lab
      .rows('dsa.descriptor.enqueued')
      .map((r) => [r.values['wq'], r.values['portal']]);
    expect(took).toEqual([0, 1, 2, 3].flatMap((page) => [0, 1].map((wq) => [wq, page])));
  });

  it('decide by their kind which interrupt table a handle names', () => {
    const lab = boot({ wqs: [SHARED] });
    const { ims } = lab.idxd;
    const irq = ims?.ims_alloc_irq() ?? -1;
    ims?.irq_set_auxdata(irq, lab.pasid);
    const handle = ims?.indexOf(irq) ?? -1;
    lab.idxd.setPermission(5, lab.pasid);
    lab.enqcmds(0, PORTAL_PAGE.unlimitedMsix, lab.move(0, 64, 5));
    lab.enqcmds(0, PORTAL_PAGE.unlimitedIms, lab.move(1, 64, handle));
    lab.kernel.core.advance(100_000);
    expect([0, 64].map((at) => lab.hw.memoryRead(lab.cpu + 0x1_0000 + at, 1)[0])).toEqual([
      STATUS.success,
      STATUS.success,
    ]);
    const tables = lab
      .rows('dsa.interrupt.sent', 'dsa.interrupt.held')
      .map((r) => [r.values['table'], r.values['index']]);
    expect(tables).toEqual(
      expect.arrayContaining([
        [MSIX_TABLE, 5],
        [IMS_TABLE, handle],
      ]),
    );
  });

  it('take work up to the threshold when they are limited, up to the size when not', () => {
    for (const [limited, unlimited] of [
      [PORTAL_PAGE.limitedMsix, PORTAL_PAGE.unlimitedMsix],
      [PORTAL_PAGE.limitedIms, PORTAL_PAGE.unlimitedIms],
    ] as const) {
      const lab = boot({ wqs: [{ ...SHARED, size: 8, threshold: 3 }] });
      const submit = (page: number): string => lab.enqcmds(0, page, lab.move(0));
      expect([1, 2, 3, 4].map(() => submit(limited))).toEqual([
        'accepted',
        'accepted',
        'accepted',
        'retry',
      ]);
      expect([4, 5, 6, 7, 8, 9].map(() => submit(unlimited))).toEqual([
        ...Array.from({ length: 5 }, () => 'accepted'),
        'retry',
      ]);
      lab.kernel.core.advance(1_000_000);
      expect(submit(limited)).toBe('accepted');
    }
  });
});

describe('row 7: submission', () => {
  it.each([
    ['a disabled queue', 0, { ...SHARED, enable: false }],
    ['a dedicated queue', 1, DEDICATED],
  ] as const)('answers ENQCMD to %s with Retry', (_title, wq, plan) => {
    const lab = boot({ wqs: wq === 0 ? [plan, SHARED] : [SHARED, plan] });
    for (const page of Object.values(PORTAL_PAGE)) {
      expect(lab.enqcmds(wq, page, lab.move(0))).toBe('retry');
    }
    expect(lab.rows('dsa.descriptor.enqueued')).toEqual([]);
    expect(softwareError(lab).valid).toBe(0);
  });

  it('reports a full dedicated queue in SWERROR and takes no more', () => {
    const lab = boot({ wqs: [{ ...DEDICATED, size: 4 }] });
    for (let n = 0; n < 6; n++) {
      lab.hw.movdir64b(0, wqAt(lab, 0).portal('unlimitedMsix'), lab.move(n));
    }
    expect(lab.rows('dsa.descriptor.enqueued')).toHaveLength(4);
    expect(softwareError(lab)).toMatchObject({ valid: 1, wq: 0 });
  });

  it('loses MOVDIR64B to a shared, a disabled and a missing queue without any trace in the device', () => {
    const lab = boot({ wqs: [SHARED, { ...DEDICATED, enable: false }] });
    // What the simulator counts for learners is no state of the device.
    const counters = (): unknown =>
      [0, 1].map((wq) => ({ ...dsaOf(lab).inspect.wq(wq).counters, ignored: 0 }));
    const before = counters();
    for (const wq of [0, 1, 7]) {
      for (const page of Object.values(PORTAL_PAGE)) {
        lab.hw.movdir64b(0, lab.idxd.portalAddress(wq, page), lab.move(0));
      }
    }
    lab.kernel.core.advance(1_000_000);
    expect(lab.rows('dsa.descriptor.enqueued')).toEqual([]);
    expect(softwareError(lab).valid).toBe(0);
    expect(counters()).toEqual(before);
    expect(lab.hw.memoryRead(lab.cpu + 0x1_0000, 64)).toEqual(new Uint8Array(64));
  });
});

describe('row 8: an entry of the interrupt message storage', () => {
  it('holds message, mask, ignore, pending and PASID', () => {
    const lab = boot({ wqs: [SHARED] });
    const { ims, registers, capabilities } = lab.idxd;
    const irq = ims?.ims_alloc_irq() ?? -1;
    const index = ims?.indexOf(irq) ?? -1;
    const entry = (): ReturnType<typeof ImsEntry.decode> =>
      registers.entry(ImsEntry, capabilities.tables.ims + index * ImsEntry.bytes);
    expect(entry()).toMatchObject({ mask: 1, pending: 0, ignore: 0, pasidEnable: 0 });
    ims?.irq_set_auxdata(irq, lab.pasid);
    expect(entry()).toMatchObject({ pasidEnable: 1, pasid: lab.pasid });
    lab.enqcmds(0, PORTAL_PAGE.limitedIms, lab.move(0, 64, index));
    lab.kernel.core.advance(100_000);
    expect(entry().pending).toBe(1);
    let count = 0;
    lab.kernel.irqs.request_irq(
      irq,
      () => {
        count += 1;
      },
      'test',
    );
    lab.kernel.core.advance(1_000);
    expect(entry()).toMatchObject({ mask: 0, pending: 0 });
    expect(entry().addressLow >>> 20).toBe(0xfee);
    expect(count).toBe(1);
    ims?.irq_set_auxdata(irq, lab.pasid, true);
    expect(entry().ignore).toBe(1);
    lab.enqcmds(0, PORTAL_PAGE.limitedIms, lab.move(1, 64, index));
    lab.kernel.core.advance(100_000);
    expect(entry().pending).toBe(0);
    expect(count).toBe(1);
  });

  it.each(['its handler goes', 'it is freed'] as const)(
    'sends what waits behind its mask before the next owner has it: when %s',
    (when) => {
      const lab = boot({ wqs: [SHARED] });
      const { irqs } = lab.kernel;
      const { ims } = lab.idxd;
      const handled: string[] = [];
      const own = (name: string): number => {
        const irq = ims?.ims_alloc_irq() ?? -1;
        ims?.irq_set_auxdata(irq, lab.pasid);
        if (name !== '') irqs.request_irq(irq, () => handled.push(name), name);
        return irq;
      };
      const first = own(when === 'it is freed' ? '' : 'first');
      const index = ims?.indexOf(first) ?? -1;
      ims?.mask(index);
      lab.enqcmds(0, PORTAL_PAGE.limitedIms, lab.move(0, 64, index));
      lab.kernel.core.advance(100_000);
      expect(ims?.isPending(first)).toBe(true);
      if (when === 'its handler goes') irqs.free_irq(first);
      ims?.ims_free_irq(first);
      const second = own('second');
      lab.kernel.core.advance(1_000);
      expect(ims?.indexOf(second)).toBe(index);
      expect(handled).toEqual(when === 'its handler goes' ? ['first'] : []);
    },
  );

  it.each([
    ['another PASID', 1],
    ['requests without PASID', null],
  ] as const)('for %s ends a descriptor with 19h, and no message goes out', (_title, delta) => {
    const lab = boot({ wqs: [SHARED] });
    const { ims } = lab.idxd;
    const irq = ims?.ims_alloc_irq() ?? -1;
    lab.kernel.irqs.request_irq(irq, () => {}, 'test');
    ims?.irq_set_auxdata(irq, delta === null ? null : lab.pasid + delta);
    const handle = ims?.indexOf(irq) ?? -1;
    lab.hw.memoryWrite(lab.cpu, new Uint8Array([7]));
    lab.enqcmds(0, PORTAL_PAGE.limitedIms, lab.move(0, 64, handle));
    lab.kernel.core.advance(100_000);
    expect(lab.hw.memoryRead(lab.cpu + 0x1_0000, 1)[0]).toBe(STATUS.interruptHandle);
    expect(lab.hw.memoryRead(lab.cpu + 32 * PAGE, 1)[0]).toBe(0);
    const sent = lab.rows('dsa.interrupt.sent').filter((r) => r.values['table'] === IMS_TABLE);
    expect(sent).toEqual([]);
  });
});

describe('row 9: drain and abort', () => {
  /** Two PASIDs with long work in one shared queue and on one dedicated queue. */
  function busy(): { lab: Bench; other: number } {
    const lab = boot({
      wqs: [
        { ...SHARED, size: 16 },
        { ...DEDICATED, size: 16 },
      ],
    });
    const { kernel, dev } = lab;
    const other = kernel.iommu.iommu_alloc_global_pasid(dev);
    const domain = kernel.iommu.driver?.info(dev)?.domains.get(lab.pasid);
    if (domain === undefined) {
      throw new Error('No domain');
    }
    kernel.iommu.iommu_attach_device_pasid(domain, dev, other);
    for (let n = 0; n < 6; n++) {
      const words = lab.move(n, 8 * PAGE);
      words[0] = PRIV + (n % 2 === 0 ? lab.pasid : other);
      expect(lab.enqcmds(0, PORTAL_PAGE.unlimitedMsix, words)).toBe('accepted');
    }
    return { lab, other };
  }

  function unfinished(lab: Bench, upTo: number, pasid: number): number {
    const count = (...kinds: string[]): number =>
      lab.rows(...kinds).filter((r) => r.seq < upTo && r.values['pasid'] === pasid).length;
    return (
      count('dsa.descriptor.enqueued') -
      count('dsa.descriptor.completed', 'dsa.descriptor.failed', 'dsa.descriptor.dropped')
    );
  }

  it.each(['drainPasid', 'abortPasid'] as const)(
    '%s ends when nothing of that PASID is in flight, and leaves the others',
    (name) => {
      const { lab, other } = busy();
      lab.idxd.command(COMMAND[name], lab.pasid);
      const done = lab.rows('dsa.command.completed').at(-1)?.seq ?? 0;
      expect(unfinished(lab, done, lab.pasid)).toBe(0);
      expect(lab.rows('dsa.descriptor.dropped').every((r) => r.values['pasid'] === lab.pasid)).toBe(
        true,
      );
      lab.kernel.core.advance(10_000_000);
      const results = lab
        .rows('dsa.descriptor.completed')
        .filter((r) => r.values['pasid'] === other);
      expect(results).toHaveLength(3);
    },
  );

  it.each(['drainWq', 'abortWq'] as const)(
    '%s ends when nothing of that queue is in flight, and leaves the others',
    (name) => {
      const { lab, other } = busy();
      wqAt(lab, 1).disable();
      wqAt(lab, 1).setPasid({ pasid: lab.pasid, priv: false });
      wqAt(lab, 1).enableHardware();
      for (let n = 0; n < 8; n++) {
        lab.hw.movdir64b(0, wqAt(lab, 1).portal('unlimitedMsix'), lab.move(32 + n, 8 * PAGE));
      }
      const { operand } = lab.idxd.wqBitmap(1);
      lab.idxd.command(COMMAND[name], operand);
      const done = lab.rows('dsa.command.completed').at(-1)?.seq ?? 0;
      const ofWq = (kind: string): number =>
        lab.rows(kind).filter((r) => r.seq < done && r.values['wq'] === 1).length;
      const ended = ofWq('dsa.descriptor.completed') + ofWq('dsa.descriptor.dropped');
      expect(ofWq('dsa.descriptor.enqueued')).toBe(8);
      expect(ended).toBe(8);
      lab.kernel.core.advance(10_000_000);
      for (const pasid of [lab.pasid, other]) {
        expect(unfinished(lab, Number.POSITIVE_INFINITY, pasid)).toBe(0);
      }
    },
  );
});

describe('row 10: reset of one interface', () => {
  it('leaves queues, interrupt entries and counters of its siblings as they are, bit by bit', () => {
    const lab = bootIdxd({ wqs: [MDEV, MDEV] });
    const opened = [1, 2].map((n) => openVdev(lab, createVdev(lab, 'dsa-1dwq-v1', n), `vm${n}`));
    const [mine, sibling] = opened;
    if (mine === undefined || sibling === undefined) {
      throw new Error('No VDEV');
    }
    const handles = opened.map((open) => {
      const fds = [1, 2].map(() => lab.kernel.calls.eventfd(open.user.process));
      expect(open.user.setIrqs(open.fd, F.VFIO_PCI_MSIX_IRQ_INDEX, EVENTFD, {}, fds)).toBe(0);
      startVdev(open);
      const { result } = vdevCommand(open, COMMAND.requestInterruptHandle, 1);
      const portal = mapPortal(open, 0);
      for (let n = 0; n < 4; n++) {
        const words = moveWords({
          from: GUEST_RAM,
          to: GUEST_RAM + 0x4000,
          bytes: 4 * PAGE,
          record: GUEST_RAM + 0x9000 + n * 64,
        });
        lab.kernel.instructions.movdir64b(open.user.process, portal, words);
      }
      return result;
    });
    lab.kernel.core.advance(1_000_000);
    const queues = lab.kernel.idxd.vdcm.vdevs.map((v) => v.wq.id);
    const { inspect } = dsaOf(lab);
    const siblingState = () => {
      const wq = inspect.wq(queues[1] ?? -1);
      const { tables } = lab.idxd.capabilities;
      return {
        words: [...wq.configWords],
        counters: { ...wq.counters },
        occupancy: wq.occupancy,
        state: wq.state,
        ims: [...lab.idxd.registers.words(tables.ims + (handles[1] ?? 0) * ImsEntry.bytes, 4)],
        virtual: Array.from({ length: 64 }, (_, i) =>
          sibling.user.readValue(sibling.fd, 0, i * 4, 4),
        ),
        memory: sibling.user.process.mm.read(sibling.memory, sibling.pages * PAGE),
      };
    };
    const before = siblingState();
    expect(before).toMatchObject({ occupancy: 0, state: 1 });
    const [, , , control = 0] = before.ims;
    expect(control & IMS_PASID_ENABLE).not.toBe(0);
    const own = [...inspect.wq(queues[0] ?? -1).configWords];
    expect(mine.user.ioctl(mine.fd, D.VFIO_DEVICE_RESET)).toBe(0);
    expect([...inspect.wq(queues[0] ?? -1).configWords]).not.toEqual(own);
    expect(siblingState()).toEqual(before);
  });
});
