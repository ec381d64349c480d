/** The machine of the scene that panes are tested on: one function of every class, room for two VMs. */
import type { DeviceConfig } from '../../../src-main/sim/index.ts';

export const SCENE_BDF = { dsa: '6a:01.0', qat: '6b:00.0', nic: '3b:00.0' } as const;

export const SCENE_DEVICES: readonly DeviceConfig[] = [
  { kind: 'dsa', name: 'dsa0', bdf: SCENE_BDF.dsa },
  { kind: 'qat', name: 'qat0', bdf: SCENE_BDF.qat, options: { ringPairs: 4 } },
  {
    kind: 'nic',
    name: 'nic0',
    bdf: SCENE_BDF.nic,
    options: {
      queuePairs: 8,
      imsEntries: 256,
      sriov: { totalVfs: 4, subordinateBus: 0x3c },
    },
  },
];

/** As `machine.json` of a lab package has it. */
export const SCENE_MACHINE = {
  name: 'scene',
  memory: { bytes: 512 * 2 ** 20 },
  cpus: 4,
  iommu: { profile: 'lab' },
  devices: SCENE_DEVICES,
  kernel: { modules: ['idxd'] },
} as const;
