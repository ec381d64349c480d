import { describe, expect, it } from 'vitest';
import { EINVAL, ENODEV, ENOSPC, EOVERFLOW } from '../../../../src-main/linux/errno.ts';
import type { SvaHandle } from '../../../../src-main/linux/iommu/sva.ts';
import type { Process } from '../../../../src-main/linux/mm/process.ts';
import type { PciDev } from '../../../../src-main/linux/pci/pci-dev.ts';
import { parseBdf } from '../../../../src-main/linux/pci/pci-scan.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import { PGTT } from '../../../../src-main/spec/vtd/pasid-table-entry.ts';
import { wqAt, type IdxdLab } from '../../../support/linux-idxd.ts';
import {
  bootLab,
  plainDevice,
  SIOV_CAPABILITIES,
  type Lab,
} from '../../../support/linux-machine.ts';
import {
  anonymous,
  bootSva,
  lazyMove,
  openApp,
  PAGE,
  statusOf,
  type SvaApp,
} from '../../../support/linux-sva.ts';

const IA32_PASID = 0xd93;
const VALID = 1n << 31n;

function bound(result: SvaHandle | number): SvaHandle {
  if (typeof result === 'number') {
    throw new Error(`bind gave ${result}`);
  }
  return result;
}

function submit(lab: IdxdLab, app: SvaApp, words = lazyMove(app)): string {
  return lab.kernel.instructions.enqcmd(app.process, app.portal, words);
}

function pasidOf(process: Process): number {
  if (process.mm.pasid === null) {
    throw new Error(`${process.name} has no PASID`);
  }
  return process.mm.pasid;
}

describe('row 48: the PASID of an address space', () => {
  const narrow = SIOV_CAPABILITIES.map((c) => (c.kind === 'pasid' ? { ...c, pasidWidth: 4 } : c));
  const wide = '6a:01.0';
  const small = '6a:02.0';

  function boot(): {
    readonly lab: Lab;
    readonly bind: (bdf: string, process: Process) => SvaHandle | number;
  } {
    const lab = bootLab({ devices: [plainDevice(wide), plainDevice(small, narrow)] });
    const { kernel } = lab;
    const at = (bdf: string): PciDev => {
      const dev = kernel.pci.deviceAt(parseBdf(bdf));
      if (dev === undefined) {
        throw new Error(`No function at ${bdf}`);
      }
      return dev;
    };
    return {
      lab,
      bind: (bdf, process) => kernel.sva.iommu_sva_bind_device(at(bdf), process.mm),
    };
  }

  it('is one number on every device, counted on each', () => {
    const { lab, bind } = boot();
    const process = lab.kernel.processes.create('app');
    expect(process.mm.pasid).toBeNull();
    const first = bound(bind(wide, process));
    const second = bound(bind(small, process));
    const { sva } = lab.kernel;
    expect(sva.iommu_sva_get_pasid(first)).toBe(process.mm.pasid);
    expect(sva.iommu_sva_get_pasid(second)).toBe(process.mm.pasid);
    expect(bind(wide, process)).toBe(first);
    for (const bdf of [wide, small]) {
      const info = lab.kernel.iommu.driver?.infoAt(parseBdf(bdf));
      expect(info?.pasidTable?.read(pasidOf(process))).toMatchObject({
        P: 1,
        PGTT: PGTT.firstStage,
        DID: 1,
        FSPTPTR: BigInt(process.mm.table.root),
      });
    }
    sva.iommu_sva_unbind_device(first);
    expect(first.users).toBe(1);
    sva.iommu_sva_unbind_device(first);
    sva.iommu_sva_unbind_device(second);
    const pasid = pasidOf(process);
    const info = lab.kernel.iommu.driver?.infoAt(parseBdf(wide));
    expect(info?.pasidTable?.read(pasid).P).toBe(0);
    // The number stays with the address space, and goes with it.
    expect(lab.kernel.pasids.ownerOf(pasid)).toBe('app');
    expect(bound(bind(small, process)).mm.pasid).toBe(pasid);
    lab.kernel.processes.exit(process);
    expect(lab.kernel.pasids.ownerOf(pasid)).toBe('app');
  });

  it('is too large for a narrow device with -EOVERFLOW, and used up with -ENOSPC', () => {
    const { lab, bind } = boot();
    const names = Array.from({ length: 17 }, (_, i) => `app${i}`);
    const apps = names.map((name) => lab.kernel.processes.create(name));
    const results = apps.map((app) => bind(wide, app));
    expect(results.every((r) => typeof r !== 'number')).toBe(true);
    expect(apps.map((app) => app.mm.pasid)).toEqual(names.map((_, i) => i + 1));
    expect(typeof bind(small, apps[14] as Process)).not.toBe('number');
    expect(bind(small, apps[15] as Process)).toBe(-EOVERFLOW);
    const late = lab.kernel.processes.create('late');
    expect(bind(small, late)).toBe(-ENOSPC);
    expect(late.mm.pasid).toBeNull();
    // A number that comes back is good for the next one.
    const [gone] = apps;
    lab.kernel.sva.iommu_sva_unbind_device(bound(results[0] ?? -1));
    lab.kernel.processes.exit(gone as Process);
    expect(bound(bind(small, late)).mm.pasid).toBe(1);
  });

  it('needs ATS and PASID of the device and first-stage translation of the unit', () => {
    for (const missing of ['ats', 'pasid']) {
      const chain = SIOV_CAPABILITIES.filter((c) => c.kind !== missing);
      const lab = bootLab({ devices: [plainDevice(wide, chain)] });
      const dev = lab.kernel.pci.deviceAt(parseBdf(wide));
      const { mm } = lab.kernel.processes.create('app');
      expect(dev && lab.kernel.sva.iommu_sva_bind_device(dev, mm)).toBe(-ENODEV);
      expect(mm.pasid).toBeNull();
    }
    const lab = bootLab({ params: { scalable_mode: false } });
    const dev = lab.kernel.pci.deviceAt(parseBdf(wide));
    const { mm } = lab.kernel.processes.create('app');
    expect(dev && lab.kernel.sva.iommu_sva_bind_device(dev, mm)).toBe(-ENODEV);
  });

  it('is not to be had for an address space that is gone', () => {
    const { lab, bind } = boot();
    const process = lab.kernel.processes.create('app');
    lab.kernel.processes.exit(process);
    expect(bind(wide, process)).toBe(-EINVAL);
  });
});

