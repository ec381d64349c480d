/** Hosts with a function of vfio-pci, or with an emulated mediated device, and a process that uses it. */
import type { VfioDevice, VfioDeviceOps } from '../../src-main/linux/vfio/vfio-device.ts';
import { FakeFunction } from './fake-function.ts';
import { bootHost, DSA_BDF, type Host, type HostOptions } from './linux-host.ts';
import { createPoolDriver, poolTypes, UUID } from './linux-mdev.ts';
import { VfioUser } from './linux-vfio.ts';

export const MSIX = { id: 0x11, at: 0x40, words: [8, 0x2000, 0, 0x3000, 0] };

/** A function that vfio-pci takes. */
function passThrough(bdf: string): FakeFunction {
  return new FakeFunction({ bdf, device: 0x1234, capabilities: [MSIX] });
}

export interface VfioHost extends Host {
  readonly qemu: VfioUser;
}

/** A host with one function bound to vfio-pci. */
export function withPassThrough(
  options: HostOptions = {},
  bdfs: readonly string[] = [DSA_BDF],
): VfioHost {
  const host = bootHost({ functions: bdfs.map(passThrough), ...options });
  for (const dev of host.kernel.pci.devices) {
    const bound = host.kernel.pci.bind(dev, host.kernel.vfioPci);
    if (bound < 0) {
      throw new Error(`bind of ${dev.name}: ${bound}`);
    }
  }
  return { ...host, qemu: new VfioUser(host.kernel, 'qemu') };
}

export interface EmulatedHost extends VfioHost {
  readonly vdev: VfioDevice;
}

/** A host with one emulated mediated device. */
export function withEmulated(ops: Partial<VfioDeviceOps> = {}): EmulatedHost {
  const host = bootHost();
  const { kernel, dev } = host;
  const { driver, pool } = createPoolDriver(kernel, { ops: { dma_unmap: () => {}, ...ops } });
  kernel.mdev.mdev_register_driver(driver);
  kernel.mdev.mdev_register_parent(dev, driver, poolTypes());
  kernel.calls.sysfsWrite('class/mdev_bus/0000:6a:01.0/mdev_supported_types/pci-1/create', UUID[0]);
  const vdev = pool.vdevs.get(UUID[0]);
  if (vdev === undefined) {
    throw new Error('No device');
  }
  return { ...host, qemu: new VfioUser(kernel, 'qemu'), vdev };
}

export const PCI_NAME = '0000:6a:01.0';
