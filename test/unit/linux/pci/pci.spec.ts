import { describe, expect, it } from 'vitest';
import { EBUSY, EFAULT, EINVAL } from '../../../../src-main/linux/errno.ts';
import { PCI_REGS as R } from '../../../../src-main/linux/pci/pci-regs.ts';
import { FakeFunction, SIOV_EXTENDED } from '../../../support/fake-function.ts';
import { bootHost, DSA_BDF } from '../../../support/linux-host.ts';

const driverParams = { pci_features: 'driver' } as const;

describe('enumeration', () => {
  it('finds functions, their BARs and their names', () => {
    const { kernel, dev } = bootHost({
      functions: [
        new FakeFunction({ bdf: DSA_BDF }),
        new FakeFunction({ bdf: '00:02.0', device: 0x1234, bars: [0x1000] }),
      ],
    });
    expect(kernel.pci.devices.map((d) => d.name)).toEqual(['0000:00:02.0', '0000:6a:01.0']);
    expect(dev.resources.map((r) => [r.bar, r.bytes])).toEqual([
      [0, 0x10000],
      [2, 0x20000],
    ]);
    expect(kernel.pci.pci_resource_start(dev, 2)).toBeGreaterThan(2 ** 45);
    expect(kernel.sysfs.read('bus/pci/devices/0000:6a:01.0/device')).toBe('0xb25');
  });

  it('looks at functions above 0 only on multifunction devices', () => {
    const { kernel } = bootHost({
      functions: [
        new FakeFunction({ bdf: DSA_BDF }),
        new FakeFunction({ bdf: '6a:01.1' }),
        new FakeFunction({ bdf: '6a:02.0', isMultifunction: true }),
        new FakeFunction({ bdf: '6a:02.3' }),
      ],
    });
    expect(kernel.pci.devices.map((d) => d.name.slice(5))).toEqual([
      '6a:01.0',
      '6a:02.0',
      '6a:02.3',
    ]);
  });
});

describe('capabilities', () => {
  it('walks the extended list, and goes on behind a found entry', () => {
    const second = { id: 0x23, at: 0x300, words: [0x1234, 0x0180, 0x0005] };
    const { kernel, dev } = bootHost({
      functions: [new FakeFunction({ bdf: DSA_BDF, extended: [...SIOV_EXTENDED, second] })],
    });
    const { pci } = kernel;
    expect(pci.pci_find_ext_capability(dev, R.PCI_EXT_CAP_ID_PASID)).toBe(0x230);
    expect(pci.pci_find_ext_capability(dev, R.PCI_EXT_CAP_ID_DVSEC)).toBe(0x200);
    expect(pci.pci_find_next_ext_capability(dev, 0x200, R.PCI_EXT_CAP_ID_DVSEC)).toBe(0x300);
    expect(pci.pci_find_next_ext_capability(dev, 0x300, R.PCI_EXT_CAP_ID_DVSEC)).toBe(0);
    expect(pci.pci_find_dvsec_capability(dev, 0x8086, 5)).toBe(0x200);
    expect(pci.pci_find_dvsec_capability(dev, 0x1234, 5)).toBe(0x300);
    expect(pci.pci_find_dvsec_capability(dev, 0x8086, 6)).toBe(0);
  });

  it('walks the old list and survives a loop in it', () => {
    const looping = new FakeFunction({
      bdf: DSA_BDF,
      capabilities: [
        { id: R.PCI_CAP_ID_EXP, at: 0x40, words: [2] },
        { id: R.PCI_CAP_ID_MSIX, at: 0x80, words: [8] },
      ],
    });
    looping.config[0x81] = 0x40;
    const { kernel, dev } = bootHost({ functions: [looping] });
    expect(kernel.pci.pci_find_capability(dev, R.PCI_CAP_ID_MSIX)).toBe(0x80);
    expect(kernel.pci.pci_find_next_capability(dev, 0x40, R.PCI_CAP_ID_MSIX)).toBe(0x80);
    expect(kernel.pci.pci_find_capability(dev, R.PCI_CAP_ID_PM)).toBe(0);
  });

  it('refuses registers that are misaligned or beyond the space', () => {
    const { kernel, dev } = bootHost();
    expect(kernel.pci.pci_read_config_dword(dev, 0x02)).toBe(-EFAULT);
    expect(kernel.pci.pci_read_config_word(dev, 0x1000)).toBe(-EFAULT);
    expect(kernel.pci.pci_write_config_dword(dev, -4, 0)).toBe(-EFAULT);
    expect(kernel.pci.pci_read_config_word(dev, R.PCI_VENDOR_ID)).toBe(0x8086);
  });
});

