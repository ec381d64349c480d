/** `linux/sva`: a device in the address space of a program. */
import type { SvaHandle } from '../../linux/iommu/sva.ts';
import { effect, query, type SdkEnvironment } from './environment.ts';
import { deviceHandle, deviceOf, handleOr } from './handles.ts';
import { processType } from './lab-process.ts';
import { defineHostType, defineSdkModule, type SdkModule } from './sdk-module.ts';

const types = `import type { device } from 'linux/mdev';
import type { process } from 'lab/process';

/** One device bound to one address space (\`struct iommu_sva\`). */
export interface iommu_sva {
  readonly name: string;
  readonly dev: device;
  /** Times it was bound. */
  readonly users: number;
}

/**
 * Gives a device the address space of a program: a PASID whose first-stage tables are the program's own. Binding the same
 * pair again counts up. Linux takes the address space (\`struct mm_struct\`); here it is the program that has it.
 * @returns the handle; -ENODEV when the function, the IOMMU or their settings cannot do it; -EINVAL for a program that has
 * ended; -EOVERFLOW when its PASID is too large for the device; -ENOSPC without PASIDs
 */
export declare function iommu_sva_bind_device(dev: device, mm: process): iommu_sva | number;
/** PASID that the device must put on its requests. */
export declare function iommu_sva_get_pasid(handle: iommu_sva): number;
/** Takes one binding back; with the last one the PASID entry goes. The device must not use the PASID any more. */
export declare function iommu_sva_unbind_device(handle: iommu_sva): void;
`;

const svaType = defineHostType<SvaHandle>({
  name: 'struct iommu_sva',
  properties: {
    name: { get: (handle) => handle.name },
    dev: { get: (handle) => deviceHandle(handle.dev), isPrinted: false },
    users: { get: (handle) => handle.users },
  },
});

export function createSvaModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'linux/sva',
    types,
    functions: {
      iommu_sva_bind_device: effect(env, ({ kernel }, dev, mm) =>
        handleOr(
          svaType,
          kernel.sva.iommu_sva_bind_device(deviceOf(dev, 'dev'), processType.target(mm, 'mm').mm),
        ),
      ),
      iommu_sva_get_pasid: query(env, ({ kernel }, handle) =>
        kernel.sva.iommu_sva_get_pasid(svaType.target(handle, 'handle')),
      ),
      iommu_sva_unbind_device: effect(env, ({ kernel }, handle) =>
        kernel.sva.iommu_sva_unbind_device(svaType.target(handle, 'handle')),
      ),
    },
  });
}
