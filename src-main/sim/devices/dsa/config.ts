/**
 * Settings of one accelerator instance: the generation, how much of everything it has, and where its tables lie. Whatever
 * is not given follows Sapphire Rapids.
 *
 * Up to 255 work queues are architectural. More need the simulator extension that `spec/dsa` calls WIDE_WQ, for scaling
 * experiments that no silicon allows.
 */
import { toHex } from '../../../bits/hex.ts';
import { GENCAP } from '../../../spec/dsa/capability-registers.ts';
import { sriovIssues, type SriovSettings } from '../sriov/sriov-settings.ts';
import { DSA_PROFILES, type DsaProfile, type DsaProfileName } from '../../../spec/dsa/profiles.ts';

export interface DsaTablePlaces {
  readonly msixPermissions: number;
  readonly groupConfig: number;
  readonly wqConfig: number;
  readonly perfmon: number;
  readonly msixTable: number;
  readonly msixPba: number;
  readonly ims: number;
  readonly interDomain: number;
}

/** Virtual functions of the SR-IOV form of the device: a fixed partition, one dedicated queue and one engine each. */
export interface DsaSriovConfig {
  readonly totalVfs?: number;
  /** Distance in Requester IDs from the physical to the first virtual function. */
  readonly firstOffset?: number;
  readonly stride?: number;
  /** Last bus that the port above has; the physical function's own bus by default. */
  readonly subordinateBus?: number;
  /** Entries of the queue of one virtual function. */
  readonly wqSize?: number;
  readonly msixEntries?: number;
}

export interface DsaConfig {
  readonly profile?: DsaProfileName;
  readonly wqs?: number;
  readonly groups?: number;
  readonly engines?: number;
  /** Entries of WQ storage. */
  readonly totalWqSize?: number;
  readonly readBuffers?: number;
  readonly msixEntries?: number;
  /** A multiple of 256, at most 16,128. */
  readonly imsEntries?: number;
  readonly interDomainEntries?: number;
  /** Translations that the device TLB holds, a power of two of at least 4. */
  readonly atcEntries?: number;
  /** Page requests that the function can have outstanding. */
  readonly pageRequestCapacity?: number;
  /** Interrupt handles that must be requested by command. Without it a handle is the table index. */
  readonly interruptHandles?: number;
  /** Operation codes to take away, as some parts do. */
  readonly withoutOperations?: readonly number[];
  /** What the platform says about ATS: some demand it, some have no translation agent behind the device. */
  readonly platformAts?: 'optional' | 'required' | 'absent';
  /** Version 2 and later; without it a full event log holds the device up. */
  readonly hasEventLogOverflow?: boolean;
  /** log2 of the largest transfer, at most the profile's 31. */
  readonly maxTransferShift?: number;
  /** Modes that work queues can have. */
  readonly modes?: 'both' | 'shared' | 'dedicated';
  readonly hasWqAtsDisable?: boolean;
  readonly places?: Partial<DsaTablePlaces>;
  readonly bar0Bytes?: number;
  /**
   * Builds the SR-IOV form in place of the Scalable IOV one: virtual functions instead of assignable interfaces. It has no
   * IMS and no Scalable IOV capability.
   */
  readonly sriov?: DsaSriovConfig;
}

export interface DsaSettings {
  readonly profile: DsaProfile;
  readonly wqs: number;
  readonly groups: number;
  readonly engines: number;
  readonly totalWqSize: number;
  readonly readBuffers: number;
  readonly msixEntries: number;
  readonly imsEntries: number;
  readonly interDomainEntries: number;
  readonly atcEntries: number;
  readonly pageRequestCapacity: number;
  readonly interruptHandles: number;
  readonly operations: readonly number[];
  readonly platformAts: 'optional' | 'required' | 'absent';
  readonly hasEventLogOverflow: boolean;
  readonly maxTransferShift: number;
  readonly modes: 'both' | 'shared' | 'dedicated';
  readonly hasWqAtsDisable: boolean;
  readonly places: DsaTablePlaces;
  readonly bar0Bytes: number;
  readonly bar2Bytes: number;
  readonly wqConfigBytes: number;
  readonly isWide: boolean;
  readonly sriov: SriovSettings | undefined;
  /** Counts of one virtual function. */
  readonly vfWqSize: number;
  readonly vfMsixEntries: number;
}

export interface ConfigIssue {
  readonly path: string;
  readonly message: string;
}

/** Bytes below which the fixed registers, the command parameter and the dummy portal lie. */
const FIXED_BYTES = 0x1_0000;
const MAX_NARROW_WQS = 255;
const MAX_WQS = 4095;
const PORTAL_BYTES_PER_WQ = 0x4000;

function powerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(value));
}

function align(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

type Counts = Omit<DsaSettings, 'places' | 'bar0Bytes' | 'bar2Bytes'>;
type TableName = keyof DsaTablePlaces;

function bytesOf(counts: Counts): Record<TableName, number> {
  return {
    msixPermissions: counts.msixEntries * 8,
    groupConfig: counts.groups * 64,
    wqConfig: counts.wqs * counts.wqConfigBytes,
    msixTable: counts.msixEntries * 16,
    msixPba: align(counts.msixEntries, 64) / 8,
    perfmon: 0x1000,
    ims: counts.imsEntries * 16,
    interDomain: counts.interDomainEntries * 32,
  };
}

/**
 * Usual place of each table and the room it has there. Sapphire Rapids has nothing else in the upper half of its 64 KiB,
 * so its 2,048 IMS entries fill it; where inter-domain registers exist, IMS goes above them.
 */
const USUAL_PLACES: Readonly<Record<TableName, { readonly at: number; readonly room: number }>> = {
  msixPermissions: { at: 0x400, room: 0x200 },
  groupConfig: { at: 0x600, room: 0x200 },
  wqConfig: { at: 0x800, room: 0x1800 },
  msixTable: { at: 0x2000, room: 0x1000 },
  msixPba: { at: 0x3000, room: 0x1000 },
  perfmon: { at: 0x4000, room: 0x1000 },
  ims: { at: 0x8000, room: 0x8000 },
  interDomain: { at: 0x9000, room: 0x5000 },
};
const TABLE_NAMES = Object.keys(USUAL_PLACES) as readonly TableName[];

function placeTables(counts: Counts, given: Partial<DsaTablePlaces>): DsaTablePlaces {
  const bytes = bytesOf(counts);
  let next = FIXED_BYTES;
  const place = (name: TableName): number => {
    const usual = USUAL_PLACES[name];
    const isTaken = name === 'ims' && counts.interDomainEntries > 0;
    if (given[name] !== undefined) {
      return given[name];
    }
    if (bytes[name] <= usual.room && !isTaken) {
      return usual.at;
    }
    const at = next;
    next = align(next + bytes[name], 0x1000);
    return at;
  };
  return {
    msixPermissions: place('msixPermissions'),
    groupConfig: place('groupConfig'),
    wqConfig: place('wqConfig'),
    msixTable: place('msixTable'),
    msixPba: place('msixPba'),
    perfmon: place('perfmon'),
    ims: place('ims'),
    interDomain: place('interDomain'),
  };
}

/** Tables in the order of their places, without empty ones. */
export function tableRanges(
  settings: DsaSettings,
): readonly { readonly name: TableName; readonly at: number; readonly bytes: number }[] {
  const bytes = bytesOf(settings);
  return TABLE_NAMES.map((name) => ({ name, at: settings.places[name], bytes: bytes[name] }))
    .filter((range) => range.bytes > 0)
    .sort((a, b) => a.at - b.at);
}

function sriovSettings(config: DsaSriovConfig, profile: DsaProfile): SriovSettings {
  return {
    totalVfs: config.totalVfs ?? 8,
    firstOffset: config.firstOffset ?? 1,
    stride: config.stride ?? 1,
    subordinateBus: config.subordinateBus,
    vfDeviceId: profile.deviceId,
  };
}

/** Fills in what is not given. Check the result with `configIssues`. */
export function settingsOf(config: DsaConfig): DsaSettings {
  const profile: DsaProfile = DSA_PROFILES[config.profile ?? 'v1'];
  const gencap = GENCAP.decode(profile.gencap);
  const wqs = config.wqs ?? 8;
  const counts: Counts = {
    profile,
    wqs,
    groups: config.groups ?? 4,
    engines: config.engines ?? 4,
    totalWqSize: config.totalWqSize ?? Math.max(128, wqs * 4),
    readBuffers: config.readBuffers ?? 96,
    msixEntries: config.msixEntries ?? 9,
    imsEntries: config.imsEntries ?? (config.sriov === undefined ? 2048 : 0),
    interDomainEntries: profile.hasInterDomain ? (config.interDomainEntries ?? 256) : 0,
    atcEntries: config.atcEntries ?? 256,
    pageRequestCapacity: config.pageRequestCapacity ?? 512,
    interruptHandles: config.interruptHandles ?? 0,
    operations: profile.operations.filter((o) => !(config.withoutOperations ?? []).includes(o)),
    platformAts: config.platformAts ?? 'optional',
    hasEventLogOverflow: gencap.eventLogOverflow === 1 && (config.hasEventLogOverflow ?? true),
    maxTransferShift: config.maxTransferShift ?? gencap.maxTransferShift,
    modes: config.modes ?? 'both',
    hasWqAtsDisable: config.hasWqAtsDisable ?? true,
    wqConfigBytes: profile.hasOperationConfig ? 64 : 32,
    isWide: wqs > MAX_NARROW_WQS,
    sriov: config.sriov === undefined ? undefined : sriovSettings(config.sriov, profile),
    vfWqSize: config.sriov?.wqSize ?? 16,
    vfMsixEntries: config.sriov?.msixEntries ?? 2,
  };
  const draft: DsaSettings = {
    ...counts,
    places: placeTables(counts, config.places ?? {}),
    bar0Bytes: 0,
    bar2Bytes: powerOfTwo(wqs * PORTAL_BYTES_PER_WQ),
  };
  const end = Math.max(FIXED_BYTES, ...tableRanges(draft).map((range) => range.at + range.bytes));
  return { ...draft, bar0Bytes: config.bar0Bytes ?? powerOfTwo(end) };
}

function rangeIssue(path: string, value: number, low: number, high: number): ConfigIssue[] {
  return Number.isInteger(value) && value >= low && value <= high
    ? []
    : [{ path, message: `Expected a whole number from ${low} to ${high}, found ${value}` }];
}

function placeIssues(settings: DsaSettings): ConfigIssue[] {
  const ranges = tableRanges(settings);
  const fixed = { name: 'registers', at: 0, bytes: 0x400 };
  const all = [fixed, ...ranges];
  if (settings.interDomainEntries > 0) {
    all.push({ name: 'CMDPARAM', at: 0xe000, bytes: 8 });
  }
  all.sort((a, b) => a.at - b.at);
  const issues: ConfigIssue[] = [];
  for (const [i, range] of all.entries()) {
    const path = `places.${range.name}`;
    const next = all[i + 1];
    if (range.at % 0x100 !== 0) {
      issues.push({ path, message: `Expected a multiple of 0x100, found ${toHex(range.at)}` });
    }
    if (next !== undefined && range.at + range.bytes > next.at) {
      issues.push({
        path,
        message: `Table at ${toHex(range.at)} overlaps ${next.name} at ${toHex(next.at)}`,
      });
    }
    if (range.at + range.bytes > settings.bar0Bytes) {
      issues.push({
        path,
        message: `Table at ${toHex(range.at)} ends outside BAR0 of ${toHex(settings.bar0Bytes)} bytes`,
      });
    }
  }
  return issues;
}

/** What is wrong with the settings, for the user. Empty when they make a device. */
export function configIssues(settings: DsaSettings): readonly ConfigIssue[] {
  const { atcEntries, imsEntries, bar0Bytes } = settings;
  const isPowerOfTwo = (value: number): boolean => value > 0 && powerOfTwo(value) === value;
  return [
    ...rangeIssue('wqs', settings.wqs, 1, MAX_WQS),
    ...rangeIssue('groups', settings.groups, 1, 64),
    ...rangeIssue('engines', settings.engines, 1, 64),
    ...rangeIssue('totalWqSize', settings.totalWqSize, 1, 0xffff),
    ...rangeIssue('readBuffers', settings.readBuffers, 4, 255),
    ...rangeIssue('msixEntries', settings.msixEntries, 1, 64),
    ...rangeIssue('imsEntries', imsEntries, 0, 63 * 256),
    ...rangeIssue('interDomainEntries', settings.interDomainEntries, 0, 0xffff),
    ...rangeIssue('pageRequestCapacity', settings.pageRequestCapacity, 1, 512),
    ...rangeIssue('maxTransferShift', settings.maxTransferShift, 12, 31),
    ...rangeIssue('interruptHandles', settings.interruptHandles, 0, 0xffff),
    ...(imsEntries % 256 === 0
      ? []
      : [{ path: 'imsEntries', message: `Expected a multiple of 256, found ${imsEntries}` }]),
    ...(isPowerOfTwo(atcEntries) && atcEntries >= 4
      ? []
      : [
          {
            path: 'atcEntries',
            message: `Expected a power of two of at least 4, found ${atcEntries}`,
          },
        ]),
    ...(isPowerOfTwo(bar0Bytes)
      ? []
      : [{ path: 'bar0Bytes', message: `Expected a power of two, found ${toHex(bar0Bytes)}` }]),
    ...placeIssues(settings),
    ...(settings.sriov === undefined ? [] : sriovIssues(settings.sriov)),
    ...rangeIssue('sriov.wqSize', settings.vfWqSize, 1, 1024),
    ...rangeIssue('sriov.msixEntries', settings.vfMsixEntries, 1, 64),
  ];
}
