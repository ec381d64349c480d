import { describe, expect, it } from 'vitest';
import { COMMAND_ERROR } from '../../../../src-main/spec/dsa/commands.ts';
import { reportsOf } from '../../../support/linux-script.ts';
import { CREATE_VDEV, PLUG_VDEV, VDEV_UUID, vdevMachine } from '../../../support/vdev-script.ts';

const PROFILES = ['kvmforum2019', 'iommufd'] as const;

const START = `
import { pci_devices, pci_read_config_dword, pci_write_config_word, pci_set_master, pci_enable_device,
  pci_resource_start, pci_alloc_irq_vectors, pci_irq_vector } from 'linux/pci';
import { vdcm_set_ops, vdcm_vdevs, vdcm_cfg_read, vdcm_cfg_write, vdcm_get_region_info, vdcm_mmap, vdcm_wq_enable,
  vdcm_set_irqs, vdcm_reset, vdev_translate_pasid, vidxd_report_pci_error, vdev_set_misc_eventfd,
  vdev_set_vector_irq } from 'linux/vdcm';
import { idxd_wq_portal, idxd_from_pci, IDXD_PORTAL_UNLIMITED_IMS } from 'linux/idxd';
import { request_irq, free_irq, msi_domain_alloc_irqs, msi_domain_free_irqs, irq_set_auxdata, ims_ctrl_pasid_aux,
  irq_bypass_register_producer, irq_bypass_unregister_producer, IMS_AUXDATA_CONTROL_WORD } from 'linux/irq';
import { eventfd_signal } from 'linux/vfio';
import { remap_pfn_range, PAGE_SHIFT, PAGE_SIZE } from 'linux/mm';
import { start_vm, plug, boot, run_in, exits_during, shutdown_vm, kill_vm } from 'lab/vm';
import { readl, writel } from 'asm/io';
import { movdir64b } from 'asm/enqcmd';
import { dsa_hw_desc, DSA_OPCODE_NOOP, IDXD_OP_FLAG_RCI } from 'uapi/idxd';
import { alloc_pages, advance } from 'hw';
import { report, state, state_keys } from 'lab/oracle';
${CREATE_VDEV}
`;

describe.each(PROFILES)('linux/vdcm, %s', (profile) => {
  it('knows whether KVM translates the PASIDs of the VM behind a device', () => {
    const reports = reportsOf(
      `${START}
const [dev] = vdcm_vdevs();
report('nobody', dev!.is_pasid_translated);
const seen: string[] = [];
vdcm_set_ops({
  mmap: (vdev, index, offset, vma) => {
    seen.push(String(vdev.is_pasid_translated));
    return vdcm_mmap(vdev, index, offset, vma);
  },
});
for (const [name, options] of [['vm0', { pasid_translation: false }], ['vm1', {}]] as const) {
  const vm = start_vm(name, options);
  if (typeof plug(vm, '${VDEV_UUID}') === 'number') throw new Error('plug');
  report(name, dev!.is_pasid_translated);
  boot(vm);
  report(name + ' portal', [...new Set(seen.splice(0))].join());
  shutdown_vm(vm);
}
report('after', dev!.is_pasid_translated);
`,
      vdevMachine(profile),
    );
    expect(reports).toEqual({
      nobody: false,
      vm0: false,
      'vm0 portal': 'false',
      vm1: true,
      'vm1 portal': 'true',
      after: false,
    });
  });

  it('puts operations of a script in the place of the built-in ones', () => {
    const reports = reportsOf(
      `${START}
const [dev] = vdcm_vdevs();
const seen = new Set<string>();
vdcm_set_ops({
  cfg_read: (vdev, offset, bytes) => {
    seen.add('cfg_read');
    return offset === 2 ? 0x1234 : vdcm_cfg_read(vdev, offset, bytes);
  },
  cfg_write: (vdev, offset, bytes, value) => {
    seen.add('cfg_write');
    return vdcm_cfg_write(vdev, offset, bytes, value);
  },
  get_region_info: (vdev, index) => {
    seen.add('get_region_info');
    const region = vdcm_get_region_info(vdev, index);
    return index === 2 && region !== null ? { ...region, areas: [{ offset: 0, size: PAGE_SIZE }] } : region;
  },
  mmap: (vdev, index, offset, vma) => {
    seen.add('mmap ' + index + ' ' + offset + ' ' + vma.is_shared);
    return vdcm_mmap(vdev, index, offset, vma);
  },
  wq_enable: (vdev) => { seen.add('wq_enable'); return vdcm_wq_enable(vdev); },
  set_irqs: (vdev, request) => { seen.add('set_irqs ' + request.index); return vdcm_set_irqs(vdev, request); },
  reset: (vdev, is_full) => { seen.add('reset'); vdcm_reset(vdev, is_full); },
});
${PLUG_VDEV}
boot(vm);
report('id', run_in(vm, () => pci_devices().length && console.hex(pci_devices()[0]!.device)));
run_in(vm, () => {
  const guest = pci_devices()[0]!;
  pci_enable_device(guest);
  pci_set_master(guest);
  pci_alloc_irq_vectors(guest, 2, 2);
  const bar0 = pci_resource_start(guest, 0);
  writel(1 << 20, bar0 + 0xa0);
  writel(6 << 20, bar0 + 0xa0);
  report('status', readl(bar0 + 0xa8));
  writel(5 << 20, bar0 + 0xa0);
});
report('vdev', dev!.uuid + ' ' + dev!.state + ' ' + dev!.is_open + ' ' + dev!.wq.name);
report('pasid', dev!.default_pasid > 0 && vdev_translate_pasid(dev!, 0) === dev!.default_pasid);
report('foreign', vdev_translate_pasid(dev!, 99));
report('seen', [...seen].sort().join());
report('shown', (state('vdev/${VDEV_UUID}') as { config: string }).config.slice(0, 8));
`,
      vdevMachine(profile),
    );
    expect(reports).toEqual({
      id: '0x1234',
      status: 0,
      vdev: `${VDEV_UUID} disabled true wq0.0`,
      pasid: true,
      foreign: -22,
      shown: '86803412',
      seen: 'cfg_read,cfg_write,get_region_info,mmap 2 0 true,reset,set_irqs 2,set_irqs 4,wq_enable',
    });
  });
});

