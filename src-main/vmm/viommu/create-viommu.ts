/** A virtual IOMMU over what the kernel of the host offers in its profile. */
import { invariant } from '../../bits/invariant.ts';
import { IoasidFile } from '../../linux/iommu/ioasid-file.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { KvmVm } from '../kvm/kvm-vm.ts';
import { GpasidBackend } from './gpasid-backend.ts';
import { IommufdNesting, type NestingContext } from './iommufd-nesting.ts';
import type { NestingBackend } from './nesting-backend.ts';
import type { ShadowedDevice } from './pasid-shadow.ts';
import { Viommu, type ViommuOptions } from './viommu.ts';

export interface CreateViommuParts {
  readonly kernel: Kernel;
  readonly vm: KvmVm;
  context(): NestingContext | undefined;
  devices(): readonly ShadowedDevice[];
}

/** PASIDs of a VM when nothing else is said. */
const DEFAULT_QUOTA = 1000;

export function createViommu(parts: CreateViommuParts, options: ViommuOptions): Viommu {
  const { kernel, vm, devices } = parts;
  const unit = kernel.iommu.driver?.unit;
  invariant(unit !== undefined, 'A virtual IOMMU needs one in the host');
  return new Viommu(
    {
      core: kernel.core,
      vm,
      host: unit.capability,
      backend: backendOf(parts, options),
      devices: () => devices(),
    },
    options,
  );
}

function backendOf(parts: CreateViommuParts, options: ViommuOptions): NestingBackend {
  const { kernel, vm } = parts;
  const { process } = vm;
  if (kernel.core.profile === 'iommufd') {
    return new IommufdNesting({
      kernel,
      process,
      context: () => parts.context(),
      clearPasid: (pasid) => vm.clearPasid(pasid),
    });
  }
  const file = IoasidFile.open(kernel.core, kernel.ioasids, process.mm, {
    quota: options.pasidQuota ?? DEFAULT_QUOTA,
    isIdentity: options.isIdentity === true,
  });
  invariant(file instanceof IoasidFile, `${process.name} has PASIDs already`);
  process.files.install(file);
  // The CPU's translation is cut before devices and the IOMMU hear of a PASID that goes.
  vm.followPasids(file.set);
  return new GpasidBackend(kernel, process, file);
}
