import { describe, expect, it } from 'vitest';
import { ENOTTY } from '../../../../src-main/linux/errno.ts';
import { bootIdxd } from '../../../support/linux-idxd.ts';
import { bootLab, plainDevice } from '../../../support/linux-machine.ts';
import { parseBdf } from '../../../../src-main/linux/pci/pci-scan.ts';

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
    const { kernel } = bootLab({ devices: [plainDevice('6a:01.0', [])] });
    const dev = kernel.pci.deviceAt(parseBdf('6a:01.0'));
    if (dev === undefined) {
      throw new Error('No function');
    }
    expect([0, -ENOTTY]).toContain(kernel.pci.pci_reset_function(dev));
  });
});
