// Configuration space of a virtual accelerator. No hardware has it: it is 4096 bytes and a few rules.
import { EINVAL } from 'linux/errno';
import {
  PCI_BASE_ADDRESS_0,
  PCI_BASE_ADDRESS_2,
  PCI_CAPABILITY_LIST,
  PCI_CAP_ID_MSIX,
  PCI_CAP_LIST_ID,
  PCI_CAP_LIST_NEXT,
  PCI_CLASS_REVISION,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_DEVICE_ID,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_MASKALL,
  PCI_MSIX_PBA,
  PCI_MSIX_TABLE,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_STATUS_ERROR_BITS,
  PCI_STATUS_REC_MASTER_ABORT,
  PCI_SUBSYSTEM_ID,
  PCI_SUBSYSTEM_VENDOR_ID,
  PCI_VENDOR_ID,
} from 'linux/pci';
import { vdcm_set_ops, vidxd_report_pci_error } from 'linux/vdcm';
import type { vdev } from 'linux/vdcm';

const CONFIG_BYTES = 4096;
/** Registers of the virtual device. */
const BAR0_BYTES = 0x2000;
/** Its two portal pages. */
const BAR2_BYTES = 0x2000;
/** 64 bits wide, prefetchable: the type of a BAR stands in its four low bits. */
const BAR_TYPE = 0x0c;
/** Vector 0 tells of commands and errors, vector 1 of finished work. */
const VECTORS = 2;
const MSIX_CAP = 0x40;
/** Both in BAR0. */
const MSIX_TABLE = 0x600;
const MSIX_PENDING = 0x700;

/** What a read returns. */
const config = new Uint8Array(CONFIG_BYTES);
/** Bits that take what is written. */
const writable = new Uint8Array(CONFIG_BYTES);
/** Bits that a written 1 clears (RW1C). */
const clears = new Uint8Array(CONFIG_BYTES);

/** A little-endian value out of one of the three. */
function get(space: Uint8Array, at: number, bytes: number): number {
  let value = 0;
  for (let i = bytes - 1; i >= 0; i--) {
    value = value * 256 + (space[at + i] ?? 0);
  }
  return value;
}

function put(space: Uint8Array, at: number, bytes: number, value: number): void {
  // What JavaScript calls -1 is FFFF_FFFFh here.
  let rest = value < 0 ? value + 2 ** 32 : value;
  for (let i = 0; i < bytes; i++) {
    space[at + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

/** What the guest finds. */
function composeHeader(): void {
  put(config, PCI_VENDOR_ID, 2, 0x8086);
  put(config, PCI_DEVICE_ID, 2, 0x0b25);
  put(config, PCI_CLASS_REVISION, 4, 0x0880_0000);
  put(config, PCI_SUBSYSTEM_VENDOR_ID, 2, 0x8086);
  put(config, PCI_SUBSYSTEM_ID, 2, 0x2010);
  put(config, PCI_BASE_ADDRESS_0, 4, BAR_TYPE);
  put(config, PCI_BASE_ADDRESS_2, 4, BAR_TYPE);
  // An error that the device met before the guest came. It stays until somebody acknowledges it.
  put(config, PCI_STATUS, 2, PCI_STATUS_REC_MASTER_ABORT);
  // #region solution capability
  put(config, PCI_STATUS, 2, PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_CAP_LIST);
  put(config, PCI_CAPABILITY_LIST, 1, MSIX_CAP);
  put(config, MSIX_CAP + PCI_CAP_LIST_ID, 1, PCI_CAP_ID_MSIX);
  put(config, MSIX_CAP + PCI_CAP_LIST_NEXT, 1, 0);
  put(config, MSIX_CAP + PCI_MSIX_FLAGS, 2, VECTORS - 1);
  put(config, MSIX_CAP + PCI_MSIX_TABLE, 4, MSIX_TABLE);
  put(config, MSIX_CAP + PCI_MSIX_PBA, 4, MSIX_PENDING);
  // #region starter
  // The capability list goes here: one entry, MSI-X.
  // #endregion
  // #endregion
}

/** What the guest may change. */
function composeRules(): void {
  put(writable, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
  put(writable, MSIX_CAP + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
  // #region solution bars
  put(writable, PCI_BASE_ADDRESS_0, 4, ~(BAR0_BYTES - 1));
  put(writable, PCI_BASE_ADDRESS_0 + 4, 4, 0xffff_ffff);
  put(writable, PCI_BASE_ADDRESS_2, 4, ~(BAR2_BYTES - 1));
  put(writable, PCI_BASE_ADDRESS_2 + 4, 4, 0xffff_ffff);
  // #region starter
  // Which bits of the four BAR words are address, and which of those can a device of this size decode?
  // #endregion
  // #endregion
  // #region solution status
  put(clears, PCI_STATUS, 2, PCI_STATUS_ERROR_BITS);
  // #region starter
  // Which bits of the status word does a written 1 clear?
  // #endregion
  // #endregion
}

function cfgRead(_dev: vdev, offset: number, bytes: number): number {
  return get(config, offset, bytes);
}

function cfgWrite(dev: vdev, offset: number, bytes: number, value: number): number {
  // #region solution access
  if (bytes > 4 || offset % bytes !== 0) {
    return -EINVAL;
  }
  // #region starter
  // The guest has no store wider than 4 bytes for configuration space. Who else writes?
  // #endregion
  // #endregion
  const before = get(config, offset, bytes);
  // #region solution mask
  const taken = get(writable, offset, bytes);
  const cleared = value & get(clears, offset, bytes);
  const after = ((before & ~taken) | (value & taken)) & ~cleared;
  // #region starter
  // A first guess: a write is a write.
  const after = value;
  // #endregion
  // #endregion
  put(config, offset, bytes, after);
  if (offset === PCI_COMMAND) {
    didChangeCommand(dev, before, after);
  }
  return 0;
}

/** Bus mastering must not go away under a device that works. */
function didChangeCommand(dev: vdev, before: number, after: number): void {
  // #region solution command
  const wasMaster = (before & PCI_COMMAND_MASTER) !== 0;
  const isMaster = (after & PCI_COMMAND_MASTER) !== 0;
  if (wasMaster && !isMaster) {
    vidxd_report_pci_error(dev);
  }
  // #region starter
  // Nothing to do?
  // #endregion
  // #endregion
}

composeHeader();
composeRules();
vdcm_set_ops({ cfg_read: cfgRead, cfg_write: cfgWrite });
