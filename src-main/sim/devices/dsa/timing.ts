/**
 * Durations and rates of the accelerator, in nanoseconds and bytes per nanosecond. Every delay of the device model comes
 * from here.
 *
 * Sources, most direct first: synchronous copy histograms of a public offload library (0.84 us + bytes / 33.4 GB/s), the
 * 96 read buffers of Sapphire Rapids against memory latency, sample command lines of a public benchmark. Submission costs
 * of the CPU are not here: they belong to whoever issues the instruction.
 */

export interface DsaTiming {
  /** Arbitration and decoding of one descriptor by one engine; engines work side by side. */
  readonly dispatchNs: number;
  /** Issue of one member of a batch whose list has been fetched. */
  readonly memberNs: number;
  /** Latency of fetching a page of a descriptor list. */
  readonly batchFetchNs: number;
  readonly translationHitNs: number;
  /** Translation request with page walk. */
  readonly translationMissNs: number;
  /** First read of an operation; later chunks hide it behind the stream. */
  readonly memoryReadNs: number;
  /** Bytes per nanosecond that all engines of the device share. */
  readonly streamRate: number;
  /** Bytes that one read buffer holds. */
  readonly readBufferBytes: number;
  /** From the last write of data to the visible completion record. */
  readonly completionNs: number;
  /** Until a page fault without block on fault is reported. */
  readonly faultReportNs: number;
  /** From an invalidation request to its completion. */
  readonly invalidationNs: number;
  readonly commandNs: number;
  /** Of a reset of a queue or of the device: from the command to its end, when nothing is in progress. */
  readonly resetWqNs: number;
}

export const DSA_TIMING: DsaTiming = {
  dispatchNs: 40,
  memberNs: 10,
  batchFetchNs: 200,
  translationHitNs: 5,
  translationMissNs: 500,
  memoryReadNs: 150,
  streamRate: 33.4,
  readBufferBytes: 64,
  completionNs: 100,
  faultReportNs: 2_000,
  invalidationNs: 100,
  commandNs: 1_000,
  resetWqNs: 10_000,
};