describe('row 49: IA32_PASID', () => {
  function faults(lab: IdxdLab, name: string): number {
    return lab
      .rows('linux.instruction.executed')
      .filter((r) => r.values['process'] === name && r.values['result'] === '#GP').length;
  }

  it('is loaded by the first #GP of each thread, and never again', () => {
    const lab = bootSva();
    const { kernel } = lab;
    const process = kernel.processes.create('app', { capabilities: ['CAP_SYS_RAWIO'] });
    // This thread is older than the binding.
    const early = kernel.processes.createThread(process, 'early', 1);
    const fd = kernel.calls.open(process, `/dev/dsa/${wqAt(lab, 0).name}`);
    const portal = kernel.calls.mmap(process, { length: PAGE, prot: 2, flags: 1, fd, offset: 0 });
    const app: SvaApp = {
      process,
      fd,
      portal,
      memory: anonymous(lab, process, 16),
      records: anonymous(lab, process, 1, true),
    };
    const late = kernel.processes.createThread(process, 'late', 1);
    for (const thread of [process, early, late]) {
      expect(thread.pasidState).toBe(0n);
      expect(submit(lab, { ...app, process: thread })).toBe('accepted');
      expect(submit(lab, { ...app, process: thread })).toBe('accepted');
      expect(faults(lab, thread.name)).toBe(1);
      expect(thread.pasidState).toBe(VALID | BigInt(pasidOf(process)));
    }
  });

  it('follows the thread over context switches, and survives the last unbind', () => {
    const lab = bootSva();
    const one = openApp(lab, 'one');
    const two = openApp(lab, 'two');
    submit(lab, one);
    submit(lab, two);
    const msr = (): bigint => lab.hw.readMsr(0, IA32_PASID);
    expect(msr()).toBe(VALID | BigInt(pasidOf(two.process)));
    submit(lab, one);
    expect(msr()).toBe(VALID | BigInt(pasidOf(one.process)));
    const idle = lab.kernel.processes.create('idle');
    lab.kernel.instructions.switchTo(idle);
    expect(msr()).toBe(0n);
    lab.kernel.instructions.switchTo(one.process);
    const pasid = pasidOf(one.process);
    lab.kernel.calls.munmap(one.process, one.portal, PAGE);
    lab.kernel.calls.close(one.process, one.fd);
    expect(lab.kernel.iommu.driver?.info(lab.dev)?.pasidTable?.read(pasid).P).toBe(0);
    expect(msr()).toBe(VALID | BigInt(pasid));
    const pasids = lab.rows('dsa.descriptor.enqueued').map((r) => r.values['pasid']);
    expect(pasids).toEqual([pasid, pasidOf(two.process), pasid]);
  });

  it('is empty in the child of a fork, whose ENQCMD ends in SIGSEGV', () => {
    for (const keepsPortal of [false, true]) {
      const lab = bootSva({}, { defences: { 'dont-copy': !keepsPortal } });
      const app = openApp(lab, 'parent');
      submit(lab, app);
      const child = lab.kernel.processes.fork(app.process, 'child');
      if (typeof child === 'number') {
        throw new Error('fork failed');
      }
      expect(child.mm.pasid).toBeNull();
      expect(child.pasidState).toBe(0n);
      expect(child.mm.areaAt(app.portal) !== undefined).toBe(keepsPortal);
      const count = lab.rows('dsa.descriptor.enqueued').length;
      expect(submit(lab, { ...app, process: child })).toBe('sigsegv');
      expect(child.signal).toBe('SIGSEGV');
      expect(lab.rows('dsa.descriptor.enqueued')).toHaveLength(count);
      expect(app.process.isAlive).toBe(true);
    }
  });

  it('means nothing to a process that nobody bound', () => {
    const lab = bootSva();
    const app = openApp(lab, 'owner');
    const other = lab.kernel.processes.create('other');
    const portal = lab.idxd.portalAddress(0, 1);
    const area = other.mm.addArea(PAGE, {
      name: 'portal',
      isReadable: false,
      isWritable: true,
      isShared: true,
      offset: 0,
      kind: 'file',
    });
    other.mm.remap(area, area.vm_start, portal, PAGE);
    expect(submit(lab, { ...app, process: other, portal: area.vm_start })).toBe('sigsegv');
    expect(faults(lab, 'other')).toBe(1);
  });

  it('takes the process through a lazy page without software in the submission', () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    app.process.mm.write(app.memory, new Uint8Array([7]));
    expect(submit(lab, app)).toBe('accepted');
    lab.kernel.core.advance(1_000_000);
    expect(statusOf(app)).toBe(STATUS.success);
    expect(app.process.mm.read(app.memory + PAGE, 1)).toEqual(new Uint8Array([7]));
  });
});