describe('PASID, ATS and PRI', () => {
  it('enables each once and reports what the function can do', () => {
    const { kernel, dev } = bootHost({ params: driverParams });
    const { pci } = kernel;
    expect(pci.pci_max_pasids(dev)).toBe(2 ** 20);
    expect(pci.pci_pasid_features(dev)).toBe(R.PCI_PASID_CAP_PRIV);
    expect(pci.pci_enable_pasid(dev, R.PCI_PASID_CAP_EXEC)).toBe(-EINVAL);
    expect(pci.pci_enable_pasid(dev, R.PCI_PASID_CAP_PRIV)).toBe(0);
    expect(pci.pci_read_config_word(dev, 0x230 + R.PCI_PASID_CTRL)).toBe(0x5);
    expect(pci.pci_enable_pasid(dev, 0)).toBe(-EBUSY);
    expect(pci.pci_enable_ats(dev, 11)).toBe(-EINVAL);
    expect(pci.pci_enable_ats(dev, 12)).toBe(0);
    expect(pci.pci_read_config_word(dev, 0x220 + R.PCI_ATS_CTRL)).toBe(0x8000);
    expect(pci.pci_enable_pri(dev, 32)).toBe(0);
    expect(pci.pci_read_config_dword(dev, 0x240 + R.PCI_PRI_ALLOC_REQ)).toBe(32);
    expect(pci.pci_enable_pri(dev, 32)).toBe(-EBUSY);
    expect(pci.pci_reset_pri(dev)).toBe(-EBUSY);
    pci.pci_disable_pri(dev);
    expect(pci.pci_reset_pri(dev)).toBe(0);
  });

  it('gives -EINVAL without the capability and -EBUSY while page requests run', () => {
    const { kernel, dev } = bootHost({
      params: driverParams,
      functions: [
        new FakeFunction({
          bdf: DSA_BDF,
          extended: [{ id: 0x13, at: 0x100, words: [0, 0x8000, 0x200, 0, 0, 0] }],
        }),
      ],
    });
    expect(kernel.pci.pci_enable_pasid(dev, 0)).toBe(-EINVAL);
    expect(kernel.pci.pci_max_pasids(dev)).toBe(-EINVAL);
    expect(kernel.pci.pci_pasid_features(dev)).toBe(-EINVAL);
    expect(kernel.pci.pci_enable_ats(dev, 12)).toBe(-EINVAL);
    expect(kernel.pci.pci_enable_pri(dev, 32)).toBe(-EBUSY);
  });

  it('leaves one record a call with arguments and return code', () => {
    const { hw, kernel, dev } = bootHost({ params: driverParams });
    kernel.pci.pci_enable_pasid(dev, 0);
    const call = hw.recordsOf('linux.call.returned').at(-1);
    expect(call?.values).toMatchObject({
      call: 'pci_enable_pasid',
      args: '0000:6a:01.0, 0',
      result: '0',
      code: 0,
    });
    const entered = hw.records.find((r) => r.seq === call?.values['entered']);
    expect(entered?.kind).toBe('linux.call.entered');
    expect(call?.cause).toBe(entered?.seq);
  });
});
