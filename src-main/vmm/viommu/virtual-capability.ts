/**
 * Capabilities that a virtual IOMMU shows: first-stage translation, PASIDs, page requests and device TLBs as far as the
 * hardware has them. Second-stage tables would have to be shadowed and nesting be composed, so both are hidden; interrupts
 * need no remapping inside a guest. Caching mode makes the guest tell about every new entry. vSVA series for Linux and QEMU, 2020.
 */
import { bigOf, highOfBig, lowOfBig } from '../../bits/u64.ts';
import type { CapabilityProfile, IommuCapability } from '../../spec/vtd/capability-profile.ts';
import { CAP_REG, ECAP_REG } from '../../spec/vtd/registers/capability.ts';

export type VirtualCommandEncoding = 'current' | 'rev-3.0';

export interface VirtualCapabilityOptions {
  /** PASIDs come from the host (2019 profile). */
  readonly hasVirtualCommands: boolean;
  readonly encoding: VirtualCommandEncoding;
}

/** VER_REG of units that had the older encoding. */
const OLD_VERSION = 0x10;

export function virtualCapability(
  host: IommuCapability,
  options: VirtualCapabilityOptions,
): CapabilityProfile {
  const { registers } = host;
  const cap = Uint32Array.of(lowOfBig(registers.cap), highOfBig(registers.cap));
  const ecap = Uint32Array.of(lowOfBig(registers.ecap), highOfBig(registers.ecap));
  CAP_REG.set(cap, 'CM', 1);
  for (const name of ['PLMR', 'PHMR', 'RWBF', 'ECMDS', 'PI'] as const) {
    CAP_REG.set(cap, name, 0);
  }
  for (const name of [
    ...(['IR', 'EIM', 'EIMER', 'IRREQ', 'PMS', 'RDTS', 'MTS', 'DIT', 'RPS', 'RPRIVS'] as const),
    ...(['SSTS', 'NEST', 'SSADS', 'SSIRWS', 'HPTS', 'HPT1GPS', 'TDXCS', 'PTRS'] as const),
  ]) {
    ECAP_REG.set(ecap, name, 0);
  }
  ECAP_REG.set(ecap, 'VCS', Number(options.hasVirtualCommands));
  return {
    ...registers,
    version: options.encoding === 'current' ? registers.version : OLD_VERSION,
    cap: bigOf(cap[1] ?? 0, cap[0] ?? 0),
    ecap: bigOf(ecap[1] ?? 0, ecap[0] ?? 0),
  };
}
