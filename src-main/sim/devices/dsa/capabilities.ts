/**
 * What one instance reports in its capability registers, decoded once for the rest of the model. DSA 3.0 sections 9.2.1
 * to 9.2.7.
 */
import { invariant } from '../../../bits/invariant.ts';
import type { LayoutContext } from '../../../bits/layout.ts';
import type { Register } from '../../../bits/register-block.ts';
import {
  CMDCAP,
  ENGCAP,
  EVENT_LOG_ENTRY,
  GENCAP,
  GRPCAP,
  IDCAP,
  OFFSETS,
  OPCAP,
  VERSION,
  WQCAP,
} from '../../../spec/dsa/capability-registers.ts';
import { COMMAND } from '../../../spec/dsa/commands.ts';
import type { DsaSettings } from './config.ts';

export interface DsaCapabilities {
  readonly settings: DsaSettings;
  readonly gencap: ReturnType<typeof GENCAP.decode>;
  /** Words of each capability register, by declaration. */
  readonly registers: ReadonlyMap<Register, Uint32Array>;
  readonly context: LayoutContext;
  /** 8 words, bit n = operation n. */
  readonly operationMask: Uint32Array;
  readonly hasEventLog: boolean;
  readonly hasHandles: boolean;
  readonly acceptedCommands: number;
  readonly maxTransferShift: number;
  readonly maxBatchShift: number;
}

function operationMaskOf(operations: readonly number[]): Uint32Array {
  const mask = new Uint32Array(8);
  for (const code of operations) {
    mask[code >>> 5] = ((mask[code >>> 5] ?? 0) | (1 << (code & 31))) >>> 0;
  }
  return mask;
}

function gencapWords(settings: DsaSettings): Uint32Array {
  const words = settings.profile.gencap.slice();
  GENCAP.set(words, 'imsBlocks', settings.imsEntries / 256);
  GENCAP.set(words, 'maxTransferShift', settings.maxTransferShift);
  GENCAP.set(words, 'eventLogOverflow', settings.hasEventLogOverflow ? 1 : 0);
  if (settings.interruptHandles > 0) {
    GENCAP.set(words, 'commandCapabilities', 1);
  }
  return words;
}

function wqcapWords(settings: DsaSettings): Uint32Array {
  const { profile } = settings;
  return WQCAP.encode({
    totalSize: settings.totalWqSize,
    count: settings.wqs & 0xff,
    countHigh: settings.wqs >>> 8,
    configShift: settings.wqConfigBytes === 64 ? 1 : 0,
    shared: settings.modes === 'dedicated' ? 0 : 1,
    dedicated: settings.modes === 'shared' ? 0 : 1,
    atsDisable: settings.hasWqAtsDisable ? 1 : 0,
    priority: 1,
    occupancy: 1,
    occupancyInterrupt: 1,
    operationConfig: profile.hasOperationConfig ? 1 : 0,
    prsDisable: profile.hasPrsDisable ? 1 : 0,
  });
}

function offsetsWords({ places, interDomainEntries, imsEntries }: DsaSettings): Uint32Array {
  const unit = 0x100;
  return OFFSETS.encode({
    groupConfig: places.groupConfig / unit,
    wqConfig: places.wqConfig / unit,
    msixPermissions: places.msixPermissions / unit,
    ims: imsEntries > 0 ? places.ims / unit : 0,
    perfmon: places.perfmon / unit,
    interDomain: interDomainEntries > 0 ? places.interDomain / unit : 0,
  });
}

function registerWords(
  settings: DsaSettings,
  gencap: Uint32Array,
  commands: number,
): Map<Register, Uint32Array> {
  const { profile } = settings;
  const limits = profile.hasProgressLimits
    ? { workInProgress: profile.workInProgress, batchInProgress: profile.batchInProgress }
    : {};
  const entries: readonly (readonly [unknown, Uint32Array])[] = [
    [VERSION, Uint32Array.of(profile.version)],
    [GENCAP, gencap],
    [WQCAP, wqcapWords(settings)],
    [
      GRPCAP,
      GRPCAP.encode({
        count: settings.groups,
        readBuffers: settings.readBuffers,
        readBufferControls: 1,
        globalReadBufferLimit: 1,
        progressLimits: profile.hasProgressLimits ? 1 : 0,
        bandwidthLimits: profile.hasBandwidthLimits ? 1 : 0,
      }),
    ],
    [ENGCAP, ENGCAP.encode({ count: settings.engines, ...limits })],
    [OPCAP, operationMaskOf(settings.operations)],
    [OFFSETS, offsetsWords(settings)],
    [CMDCAP, Uint32Array.of(commands, 0)],
    [
      IDCAP,
      profile.hasInterDomain
        ? IDCAP.encode({
            types: 0b11,
            entries: settings.interDomainEntries,
            offsetMode: 1,
            suppressDrain: 1,
          })
        : new Uint32Array(2),
    ],
  ];
  return new Map(entries.map(([register, words]) => [register as Register, words]));
}

function contextOf(settings: DsaSettings, gencap: ReturnType<typeof GENCAP.decode>): LayoutContext {
  const { profile } = settings;
  const names: Readonly<Record<string, boolean>> = {
    WIDE_WQ: settings.isWide,
    PROGRESS_LIMITS: profile.hasProgressLimits,
    BANDWIDTH_LIMITS: profile.hasBandwidthLimits,
    READ_BUFFERS: true,
    GLOBAL_READ_BUFFERS: true,
    CMDCAP: gencap.commandCapabilities === 1,
    INTER_DOMAIN: gencap.interDomain === 1,
    EVENT_LOG: gencap.eventLog !== EVENT_LOG_ENTRY.none,
    BLOCK_ON_FAULT: gencap.blockOnFault === 1,
    WQ_ATS_DISABLE: settings.hasWqAtsDisable,
    WQ_PRS_DISABLE: profile.hasPrsDisable,
    OPERATION_CONFIG: profile.hasOperationConfig,
    V3: false,
    BATCH_CONTINUATION: gencap.batchContinuation === 1,
    DRAIN_READBACK: gencap.drainReadback === 1,
    FILL16: gencap.fill16 === 1,
    CRC64: gencap.crc64 === 1,
    TRANSLATION_FETCH_STRIDE: gencap.translationFetchStride === 1,
  };
  return {
    has(name) {
      const value = names[name];
      invariant(value !== undefined, `${name} is no capability of the accelerator`);
      return value;
    },
    width: (name) => invariant(false, `${name} is no width of the accelerator`) as never,
  };
}

export function capabilitiesOf(settings: DsaSettings): DsaCapabilities {
  const words = gencapWords(settings);
  const gencap = GENCAP.decode(words);
  const hasHandles = settings.interruptHandles > 0;
  const handleCommands = 2 ** COMMAND.requestInterruptHandle + 2 ** COMMAND.releaseInterruptHandle;
  const accepted = settings.profile.acceptedCommands | (hasHandles ? handleCommands : 0);
  const commands = gencap.commandCapabilities === 1 ? accepted : 0;
  const registers = registerWords(settings, words, commands);
  return {
    settings,
    gencap,
    registers,
    context: contextOf(settings, gencap),
    operationMask: operationMaskOf(settings.operations),
    hasEventLog: gencap.eventLog !== EVENT_LOG_ENTRY.none,
    hasHandles,
    acceptedCommands: accepted,
    maxTransferShift: gencap.maxTransferShift,
    maxBatchShift: gencap.maxBatchShift,
  };
}
