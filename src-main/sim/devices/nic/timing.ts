/**
 * Durations of the NIC-class function in nanoseconds. Memory and translation costs are those of the other devices
 * (`shared/dma.ts`); the link is a 100 Gbit/s one, the rest is chosen to give a few microseconds from doorbell to interrupt.
 */
export const NIC_TIMING = {
  /** From the doorbell to the first descriptor fetch. */
  doorbellNs: 150,
  /** Bytes per nanosecond of the port and of the internal switch. */
  bytesPerNs: 12.5,
  /** Preamble, frame check sequence and gap, in bytes. */
  frameOverheadBytes: 24,
  /** To the other end of the wire and back. */
  wireNs: 2_000,
} as const;

export function frameNs(bytes: number): number {
  return Math.ceil((bytes + NIC_TIMING.frameOverheadBytes) / NIC_TIMING.bytesPerNs);
}
