import { describe, expect, it } from 'vitest';
import { reportsOf, runScript } from '../../../support/linux-script.ts';
import { CREATE_VDEV, PLUG_VDEV, VDEV_UUID, vdevMachine } from '../../../support/vdev-script.ts';

const PROFILES = ['kvmforum2019', 'iommufd'] as const;
const UUID = VDEV_UUID;

const IMPORTS = `
import { pci_devices, pci_enable_device, pci_resource_start } from 'linux/pci';
import { idxd_from_pci, idxd_submit_desc } from 'linux/idxd';
import { start_vm, find_vm, plug, boot, run_in, exits_during, exit_counts, reset_vm, shutdown_vm, kill_vm,
  kvm_pasid_map, kvm_pasid_unmap, kvm_set_pasid_miss } from 'lab/vm';
import { dsa_hw_desc, DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR } from 'uapi/idxd';
import { enqcmds } from 'asm/enqcmd';
import { alloc_pages, read, write, advance } from 'hw';
import { report, state_keys } from 'lab/oracle';
import { current, run_as, spawn } from 'lab/process';
`;

const GUEST = `${IMPORTS}${CREATE_VDEV}${PLUG_VDEV}`;

describe.each(PROFILES)('lab/vm, %s', (profile) => {
  it('runs code in a guest that finds its VDEV and works on it with no exit', () => {
    const reports = reportsOf(
      `${GUEST}
report('before', vm.is_booted);
boot(vm, { modules: ['idxd'] });
report('after', vm.is_booted);
report('vdev', vdev.name + ' ' + vdev.bdf);
const found = run_in(vm, () => {
  queue('kernel');
  return pci_devices().map((dev) => dev.name + ' ' + console.hex(dev.device)).join();
});
report('found', found);
report('host', pci_devices().map((dev) => dev.name).join());
run_in(vm, () => {
  const wq = idxd_from_pci(pci_devices()[0]!)!.wqs[0]!;
  const page = alloc_pages(1);
  write(page, Uint8Array.of(1, 2, 3, 4));
  const desc = dsa_hw_desc({ opcode: DSA_OPCODE_MEMMOVE, flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
    src_addr: page, dst_addr: page + 64, xfer_size: 4, completion_addr: page + 128 });
  const exits = exits_during(vm, () => { idxd_submit_desc(wq, desc); advance(50_000); });
  report('exits', JSON.stringify(exits));
  report('copied', read(page + 64, 4).join());
  report('status', read(page + 128, 1)[0] ?? 0);
});
report('slow', (exit_counts(vm)['I/O instruction'] ?? 0) > 100 && vdev.exits > 100);
report('sum', Object.values(exit_counts(vm)).reduce((a, b) => a + b) === vm.exits);
`,
      vdevMachine(profile),
    );
    expect(reports).toEqual({
      before: false,
      after: true,
      vdev: `${UUID} 00:03.0`,
      found: '0000:00:03.0 0xb25',
      host: '0000:6a:01.0',
      exits: '{}',
      copied: '1,2,3,4',
      status: 1,
      slow: true,
      sum: true,
    });
  });
});

