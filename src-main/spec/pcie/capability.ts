/**
 * Capability structures as register groups with offsets of their own, and their place in a configuration space.
 *
 * A capability is declared once, with generic reset values; a device places it at an offset and gives the reset values that
 * are its own. The header with identifier, version and next pointer is generated.
 */
import { bits, type SourceRef } from '../../bits/field.ts';
import { invariant } from '../../bits/invariant.ts';
import type { FieldMap, Values } from '../../bits/layout.ts';
import {
  defineRegister,
  placeRegister,
  withResets,
  type Register,
} from '../../bits/register-block.ts';
import { pcie } from '../source.ts';

export type CapabilityKind = 'standard' | 'extended';

type RegisterMap = Readonly<Record<string, Register>>;

export interface Capability<R extends RegisterMap = RegisterMap> {
  /** Prefix of register names: `PASID` gives `PASID_CONTROL`. */
  readonly name: string;
  readonly title: string;
  readonly kind: CapabilityKind;
  readonly id: number;
  /** Version in the header; 0 for standard capabilities, which have none. */
  readonly version: number;
  readonly bytes: number;
  readonly source: SourceRef;
  /** Offsets count from the start of the capability; the header is not among them. */
  readonly registers: R;
  readonly note?: string;
}

type FieldsOf<R> = R extends Register<infer F> ? F : FieldMap;

/** Reset values of one device, by register and field. */
export type CapabilityResets<R extends RegisterMap> = {
  readonly [K in keyof R]?: Partial<Values<FieldsOf<R[K]>>>;
};

const catalogue: Capability[] = [];

/** Declares a capability. Registers must lie inside it and not overlap its header. */
export function defineCapability<const R extends RegisterMap>(spec: Capability<R>): Capability<R> {
  const headerBytes = spec.kind === 'standard' ? 2 : 4;
  invariant(
    !catalogue.some((c) => c.name === spec.name),
    `Capability ${spec.name} is declared twice`,
  );
  for (const register of Object.values(spec.registers)) {
    invariant(
      register.offset >= headerBytes && register.offset + register.bytes <= spec.bytes,
      `${register.name} is not inside capability ${spec.name}`,
    );
  }
  catalogue.push(spec as unknown as Capability);
  return spec;
}

export function declaredCapabilities(): readonly Capability[] {
  return catalogue;
}

const StandardHeader = defineRegister('HEADER', {
  title: 'Capability Header',
  offset: 0,
  bytes: 2,
  source: pcie('Capabilities List'),
  fields: {
    ID: bits(7, 0, 'Capability identifier', {
      access: 'RO',
      format: 'hex',
      note: 'Which capability this is.',
    }),
    NEXT: bits(15, 8, 'Next capability', {
      access: 'RO',
      format: 'hex',
      note: 'Offset of the next one; 0 at the end.',
    }),
  },
});

/** First word of every extended capability. */
export const ExtendedHeader = defineRegister('HEADER', {
  title: 'Extended Capability Header',
  offset: 0,
  bytes: 4,
  source: pcie('Extended Capabilities'),
  fields: {
    ID: bits(15, 0, 'Capability identifier', {
      access: 'RO',
      format: 'hex',
      note: 'Which capability this is.',
    }),
    VERSION: bits(19, 16, 'Capability version', {
      access: 'RO',
      format: 'decimal',
      note: 'Layout version.',
    }),
    NEXT: bits(31, 20, 'Next capability', {
      access: 'RO',
      format: 'hex',
      note: 'Offset of the next one; 0 at the end.',
    }),
  },
});

/** A capability at its place in one device; the next pointer is filled in by `configSpace`. */
export interface CapabilityPlacement {
  readonly capability: Capability;
  readonly offset: number;
  registers(next: number): readonly Register[];
}

export interface PlacementOptions {
  /** Replaces the name prefix, for a capability that occurs twice. */
  readonly prefix?: string;
  /** Replaces the version in the header. */
  readonly version?: number;
}

export function placeCapability<R extends RegisterMap>(
  capability: Capability<R>,
  offset: number,
  resets: CapabilityResets<R> = {},
  options: PlacementOptions = {},
): CapabilityPlacement {
  const { prefix = capability.name, version = capability.version } = options;
  const { id, kind } = capability;
  const given = new Map(Object.entries(resets));
  const rename = (name: string): string => prefix + name.slice(capability.name.length);
  const body = Object.entries(capability.registers).map(([key, register]) => {
    const values = given.get(key) as Partial<Values<FieldMap>> | undefined;
    const own = values === undefined ? register : withResets(register, values);
    return placeRegister(own, offset + register.offset, rename(register.name));
  });
  return {
    capability: capability as unknown as Capability,
    offset,
    registers(next) {
      const header: Register =
        kind === 'standard'
          ? withResets(StandardHeader, { ID: id, NEXT: next })
          : withResets(ExtendedHeader, { ID: id, VERSION: version, NEXT: next });
      return [placeRegister(header, offset, `${prefix}_HEADER`), ...body];
    },
  };
}
