/** Identifiers of capability structures. PCIe Base, "Capability Structures"; numbers as in Linux include/uapi/linux/pci_regs.h. */

/** Capabilities in the first 256 bytes, found from the capabilities pointer. */
export const CAPABILITY_ID = {
  powerManagement: 0x01,
  msi: 0x05,
  vendorSpecific: 0x09,
  pciExpress: 0x10,
  msiX: 0x11,
} as const;

/** Capabilities from offset 100h on. */
export const EXTENDED_CAPABILITY_ID = {
  advancedErrorReporting: 0x0001,
  virtualChannel: 0x0002,
  deviceSerialNumber: 0x0003,
  vendorSpecific: 0x000b,
  accessControlServices: 0x000d,
  alternativeRoutingId: 0x000e,
  addressTranslationServices: 0x000f,
  singleRootIov: 0x0010,
  pageRequest: 0x0013,
  tphRequester: 0x0017,
  latencyToleranceReporting: 0x0018,
  pasid: 0x001b,
  designatedVendorSpecific: 0x0023,
  scalableDeviceInterfaces: 0x0038,
} as const;

export const FIRST_EXTENDED_OFFSET = 0x100;
export const CONFIG_SPACE_BYTES = 0x1000;
