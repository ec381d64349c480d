/** Durations of the QAT-class accelerator in nanoseconds, chosen for about 100 Gbit/s of bulk work. */
export const QAT_TIMING = {
  /** From the doorbell to the choice of the arbiter. */
  doorbellNs: 300,
  /** Firmware's work on any request. */
  requestNs: 700,
  bytesPerNs: 12.5,
} as const;

export function requestNs(bytes: number, memoryNs: number): number {
  return QAT_TIMING.requestNs + memoryNs + Math.ceil(bytes / QAT_TIMING.bytesPerNs);
}
