/** The one door of the simulation for other layers. */
export type {
  EnqcmdResult,
  HardwarePort,
  PciFunctionAddress,
  PlainData,
} from './hardware-port.ts';
export { PLATFORM } from './hardware-port.ts';
export type { DeviceConfig, MachineConfig, ProcessConfig, VmConfig } from './machine-config.ts';
