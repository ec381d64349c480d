/**
 * What a function forgets in a reset and its owner does not want to lose (pci_save_state and pci_restore_state): addresses of
 * BARs, and the controls of MSI-X, PASID, page requests and ATS. Whether it may master the bus and answer is restored last.
 */
import type { PciConfig } from './pci-config.ts';
import type { PciDev } from './pci-dev.ts';
import { PCI_REGS as R } from './pci-regs.ts';

interface SavedRegister {
  readonly at: number;
  readonly bytes: 1 | 2 | 4;
  readonly value: number;
}

/** In the order in which they are written again. */
export type PciState = readonly SavedRegister[];

const BARS = 6;
const INTERRUPT_LINE = 0x3c;
const STANDARD = [
  { id: R.PCI_CAP_ID_EXP, offset: R.PCI_EXP_DEVCTL, bytes: 2 },
  { id: R.PCI_CAP_ID_MSIX, offset: R.PCI_MSIX_FLAGS, bytes: 2 },
] as const;
const EXTENDED = [
  { id: R.PCI_EXT_CAP_ID_PASID, offset: R.PCI_PASID_CTRL, bytes: 2 },
  { id: R.PCI_EXT_CAP_ID_PRI, offset: R.PCI_PRI_ALLOC_REQ, bytes: 4 },
  { id: R.PCI_EXT_CAP_ID_PRI, offset: R.PCI_PRI_CTRL, bytes: 2 },
  { id: R.PCI_EXT_CAP_ID_ATS, offset: R.PCI_ATS_CTRL, bytes: 2 },
] as const;

export function savePciState(config: PciConfig, dev: PciDev): PciState {
  const standard = STANDARD.map((r) => ({ ...r, at: config.findCapability(dev, r.id) }));
  const extended = EXTENDED.map((r) => ({ ...r, at: config.findExtended(dev, r.id) }));
  const places = [
    ...Array.from({ length: BARS }, (_, i) => ({
      at: R.PCI_BASE_ADDRESS_0 + i * 4,
      bytes: 4 as const,
    })),
    { at: INTERRUPT_LINE, bytes: 1 as const },
    ...[...standard, ...extended]
      .filter(({ at }) => at !== 0)
      .map(({ at, offset, bytes }) => ({ at: at + offset, bytes })),
    { at: R.PCI_COMMAND, bytes: 2 as const },
  ];
  return places.map(({ at, bytes }) => ({ at, bytes, value: config.read(dev, at, bytes) }));
}

export function restorePciState(config: PciConfig, dev: PciDev, state: PciState): void {
  state.forEach(({ at, bytes, value }) => config.write(dev, at, bytes, value));
}
