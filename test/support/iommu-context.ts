/** Layout contexts of units that lack something, worked out from capability registers as a real unit's would be. */
import type { LayoutContext } from '../../src-main/bits/layout.ts';
import { CAP_REG, ECAP_REG } from '../../src-main/spec/vtd/registers/capability.ts';
import {
  decodeCapability,
  DEFAULT_PROFILE,
  type CapabilityProfile,
} from '../../src-main/spec/vtd/capability-profile.ts';

/** Ones in the named field of a capability register. */
function fieldMask(register: typeof CAP_REG | typeof ECAP_REG, name: string): bigint {
  const field = register.fields.find((f) => f.name === name);
  return field === undefined ? 0n : ((1n << BigInt(field.width)) - 1n) << BigInt(field.low);
}

function masks(names: readonly string[], register: typeof CAP_REG | typeof ECAP_REG): bigint {
  return names.reduce((mask, name) => mask | fieldMask(register, name), 0n);
}

const OPTIONAL = ['MTS', 'HPTS', 'PTRS', 'SSIRWS', 'HPT1GPS'];

/** The default unit with every optional structure field there is. */
export const RICH_PROFILE: CapabilityProfile = {
  ...DEFAULT_PROFILE,
  ecap: DEFAULT_PROFILE.ecap | masks(OPTIONAL, ECAP_REG),
};

export const RICH_CONTEXT: LayoutContext = decodeCapability(RICH_PROFILE).context;

/** The rich unit with the named fields of CAP_REG or ECAP_REG cleared. */
export function contextWithout(...names: readonly string[]): LayoutContext {
  const profile = {
    ...RICH_PROFILE,
    cap: RICH_PROFILE.cap & ~masks(names, CAP_REG),
    ecap: RICH_PROFILE.ecap & ~masks(names, ECAP_REG),
  };
  return decodeCapability(profile).context;
}
