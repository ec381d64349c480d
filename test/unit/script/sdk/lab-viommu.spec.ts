import { describe, expect, it } from 'vitest';
import { reportsOf } from '../../../support/linux-script.ts';
import { CREATE_VDEV, PLUG_VDEV, vdevMachine } from '../../../support/vdev-script.ts';

const IMPORTS = `
import { movdir64b } from 'asm/enqcmd';
import { writel } from 'asm/io';
import { advance, alloc_pages, read, write } from 'hw';
import { report } from 'lab/oracle';
import { boot, plug, run_in, start_vm } from 'lab/vm';
import type { viommu_command, viommu_ops } from 'lab/viommu';
import { viommu_bind, viommu_bound, viommu_complete_wait, viommu_devices, viommu_flush, viommu_guest_entry,
  viommu_set_ops, viommu_unbind } from 'lab/viommu';
import { dma_map_single, dma_unmap_single } from 'linux/iommu';
import { pci_devices, pci_enable_device, pci_resource_start, pci_set_master } from 'linux/pci';
import { DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR, dsa_hw_desc } from 'uapi/idxd';
`;

/** Operations that do what the VMM does, and a guest that copies a byte by the addresses of its DMA API. */
const GUEST = `${IMPORTS}${CREATE_VDEV}${PLUG_VDEV}
const seen: string[] = [];
function sync(): void {
  for (const device of viommu_devices(vm)) {
    const entry = viommu_guest_entry(vm, device, 0);
    if (entry !== null) report('bind', viommu_bind(vm, entry));
    else viommu_bound(vm).forEach((e) => viommu_unbind(vm, e));
  }
}
const ops = (flush: (command: viommu_command) => void): viommu_ops => ({
  replay: sync,
  commands: (batch) => {
    seen.push(batch.map((c) => c.type).join('+'));
    for (const c of batch) {
      if (c.type === 'pasid-cache') sync();
      if (c.type === 'pasid-iotlb') flush(c);
      if (c.type === 'wait') viommu_complete_wait(vm, c);
    }
  },
});
function copies(): string {
  return run_in(vm, () => {
    const dev = pci_devices()[0]!;
    pci_enable_device(dev);
    pci_set_master(dev);
    const bar0 = pci_resource_start(dev, 0);
    writel(1 << 20, bar0 + 0xa0);
    writel(6 << 20, bar0 + 0xa0);
    const target = alloc_pages(1);
    const to = dma_map_single(dev, target, 4096);
    return [1, 2].map((value) => {
      const source = alloc_pages(1);
      write(source, Uint8Array.of(value));
      const from = dma_map_single(dev, source, 4096);
      movdir64b(pci_resource_start(dev, 2), dsa_hw_desc({ opcode: DSA_OPCODE_MEMMOVE,
        flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR, src_addr: from, dst_addr: to + 64, xfer_size: 1, completion_addr: to }));
      advance(50_000);
      dma_unmap_single(dev, from);
      return read(target + 64, 1)[0];
    }).join();
  });
}
`;

function run(script: string, profile: 'kvmforum2019' | 'iommufd' = 'iommufd') {
  const { vms = [], ...machine } = vdevMachine(profile);
  return reportsOf(`${GUEST}${script}`, {
    ...machine,
    vms: vms.map((vm) => ({ ...vm, viommu: true })),
  });
}

describe('lab/viommu', () => {
  it.each(['kvmforum2019', 'iommufd'] as const)(
    'lets a script nest and flush for the guest, %s',
    (profile) => {
      const reports = run(
        `
viommu_set_ops(vm, ops((c) => viommu_bound(vm).forEach((e) => viommu_flush(vm, e, c))));
boot(vm);
report('copied', copies());
report('bound', viommu_bound(vm).map((e) => e.device + ' ' + e.pasid).join());
report('unmap', seen.at(-1) ?? '');
`,
        profile,
      );
      expect(reports).toEqual({
        bind: 0,
        copied: '1,2',
        bound: '00:03.0 0',
        unmap: 'pasid-iotlb+device-tlb+wait',
      });
    },
  );

  it('shows a guest the old page where the script does not flush', () => {
    const reports = run(`
viommu_set_ops(vm, ops(() => {}));
boot(vm);
report('copied', copies());
`);
    expect(reports['copied']).toBe('1,1');
  });

  it('flushes the pages that a command names or a script gives, and nothing else', () => {
    const reports = run(`
const ranges: string[] = [];
viommu_set_ops(vm, ops((c) => {
  if (c.address !== undefined) ranges.push(c.bytes + ' of ' + c.did + '/' + c.pasid);
  // Somewhere else: the page that the guest means stays cached.
  viommu_bound(vm).forEach((e) => viommu_flush(vm, e, { address: 0x10_0000, bytes: 4096 }));
}));
boot(vm);
report('copied', copies());
report('ranges', ranges[0] ?? '');
`);
    expect(reports).toMatchObject({ copied: '1,1', ranges: '4096 of 1/0' });
  });

  it('gives the work back to the VMM', () => {
    const reports = run(`
viommu_set_ops(vm, ops(() => {}));
viommu_set_ops(vm, null);
boot(vm);
report('copied', copies());
report('seen', seen.length);
`);
    expect(reports).toEqual({ copied: '1,2', seen: 0 });
  });

  it('completes waits and nothing else, and knows the devices of its VM alone', () => {
    const reports = run(`
const refused: string[] = [];
const attempt = (body: () => void): void => {
  try { body(); } catch (error) { refused.push(String(error)); }
};
viommu_set_ops(vm, { commands: (batch) => batch.forEach((c) => {
  if (c.type === 'wait') viommu_complete_wait(vm, c);
  else if (refused.length === 0) attempt(() => viommu_complete_wait(vm, c));
}) });
boot(vm);
attempt(() => void viommu_guest_entry(vm, '00:1f.0', 0));
attempt(() => void viommu_devices(start_vm('vm2')));
report('refused', refused.map((text) => text.slice(0, 60)).join(' | '));
`);
    expect(reports['refused']).toContain('command');
    expect(reports['refused']).toContain('No device 00:1f.0 in this VM');
  });
});

describe('PASIDs of a guest in linux/vdcm', () => {
  it.each(['kvmforum2019', 'iommufd'] as const)(
    'are in the set of the VM that has the device, %s',
    (profile) => {
      const reports = run(
        `
import { INVALID_IOASID, ioasid_find_by_spid } from 'linux/ioasid';
import { vdcm_set_ops, vdcm_wq_enable, vdev_ioasid_set, vdev_translate_pasid } from 'linux/vdcm';
vdcm_set_ops({ wq_enable: (dev) => {
  report('guest', dev.guest_pasid);
  report('priv', dev.guest_priv);
  const set = vdev_ioasid_set(dev);
  if (set !== null && dev.guest_pasid !== null) {
    report('same', ioasid_find_by_spid(set, dev.guest_pasid) === vdev_translate_pasid(dev, dev.guest_pasid));
    report('unknown', ioasid_find_by_spid(set, 0x777) === INVALID_IOASID);
  }
  report('has set', set !== null);
  return vdcm_wq_enable(dev);
} });
boot(vm, { modules: ['idxd'] });
run_in(vm, () => queue('kernel'));
`,
        profile,
      );
      const own = { same: true, unknown: true };
      const is2019 = profile === 'kvmforum2019';
      expect(reports).toEqual({
        guest: 1,
        priv: true,
        'has set': is2019,
        ...(is2019 ? own : {}),
      });
    },
  );
});
