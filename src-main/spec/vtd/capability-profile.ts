/**
 * What one IOMMU can do, decoded once from its version and capability registers and used by everyone, and the named
 * profiles a machine can choose from. VT-d 5.10 sections 11.4.1 to 11.4.3.
 *
 * The host address width is a property of the platform (ACPI DMAR header), so it is given apart.
 */
import { invariant } from '../../bits/invariant.ts';
import type { LayoutContext } from '../../bits/layout.ts';
import type { Register } from '../../bits/register-block.ts';
import { highOfBig, lowOfBig } from '../../bits/u64.ts';
import { ADDRESS_WIDTHS } from './address-width.ts';
import { CAP_REG, ECAP_REG, VER_REG } from './registers/capability.ts';

export interface CapabilityProfile {
  readonly version: number;
  readonly cap: bigint;
  readonly ecap: bigint;
  /** Host address width in bits. */
  readonly haw: number;
}

export interface NamedProfile extends CapabilityProfile {
  readonly name: string;
  readonly title: string;
}

type ValuesOf<R> = R extends { decode(words: ArrayLike<number>): infer V } ? V : never;
export type CapValues = ValuesOf<typeof CAP_REG>;
export type EcapValues = ValuesOf<typeof ECAP_REG>;

/**
 * Names every `capability` of a VT-d declaration may use beside the one-bit fields of CAP_REG and ECAP_REG.
 *
 * `DEVICE_TLB`: a unit that takes page requests has device TLBs, whatever DT says (section 11.4.3 makes PRS depend on DT);
 * units of older register sets that take PASIDs have them too (docs/fidelity.md).
 * `AW_FIELD`, `SNP_FIELD`, `RID_PASID_FIELD`: fields that revision 4 and later make reserved without SSTS, SC or RPS;
 * units that report an older register set ignore them then (docs/fidelity.md).
 */
export const DERIVED_CAPABILITIES = [
  'SSLPS_2M',
  'SSLPS_1G',
  'DEVICE_TLB',
  'AW_FIELD',
  'SNP_FIELD',
  'RID_PASID_FIELD',
] as const;
/** As above, but machine state: absent unless `contextWith` says otherwise. */
export const STATE_CAPABILITIES = ['SSIRWE'] as const;
export type StateCapability = (typeof STATE_CAPABILITIES)[number];

export interface IommuCapability {
  readonly registers: CapabilityProfile;
  readonly major: number;
  readonly minor: number;
  readonly cap: CapValues;
  readonly ecap: EcapValues;

  /** Host address width. */
  readonly haw: number;
  /** Maximum guest address width in bits (MGAW+1). */
  readonly mgaw: number;
  /** Field value of SAGAW; see `ADDRESS_WIDTHS`. */
  readonly sagaw: number;
  /** AW encodings that SAGAW reports. */
  readonly addressWidths: readonly number[];
  readonly domainIdWidth: number;
  readonly pasidWidth: number;
  /** Largest AM of IOTLB invalidations. */
  readonly maxAm: number;
  /** Largest IM of interrupt entry cache invalidations. */
  readonly maxIm: number;
  readonly faultRecordOffset: number;
  readonly faultRecordCount: number;
  readonly ivaOffset: number;
  readonly iotlbOffset: number;
  readonly hasSecondStage2M: boolean;
  readonly hasSecondStage1G: boolean;
  /** Register-based invalidation answers with an error (VT-d 5.10 section 6.5.1). */
  readonly hasQueuedInvalidationOnly: boolean;
  /** The rules of revision 4 and later apply; older register sets are more lenient (docs/fidelity.md). */
  readonly followsRevision4: boolean;
  /** For reserved-bit checks and for display. */
  readonly context: LayoutContext;
}

function wordsOf(value: bigint): Uint32Array {
  return Uint32Array.of(lowOfBig(value), highOfBig(value));
}

/** Narrower domain identifiers have this many bits, and each step of ND adds two. */
const SMALLEST_DOMAIN_BITS = 4;
const BYTES_PER_OFFSET_UNIT = 16;
const FIRST_QUEUE_ONLY_MAJOR = 6;
/** First major version of the register set whose units follow the rules of revision 4 and later (our reading). */
const REVISION_4_MAJOR = 4;

function isBit(source: number, index: number): boolean {
  return ((source >>> index) & 1) === 1;
}

function createContext(
  flags: ReadonlyMap<string, boolean>,
  widths: ReadonlyMap<string, number>,
): LayoutContext {
  return {
    has(name) {
      const value = flags.get(name);
      invariant(value !== undefined, `${name} is no capability of the IOMMU`);
      return value;
    },
    width(name) {
      const value = widths.get(name);
      invariant(value !== undefined, `${name} is no width of the IOMMU`);
      return value;
    },
  };
}

/** One-bit fields are capabilities by their mnemonic. */
function addFlags(
  flags: Map<string, boolean>,
  register: Pick<Register, 'fields'>,
  values: Readonly<Record<string, number | bigint>>,
): void {
  for (const field of register.fields) {
    if (field.spec.role === 'value' && field.width === 1) {
      flags.set(field.name, values[field.name] === 1);
    }
  }
}

