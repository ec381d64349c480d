/**
 * The host's part of giving tenants a queue pair, once by virtual functions and once by ADIs, with the calls that Linux
 * drivers make. Each stops with a sentence that names the resource which ran out.
 */
import { IS_ERR } from '../../linux/errno.ts';
import { IOMMU_PASID_INVALID, IOMMU_READ, IOMMU_WRITE } from '../../linux/iommu/iommu.ts';
import type { IommuDomain } from '../../linux/iommu/domain.ts';
import type { IrqChip } from '../../linux/irq/irq.ts';
import type { PciDev } from '../../linux/pci/pci-dev.ts';
import { PCI_REGS as R } from '../../linux/pci/pci-regs.ts';
import {
  DOORBELL_PAGE_BYTES,
  MAC_ADDRESS,
  Q_PASID,
  Q_VECTOR,
  QUEUE_CONTEXT_BYTES,
} from '../../spec/nic/registers.ts';
import { NIC_BAR, nicPlaces, vfPlaces } from '../../sim/index.ts';
import type { SharingMachine } from './sharing-machine.ts';
import { SharingTenant, TENANT_BYTES, TENANT_IOVA, tenantMac } from './sharing-tenant.ts';

/** A tenant, or what there was none of. */
export type OpenResult = { readonly tenant: SharingTenant } | { readonly stoppedBy: string };

export interface SharingHost {
  /** Bytes of device registers that belong to tenants. */
  readonly barBytes: number;
  /** Everything that must happen before the first tenant of `count`. Undefined when it worked. */
  prepare(count: number): string | undefined;
  open(index: number): OpenResult;
  /** Makes room for one tenant more than the `count` there are. */
  extend(count: number): void;
}

const PAGE = 4096;
const VALID = 0x8000_0000n;
const IN_IMS = 0x1_0000n;
const MAC_VALID = 1n << 63n;
const VF_WINDOW = 0x3000_0000_0000;
const NO_FUNCTION = 0xff;

/** Memory of one tenant behind a domain of its own. */
function tenantMemory(
  { kernel }: SharingMachine,
  owner: string,
): { readonly memory: number; readonly domain: IommuDomain } | string {
  const memory = kernel.pages.alloc(TENANT_BYTES / PAGE, { owner });
  const domain = kernel.iommu.allocPaging({ type: 'unmanaged', isPasidCompatible: true });
  if (IS_ERR(memory) || typeof domain === 'number') {
    return 'host memory';
  }
  const rights = IOMMU_READ | IOMMU_WRITE;
  const result = kernel.iommu.iommu_map(domain, TENANT_IOVA, memory, TENANT_BYTES, rights);
  return IS_ERR(result) ? 'host memory' : { memory, domain };
}

function cpuOf({ machine }: SharingMachine, index: number): number {
  return index % machine.config.cpus;
}

/** One ADI a tenant: a queue pair with a PASID and an IMS entry. */
export class SiovHost implements SharingHost {
  readonly #m: SharingMachine;
  readonly #chip: IrqChip;
  readonly #registers: number;
  readonly #doorbells: number;
  readonly #contexts: number;
  #opened = 0;

  constructor(m: SharingMachine) {
    this.#m = m;
    const places = nicPlaces(m.nic.settings);
    this.#registers = m.kernel.pci.pci_resource_start(m.dev, NIC_BAR.registers);
    this.#doorbells = m.kernel.pci.pci_resource_start(m.dev, NIC_BAR.doorbells);
    this.#contexts = this.#registers + places.contexts;
    this.#chip = imsChip(m, this.#registers + places.ims);
  }

  get barBytes(): number {
    return this.#opened * DOORBELL_PAGE_BYTES;
  }

  prepare(): undefined {
    return undefined;
  }

