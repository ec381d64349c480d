/** A learner script whose second copy reaches a page of somebody else, where translations outlive their pages. */

/** A driver copies into a page of a tenant; the page goes to a neighbour; the driver copies there again. */
export const REUSED_PAGE = `
import { echo } from 'lab/shell';
import { pci_devices } from 'linux/pci';
import { idxd_from_pci, idxd_wq_portal, idxd_wq_set_pasid, idxd_wq_enable, idxd_wq_disable, IDXD_PORTAL_UNLIMITED } from 'linux/idxd';
import { iommu_sva_bind_device, iommu_sva_get_pasid } from 'linux/sva';
import { spawn, run_as } from 'lab/process';
import { load8, store_text } from 'lab/memory';
import { mmap, munmap, PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS } from 'libc';
import { dsa_hw_desc, DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR } from 'uapi/idxd';
import { movdir64b } from 'asm/enqcmd';
import { advance } from 'hw';
import { breaches, report } from 'lab/oracle';
const DSA = '/sys/bus/dsa/devices/';
echo(0, DSA + 'engine0.0/group_id');
const settings = { group_id: 0, size: 16, mode: 'dedicated', type: 'mdev', name: 'q', priority: 10 };
for (const [file, text] of Object.entries(settings)) echo(text, DSA + 'wq0.0/' + file);
echo('dsa0', '/sys/bus/dsa/drivers/idxd/bind');
echo('wq0.0', '/sys/bus/dsa/drivers/dsa/bind');
const dev = pci_devices()[0]!;
const wq = idxd_from_pci(dev)!.wqs[0]!;
const tenant = spawn('tenant');
const neighbour = spawn('neighbour');
const bond = iommu_sva_bind_device(dev, tenant);
if (typeof bond === 'number') throw new Error('bind');
const rw = PROT_READ | PROT_WRITE;
const map = () => mmap(4096, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
const source = run_as(tenant, map);
const record = run_as(tenant, map);
const page = run_as(tenant, map);
run_as(tenant, () => store_text(source, 'text'));
run_as(tenant, () => store_text(record, 'text'));
run_as(tenant, () => store_text(page, 'text'));
idxd_wq_disable(wq);
idxd_wq_set_pasid(wq, iommu_sva_get_pasid(bond));
idxd_wq_enable(wq);
function copy(): void {
  run_as(tenant, () => movdir64b(idxd_wq_portal(wq, IDXD_PORTAL_UNLIMITED), dsa_hw_desc({ opcode: DSA_OPCODE_MEMMOVE,
    flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
    src_addr: source, dst_addr: page, xfer_size: 4, completion_addr: record })));
  advance(1_000_000);
}
copy();
report('before', breaches().length);
run_as(tenant, () => munmap(page, 4096));
const reused = run_as(neighbour, map);
run_as(neighbour, () => store_text(reused, 'mine'));
copy();
const found = breaches();
report('after', found.length);
for (const { principal, owner, access, rid, translated } of found)
  report('breach', principal + ' ' + access + ' ' + owner + ' ' + rid.toString(16) + ' ' + translated);
`;
