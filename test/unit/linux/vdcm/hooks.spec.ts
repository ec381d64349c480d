import { describe, expect, it } from 'vitest';
import { EFAULT, EINVAL, ENOSPC } from '../../../../src-main/linux/errno.ts';
import type { IrqSetRequest } from '../../../../src-main/linux/vfio/irq-set.ts';
import type { IdxdVdev } from '../../../../src-main/linux/idxd/vdcm/vdev.ts';
import type { VdcmOps } from '../../../../src-main/linux/vdcm/vdcm-ops.ts';
import { COMMAND, COMMAND_ERROR } from '../../../../src-main/spec/dsa/commands.ts';
import { PORTAL_PAGE } from '../../../../src-main/spec/dsa/portals.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import {
  VFIO_DEVICE_IOCTLS as D,
  VFIO_FLAGS as F,
} from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  BAR,
  becomeMaster,
  bootIdxd,
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
  type OpenVdev,
} from '../../../support/linux-idxd.ts';
import { callbacks } from '../../../support/linux-mdev.ts';

interface Scene {
  readonly lab: IdxdLab;
  readonly open: OpenVdev;
  readonly builtin: VdcmOps<IdxdVdev>;
  use(ops: Partial<VdcmOps<IdxdVdev>>): void;
}

function scene(profile: 'iommufd' | 'kvmforum2019' = 'iommufd'): Scene {
  const lab = bootIdxd({ profile, wqs: [{ mode: 'dedicated', type: 'mdev' }] });
  const { hooks } = lab.kernel.idxd.vdcm;
  const open = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1'));
  return { lab, open, builtin: hooks.builtin, use: (ops) => hooks.override(ops) };
}

const config = (open: OpenVdev, at: number): number =>
  open.user.readValue(open.fd, BAR.config, at, 2);