function flagsOf(
  cap: CapValues,
  ecap: EcapValues,
  followsRevision4: boolean,
): ReadonlyMap<string, boolean> {
  const flags = new Map<string, boolean>();
  addFlags(flags, CAP_REG, cap);
  addFlags(flags, ECAP_REG, ecap);
  flags.set('SSLPS_2M', isBit(cap.SSLPS, 0));
  flags.set('SSLPS_1G', isBit(cap.SSLPS, 1));
  // Not in the capability registers of the recorded units, but in their context entries.
  const isUnreported = !followsRevision4 && ecap.PASID === 1;
  flags.set('DEVICE_TLB', ecap.DT === 1 || ecap.PRS === 1 || isUnreported);
  flags.set('AW_FIELD', ecap.SSTS === 1 || !followsRevision4);
  flags.set('SNP_FIELD', ecap.SC === 1 || !followsRevision4);
  flags.set('RID_PASID_FIELD', ecap.RPS === 1 || !followsRevision4);
  for (const name of STATE_CAPABILITIES) {
    flags.set(name, false);
  }
  return flags;
}

export function decodeCapability(profile: CapabilityProfile): IommuCapability {
  const version = VER_REG.decode(Uint32Array.of(profile.version));
  const cap = CAP_REG.decode(wordsOf(profile.cap));
  const ecap = ECAP_REG.decode(wordsOf(profile.ecap));
  const followsRevision4 = version.MAX >= REVISION_4_MAJOR;
  const flags = flagsOf(cap, ecap, followsRevision4);
  const domainIdWidth = SMALLEST_DOMAIN_BITS + 2 * cap.ND;
  const mgaw = cap.MGAW + 1;
  const pasidWidth = ecap.PSS + 1;
  return {
    registers: profile,
    major: version.MAX,
    minor: version.MIN,
    cap,
    ecap,
    haw: profile.haw,
    mgaw,
    sagaw: cap.SAGAW,
    addressWidths: ADDRESS_WIDTHS.filter((w) => isBit(cap.SAGAW, w.sagawBit)).map((w) => w.aw),
    domainIdWidth,
    pasidWidth,
    maxAm: cap.MAMV,
    maxIm: ecap.MHMV,
    faultRecordOffset: cap.FRO * BYTES_PER_OFFSET_UNIT,
    faultRecordCount: cap.NFR + 1,
    ivaOffset: ecap.IRO * BYTES_PER_OFFSET_UNIT,
    iotlbOffset: ecap.IRO * BYTES_PER_OFFSET_UNIT + 8,
    hasSecondStage2M: isBit(cap.SSLPS, 0),
    hasSecondStage1G: isBit(cap.SSLPS, 1),
    hasQueuedInvalidationOnly: version.MAX >= FIRST_QUEUE_ONLY_MAJOR,
    followsRevision4,
    context: createContext(
      flags,
      new Map([
        ['HAW', profile.haw],
        ['MGAW', mgaw],
        ['DID_WIDTH', domainIdWidth],
        ['PASID_WIDTH', pasidWidth],
      ]),
    ),
  };
}

/** The context of a unit in a given state, such as RTADDR_REG.SSIRWE latched as 1. */
export function contextWith(
  capability: IommuCapability,
  state: Readonly<Partial<Record<StateCapability, boolean>>>,
): LayoutContext {
  const { context } = capability;
  const given = new Map<string, boolean | undefined>(Object.entries(state));
  return {
    has: (name) => given.get(name) ?? context.has(name),
    width: (name) => context.width(name),
  };
}

/** The profile of a machine that names none: everything Scalable IOV and SVA need. */
export const DEFAULT_PROFILE: NamedProfile = {
  name: 'lab',
  title: 'Lab unit: scalable mode, nested translation, page requests, posted interrupts',
  version: 0x60,
  cap: 0xd9d2_078c_6078_0c06n,
  ecap: 0x0433_ef9e_a4f0_50dfn,
  haw: 52,
};

/** The default as an emulated unit presents it: caching mode and virtual commands. */
export const VIRTUAL_PROFILE: NamedProfile = {
  ...DEFAULT_PROFILE,
  name: 'virtual',
  title: 'Lab unit as a VMM emulates it: caching mode and virtual commands',
  cap: DEFAULT_PROFILE.cap | (1n << BigInt(CAP_REG.field('CM').low)),
  ecap: DEFAULT_PROFILE.ecap | (1n << BigInt(ECAP_REG.field('VCS').low)),
};

/** Values of server parts whose boot logs are public; such units serve no devices with PASIDs. */
export const SERVER_PROFILE: NamedProfile = {
  name: 'server',
  title: 'Server unit of the Sapphire Rapids class, for devices without PASIDs',
  version: 0x60,
  cap: 0x19ed_008c_4078_0c66n,
  ecap: 0x003e_e9e8_6f05_0dfn,
  haw: 52,
};

/** Values of client parts whose boot logs are public; the host address width is our choice. */
export const CLIENT_PROFILE: NamedProfile = {
  name: 'client',
  title: 'Client unit with legacy mode only',
  version: 0x40,
  cap: 0x01c0_000c_4066_0462n,
  ecap: 0x0_0029_a00f_0505en,
  haw: 39,
};

export const CAPABILITY_PROFILES: readonly NamedProfile[] = [
  DEFAULT_PROFILE,
  VIRTUAL_PROFILE,
  SERVER_PROFILE,
  CLIENT_PROFILE,
];
