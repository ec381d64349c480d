/** Every SDK module of a run, over one environment. */
import { createEnqcmdModule } from './asm-enqcmd.ts';
import { createIoModule } from './asm-io.ts';
import type { SdkEnvironment } from './environment.ts';
import { createHwModule } from './hw.ts';
import { createMemoryModule } from './lab-memory.ts';
import { createOracleModule } from './lab-oracle.ts';
import { createProcessModule } from './lab-process.ts';
import { createShellModule } from './lab-shell.ts';
import { createViommuModule } from './lab-viommu.ts';
import { createVmModule } from './lab-vm.ts';
import { createLibcModule } from './libc.ts';
import { createErrnoModule } from './linux-errno.ts';
import { createIdxdModule } from './linux-idxd.ts';
import { createIoasidModule } from './linux-ioasid.ts';
import { createIommuModule } from './linux-iommu.ts';
import { createIrqModule } from './linux-irq.ts';
import { createMdevModule } from './linux-mdev.ts';
import { createMigrationModule } from './linux-migration.ts';
import { createMmModule } from './linux-mm.ts';
import { createPciModule } from './linux-pci.ts';
import { createSvaModule } from './linux-sva.ts';
import { createTimerModule } from './linux-timer.ts';
import { createVdcmModule } from './linux-vdcm.ts';
import { createVfioModule } from './linux-vfio.ts';
import { ScriptContext } from './script-context.ts';
import type { SdkModule } from './sdk-module.ts';
import { createUapiIdxdModule } from './uapi-idxd.ts';
import { createUapiIommufdModule, createUapiVfioModule } from './uapi.ts';

export function createSdkModules(environment: SdkEnvironment): readonly SdkModule[] {
  const context = new ScriptContext(environment);
  const env: SdkEnvironment = {
    kernelOf: (actor) => context.kernelOf(actor),
    processOf: (actor) => context.processOf(actor),
    onReport: (key, value) => environment.onReport?.(key, value),
    ...(environment.trace === undefined ? {} : { trace: environment.trace }),
    ...(environment.vms === undefined ? {} : { vms: environment.vms }),
    context,
  };
  return [
    createErrnoModule(),
    createPciModule(env),
    createIommuModule(env),
    createIoasidModule(env),
    createIrqModule(env),
    createSvaModule(env),
    createTimerModule(env),
    createMdevModule(env),
    createVfioModule(env),
    createMigrationModule(env),
    createMmModule(env),
    createIdxdModule(env),
    createVdcmModule(env),
    createIoModule(env),
    createEnqcmdModule(env),
    createLibcModule(env),
    createUapiVfioModule(),
    createUapiIommufdModule(),
    createUapiIdxdModule(),
    createMemoryModule(env),
    createProcessModule(env, context),
    createShellModule(env),
    createVmModule(env, context),
    createViommuModule(env),
    createHwModule(env),
    createOracleModule(env),
  ];
}
