import { describe, expect, it } from 'vitest';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import { dsaDevice } from '../../../support/linux-idxd.ts';
import { reportsOf } from '../../../support/linux-script.ts';
import { vdevMachine } from '../../../support/vdev-script.ts';

describe('linux/sva', () => {
  it('binds a device to a program, counts bindings and takes the last one back', () => {
    const reports = reportsOf(
      `
import { pci_devices } from 'linux/pci';
import { iommu_sva_bind_device, iommu_sva_get_pasid, iommu_sva_unbind_device } from 'linux/sva';
import { spawn, exit } from 'lab/process';
import { errname } from 'linux/errno';
import { report } from 'lab/oracle';
const dev = pci_devices()[0]!;
const app = spawn('tenant');
const bond = iommu_sva_bind_device(dev, app);
if (typeof bond === 'number') throw new Error(errname(bond));
report('pasid', iommu_sva_get_pasid(bond) === app.pasid && app.pasid !== null);
report('same', iommu_sva_bind_device(dev, app) === bond);
report('users', bond.users);
iommu_sva_unbind_device(bond);
iommu_sva_unbind_device(bond);
report('after', bond.users);
exit(app);
report('dead', errname(iommu_sva_bind_device(dev, app) as number));
`,
      vdevMachine(),
    );
    expect(reports).toEqual({ pasid: true, same: true, users: 2, after: 0, dead: 'EINVAL' });
  });
});

/** A program whose destination pages nobody has touched, and a queue that copies into them. */
const LAZY_COPY = `
import { echo } from 'lab/shell';
import { pci_devices } from 'linux/pci';
import { idxd_from_pci, idxd_wq_portal, idxd_wq_set_pasid, idxd_wq_enable, idxd_wq_disable, IDXD_PORTAL_UNLIMITED } from 'linux/idxd';
import { iommu_sva_bind_device, iommu_sva_get_pasid, iommu_domain_set_iopf_handler, iopf_group_response, handle_mm_fault,
  mmu_notifier_register, mmu_notifier_unregister, IOMMU_PAGE_RESP_SUCCESS, IOMMU_PAGE_RESP_INVALID } from 'linux/sva';
import { spawn, run_as, exit } from 'lab/process';
import { load8, load_text, store_text } from 'lab/memory';
import { mmap, munmap, PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS } from 'libc';
import { dsa_hw_desc, DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR, IDXD_OP_FLAG_BOF } from 'uapi/idxd';
import { movdir64b } from 'asm/enqcmd';
import { advance } from 'hw';
import { report } from 'lab/oracle';
const DSA = '/sys/bus/dsa/devices/';
echo(0, DSA + 'engine0.0/group_id');
const settings = { group_id: 0, size: 16, mode: 'dedicated', type: 'mdev', name: 'q', priority: 10, block_on_fault: 1 };
for (const [file, text] of Object.entries(settings)) echo(text, DSA + 'wq0.0/' + file);
echo('dsa0', '/sys/bus/dsa/drivers/idxd/bind');
echo('wq0.0', '/sys/bus/dsa/drivers/dsa/bind');
const dev = pci_devices()[0]!;
const wq = idxd_from_pci(dev)!.wqs[0]!;
const app = spawn('tenant');
const bond = iommu_sva_bind_device(dev, app);
if (typeof bond === 'number') throw new Error('bind');
const memory = run_as(app, () => mmap(4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
run_as(app, () => store_text(memory, 'lazy'));
run_as(app, () => load8(memory + 8192));
idxd_wq_disable(wq);
idxd_wq_set_pasid(wq, iommu_sva_get_pasid(bond));
idxd_wq_enable(wq);
function copy(): number {
  movdir64b(idxd_wq_portal(wq, IDXD_PORTAL_UNLIMITED), dsa_hw_desc({ opcode: DSA_OPCODE_MEMMOVE,
    flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR | IDXD_OP_FLAG_BOF,
    src_addr: memory, dst_addr: memory + 4096, xfer_size: 4, completion_addr: memory + 8192 }));
  advance(1_000_000);
  return run_as(app, () => load8(memory + 8192));
}
`;

