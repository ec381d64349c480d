/** Offsets of the SR-IOV capability as drivers use them, and enabling by the usual sequence. */
import type { PcieFunction } from '../../src-main/sim/pcie/ports.ts';

/** Where the NIC-class function has the capability. */
export const SRIOV_AT = 0x160;
export const SRIOV = {
  control: 0x08,
  totalVfs: 0x0e,
  numVfs: 0x10,
  firstOffset: 0x14,
  stride: 0x16,
  pageSize: 0x20,
  bar0: 0x24,
} as const;
export const VF_ENABLE_MEMORY = 0x9;

export function enableVfs(device: PcieFunction, count: number, base = 0x40_0000_0000): void {
  device.configWrite(SRIOV_AT + SRIOV.numVfs, 2, count);
  device.configWrite(SRIOV_AT + SRIOV.bar0, 4, base % 2 ** 32);
  device.configWrite(SRIOV_AT + SRIOV.bar0 + 4, 4, Math.floor(base / 2 ** 32));
  device.configWrite(SRIOV_AT + SRIOV.control, 2, VF_ENABLE_MEMORY);
}
