import { describe, expect, it } from 'vitest';
import { EBUSY, EINVAL, ENOENT, ENOMEM, ENOSYS, ERANGE } from '../../../../src-main/linux/errno.ts';
import { COMMAND } from '../../../../src-main/spec/dsa/commands.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import { VFIO_FLAGS as F } from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  bootIdxd,
  closeVdev,
  createVdev,
  GUEST_RAM,
  mapPortal,
  moveWords,
  openVdev,
  startVdev,
  statusAt,
  vdevCommand,
  wqAt,
  type IdxdLab,
  type IdxdOptions,
} from '../../../support/linux-idxd.ts';

function numVfs(lab: IdxdLab, text: string): number {
  return lab.sysfsWrite(`${lab.dev.path}/sriov_numvfs`, text);
}

function contextEntries(lab: IdxdLab): number {
  const present = lab
    .rows('linux.context-entry.written')
    .filter((r) => r.values['word'] === 0 && (Number(r.values['new']) & 1) === 1);
  return new Set(present.map((r) => r.values['address'])).size;
}

describe('row 72: virtual functions beside assignable interfaces', () => {
  it('cost a context entry, configuration space, BAR slices, vectors and 100 ms each time', () => {
    const lab = bootIdxd({ dsa: { sriov: { totalVfs: 8 } } });
    const { kernel } = lab;
    const before = { contexts: contextEntries(lab), time: kernel.core.nowNs };
    expect(numVfs(lab, '4')).toBe(1);
    expect(contextEntries(lab) - before.contexts).toBe(4);
    expect(kernel.core.nowNs - before.time).toBeGreaterThanOrEqual(100_000_000);
    const vfs = kernel.pci.devices.filter((d) => d.physfn === lab.dev);
    expect(vfs.map((vf) => vf.rid - lab.dev.rid)).toEqual([1, 2, 3, 4]);
    expect(vfs.map((vf) => kernel.iov.pci_iov_vf_id(vf))).toEqual([0, 1, 2, 3]);
    const slices = vfs.map((vf) => vf.resources.map((r) => r.start));
    expect(new Set(slices.flat()).size).toBe(8);
    expect(vfs.map((vf) => kernel.msix.pci_msix_vec_count(vf))).toEqual([2, 2, 2, 2]);
    expect(new Set(vfs.map((vf) => kernel.iommu.groupOf(vf)?.id)).size).toBe(4);
    expect(lab.sysfsRead(`${lab.dev.path}/virtfn2/physfn/sriov_totalvfs`)).toBe('8');
  });

  it('while an interface costs a PASID entry and an interrupt entry, and no function', () => {
    const lab = bootIdxd({ wqs: [{ mode: 'shared', type: 'mdev' }] });
    const { kernel } = lab;
    const before = { contexts: contextEntries(lab), time: kernel.core.nowNs };
    const functions = kernel.pci.devices.length;
    const opened = [1, 2, 3, 4].map((n) => {
      const open = openVdev(lab, createVdev(lab, 'dsa-1swq-v1', n), `vm${n}`);
      const fds = [0, 1].map(() => kernel.calls.eventfd(open.user.process));
      const flags = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;
      expect(open.user.setIrqs(open.fd, F.VFIO_PCI_MSIX_IRQ_INDEX, flags, {}, fds)).toBe(0);
      return open;
    });
    expect(contextEntries(lab)).toBe(before.contexts);
    expect(kernel.pci.devices).toHaveLength(functions);
    expect(lab.idxd.ims?.used).toBe(4);
    const pasids = new Set(kernel.idxd.vdcm.vdevs.map((v) => v.pasids.default));
    expect(pasids.size).toBe(4);
    expect(kernel.core.nowNs - before.time).toBeLessThan(1_000_000);
    // One goes, the others stay: no VF could.
    closeVdev(opened[1] ?? never());
    expect(lab.idxd.ims?.used).toBe(3);
  });

  it('come and go together, and within what the function has', () => {
    const lab = bootIdxd({ dsa: { sriov: { totalVfs: 4 } } });
    expect(numVfs(lab, 'x')).toBe(-EINVAL);
    expect(numVfs(lab, '5')).toBe(-ERANGE);
    expect(numVfs(lab, '2')).toBe(1);
    expect(numVfs(lab, '3')).toBe(-EBUSY);
    expect(lab.kernel.iov.pci_enable_sriov(lab.dev, 1)).toBe(-EINVAL);
    expect(numVfs(lab, '0')).toBe(1);
    expect(lab.kernel.pci.devices).toHaveLength(1);
    expect(lab.kernel.iov.pci_num_vf(lab.dev)).toBe(0);
    lab.kernel.rmmod('idxd');
    expect(numVfs(lab, '1')).toBe(-ENOENT);
    const plain = bootIdxd();
    expect(plain.kernel.iov.pci_enable_sriov(plain.dev, 1)).toBe(-ENOSYS);
    const far = bootIdxd({ dsa: { sriov: { totalVfs: 8, stride: 64 } } });
    expect(numVfs(far, '8')).toBe(-ENOMEM);
  });
});

function never(): never {
  throw new Error('Missing');
}

describe('row 74: replay', () => {
  function scenario(options: IdxdOptions): { lab: IdxdLab; trace: string; nowNs: number } {
    const lab = bootIdxd({
      wqs: [
        { mode: 'dedicated', type: 'mdev' },
        { mode: 'shared', type: 'mdev' },
        { mode: 'shared', type: 'user' },
      ],
      ...options,
    });
    const { kernel } = lab;
    const open = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1'));
    startVdev(open);
    const portal = mapPortal(open, 0);
    for (let n = 0; n < 4; n++) {
      const record = GUEST_RAM + 0x4000 + n * 64;
      const words = moveWords({ from: GUEST_RAM, to: GUEST_RAM + 0x1000, bytes: 512, record });
      kernel.instructions.movdir64b(open.user.process, portal, words);
    }
    kernel.core.advance(50_000);
    expect(statusAt(open, 0x4000)).toBe(STATUS.success);
    vdevCommand(open, COMMAND.resetDevice);
    closeVdev(open);
    const app = kernel.processes.create('app', { capabilities: ['CAP_SYS_RAWIO'] });
    kernel.calls.open(app, `/dev/dsa/${wqAt(lab, 2).name}`);
    kernel.processes.exit(app);
    const trace = JSON.stringify(lab.rows(), (_key, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value,
    );
    return { lab, trace, nowNs: lab.hw.nowNs };
  }

  it('of the same script with the same seed is the same, record by record', () => {
    for (const profile of ['iommufd', 'kvmforum2019'] as const) {
      const first = scenario({ profile, seed: 7 });
      const second = scenario({ profile, seed: 7 });
      expect(second.trace).toBe(first.trace);
      expect(second.nowNs).toBe(first.nowNs);
      expect(first.lab.rows().length).toBeGreaterThan(500);
    }
  });
});
