/** The machine on which sharing is compared: one network adapter that can do both, a host kernel, an active IOMMU. */
import { invariant } from '../../bits/invariant.ts';
import { parseBdf } from '../../spec/pcie/requester-id.ts';
import { createKernel, type Kernel } from '../../linux/kernel.ts';
import type { PciDev } from '../../linux/pci/pci-dev.ts';
import { Machine, NicDevice, type MachineConfig } from '../../sim/index.ts';
import { CountingHardware } from './counting-hardware.ts';

export interface SharingSettings {
  /** Queue pairs of the adapter: what both ways hand out. */
  readonly queuePairs: number;
  readonly imsEntries: number;
  readonly totalVfs: number;
  /** Buses of the root port above the adapter's own. */
  readonly extraBuses: number;
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** Resources of an E810-class adapter: 256 virtual functions, 768 assignable queue sets. */
export const DEFAULT_SHARING: SharingSettings = {
  queuePairs: 768,
  imsEntries: 2048,
  totalVfs: 256,
  extraBuses: 1,
  cpus: 8,
  memoryBytes: 512 * 2 ** 20,
};

const BDF = '3b:00.0';
const BUS = 0x3b;

export interface SharingMachine {
  readonly machine: Machine;
  readonly hw: CountingHardware;
  readonly kernel: Kernel;
  readonly nic: NicDevice;
  readonly dev: PciDev;
}

export function sharingConfig(settings: SharingSettings): MachineConfig {
  return {
    name: 'sharing',
    seed: 1,
    kernelProfile: 'iommufd',
    memory: { bytes: settings.memoryBytes },
    cpus: settings.cpus,
    iommu: { profile: 'lab' },
    devices: [
      {
        kind: 'nic',
        name: 'nic0',
        bdf: BDF,
        options: {
          queuePairs: settings.queuePairs,
          imsEntries: settings.imsEntries,
          sriov: { totalVfs: settings.totalVfs, subordinateBus: BUS + settings.extraBuses },
        },
      },
    ],
  };
}

/** Booted, with the physical function enabled. */
export function bootSharingMachine(settings: SharingSettings): SharingMachine {
  const machine = new Machine({ config: sharingConfig(settings), trace: { mode: 'off' } });
  const hw = new CountingHardware(machine);
  const kernel = createKernel({ hw, role: 'host', profile: 'iommufd' });
  const rid = parseBdf(BDF) ?? 0;
  const nic = machine.fabric.find(rid);
  const dev = kernel.pci.deviceAt(rid);
  invariant(nic instanceof NicDevice && dev !== undefined, 'The sharing machine has no adapter');
  kernel.pci.pci_enable_device(dev);
  kernel.pci.pci_set_master(dev);
  return { machine, hw, kernel, nic, dev };
}
