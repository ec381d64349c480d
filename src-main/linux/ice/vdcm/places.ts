/**
 * Places in a virtual network adapter. Sizes, MSI-X table, reset status and the pages of the tails follow Intel's ice VDCM;
 * where the real device has its mailbox, this one has the contexts of its queue pairs, and the doorbell page of a pair holds
 * both tails and the interrupt control, as in the physical device of the lab.
 */
export const VNIC = {
  deviceId: 0x0dd5,
  classCode: 0x02_0000,
  bar0Bytes: 0x400_0000,
  bar3Bytes: 0x4000,
  contexts: 0x2_0000,
  resetStatus: 0x2_1000,
  doorbells: 0x10_0000,
  /** In BAR3. */
  msixTable: 0,
  pendingBits: 0x2000,
} as const;

/** VIRTCHNL_VFR_*: what the reset status register says. */
export const RESET_STATUS = { inProgress: 0, completed: 1, active: 2 } as const;