describe.each(['iommufd', 'kvmforum2019'] as const)('operations of a VDCM, %s', (profile) => {
  it('answer and refuse accesses to configuration space in place of the built-in ones', () => {
    const { open, builtin, use, lab } = scene(profile);
    const written: number[] = [];
    use({
      cfg_read: (vdev, offset, bytes) =>
        offset === 0 ? 0x1234n : offset === 8 ? -EINVAL : builtin.cfg_read(vdev, offset, bytes),
      cfg_write: (vdev, offset, bytes, value) => {
        written.push(offset);
        return offset === 4 ? builtin.cfg_write(vdev, offset, bytes, value) : -EINVAL;
      },
    });
    expect([config(open, 0), config(open, 2)]).toEqual([0x1234, 0x0b25]);
    expect(config(open, 8)).toBe(-EFAULT);
    expect(open.user.writeValue(open.fd, BAR.config, 4, 2, 6)).toBe(2);
    expect(open.user.writeValue(open.fd, BAR.config, 0x3c, 1, 9)).toBe(-EFAULT);
    expect(written).toEqual([4, 0x3c]);
    expect(config(open, 4)).toBe(6);
    expect(callbacks(lab.rows()).filter((c) => c.startsWith('idxd_vdcm_hooks'))).toContain(
      'idxd_vdcm_hooks->cfg_read',
    );
    use({});
    const before = callbacks(lab.rows()).length;
    expect(config(open, 0)).toBe(0x8086);
    // What is built in leaves no record beside that of the file operation.
    expect(callbacks(lab.rows()).slice(before)).not.toContain('idxd_vdcm_hooks->cfg_read');
  });

  it('describe regions, and place pages behind them', () => {
    const { open, builtin, use, lab } = scene(profile);
    const { idxd } = lab;
    use({
      get_region_info: (vdev, index) =>
        index === 4 ? { size: 4096, flags: 1 } : builtin.get_region_info(vdev, index),
      mmap: (vdev, index, offset, area) => {
        if (offset !== 0) {
          return builtin.mmap(vdev, index, offset, area);
        }
        const page = idxd.portalAddress(vdev.wq.id, PORTAL_PAGE.limitedMsix);
        return area.mm.remap(area, area.vm_start, page, 4096) < 0 ? -EFAULT : 0;
      },
    });
    expect(open.user.regionInfo(open.fd, 4).values).toMatchObject({ size: 4096n, flags: 1 });
    expect(open.user.regionInfo(open.fd, 5).values.size).toBe(0n);
    const { table } = open.user.process.mm;
    expect(table.translate(mapPortal(open, 0))).toBe(
      idxd.portalAddress(0, PORTAL_PAGE.limitedMsix),
    );
    expect(table.translate(mapPortal(open, 1))).toBe(idxd.portalAddress(0, PORTAL_PAGE.limitedIms));
  });

  it('decide how a queue is enabled, after the checks of the command', () => {
    const { open, use, lab } = scene(profile);
    const calls: string[] = [];
    let answer: number = COMMAND_ERROR.wqPasid;
    use({
      wq_enable: (vdev) => {
        calls.push(vdev.uuid);
        if (answer === 0) {
          vdev.wq.disable();
          vdev.wq.setPasid({ pasid: vdev.pasids.translate(0), priv: true });
          vdev.wq.enableHardware();
        }
        return answer;
      },
    });
    expect(vdevCommand(open, COMMAND.enableWq).error).toBe(COMMAND_ERROR.deviceNotEnabled);
    expect(calls).toEqual([]);
    becomeMaster(open);
    vdevCommand(open, COMMAND.enableDevice);
    expect(vdevCommand(open, COMMAND.enableWq).error).toBe(COMMAND_ERROR.wqPasid);
    expect(wqAt(lab, 0).isEnabled).toBe(false);
    answer = COMMAND_ERROR.success;
    expect(vdevCommand(open, COMMAND.enableWq).error).toBe(COMMAND_ERROR.success);
    expect(calls).toHaveLength(2);
    const words = moveWords({
      from: GUEST_RAM,
      to: GUEST_RAM + 64,
      bytes: 8,
      record: GUEST_RAM + 0x2000,
    });
    lab.kernel.instructions.movdir64b(open.user.process, mapPortal(open, 0), words);
    lab.kernel.core.advance(50_000);
    expect(statusAt(open, 0x2000)).toBe(STATUS.success);
  });

  it('take interrupts over, once VFIO has checked the request', () => {
    const { open, builtin, use, lab } = scene(profile);
    const seen: IrqSetRequest[] = [];
    use({
      set_irqs: (vdev, request) => {
        seen.push(request);
        return request.start === 0 ? builtin.set_irqs(vdev, request) : -ENOSPC;
      },
    });
    const fds = [0, 1].map(() => lab.kernel.calls.eventfd(open.user.process));
    const flags = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;
    const set = (start: number, which: readonly number[]): number =>
      open.user.setIrqs(open.fd, F.VFIO_PCI_MSIX_IRQ_INDEX, flags, { start }, [...which]);
    expect(set(2, fds)).toBe(-EINVAL);
    expect(seen).toEqual([]);
    expect(set(0, fds)).toBe(0);
    expect(set(1, [-1])).toBe(-ENOSPC);
    expect(seen.map(({ start, count, eventfds }) => [start, count, eventfds.length])).toEqual([
      [0, 2, 2],
      [1, 1, 1],
    ]);
    expect(seen[1]?.eventfds).toEqual([null]);
    expect(lab.idxd.ims?.used).toBe(1);
  });

  it('hear of every reset, and may do it', () => {
    const { open, builtin, use, lab } = scene(profile);
    const resets: boolean[] = [];
    startVdev(open);
    use({ reset: (_vdev, isFull) => void resets.push(isFull) });
    vdevCommand(open, COMMAND.resetDevice);
    open.user.writeValue(open.fd, BAR.config, 0x58, 2, 0x8000);
    open.user.ioctl(open.fd, D.VFIO_DEVICE_RESET);
    expect(resets).toEqual([false, true, true]);
    expect(wqAt(lab, 0).isEnabled).toBe(true);
    use({ reset: (vdev, isFull) => builtin.reset(vdev, isFull) });
    open.user.ioctl(open.fd, D.VFIO_DEVICE_RESET);
    expect(wqAt(lab, 0).isEnabled).toBe(false);
  });
});
