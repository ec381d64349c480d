/** Host kernels over fake hardware, and the questions tests ask of them. */
import { createKernel, type Kernel, type KernelOptions } from '../../src-main/linux/kernel.ts';
import type { PciDev } from '../../src-main/linux/pci/pci-dev.ts';
import { parseBdf } from '../../src-main/linux/pci/pci-scan.ts';
import { FakeFunction } from './fake-function.ts';
import { FakeHardware, type FakeHardwareOptions } from './fake-hardware.ts';

export const DSA_BDF = '6a:01.0';
export const DSA_RID = parseBdf(DSA_BDF);

export interface Host {
  readonly hw: FakeHardware;
  readonly kernel: Kernel;
  /** The function at 6a:01.0. */
  readonly dev: PciDev;
}

export type HostOptions = Partial<Pick<KernelOptions, 'profile' | 'params'>> & FakeHardwareOptions;

export function bootHost(options: HostOptions = {}): Host {
  const hw = new FakeHardware({
    functions: [new FakeFunction({ bdf: DSA_BDF })],
    ...options,
  });
  const kernel = createKernel({
    hw,
    role: 'host',
    profile: options.profile ?? 'iommufd',
    ...(options.params === undefined ? {} : { params: options.params }),
  });
  const dev = kernel.pci.deviceAt(DSA_RID);
  if (dev === undefined) {
    throw new Error(`No function at ${DSA_BDF}`);
  }
  return { hw, kernel, dev };
}
