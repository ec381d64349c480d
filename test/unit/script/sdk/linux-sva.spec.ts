import { describe, expect, it } from 'vitest';
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
