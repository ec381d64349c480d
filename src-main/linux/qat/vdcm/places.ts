/**
 * Places in a virtual QAT device. Linux drivers/crypto/intel/qat; QATlib. What the capability block of BAR4 holds is this model's choice, and of BAR2
 * only the interrupt registers do something: the queue of messages to the physical function is not modelled, so its
 * configuration register reads as none.
 */
export const VQAT = {
  deviceId: 0x0da5,
  classCode: 0x0b_4000,
  revision: 2,
  bar0Bytes: 0x2000,
  bar2Bytes: 0x2_0000,
  bar4Bytes: 0x1000,
  /** Vector 0 tells of messages, vector 1 of responses. */
  vectors: 2,
  interruptSource: 0x0,
  interruptMask: 0x4,
  msixTable: 0x8000,
  pendingBits: 0x8800,
  /** In BAR4: which service, and how many ring pairs. */
  service: 0x0,
  ringPairs: 0x4,
} as const;

/** Subsystem identifier, and what the capability block says. */
export const SERVICE_ID = { sym: 0, asym: 1, dc: 2 } as const;
