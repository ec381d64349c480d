/** A machine with an adapter of the NIC class or an accelerator of the QAT class, its driver loaded, and its VDEVs in use. */
import { nodeCrypto } from '../../src-main/hosts/crypto/node-crypto.ts';
import type { PciDev } from '../../src-main/linux/pci/pci-dev.ts';
import { parseBdf } from '../../src-main/linux/pci/pci-scan.ts';
import { openVdev, uuidOf, type OpenVdev } from './linux-idxd.ts';
import { bootLab, type Lab, type LabOptions } from './linux-machine.ts';

export const SIOV_BDF = '6a:01.0';

const MODULES = { nic: 'ice', qat: 'qat_4xxx' } as const;
const DRIVERS = { nic: 'ice', qat: '4xxx' } as const;

export interface SiovLab extends Lab {
  readonly kind: 'nic' | 'qat';
  readonly dev: PciDev;
}

export type SiovOptions = LabOptions & { readonly device?: Readonly<Record<string, unknown>> };

export function bootSiov(kind: 'nic' | 'qat', options: SiovOptions = {}): SiovLab {
  const { device = {}, ...rest } = options;
  const lab = bootLab({
    devices: [{ kind, name: `${kind}0`, bdf: SIOV_BDF, options: device }],
    crypto: nodeCrypto,
    ...rest,
    params: { modules: [MODULES[kind]], ...rest.params },
  });
  const dev = lab.kernel.pci.deviceAt(parseBdf(SIOV_BDF));
  if (dev === undefined) {
    throw new Error('No function');
  }
  return { ...lab, kind, dev };
}

export function typeFile(lab: SiovLab, type: string, file: string): string {
  return `${lab.dev.path}/mdev_supported_types/${DRIVERS[lab.kind]}-${type}/${file}`;
}

export function available(lab: SiovLab, type: string): number {
  return Number(lab.kernel.sysfs.read(typeFile(lab, type, 'available_instances')));
}

/** Number of bytes taken, or a negative error number. */
export function create(lab: SiovLab, type: string, n: number): number {
  return lab.kernel.sysfs.write(typeFile(lab, type, 'create'), uuidOf(n));
}

/** A VDEV of this type, open, with memory of its user at GUEST_RAM. */
export function createAndOpen(lab: SiovLab, type: string, n = 1, pages = 16): OpenVdev {
  const result = create(lab, type, n);
  if (result < 0) {
    throw new Error(`create ${type}: ${result}`);
  }
  return openVdev(lab, { uuid: uuidOf(n) }, `vm${n}`, pages);
}

/** Stores to and loads from a device page that is mapped at a user address; -14 where nothing is. */
export function mappedWord(
  { user }: OpenVdev,
  at: number,
): { read(): number; write(value: number): number } {
  const { hw } = user.kernel.core;
  const { mm } = user.process;
  return {
    read: () => {
      const physical = mm.translate(at, false);
      return physical < 0 ? physical : Number(hw.mmioRead(physical, 4));
    },
    write: (value) => {
      const physical = mm.translate(at, true);
      if (physical >= 0) {
        hw.mmioWrite(physical, 4, BigInt(value >>> 0));
      }
      return Math.min(physical, 0);
    },
  };
}
