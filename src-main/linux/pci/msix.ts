/** MSI-X vectors of a function (drivers/pci/msi): the table in a BAR, allocation, masking. */
import type { InterruptMessage } from '../../spec/vtd/interrupt-message.ts';
import type { Core } from '../core/core.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import { EBUSY, EINVAL, ENODEV, ENOSPC, IS_ERR } from '../errno.ts';
import type { IrqChip, Irqs } from '../irq/irq.ts';
import type { PciConfig } from './pci-config.ts';
import type { PciDev } from './pci-dev.ts';
import { PCI_REGS as R } from './pci-regs.ts';
import type { Pci } from './pci.ts';

class MsixChip implements IrqChip {
  readonly name = 'PCI-MSIX';
  readonly #core: Core;
  readonly #table: number;

  constructor(core: Core, table: number) {
    this.#core = core;
    this.#table = table;
  }

  writeMessage(hwirq: number, message: InterruptMessage): void {
    this.#write(hwirq, R.PCI_MSIX_ENTRY_LOWER_ADDR, message.address);
    this.#write(hwirq, R.PCI_MSIX_ENTRY_UPPER_ADDR, 0);
    this.#write(hwirq, R.PCI_MSIX_ENTRY_DATA, message.data);
  }

  mask(hwirq: number): void {
    this.#write(hwirq, R.PCI_MSIX_ENTRY_VECTOR_CTRL, 1);
  }

  unmask(hwirq: number): void {
    this.#write(hwirq, R.PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
  }

  #write(entry: number, offset: number, value: number): void {
    const address = this.#table + entry * R.PCI_MSIX_ENTRY_SIZE + offset;
    this.#core.hw.mmioWrite(address, 4, BigInt(value));
  }
}

export class Msix {
  readonly #core: Core;
  readonly #config: PciConfig;
  readonly #irqs: Irqs;

  constructor(core: Core, pci: Pci, irqs: Irqs) {
    this.#core = core;
    this.#config = pci.config;
    this.#irqs = irqs;
    // A reset masks the table and forgets its messages.
    pci.observe({ didReset: (dev) => dev.msix_irqs.forEach((irq) => irqs.irq_restore(irq)) });
    exportSymbols<Msix>(core, this, {
      calls: ['pci_alloc_irq_vectors', 'pci_free_irq_vectors'],
      queries: ['pci_msix_vec_count', 'pci_irq_vector'],
    });
  }

  pci_msix_vec_count(dev: PciDev): number {
    const cap = this.#config.findCapability(dev, R.PCI_CAP_ID_MSIX);
    if (cap === 0) {
      return -EINVAL;
    }
    return (this.#config.read(dev, cap + R.PCI_MSIX_FLAGS, 2) & R.PCI_MSIX_FLAGS_QSIZE) + 1;
  }

  /** Number of vectors allocated, between `min` and `max`, or a negative error number. */
  pci_alloc_irq_vectors(dev: PciDev, min: number, max: number): number {
    const available = this.pci_msix_vec_count(dev);
    if (dev.msix_irqs.length > 0) {
      return -EBUSY;
    }
    if (IS_ERR(available)) {
      return -ENODEV;
    }
    if (available < min) {
      return -ENOSPC;
    }
    const cap = this.#config.findCapability(dev, R.PCI_CAP_ID_MSIX);
    const table = this.#config.read(dev, cap + R.PCI_MSIX_TABLE, 4);
    const bar = dev.resources.find((r) => r.bar === (table & R.PCI_MSIX_TABLE_BIR));
    if (bar === undefined) {
      return -ENODEV;
    }
    const chip = new MsixChip(this.#core, bar.start + (table & ~R.PCI_MSIX_TABLE_BIR));
    this.#config.update16(dev, cap + R.PCI_MSIX_FLAGS, R.PCI_MSIX_FLAGS_ENABLE, 0);
    const irqs: number[] = [];
    for (let entry = 0; entry < Math.min(available, max); entry++) {
      const irq = this.#irqs.alloc({ chip, hwirq: entry, rid: dev.rid });
      if (IS_ERR(irq)) {
        break;
      }
      irqs.push(irq);
    }
    dev.msix_irqs = irqs;
    if (irqs.length < min) {
      this.pci_free_irq_vectors(dev);
      return -ENOSPC;
    }
    dev.publish();
    return irqs.length;
  }

  pci_free_irq_vectors(dev: PciDev): void {
    dev.msix_irqs.forEach((irq) => this.#irqs.free(irq));
    dev.msix_irqs = [];
    const cap = this.#config.findCapability(dev, R.PCI_CAP_ID_MSIX);
    if (cap !== 0) {
      this.#config.update16(dev, cap + R.PCI_MSIX_FLAGS, 0, R.PCI_MSIX_FLAGS_ENABLE);
    }
    dev.publish();
  }

  /** Interrupt number of an MSI-X entry. */
  pci_irq_vector(dev: PciDev, nr: number): number {
    return dev.msix_irqs[nr] ?? -EINVAL;
  }
}
