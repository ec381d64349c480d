/**
 * How long CPU-side steps take, in nanoseconds: the parameters of the timing model, which
 * reproduce published measurements of first-generation parts.
 */
export const CPU_TIMING = {
  /** Issue of a 64-byte direct store; many may be in flight. */
  movdir64b: 60,
  /** Round trip of an enqueue, accepted or not; one in flight for each CPU. */
  enqcmd: 500,
  /** From the interrupt message to the guest's handler when the vCPU runs and no exit is needed. */
  postedInterrupt: 1_000,
  /** The same with a VM exit and an injection. */
  interruptWithExit: 3_000,
  /** A trapped register access, exit to entry. */
  vmExit: 1_500,
} as const;
