import { describe, expect, it } from 'vitest';
import { ENOTTY } from '../../../../src-main/linux/errno.ts';
import { parseBdf } from '../../../../src-main/linux/pci/pci-scan.ts';
import { VFIO_DEVICE_IOCTLS as D } from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import { VfioDeviceInfo } from '../../../../src-main/spec/vfio/vfio-structures.ts';
import { bootHost } from '../../../support/linux-host.ts';
import { bootIdxd, DSA_BDF, dsaDevice } from '../../../support/linux-idxd.ts';
import { bootLab } from '../../../support/linux-machine.ts';
import { VfioUser } from '../../../support/linux-vfio.ts';

const MSIX_TABLE = 0x2000;
const CONFIG_BYTES = 0x300;

describe('a reset of a function', () => {
  it('leaves its configuration and its interrupts as they were', () => {
    const lab = bootIdxd();
    const { kernel, dev, hw, idxd } = lab;
    const config = (): readonly number[] =>
      Array.from({ length: CONFIG_BYTES / 4 }, (_, i) => hw.configRead(dev.rid, i * 4, 4));
    const entry = (): readonly bigint[] =>
      [0, 4, 8, 12].map((at) => hw.mmioRead(idxd.registers.base + MSIX_TABLE + at, 4));
    const before = { config: config(), entry: entry() };
    expect(before.entry[3]).toBe(0n);
    const start = kernel.core.nowNs;
    expect(kernel.pci.pci_reset_function(dev)).toBe(0);
    expect(kernel.core.nowNs - start).toBeGreaterThanOrEqual(100_000_000);
    expect({ config: config(), entry: entry() }).toEqual(before);
  });

  it('loses both where only the function level reset is asked for', () => {
    const { kernel, dev, hw } = bootIdxd();
    expect(hw.configRead(dev.rid, 4, 2) & 6).toBe(6);
    expect(kernel.pci.pcie_flr(dev)).toBe(0);
    expect(hw.configRead(dev.rid, 4, 2) & 6).toBe(0);
  });

  it('is none for a function without', () => {
    const { kernel, dev } = bootHost();
    expect(kernel.pci.pci_reset_function(dev)).toBe(-ENOTTY);
  });

  it('by VFIO leaves a passed-through function with its BARs, PASIDs and vectors', () => {
    // Later generations of the accelerator may be passed through.
    const lab = bootLab({ devices: [dsaDevice({ profile: 'v3' })] });
    const { kernel, hw } = lab;
    const dev = kernel.pci.deviceAt(parseBdf(DSA_BDF));
    if (dev === undefined || kernel.pci.bind(dev, kernel.vfioPci) < 0) {
      throw new Error('vfio-pci did not take the function');
    }
    const user = new VfioUser(kernel, 'qemu');
    const { device } = user.openByGroup(dev.name);
    const info = user.request(device, D.VFIO_DEVICE_GET_INFO, VfioDeviceInfo, {});
    expect(info.values.flags).toBe(3);
    const config = (): readonly number[] =>
      Array.from({ length: CONFIG_BYTES / 4 }, (_, i) => hw.configRead(dev.rid, i * 4, 4));
    const before = config();
    expect(user.ioctl(device, D.VFIO_DEVICE_RESET)).toBe(0);
    expect(config()).toEqual(before);
    expect(dev.pasid.isEnabled).toBe(true);
  });
});
