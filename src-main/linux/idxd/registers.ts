/** What an accelerator has and where its tables are, by its capability registers. */
import type { Values } from '../../bits/layout.ts';
import type { Register } from '../../bits/register-block.ts';
import {
  CMDCAP,
  ENGCAP,
  GENCAP,
  GRPCAP,
  OFFSETS,
  OPCAP,
  VERSION,
  WQCAP,
} from '../../spec/dsa/capability-registers.ts';
import type { DeviceRegisters } from '../pci/device-registers.ts';

/** Unit of the table offsets in OFFSETS. */
const TABLE_UNIT = 0x100;
const SMALLEST_WQCFG = 32;

/** What one instance has, read once at probe. */
export interface IdxdCapabilities {
  readonly version: Values<typeof VERSION extends Register<infer F> ? F : never>;
  readonly gencap: Values<typeof GENCAP extends Register<infer F> ? F : never>;
  readonly wqcap: Values<typeof WQCAP extends Register<infer F> ? F : never>;
  readonly grpcap: Values<typeof GRPCAP extends Register<infer F> ? F : never>;
  readonly engcap: Values<typeof ENGCAP extends Register<infer F> ? F : never>;
  readonly opcap: bigint;
  /** Command codes as a bitmap, 0 when the register does not exist. */
  readonly cmdcap: number;
  readonly wqs: number;
  readonly wqConfigBytes: number;
  readonly imsEntries: number;
  readonly tables: {
    readonly groupConfig: number;
    readonly wqConfig: number;
    readonly msixPermissions: number;
    readonly ims: number;
  };
}

export function readCapabilities(registers: DeviceRegisters): IdxdCapabilities {
  const gencap = registers.read(GENCAP);
  const wqcap = registers.read(WQCAP);
  const offsets = registers.read(OFFSETS);
  return {
    version: registers.read(VERSION),
    gencap,
    wqcap,
    grpcap: registers.read(GRPCAP),
    engcap: registers.read(ENGCAP),
    opcap: registers.read(OPCAP).operations,
    cmdcap: gencap.commandCapabilities === 1 ? registers.read(CMDCAP).commands : 0,
    wqs: wqcap.count + wqcap.countHigh * 256,
    wqConfigBytes: SMALLEST_WQCFG * 2 ** wqcap.configShift,
    imsEntries: gencap.imsBlocks * 256,
    tables: {
      groupConfig: offsets.groupConfig * TABLE_UNIT,
      wqConfig: offsets.wqConfig * TABLE_UNIT,
      msixPermissions: offsets.msixPermissions * TABLE_UNIT,
      ims: offsets.ims * TABLE_UNIT,
    },
  };
}
