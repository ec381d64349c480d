/** The network adapter shared both ways, and the crypto device at work. */
import { defined } from '../../../src-main/bits/invariant.ts';
import { IS_ERR } from '../../../src-main/linux/errno.ts';
import { IOMMU_READ, IOMMU_WRITE } from '../../../src-main/linux/iommu/iommu.ts';
import type { Kernel } from '../../../src-main/linux/kernel.ts';
import { parseBdf } from '../../../src-main/linux/pci/pci-scan.ts';
import {
  SharingTenant,
  TENANT_BYTES,
  TENANT_IOVA,
  tenantMac,
} from '../../../src-main/services/bench/sharing-tenant.ts';
import type { IrqChip } from '../../../src-main/linux/irq/irq.ts';
import { PCI_REGS as R } from '../../../src-main/linux/pci/pci-regs.ts';
import { nicPlaces, type HardwarePort } from '../../../src-main/sim/index.ts';
import { nicSettings } from '../../../src-main/sim/devices/nic/config.ts';
import { MAC_ADDRESS, Q_PASID, Q_VECTOR } from '../../../src-main/spec/nic/registers.ts';
import {
  QatContentHeader,
  QatCryptoParameters,
  QatRequest,
} from '../../../src-main/spec/qat/messages.ts';
import { BANK_BYTES, BANKS_OFFSET } from '../../../src-main/spec/qat/registers.ts';
import { bytesOf } from '../qat-driver.ts';
import { SCENE_BDF, SCENE_DEVICES } from './scene-machine.ts';

const PAGE = 4096;
const VALID = 0x8000_0000n;
const IN_IMS = 0x1_0000n;
const LONG_NS = 1_000_000;
const ATS_CONTROL = 0x226;
const NOBODYS_PASID = 9;

function enabled(kernel: Kernel, bdf: string) {
  const dev = defined(kernel.pci.deviceAt(parseBdf(bdf)), bdf);
  kernel.pci.pci_enable_device(dev);
  kernel.pci.pci_set_master(dev);
  return dev;
}

function imsChip(hw: HardwarePort, table: number): IrqChip {
  const write = (entry: number, offset: number, value: number): void =>
    hw.mmioWrite(table + entry * R.PCI_MSIX_ENTRY_SIZE + offset, 4, BigInt(value));
  const setMask = (entry: number, isMasked: boolean): void =>
    write(entry, R.PCI_MSIX_ENTRY_VECTOR_CTRL, isMasked ? 1 : 0);
  return {
    name: 'IMS',
    writeMessage: (entry, message) => {
      write(entry, R.PCI_MSIX_ENTRY_LOWER_ADDR, message.address);
      write(entry, R.PCI_MSIX_ENTRY_DATA, message.data);
    },
    mask: (entry) => setMask(entry, true),
    unmask: (entry) => setMask(entry, false),
  };
}

/** Two tenants with a queue pair each, two virtual functions beside them, one packet on its way. */
export function nicScene(kernel: Kernel): void {
  const dev = enabled(kernel, SCENE_BDF.nic);
  const { hw } = kernel.core;
  const options = SCENE_DEVICES.find((d) => d.kind === 'nic')?.options ?? {};
  const places = nicPlaces(nicSettings(options));
  const registers = kernel.pci.pci_resource_start(dev, 0);
  const doorbells = kernel.pci.pci_resource_start(dev, 2);
  const chip = imsChip(hw, registers + places.ims);
  const tenants = [0, 1].map((index) => {
    const memory = kernel.pages.alloc(TENANT_BYTES / PAGE, { owner: `tenant ${index}` });
    const domain = kernel.iommu.allocPaging({ type: 'unmanaged', isPasidCompatible: true });
    if (typeof domain === 'number') throw new Error(`domain: ${domain}`);
    const rights = IOMMU_READ | IOMMU_WRITE;
    kernel.iommu.iommu_map(domain, TENANT_IOVA, memory, TENANT_BYTES, rights);
    const pasid = kernel.iommu.iommu_alloc_global_pasid(dev);
    const attached = kernel.iommu.iommu_attach_device_pasid(domain, dev, pasid);
    if (IS_ERR(attached)) throw new Error(`attach: ${attached}`);
    const context = registers + places.contexts + index * 0x100;
    const mac = tenantMac(index);
    hw.mmioWrite(context + Q_PASID.offset, 4, VALID | BigInt(pasid));
    hw.mmioWrite(context + Q_VECTOR.offset, 4, VALID | IN_IMS | BigInt(index));
    const irq = kernel.irqs.alloc({ chip, hwirq: index, rid: dev.rid, cpu: index });
    kernel.irqs.request_irq(irq, () => undefined, `tenant${index}`);
    hw.mmioWrite(context + MAC_ADDRESS.offset, 8, (2n ** 63n) | mac);
    const tenant = new SharingTenant({
      hw,
      memory,
      context,
      doorbell: doorbells + index * PAGE,
      mac,
    });
    tenant.start();
    return tenant;
  });
  tenants[0]?.send(tenantMac(1));
  kernel.core.advance(LONG_NS);
  kernel.iov.pci_enable_sriov(dev, 2);
}

/**
 * SHA-256 of a short text through ring pair 0 of the host's own driver. With ATS off, ring pair 1 then fetches requests for
 * a PASID that nobody has: the unit records the fault.
 */
export function qatScene(kernel: Kernel): void {
  const dev = enabled(kernel, SCENE_BDF.qat);
  const { hw } = kernel.core;
  const rings = defined(kernel.dma.dma_alloc_coherent(dev, 4 * PAGE) ?? undefined, 'DMA memory');
  const bank = kernel.pci.pci_resource_start(dev, 0) + BANKS_OFFSET;
  const at = (page: number): bigint => BigInt(rings.dma + page * PAGE);
  hw.memoryWrite(rings.cpu + 2 * PAGE, new TextEncoder().encode('abc'));
  hw.memoryWrite(rings.cpu + 3 * PAGE, bytesOf(QatContentHeader.encode({ hashAlgorithm: 4 })));
  const request = QatRequest.encode({
    valid: 1,
    service: 4,
    command: 1,
    contentDescriptor: at(3),
    contentQuads: 1,
    source: at(2),
    length: 3,
  });
  hw.memoryWrite(rings.cpu, bytesOf(request));
  const parameters = QatCryptoParameters.encode({ digest: at(2) + 0x100n, digestBytes: 32 });
  hw.memoryWrite(rings.cpu + 64, bytesOf(parameters));
  const set = (offset: number, value: number): void =>
    hw.mmioWrite(bank + offset, 4, BigInt(value));
  set(0x1000, 6);
  set(0x1004, 4);
  set(0x1040, rings.dma);
  set(0x1044, rings.dma + PAGE);
  set(0x19c, 3);
  set(0x100, 128);
  kernel.core.advance(LONG_NS);
  hw.configWrite(dev.rid, ATS_CONTROL, 2, 0);
  const setOther = (offset: number, value: number): void =>
    hw.mmioWrite(bank + BANK_BYTES + offset, 4, BigInt(value));
  setOther(0x1108, 0x8000_0000 + NOBODYS_PASID);
  setOther(0x1000, 6);
  setOther(0x1004, 4);
  setOther(0x1040, 0x40_0000);
  setOther(0x1044, 0x40_1000);
  setOther(0x19c, 3);
  setOther(0x100, 128);
  kernel.core.advance(LONG_NS);
}
