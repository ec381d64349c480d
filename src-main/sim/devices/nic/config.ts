/**
 * Settings of one NIC-class function. Defaults: 64 queue pairs, 2,048 IMS entries as on E810-class adapters, no SR-IOV.
 *
 * Queue pairs are one pool: each virtual function takes its share from the end while it exists, so that the two ways of
 * sharing compete for the same hardware.
 */
import type { SriovSettings } from '../sriov/sriov-settings.ts';
import { sriovIssues } from '../sriov/sriov-settings.ts';

export interface NicConfig {
  readonly queuePairs?: number;
  readonly msixEntries?: number;
  /** A multiple of 256. */
  readonly imsEntries?: number;
  readonly atcEntries?: number;
  /** Longest frame in bytes. */
  readonly maxFrame?: number;
  /** Source addresses that the switch remembers. */
  readonly learnedAddresses?: number;
  /** What the other end of the wire does: nothing, or send every packet back with the addresses exchanged. */
  readonly wire?: 'sink' | 'reflect';
  readonly sriov?: Partial<SriovSettings> & { readonly queuePairsPerVf?: number };
}

export interface NicSettings {
  readonly queuePairs: number;
  readonly msixEntries: number;
  readonly imsEntries: number;
  readonly atcEntries: number;
  readonly maxFrame: number;
  readonly learnedAddresses: number;
  readonly wire: 'sink' | 'reflect';
  readonly sriov: SriovSettings | undefined;
  readonly queuePairsPerVf: number;
}

export interface NicConfigIssue {
  readonly path: string;
  readonly message: string;
}

const MAX_QUEUE_PAIRS = 4096;
/** Contexts of a virtual function share one page. */
const MAX_QUEUE_PAIRS_PER_VF = 16;
const SMALLEST_FRAME = 64;
const LARGEST_FRAME = 9_728;
const VF_DEVICE_ID = 0x1889;

export function nicSettings(config: NicConfig): NicSettings {
  const queuePairs = config.queuePairs ?? 64;
  const queuePairsPerVf = config.sriov?.queuePairsPerVf ?? 1;
  return {
    queuePairs,
    msixEntries: config.msixEntries ?? 64,
    imsEntries: config.imsEntries ?? 2048,
    atcEntries: config.atcEntries ?? 256,
    maxFrame: config.maxFrame ?? LARGEST_FRAME,
    learnedAddresses: config.learnedAddresses ?? 256,
    wire: config.wire ?? 'sink',
    queuePairsPerVf,
    sriov:
      config.sriov === undefined
        ? undefined
        : {
            totalVfs: config.sriov.totalVfs ?? Math.floor(queuePairs / queuePairsPerVf),
            firstOffset: config.sriov.firstOffset ?? 8,
            stride: config.sriov.stride ?? 1,
            subordinateBus: config.sriov.subordinateBus,
            vfDeviceId: config.sriov.vfDeviceId ?? VF_DEVICE_ID,
          },
  };
}

function range(path: string, value: number, low: number, high: number): readonly NicConfigIssue[] {
  return Number.isInteger(value) && value >= low && value <= high
    ? []
    : [{ path, message: `Expected a whole number from ${low} to ${high}, found ${value}` }];
}

/** What is wrong with the settings, for the user. Empty when they make a device. */
export function nicConfigIssues(settings: NicSettings): readonly NicConfigIssue[] {
  const { imsEntries, atcEntries, sriov } = settings;
  const isPower = atcEntries >= 4 && Number.isInteger(Math.log2(atcEntries));
  return [
    ...range('queuePairs', settings.queuePairs, 1, MAX_QUEUE_PAIRS),
    ...range('msixEntries', settings.msixEntries, 1, 1024),
    ...range('imsEntries', imsEntries, 0, 32_768),
    ...(imsEntries % 256 === 0
      ? []
      : [{ path: 'imsEntries', message: `Expected a multiple of 256, found ${imsEntries}` }]),
    ...(isPower
      ? []
      : [{ path: 'atcEntries', message: `Expected a power of two from 4, found ${atcEntries}` }]),
    ...range('maxFrame', settings.maxFrame, SMALLEST_FRAME, LARGEST_FRAME),
    ...range('learnedAddresses', settings.learnedAddresses, 0, 65_536),
    ...(sriov === undefined
      ? []
      : [
          ...range('sriov.queuePairsPerVf', settings.queuePairsPerVf, 1, MAX_QUEUE_PAIRS_PER_VF),
          ...sriovIssues(sriov),
          ...range(
            'sriov.totalVfs',
            sriov.totalVfs,
            1,
            Math.floor(settings.queuePairs / settings.queuePairsPerVf),
          ),
        ]),
  ];
}
