/** Software codes in `cmd_status`, next to the device's own (include/uapi/linux/idxd.h, IDXD_SCMD_*). */
export const SCMD = {
  DEV_ENABLED: 0x8000_0010,
  DEV_NOT_ENABLED: 0x8000_0020,
  WQ_ENABLED: 0x8000_0021,
  WQ_NO_GRP: 0x8003_0000,
  WQ_NO_NAME: 0x8004_0000,
  WQ_NO_SVM: 0x8005_0000,
  WQ_NO_THRESH: 0x8006_0000,
  WQ_PORTAL_ERR: 0x8007_0000,
  CDEV_ERR: 0x800b_0000,
  WQ_NO_SWQ_SUPPORT: 0x800c_0000,
  WQ_NONE_CONFIGURED: 0x800d_0000,
  WQ_NO_SIZE: 0x800e_0000,
  WQ_USER_NO_IOMMU: 0x8011_0000,
} as const;
