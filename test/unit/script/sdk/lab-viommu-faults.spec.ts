import { describe, expect, it } from 'vitest';
import { reportsOf } from '../../../support/linux-script.ts';
import { VDEV_UUID, vdevMachine } from '../../../support/vdev-script.ts';

/** A shared queue, and a guest whose program copies to a page that nobody has touched. `copy()` gives the status. */
const GUEST = `
import { enqcmd } from 'asm/enqcmd';
import { advance } from 'hw';
import { load8 } from 'lab/memory';
import { report } from 'lab/oracle';
import { run_as, spawn } from 'lab/process';
import { echo } from 'lab/shell';
import { boot, plug, run_in, start_vm } from 'lab/vm';
import { viommu_page_request, viommu_page_response, viommu_set_fault_ops } from 'lab/viommu';
import type { viommu_fault_group } from 'lab/viommu';
import { MAP_ANONYMOUS, MAP_POPULATE, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, open } from 'libc';
import { DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_BOF, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR, dsa_hw_desc } from 'uapi/idxd';

const DSA = '/sys/bus/dsa/devices/';
echo(0, DSA + 'engine0.0/group_id');
const settings = { group_id: 0, size: 16, threshold: 12, mode: 'shared', type: 'mdev', name: 'vms', priority: 10, block_on_fault: 1 };
for (const [file, text] of Object.entries(settings)) echo(text, DSA + 'wq0.0/' + file);
echo('dsa0', '/sys/bus/dsa/drivers/idxd/bind');
echo('wq0.0', '/sys/bus/dsa/drivers/dsa/bind');
echo('${VDEV_UUID}', '/sys/bus/pci/devices/0000:6a:01.0/mdev_supported_types/idxd-dsa-1swq-v1/create');
const vm = start_vm('vm0');
if (typeof plug(vm, '${VDEV_UUID}') === 'number') throw new Error('plug');
boot(vm, { modules: ['idxd'] });
run_in(vm, () => {
  echo('user', DSA + 'wq0.0/type');
  echo('app', DSA + 'wq0.0/name');
  echo('dsa0', '/sys/bus/dsa/drivers/idxd/bind');
  echo('wq0.0', '/sys/bus/dsa/drivers/dsa/bind');
});
function copy(): number {
  return run_in(vm, () => run_as(spawn('app', { capabilities: ['CAP_SYS_RAWIO'] }), () => {
    const map = (flags: number) => mmap(4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    const [source, target] = [map(MAP_POPULATE), map(0)];
    const portal = mmap(4096, PROT_WRITE, MAP_SHARED, open('/dev/dsa/wq0.0'), 0);
    enqcmd(portal, dsa_hw_desc({ opcode: DSA_OPCODE_MEMMOVE, flags: IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
      src_addr: source, dst_addr: target, xfer_size: 64, completion_addr: source + 1024 }));
    report('target', target);
    advance(300_000_000);
    return load8(source + 1024);
  }));
}
`;

function run(script: string, profile: 'kvmforum2019' | 'iommufd' = 'iommufd') {
  const { vms = [], ...machine } = vdevMachine(profile);
  return reportsOf(`${GUEST}${script}`, {
    ...machine,
    vms: vms.map((vm) => ({ ...vm, viommu: true })),
  });
}

describe('page faults in lab/viommu', () => {
  it.each(['kvmforum2019', 'iommufd'] as const)(
    'go into the guest and back by the hands of a script, %s',
    (profile) => {
      const reports = run(
        `
const waiting: viommu_fault_group[] = [];
viommu_set_fault_ops(vm, {
  request: (group) => {
    waiting.push(group);
    report('address', group.addresses.join());
    report('queued', viommu_page_request(vm, group));
  },
  response: ({ device, pasid, group, code }) => {
    const found = waiting.find((one) => one.pasid === pasid && one.group === group);
    report('answer', device + ' ' + code + ' ' + viommu_page_response(vm, found?.cookie ?? 0, code));
    report('again', viommu_page_response(vm, found?.cookie ?? 0, code));
  },
});
report('status', copy());
`,
        profile,
      );
      expect(reports).toMatchObject({
        address: String(reports['target']),
        queued: true,
        answer: '00:03.0 0 0',
        again: -22,
        status: 1,
      });
    },
  );

  it('wait for ever while the script does nothing, and the VMM takes over again', () => {
    const reports = run(`
viommu_set_fault_ops(vm, {});
report('ignored', copy());
viommu_set_fault_ops(vm, null);
report('status', copy());
`);
    expect(reports).toMatchObject({ ignored: 0, status: 1 });
  });

  it('can be refused in the guest’s place', () => {
    const reports = run(`
viommu_set_fault_ops(vm, { request: ({ cookie }) => report('answer', viommu_page_response(vm, cookie, 1)) });
report('status', copy());
`);
    expect(reports).toMatchObject({ answer: 0, status: 0x84 });
  });
});
