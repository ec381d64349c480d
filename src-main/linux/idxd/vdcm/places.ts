/** Places in a VDEV that its VDCM chose, and that its driver learns from capabilities. DSA 3.0 section 7.5; Intel's idxd VDCM, 2020. */
export const VDEV = {
  bar0Bytes: 0x2000,
  bar2Bytes: 0x2000,
  /** Vector 0 is played by software, the others have an IMS entry each. */
  vectors: 2,
  msixPermissions: 0x300,
  groupConfig: 0x400,
  wqConfig: 0x500,
  msixTable: 0x600,
  pendingBits: 0x700,
} as const;

/** End of the registers that are not in tables. */
export const FIXED_REGISTER_BYTES = 0x300;