describe('lab/vm', () => {
  it('gives a guest its own processes, and the host back its own', () => {
    const reports = reportsOf(
      `${GUEST}
boot(vm);
report('host', current().name);
report('guest', run_in(vm, () => {
  const app = spawn('tenant');
  return current().name + ' ' + run_as(app, () => current().name) + ' ' + current().name;
}));
report('again', current().name);
`,
      vdevMachine(),
    );
    expect(reports).toEqual({ host: 'app', guest: 'root tenant root', again: 'app' });
  });

  it('runs the operations of a host driver on the host, although a guest set them off', () => {
    const run = runScript(
      `${IMPORTS}
import { echo } from 'lab/shell';
import { vfio_alloc_device, vfio_register_emulated_iommu_dev, vfio_pci_get_info, vfio_pci_get_region_info,
  vfio_pci_get_irq_info, VFIO_PCI_OFFSET_TO_INDEX, VFIO_PCI_OFFSET_IN_REGION } from 'linux/vfio';
import { mdev_register_driver, mdev_register_parent } from 'linux/mdev';
import { VFIO_DEVICE_GET_INFO, VFIO_DEVICE_GET_REGION_INFO, VFIO_DEVICE_GET_IRQ_INFO, VFIO_DEVICE_FLAGS_PCI,
  VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE } from 'uapi/vfio';

const dev = pci_devices()[0]!;
const RW = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
const config = new Uint8Array(256);
config.set([0x86, 0x80, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 0x80, 0x08]);
const hosts: string[] = [];
const ops = {
  read: (_vdev, count, position) => {
    hosts.push(current().name + ' ' + pci_devices().map((d) => d.name).join());
    const at = VFIO_PCI_OFFSET_IN_REGION(position);
    return config.slice(at, at + count);
  },
  write: (_vdev, bytes) => bytes.length,
  ioctl: (_vdev, command, argument) => {
    const regions = [{ index: 7, size: 256, flags: RW }];
    if (command === VFIO_DEVICE_GET_INFO) return vfio_pci_get_info(argument, VFIO_DEVICE_FLAGS_PCI);
    if (command === VFIO_DEVICE_GET_REGION_INFO) return vfio_pci_get_region_info(argument, regions);
    if (command === VFIO_DEVICE_GET_IRQ_INFO) return vfio_pci_get_irq_info(argument, []);
    return -25;
  },
};
const driver = { name: 'tiny', device_api: 'vfio-pci', remove: () => {}, probe: (mdev) => {
  const made = vfio_alloc_device(mdev, ops);
  return typeof made === 'number' ? made : vfio_register_emulated_iommu_dev(made);
} };
mdev_register_driver(driver);
mdev_register_parent(dev, driver, [{ sysfs_name: 'one' }]);
echo('${UUID}', '/sys/bus/pci/devices/0000:6a:01.0/mdev_supported_types/pci-one/create');
const vm = start_vm('vm0');
if (typeof plug(vm, '${UUID}') === 'number') throw new Error('plug');
boot(vm);
report('seen', run_in(vm, () => pci_devices().map((d) => d.name + ' ' + console.hex(d.device)).join()));
report('hosts', [...new Set(hosts)].join());
`,
      { ...vdevMachine(), params: {} },
    );
    expect(run.outcome).toEqual({ kind: 'finished' });
    expect(run.reports).toEqual({ seen: '0000:00:03.0 0x1234', hosts: 'app 0000:6a:01.0' });
  });

  it('names what is wrong with a VM', () => {
    const failure = (source: string): string => {
      const { outcome } = runScript(`${GUEST}${source}`, vdevMachine());
      return outcome.kind === 'failed'
        ? outcome.error.message.replace('Error: ', '')
        : outcome.kind;
    };
    expect(failure(`start_vm('vm7');`)).toBe('The machine has no VM vm7: it has vm0, vm1');
    expect(failure(`start_vm('vm0');`)).toBe('The VM vm0 runs already');
    expect(failure('run_in(vm, () => 1);')).toContain('No kernel runs in vm0');
    expect(failure('boot(vm); boot(vm);')).toBe('vm0 has booted already');
    expect(failure('shutdown_vm(vm); boot(vm);')).toBe('The VM vm0 is gone');
  });

  it('ends a VM in order or by a kill, and the device is free again', () => {
    const run = runScript(
      `${GUEST}
boot(vm);
report('found', find_vm('vm0') === vm);
shutdown_vm(vm);
report('gone', find_vm('vm0') === null);
const other = start_vm('vm1');
report('vcpus', other.vcpus);
report('plugged', typeof plug(other, '${UUID}'));
report('busy', plug(other, '${UUID}'));
boot(other);
reset_vm(other);
kill_vm(other);
report('keys', state_keys('vm/').length);
`,
      vdevMachine(),
    );
    const { machine, outcome, reports } = run;
    expect(outcome).toEqual({ kind: 'finished' });
    expect(machine.software.entries('guest/')).toEqual([]);
    expect(reports).toMatchObject({
      found: true,
      gone: true,
      vcpus: 2,
      plugged: 'object',
      keys: 0,
    });
    expect(Number(reports['busy'])).toBeLessThan(0);
  });

  it('gives a VM the vIOMMU that its configuration asks for', () => {
    const script = `${IMPORTS}${CREATE_VDEV}${PLUG_VDEV}
import { state } from 'lab/oracle';
boot(vm, { modules: ['idxd'] });
run_in(vm, () => {
  report('unit', (state('iommu/unit/dmar0') as { mode: string } | null)?.mode ?? 'none');
  report('pasid', idxd_from_pci(pci_devices()[0]!)!.system_pasid > 0);
});
`;
    const { vms = [], ...machine } = vdevMachine();
    const withUnit = vms.map((vm) => ({ ...vm, viommu: true }));
    expect(reportsOf(script, { ...machine, vms })).toEqual({ unit: 'none', pasid: false });
    expect(reportsOf(script, { ...machine, vms: withUnit })).toEqual({
      unit: 'scalable',
      pasid: true,
    });
  });

  it('translates PASIDs of a guest, on request or when one is missed', () => {
    const reports = reportsOf(
      `${GUEST}
boot(vm);
const missed: number[] = [];
kvm_set_pasid_miss(vm, (pasid) => { missed.push(pasid); return pasid === 8 ? 5 : undefined; });
report('map', kvm_pasid_map(vm, 7, 4));
const submit = (pasid: number): string => run_in(vm, () => {
  const dev = pci_devices()[0]!;
  pci_enable_device(dev);
  try {
    return 'ZF ' + enqcmds(pci_resource_start(dev, 2), dsa_hw_desc({ opcode: 0, pasid }));
  } catch (error) {
    return 'fault';
  }
});
// The queue is a dedicated one: what gets there is answered by Retry.
report('answers', [submit(7), submit(8), submit(8), submit(9)].join());
kvm_pasid_unmap(vm, 7);
report('unmapped', submit(7));
report('missed', missed.join());
report('exits', exit_counts(vm)['ENQCMDS PASID translation failure'] ?? 0);
`,
      vdevMachine(),
    );
    expect(reports).toEqual({
      map: 0,
      answers: 'ZF 1,ZF 1,ZF 1,fault',
      unmapped: 'fault',
      missed: '8,9,7',
      exits: 3,
    });
  });
});
