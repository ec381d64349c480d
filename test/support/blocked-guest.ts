/**
 * A learner script whose guest takes the address space of a device away while the device still works: the guest's unit refuses
 * what comes then, and records it. The guest masks its fault event, so the record waits.
 */
import { CREATE_VDEV, PLUG_VDEV, VDEV_UUID } from './vdev-script.ts';

const CREATE = `echo('${VDEV_UUID}'`;
/** Untranslated requests: what they may not do, a unit records. */
const WITHOUT_ATS = `
echo('wq0.0', '/sys/bus/dsa/drivers/dsa/unbind');
echo(1, DSA + 'wq0.0/ats_disable');
echo('wq0.0', '/sys/bus/dsa/drivers/dsa/bind');
`;

export const BLOCKED_GUEST = `
import { movdir64b } from 'asm/enqcmd';
import { writel } from 'asm/io';
import { advance, alloc_pages, read, write } from 'hw';
import { report } from 'lab/oracle';
import { boot, plug, run_in, start_vm } from 'lab/vm';
import { dma_map_single, iommu_group_claim_dma_owner, iommu_group_get } from 'linux/iommu';
import { pci_devices, pci_enable_device, pci_resource_start, pci_set_master } from 'linux/pci';
import { DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR, dsa_hw_desc } from 'uapi/idxd';
${CREATE_VDEV.replace(CREATE, `${WITHOUT_ATS}${CREATE}`)}
${PLUG_VDEV}
const FECTL = 0xfed90038;
const IM = 0x80000000;
boot(vm);
run_in(vm, () => {
  const dev = pci_devices()[0]!;
  pci_enable_device(dev);
  pci_set_master(dev);
  const bar0 = pci_resource_start(dev, 0);
  writel(1 << 20, bar0 + 0xa0);
  writel(6 << 20, bar0 + 0xa0);
  const page = alloc_pages(1);
  const at = dma_map_single(dev, page, 4096);
  const copy = (value: number): number => {
    write(page, Uint8Array.of(value));
    write(page + 0x400, new Uint8Array(1));
    movdir64b(pci_resource_start(dev, 2), dsa_hw_desc({ opcode: DSA_OPCODE_MEMMOVE,
      flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR, src_addr: at, dst_addr: at + 0x400, xfer_size: 1,
      completion_addr: at + 0x800 }));
    advance(50_000);
    return read(page + 0x400, 1)[0]!;
  };
  report('before', copy(0x11));
  writel(IM, FECTL);
  const group = iommu_group_get(dev);
  if (group !== null) report('claim', iommu_group_claim_dma_owner(group));
  report('after', copy(0x22));
});
`;
