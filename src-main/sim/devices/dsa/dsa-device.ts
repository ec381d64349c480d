/**
 * The accelerator in either of its forms: one function shared by assignable interfaces (Scalable IOV), or a physical
 * function with virtual ones (SR-IOV).
 */
import type { FunctionHost } from '../../pcie/ports.ts';
import { DsaFunction, type DsaFunctionOptions } from './dsa-function.ts';
import { SriovDsa } from './sriov-dsa.ts';

/** Either form, as others know it. */
export { DsaFunction as DsaDevice } from './dsa-function.ts';

export interface DsaDeviceOptions extends DsaFunctionOptions {
  /** Where virtual functions appear; only the SR-IOV form needs it. */
  readonly functions?: FunctionHost;
}

/** Builds an accelerator. Settings that make no device are a bug of the caller: ask `configIssues` first. */
export function createDsaDevice({ functions, ...options }: DsaDeviceOptions): DsaFunction {
  const isSriov = options.config.sriov !== undefined && functions !== undefined;
  return isSriov ? new SriovDsa(options, functions) : new DsaFunction(options);
}
