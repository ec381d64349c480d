// In the guest: firmware has placed the BARs, the kernel has enumerated the bus. A driver and some careless code follow.
import { readl, writel } from 'asm/io';
import {
  PCI_CLASS_REVISION,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_MASTER,
  PCI_STATUS,
  PCI_STATUS_REC_MASTER_ABORT,
  PCI_VENDOR_ID,
  pci_alloc_irq_vectors,
  pci_devices,
  pci_enable_device,
  pci_msix_vec_count,
  pci_read_config_dword,
  pci_read_config_word,
  pci_resource_len,
  pci_resource_start,
  pci_set_master,
  pci_write_config_dword,
  pci_write_config_word,
} from 'linux/pci';

const GENSTS = 0x90;
const SWERROR = 0xc0;
const CMD = 0xa0;
const CMDSTATUS = 0xa8;
const ENABLE_DEVICE = 1 << 20;
const STATES = ['disabled', 'enabled', 'busy', 'halted'];

const [dev] = pci_devices();
if (dev === undefined) {
  throw new Error('The guest finds nothing on its bus');
}

// lspci -v
console.log(dev.name, console.hex(dev.vendor), console.hex(dev.device), 'class', console.hex(dev.class));
for (const bar of [0, 2]) {
  console.log(`  BAR${bar}: ${pci_resource_len(dev, bar)} bytes at`, console.hex(pci_resource_start(dev, bar)));
}
console.log('  MSI-X vectors:', pci_msix_vec_count(dev));

// The driver takes the device over, with all interrupts it has.
pci_enable_device(dev);
pci_set_master(dev);
pci_alloc_irq_vectors(dev, 1, 8);

// Somebody writes to what identifies the device.
pci_write_config_dword(dev, PCI_VENDOR_ID, 0);
console.log('  identity after a write of 0:', console.hex(pci_read_config_dword(dev, PCI_VENDOR_ID)));
pci_write_config_dword(dev, PCI_CLASS_REVISION, 0xffff_ffff);
console.log('  class after a write of ones:', console.hex(pci_read_config_dword(dev, PCI_CLASS_REVISION)));

// An error handler looks for an error and acknowledges it, after another driver has written 0 to the register.
pci_write_config_word(dev, PCI_STATUS, 0);
console.log('  status after a write of 0:', console.hex(pci_read_config_word(dev, PCI_STATUS)));
pci_write_config_word(dev, PCI_STATUS, PCI_STATUS_REC_MASTER_ABORT);
console.log('  status acknowledged:', console.hex(pci_read_config_word(dev, PCI_STATUS)));

// The device is turned on, then the command register changes: first a bit that does not matter, then one that does.
const bar0 = pci_resource_start(dev, 0);
const state = (): string => STATES[readl(bar0 + GENSTS) & 3] ?? '';
writel(ENABLE_DEVICE, bar0 + CMD);
console.log(`  Enable Device: ${state()}, error`, console.hex(readl(bar0 + CMDSTATUS) & 0xff));
const command = pci_read_config_word(dev, PCI_COMMAND);
pci_write_config_word(dev, PCI_COMMAND, command | PCI_COMMAND_INTX_DISABLE);
console.log(`  INTx off: ${state()}`);
pci_write_config_word(dev, PCI_COMMAND, command & ~PCI_COMMAND_MASTER);
console.log(`  bus master off: ${state()}, software error`, console.hex((readl(bar0 + SWERROR) >>> 8) & 0xff));
