/**
 * The three generations of the accelerator as capability values. DSA 3.0 revision history; values of version 1 as
 * Sapphire and Emerald Rapids machines report them.
 *
 * A profile says what the architecture of an instance has; how many queues, groups, engines and so on it has, and where
 * its tables lie, is up to the instance. The compute and scatter-gather operations of version 3 are not modelled, so
 * OPCAP and DSACAP0 to DSACAP2 of that profile do not report them.
 */
import { GENCAP, EVENT_LOG_ENTRY } from './capability-registers.ts';
import { IMPLIED_COMMANDS } from './commands.ts';
import { OPERATIONS } from './operations.ts';

export interface DsaProfile {
  readonly name: 'v1' | 'v2' | 'v3';
  readonly title: string;
  readonly version: number;
  readonly vendorId: number;
  readonly deviceId: number;
  /** Whole register, two words. The IMS and configuration fields may be replaced by the instance. */
  readonly gencap: Uint32Array;
  /** CMDCAP, 0 when the register does not exist. */
  readonly commands: number;
  /** Commands that are accepted: those of CMDCAP, or the implied ones. */
  readonly acceptedCommands: number;
  /** Operation codes. */
  readonly operations: readonly number[];
  readonly hasOperationConfig: boolean;
  readonly hasPrsDisable: boolean;
  readonly hasProgressLimits: boolean;
  readonly hasBandwidthLimits: boolean;
  readonly hasInterDomain: boolean;
  readonly workInProgress: number;
  readonly batchInProgress: number;
}

const codesUpTo = (version: number): readonly number[] =>
  OPERATIONS.filter((o) => o.since <= version).map((o) => o.code);

/** 0x40_915F0107: block on fault, overlapping copy, cache control, destination readback, 2 GiB, 1024 descriptors. */
const GENCAP_V1 = new Uint32Array([0x915f_0107, 0x0000_0040]);

const v2Features = {
  blockOnFault: 1,
  overlappingCopy: 1,
  cacheControl: 1,
  commandCapabilities: 1,
  durableWrite: 1,
  interDomain: 1,
  translationFetchStride: 1,
  destinationReadback: 1,
  drainReadback: 1,
  fill16: 1,
  crc64: 1,
  faultInfo: 1,
  eventLog: EVENT_LOG_ENTRY.bytes64,
  batchContinuation: 1,
  maxTransferShift: 31,
  maxBatchShift: 10,
  imsBlocks: 8,
  configuration: 1,
  eventLogOverflow: 1,
} as const;

/** Commands 1 to 12 and the three about inter-domain entries. Interrupt handles are table indexes on bare metal. */
const COMMANDS_V2 = IMPLIED_COMMANDS | 0x0003_8000;

export const DSA_PROFILES = {
  v1: {
    name: 'v1',
    title: 'Version 1, Sapphire Rapids and Emerald Rapids',
    version: 0x100,
    vendorId: 0x8086,
    deviceId: 0x0b25,
    gencap: GENCAP_V1,
    commands: 0,
    acceptedCommands: IMPLIED_COMMANDS,
    operations: codesUpTo(1),
    hasOperationConfig: false,
    hasPrsDisable: false,
    hasProgressLimits: false,
    hasBandwidthLimits: false,
    hasInterDomain: false,
    workInProgress: 128,
    batchInProgress: 16,
  },
  v2: {
    name: 'v2',
    title: 'Version 2, Granite Rapids',
    version: 0x200,
    vendorId: 0x8086,
    deviceId: 0x11fb,
    gencap: GENCAP.encode(v2Features),
    commands: COMMANDS_V2,
    acceptedCommands: COMMANDS_V2,
    operations: codesUpTo(2),
    hasOperationConfig: true,
    hasPrsDisable: true,
    hasProgressLimits: true,
    hasBandwidthLimits: false,
    hasInterDomain: true,
    workInProgress: 128,
    batchInProgress: 16,
  },
  v3: {
    name: 'v3',
    title: 'Version 3, Diamond Rapids, without its compute operations',
    version: 0x300,
    vendorId: 0x8086,
    deviceId: 0x1212,
    gencap: GENCAP.encode({ ...v2Features, singleEntryBatch: 1 }),
    commands: COMMANDS_V2,
    acceptedCommands: COMMANDS_V2,
    operations: codesUpTo(3),
    hasOperationConfig: true,
    hasPrsDisable: true,
    hasProgressLimits: true,
    hasBandwidthLimits: true,
    hasInterDomain: true,
    workInProgress: 128,
    batchInProgress: 16,
  },
} as const satisfies Readonly<Record<string, DsaProfile>>;
export type DsaProfileName = keyof typeof DSA_PROFILES;