  open(index: number): OpenResult {
    const { kernel, dev, hw, nic } = this.#m;
    if (index >= nic.settings.queuePairs) {
      return { stoppedBy: 'queue pairs' };
    }
    if (index >= nic.settings.imsEntries) {
      return { stoppedBy: 'IMS entries' };
    }
    const own = tenantMemory(this.#m, `tenant ${index}`);
    if (typeof own === 'string') {
      return { stoppedBy: own };
    }
    const pasid = kernel.iommu.iommu_alloc_global_pasid(dev);
    if (pasid === IOMMU_PASID_INVALID) {
      return { stoppedBy: 'PASIDs' };
    }
    if (IS_ERR(kernel.iommu.iommu_attach_device_pasid(own.domain, dev, pasid))) {
      return { stoppedBy: 'PASID table' };
    }
    const cpu = cpuOf(this.#m, index);
    const irq = kernel.irqs.alloc({ chip: this.#chip, hwirq: index, rid: dev.rid, cpu });
    if (IS_ERR(irq)) {
      return { stoppedBy: 'CPU vectors' };
    }
    const context = this.#contexts + index * QUEUE_CONTEXT_BYTES;
    const mac = tenantMac(index);
    hw.mmioWrite(context + Q_PASID.offset, 4, VALID | BigInt(pasid));
    hw.mmioWrite(context + Q_VECTOR.offset, 4, VALID | IN_IMS | BigInt(index));
    hw.mmioWrite(context + MAC_ADDRESS.offset, 8, MAC_VALID | mac);
    const doorbell = this.#doorbells + index * DOORBELL_PAGE_BYTES;
    const tenant = new SharingTenant({ hw, memory: own.memory, context, doorbell, mac });
    kernel.irqs.request_irq(irq, () => (tenant.interrupts += 1), `tenant${index}`);
    this.#opened++;
    return { tenant };
  }

  extend(count: number): void {
    this.open(count);
  }
}

function imsChip({ hw }: SharingMachine, table: number): IrqChip {
  const write = (entry: number, offset: number, value: number): void => {
    hw.mmioWrite(table + entry * R.PCI_MSIX_ENTRY_SIZE + offset, 4, BigInt(value));
  };
  return {
    name: 'IMS',
    writeMessage(entry, message) {
      write(entry, R.PCI_MSIX_ENTRY_LOWER_ADDR, message.address);
      write(entry, R.PCI_MSIX_ENTRY_DATA, message.data);
    },
    mask: (entry) => {
      write(entry, R.PCI_MSIX_ENTRY_VECTOR_CTRL, 1);
    },
    unmask: (entry) => {
      write(entry, R.PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
    },
  };
}

/** One virtual function a tenant. */
export class SriovHost implements SharingHost {
  readonly #m: SharingMachine;
  readonly #at: number;
  #aperture = 0;
  #count = 0;

  constructor(m: SharingMachine) {
    this.#m = m;
    this.#at = m.kernel.pci.pci_find_ext_capability(m.dev, R.PCI_EXT_CAP_ID_SRIOV);
  }

  get barBytes(): number {
    return this.#count * this.#aperture;
  }

  /** Sizes and places the window, sets the number, enables: once, for all tenants. */
  prepare(count: number): string | undefined {
    const { pci } = this.#m.kernel;
    const { dev } = this.#m;
    const at = this.#at;
    pci.pci_write_config_dword(dev, at + R.PCI_SRIOV_BAR, 0xffff_ffff);
    this.#aperture =
      ((~(pci.pci_read_config_dword(dev, at + R.PCI_SRIOV_BAR) & ~0xf) >>> 0) + 1) >>> 0;
    pci.pci_write_config_dword(dev, at + R.PCI_SRIOV_BAR, 0);
    pci.pci_write_config_dword(dev, at + R.PCI_SRIOV_BAR + 4, VF_WINDOW / 2 ** 32);
    pci.pci_write_config_word(dev, at + R.PCI_SRIOV_NUM_VF, count);
    if (pci.pci_read_config_word(dev, at + R.PCI_SRIOV_NUM_VF) !== count) {
      return 'TotalVFs';
    }
    const control = R.PCI_SRIOV_CTRL_VFE | R.PCI_SRIOV_CTRL_MSE;
    pci.pci_write_config_word(dev, at + R.PCI_SRIOV_CTRL, control);
    this.#count = count;
    return undefined;
  }

  open(index: number): OpenResult {
    const { kernel, hw } = this.#m;
    const rid = this.#ridOf(index);
    if (hw.configRead(rid, R.PCI_CAPABILITY_LIST, 1) === NO_FUNCTION) {
      return { stoppedBy: 'Requester IDs on the buses of the port' };
    }
    const vf = this.#addFunction(index, rid);
    const own = tenantMemory(this.#m, `tenant ${index}`);
    if (typeof own === 'string') {
      return { stoppedBy: own };
    }
    if (IS_ERR(kernel.iommu.iommu_attach_device(own.domain, vf))) {
      return { stoppedBy: 'context entries' };
    }
    kernel.pci.pci_set_master(vf);
    if (IS_ERR(kernel.msix.pci_alloc_irq_vectors(vf, 1, 1))) {
      return { stoppedBy: 'CPU vectors' };
    }
    const irq = kernel.msix.pci_irq_vector(vf, 0);
    kernel.irqs.irq_set_affinity(irq, cpuOf(this.#m, index));
    const bar = kernel.pci.pci_resource_start(vf, 0);
    const mac = tenantMac(index);
    hw.mmioWrite(this.#hostContext(index) + MAC_ADDRESS.offset, 8, MAC_VALID | mac);
    hw.mmioWrite(bar + Q_VECTOR.offset, 4, VALID);
    const { doorbells } = vfPlaces(1);
    const tenant = new SharingTenant({
      hw,
      memory: own.memory,
      context: bar,
      doorbell: bar + doorbells,
      mac,
    });
    kernel.irqs.request_irq(irq, () => (tenant.interrupts += 1), `tenant${index}`);
    return { tenant };
  }

  /** NumVFs can change only while no virtual function exists. */
  extend(count: number): void {
    this.#m.kernel.pci.pci_write_config_word(this.#m.dev, this.#at + R.PCI_SRIOV_CTRL, 0);
    this.prepare(count + 1);
  }

  /** As the PCI core adds a virtual function: it has no identity registers, so they come from the capability. */
  #addFunction(index: number, rid: number): PciDev {
    const { kernel, dev } = this.#m;
    const device = kernel.pci.pci_read_config_word(dev, this.#at + R.PCI_SRIOV_VF_DID);
    return kernel.pci.add(
      { rid, vendor: dev.vendor, device, class: dev.class, isMultifunction: false },
      dev,
      [
        {
          bar: 0,
          start: VF_WINDOW + index * this.#aperture,
          bytes: this.#aperture,
          is64Bit: true,
          isPrefetchable: true,
        },
      ],
    );
  }

  #ridOf(index: number): number {
    const { pci } = this.#m.kernel;
    const { dev } = this.#m;
    const first = pci.pci_read_config_word(dev, this.#at + R.PCI_SRIOV_VF_OFFSET);
    const stride = pci.pci_read_config_word(dev, this.#at + R.PCI_SRIOV_VF_STRIDE);
    return dev.rid + first + index * stride;
  }

  /** The physical function assigns addresses: queue pairs of virtual functions count from the end. */
  #hostContext(index: number): number {
    const { kernel, dev, nic } = this.#m;
    const pair = nic.settings.queuePairs - (index + 1) * nic.settings.queuePairsPerVf;
    const registers = kernel.pci.pci_resource_start(dev, NIC_BAR.registers);
    return registers + nicPlaces(nic.settings).contexts + pair * QUEUE_CONTEXT_BYTES;
  }
}
