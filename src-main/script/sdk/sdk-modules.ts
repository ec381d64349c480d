/** Every SDK module of a run, over one environment. */
import { createIoModule } from './asm-io.ts';
import type { SdkEnvironment } from './environment.ts';
import { createHwModule } from './hw.ts';
import { createOracleModule } from './lab-oracle.ts';
import { createErrnoModule } from './linux-errno.ts';
import { createIoasidModule } from './linux-ioasid.ts';
import { createIommuModule } from './linux-iommu.ts';
import { createPciModule } from './linux-pci.ts';
import type { SdkModule } from './sdk-module.ts';

export function createSdkModules(environment: SdkEnvironment): readonly SdkModule[] {
  return [
    createErrnoModule(),
    createPciModule(environment),
    createIommuModule(environment),
    createIoasidModule(environment),
    createIoModule(environment),
    createHwModule(environment),
    createOracleModule(environment),
  ];
}