const INTERRUPTS = `${START}
let irq = -1;
let token = null;
vdcm_set_ops({
  set_irqs: (vdev, request) => {
    if (request.index !== 2) return vdcm_set_irqs(vdev, request);
    if (request.count === 0) {
      if (irq < 0) return 0;
      irq_bypass_unregister_producer({ irq, token });
      free_irq(irq);
      vdev_set_vector_irq(vdev, 1, null);
      msi_domain_free_irqs(pci_devices()[0]!, [irq]);
      vdev_set_misc_eventfd(vdev, null);
      irq = -1;
      return 0;
    }
    const [misc, work] = request.eventfds;
    vdev_set_misc_eventfd(vdev, misc);
    const irqs = msi_domain_alloc_irqs(pci_devices()[0]!, 1);
    if (typeof irqs === 'number') return irqs;
    [irq] = irqs;
    token = work;
    irq_set_auxdata(irq, IMS_AUXDATA_CONTROL_WORD, ims_ctrl_pasid_aux(vdev.default_pasid, true));
    request_irq(irq, () => eventfd_signal(work), 'vdev');
    irq_bypass_register_producer({ irq, token: work });
    return vdev_set_vector_irq(vdev, 1, irq);
  },
});
${PLUG_VDEV}
boot(vm);
const handled = [0, 0];
run_in(vm, () => {
  const guest = pci_devices()[0]!;
  pci_enable_device(guest);
  pci_set_master(guest);
  pci_alloc_irq_vectors(guest, 2, 2);
  for (const i of [0, 1]) request_irq(pci_irq_vector(guest, i), () => { handled[i]! += 1; }, 'v' + i);
  const bar0 = pci_resource_start(guest, 0);
  const command = (code: number, operand = 0): number => {
    writel(((code << 20) | operand) >>> 0, bar0 + 0xa0);
    return readl(bar0 + 0xa8);
  };
  report('enable', command(1) + command(6));
  report('vector0', command(13, 0) & 0xff);
  const answer = command(13, 1);
  report('error', answer & 0xff);
  const handle = (answer >>> 8) & 0xffff;
  report('handle', handle);
  const desc = dsa_hw_desc({ opcode: DSA_OPCODE_NOOP, flags: IDXD_OP_FLAG_RCI, int_handle: handle });
  const exits = exits_during(vm, () => { movdir64b(pci_resource_start(guest, 2), desc); advance(50_000); });
  report('exits', JSON.stringify(exits));
  writel((0x8000_0000 | (13 << 20) | 1) >>> 0, bar0 + 0xa0);
  advance(1000);
});
report('handled', handled.join());
`;

describe('linux/vdcm', () => {
  it('lets a script build the whole interrupt path of a VDEV, posted, and take it down', () => {
    const reports = reportsOf(
      `${INTERRUPTS}
report('before', state_keys('ims/').length);
kill_vm(vm);
report('after', state_keys('ims/').length);
`,
      vdevMachine(),
    );
    expect(reports).toEqual({
      enable: 0,
      vector0: COMMAND_ERROR.interruptIndex,
      error: 0,
      handle: 0,
      exits: '{}',
      handled: '1,1',
      before: 1,
      after: 0,
    });
  });

  it('halts a virtual device that loses bus mastering, and nothing else', () => {
    const reports = reportsOf(
      `${START}
const [vdev0] = vdcm_vdevs();
vidxd_report_pci_error(vdev0!);
report('disabled', vdev0!.state);
let command = 0;
vdcm_set_ops({
  cfg_read: (vdev, offset, bytes) => offset === 4 ? command : vdcm_cfg_read(vdev, offset, bytes),
  cfg_write: (vdev, offset, bytes, value) => {
    if (offset !== 4) return vdcm_cfg_write(vdev, offset, bytes, value);
    if ((command & 4) !== 0 && (value & 4) === 0) vidxd_report_pci_error(vdev);
    command = value;
    return 0;
  },
});
${PLUG_VDEV}
boot(vm);
run_in(vm, () => {
  const guest = pci_devices()[0]!;
  pci_enable_device(guest);
  const bar0 = pci_resource_start(guest, 0);
  writel(1 << 20, bar0 + 0xa0);
  report('refused', readl(bar0 + 0xa8) & 0xff);
  pci_set_master(guest);
  writel(1 << 20, bar0 + 0xa0);
  report('enabled', readl(bar0 + 0xa8) & 0xff);
  pci_write_config_word(guest, 4, 2);
});
report('halted', vdev0!.state);
`,
      vdevMachine(),
    );
    expect(reports).toEqual({
      disabled: 'disabled',
      refused: COMMAND_ERROR.busMasterOff,
      enabled: 0,
      halted: 'halted',
    });
  });
});