describe('page requests in linux/sva', () => {
  it('come to the handler of a script, which makes the page present and answers', () => {
    const reports = reportsOf(
      `${LAZY_COPY}
iommu_domain_set_iopf_handler(bond.domain, (group) => {
  const [fault] = group.faults;
  report('fault', [group.pasid === app.pasid, fault!.address === memory + 4096, fault!.is_write, fault!.rid === dev.rid].join());
  report('present', handle_mm_fault(app, fault!.address, fault!.is_write));
  iopf_group_response(group, IOMMU_PAGE_RESP_SUCCESS);
  return 0;
});
report('status', copy());
report('text', run_as(app, () => load_text(memory + 4096, 4)));
`,
      vdevMachine(),
    );
    expect(reports).toEqual({ fault: 'true,true,true,true', present: 0, status: 1, text: 'lazy' });
  });

  it('fail the operation when the handler says so, or when there is none', () => {
    const statuses = (handler: string): unknown =>
      reportsOf(
        `${LAZY_COPY}
iommu_domain_set_iopf_handler(bond.domain, ${handler});
report('status', copy() & 0x3f);
`,
        vdevMachine(),
      )['status'];
    const refused = STATUS.pageRequestInvalid;
    expect(
      statuses('(group) => { iopf_group_response(group, IOMMU_PAGE_RESP_INVALID); return 0; }'),
    ).toBe(refused);
    expect(statuses('null')).toBe(refused);
  });

  it('tell a driver what happens to an address space', () => {
    const reports = reportsOf(
      `${LAZY_COPY}
const heard: string[] = [];
const first = mmu_notifier_register(app, {
  invalidate_range: (start, end) => { heard.push('range ' + (end - start)); },
  release: () => { heard.push('release'); },
});
const second = mmu_notifier_register(app, { release: () => { heard.push('never'); } });
mmu_notifier_unregister(second);
run_as(app, () => munmap(memory, 4 * 4096));
exit(app);
report('name', first.name.includes('tenant'));
report('heard', heard.filter((text, i) => heard.indexOf(text) === i).join());
`,
      vdevMachine(),
    );
    expect(reports['name']).toBe(true);
    expect(String(reports['heard'])).toContain('range 16384');
    expect(String(reports['heard'])).toContain('release');
    expect(String(reports['heard'])).not.toContain('never');
  });
});

describe('SR-IOV in linux/pci', () => {
  it('turns virtual functions on and off', () => {
    const reports = reportsOf(
      `
import { pci_devices, pci_enable_sriov, pci_disable_sriov, pci_num_vf, pci_sriov_get_totalvfs, pci_physfn,
  pci_iov_vf_id } from 'linux/pci';
import { errname } from 'linux/errno';
import { report } from 'lab/oracle';
const dev = pci_devices()[0]!;
const total = pci_sriov_get_totalvfs(dev);
report('too-many', errname(pci_enable_sriov(dev, total + 1)));
report('enable', pci_enable_sriov(dev, 2));
report('count', pci_num_vf(dev));
const vf = pci_devices().find((d) => d.is_virtfn)!;
report('owner', pci_physfn(vf) === dev && pci_physfn(dev) === dev);
report('ids', pci_devices().map((d) => pci_iov_vf_id(d)).join());
pci_disable_sriov(dev);
report('off', pci_num_vf(dev) + ' ' + pci_devices().length);
`,
      { ...vdevMachine(), devices: [dsaDevice({ sriov: { totalVfs: 4 } })] },
    );
    expect(reports).toMatchObject({
      'too-many': 'EINVAL',
      enable: 0,
      count: 2,
      owner: true,
      off: '0 1',
    });
    expect(reports['ids']).toBe('-22,0,1');
  });
});
