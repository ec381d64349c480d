// Which functions of this machine can be shared by Scalable IOV?
import { report } from 'lab/oracle';
import {
  PCI_DVSEC_HEADER1,
  PCI_DVSEC_HEADER2,
  PCI_DVSEC_ID_INTEL_SIOV,
  PCI_EXT_CAP_ID_DVSEC,
  PCI_SIOV_CAPABILITIES,
  PCI_SIOV_CAP_IMS,
  PCI_VENDOR_ID_INTEL,
  pci_devices,
  pci_find_ext_capability,
  pci_find_next_ext_capability,
  pci_max_pasids,
  pci_read_config_dword,
  pci_read_config_word,
} from 'linux/pci';
import type { pci_dev } from 'linux/pci';

/** Offset of the Scalable IOV DVSEC, 0 when the function has none. */
function findSiovDvsec(dev: pci_dev): number {
  // #region solution walk
  let pos = pci_find_ext_capability(dev, PCI_EXT_CAP_ID_DVSEC);
  while (pos !== 0) {
    const vendor = pci_read_config_word(dev, pos + PCI_DVSEC_HEADER1);
    const id = pci_read_config_word(dev, pos + PCI_DVSEC_HEADER2);
    if (vendor === PCI_VENDOR_ID_INTEL && id === PCI_DVSEC_ID_INTEL_SIOV) {
      return pos;
    }
    pos = pci_find_next_ext_capability(dev, pos, PCI_EXT_CAP_ID_DVSEC);
  }
  return 0;
  // #region starter
  // A first guess: the first DVSEC will do. Whose is it, and what does it describe?
  return pci_find_ext_capability(dev, PCI_EXT_CAP_ID_DVSEC);
  // #endregion
  // #endregion
}

/** Can software make ADIs out of this function? */
function isSiovCapable(dev: pci_dev, dvsec: number): boolean {
  // #region solution judge
  return dvsec !== 0 && pci_max_pasids(dev) > 0;
  // #region starter
  // Is the DVSEC all that an ADI needs?
  return dvsec !== 0;
  // #endregion
  // #endregion
}

/** Can the function keep interrupt messages for its ADIs (IMS)? */
function hasIms(dev: pci_dev, dvsec: number): boolean {
  // #region solution ims
  if (dvsec === 0) {
    return false;
  }
  const capabilities = pci_read_config_dword(dev, dvsec + PCI_SIOV_CAPABILITIES);
  return (capabilities & PCI_SIOV_CAP_IMS) !== 0;
  // #region starter
  // Read the capability bits of the DVSEC here.
  return dvsec !== 0;
  // #endregion
  // #endregion
}

for (const dev of pci_devices()) {
  const dvsec = findSiovDvsec(dev);
  console.log(dev.name, console.hex(dev.vendor), 'DVSEC', console.hex(dvsec), 'PASIDs', pci_max_pasids(dev));
  report(`${dev.name} dvsec`, dvsec);
  report(`${dev.name} siov`, isSiovCapable(dev, dvsec));
  report(`${dev.name} ims`, hasIms(dev, dvsec));
}
