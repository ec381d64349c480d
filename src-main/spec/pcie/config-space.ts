/**
 * A whole configuration space: header, capability list, extended capability list. The next pointers follow from the order
 * in which capabilities are given.
 */
import { invariant } from '../../bits/invariant.ts';
import {
  defineRegisterBlock,
  withResets,
  type Register,
  type RegisterBlock,
} from '../../bits/register-block.ts';
import type { CapabilityKind, CapabilityPlacement } from './capability.ts';
import { CONFIG_SPACE_BYTES, FIRST_EXTENDED_OFFSET } from './capability-id.ts';
import { CAPABILITIES_POINTER, configHeader, type HeaderSpec } from './config-header.ts';

export interface ConfigSpaceSpec {
  readonly name: string;
  readonly header: HeaderSpec;
  /** In list order. */
  readonly capabilities: readonly CapabilityPlacement[];
}

function chain(placements: readonly CapabilityPlacement[]): readonly Register[] {
  return placements.flatMap((p, i) => p.registers(placements[i + 1]?.offset ?? 0));
}

export function configSpace({ name, header, capabilities }: ConfigSpaceSpec): RegisterBlock {
  const ofKind = (kind: CapabilityKind): readonly CapabilityPlacement[] =>
    capabilities.filter((p) => p.capability.kind === kind);
  const standard = ofKind('standard');
  const extended = ofKind('extended');
  for (const { capability, offset } of capabilities) {
    const limit = capability.kind === 'standard' ? FIRST_EXTENDED_OFFSET : CONFIG_SPACE_BYTES;
    invariant(
      offset % 4 === 0 && offset + capability.bytes <= limit,
      `${name}: ${capability.name} does not fit at its offset`,
    );
  }
  invariant(
    extended.length === 0 || extended[0]?.offset === FIRST_EXTENDED_OFFSET,
    `${name}: the extended list must start at 100h`,
  );
  return defineRegisterBlock(name, [
    ...configHeader(header),
    withResets(CAPABILITIES_POINTER, { VALUE: standard[0]?.offset ?? 0 }),
    ...chain(standard),
    ...chain(extended),
  ]);
}
