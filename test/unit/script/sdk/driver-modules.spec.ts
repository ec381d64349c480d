import { describe, expect, it } from 'vitest';
import { EEXIST, EINVAL, ENOENT, ENOSPC } from '../../../../src-main/linux/errno.ts';
import type { ScriptValue } from '../../../../src-main/script/sdk/sdk-module.ts';
import { dsaDevice } from '../../../support/linux-idxd.ts';
import type { LabOptions } from '../../../support/linux-machine.ts';
import { plainDevice } from '../../../support/linux-machine.ts';
import { reportsOf, runScript, type ScriptRun } from '../../../support/linux-script.ts';

const CARD: LabOptions = { devices: [plainDevice('03:00.0')] };

/** Two queues for programs, configured by files of sysfs, on a part whose portals any program may map. */
const QUEUES: LabOptions = {
  devices: [dsaDevice({ profile: 'v2' })],
  params: { modules: ['idxd'], idxd_mdev: false },
};

const CONFIGURE = `
import { echo } from 'lab/shell';
const DEVICES = '/sys/bus/dsa/devices';
function configure(wq: string, files: { readonly [name: string]: string | number }): void {
  for (const [name, value] of Object.entries(files)) echo(value, DEVICES + '/' + wq + '/' + name);
}
echo(0, DEVICES + '/engine0.0/group_id');
configure('wq0.0', { group_id: 0, size: 4, mode: 'dedicated', type: 'user', name: 'a', priority: 10 });
configure('wq0.1', { group_id: 0, size: 8, mode: 'shared', type: 'user', name: 'b', priority: 10, threshold: 6 });
configure('wq0.2', { group_id: 0, size: 8, mode: 'dedicated', type: 'kernel', name: 'c', priority: 10 });
echo('dsa0', '/sys/bus/dsa/drivers/idxd/bind');
for (const wq of ['wq0.0', 'wq0.1']) echo(wq, '/sys/bus/dsa/drivers/dsa/bind');
`;

const PROGRAM = `${CONFIGURE}
import { open, mmap, MAP_ANONYMOUS, MAP_POPULATE, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from 'libc';
import { load8, load, load_text, store_text } from 'lab/memory';
import { movdir64b, enqcmd, umwait } from 'asm/enqcmd';
import { dsa_hw_desc, dsa_completion_record, DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR } from 'uapi/idxd';
import { report } from 'lab/oracle';
const portal = (wq: string): number => mmap(4096, PROT_WRITE, MAP_SHARED, open('/dev/dsa/' + wq), 0);
const memory = mmap(0x4000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
const record = memory + 0x2000;
store_text(memory, 'copied');
const move = dsa_hw_desc({
  opcode: DSA_OPCODE_MEMMOVE, flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
  completion_addr: record, src_addr: memory, dst_addr: memory + 0x1000, xfer_size: 6,
});
const wait = (): number => { while (load8(record) === 0 && umwait(10_000)) {} return load8(record); };
`;

function programReports(body: string): Readonly<Record<string, ScriptValue>> {
  const run = runScript({ 'app.ts': PROGRAM + body }, QUEUES, { 'app.ts': 'application' });
  if (run.outcome.kind !== 'finished') throw new Error(JSON.stringify(run.outcome));
  return run.reports;
}

function failureOf(run: ScriptRun): string {
  return run.outcome.kind === 'failed' ? run.outcome.error.message : JSON.stringify(run.outcome);
}

const DRIVER = `
import { mdev_register_driver, mdev_register_parent, mdev_unregister_parent, mdev_unregister_driver } from 'linux/mdev';
import type { mdev_device, mdev_driver } from 'linux/mdev';
import { vfio_alloc_device, vfio_find_device, vfio_put_device, vfio_register_emulated_iommu_dev, vfio_unregister_group_dev,
  vfio_pci_get_info, vfio_pci_get_region_info, vfio_pci_set_irqs, eventfd_signal,
  VFIO_PCI_OFFSET_TO_INDEX, VFIO_PCI_OFFSET_IN_REGION, VFIO_PCI_INDEX_TO_OFFSET } from 'linux/vfio';
import type { eventfd_ctx, vfio_device_ops } from 'linux/vfio';
import { remap_pfn_range, PAGE_SHIFT } from 'linux/mm';
import { pci_devices, pci_resource_start } from 'linux/pci';
import { ENOSPC, ENOTTY } from 'linux/errno';
import { open, close, ioctl, pread, pwrite, mmap, munmap, eventfd, eventfd_read, MAP_SHARED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from 'libc';
import { VFIO_DEVICE_BIND_IOMMUFD, VFIO_DEVICE_GET_INFO, VFIO_DEVICE_GET_REGION_INFO, VFIO_DEVICE_SET_IRQS,
  VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_MMAP, VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE,
  VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, VFIO_DEVICE_FLAGS_PCI } from 'uapi/vfio';
import type { vfio_device_info, vfio_region_info } from 'uapi/vfio';
import { cat, echo, ls, readlink } from 'lab/shell';
import { report } from 'lab/oracle';

const [card] = pci_devices();
const UUID = '83b8f4f2-509f-382f-3c1e-000000000001';
const calls: string[] = [];
const signals: (eventfd_ctx | null)[] = [null, null];
const ops: vfio_device_ops = {
  name: 'card_ops',
  init: () => { calls.push('init'); return 0; },
  release: () => { calls.push('release'); },
  open_device: () => { calls.push('open'); return 0; },
  close_device: () => { calls.push('close'); },
  read: (_vdev, count, at) => Uint8Array.of(VFIO_PCI_OFFSET_TO_INDEX(at), VFIO_PCI_OFFSET_IN_REGION(at)).subarray(0, count),
  write: (_vdev, bytes) => { calls.push('write ' + bytes.join(' ')); return bytes.length; },
  mmap: (_vdev, vma) =>
    remap_pfn_range(vma, vma.vm_start, pci_resource_start(card, 0) >> PAGE_SHIFT, vma.vm_end - vma.vm_start),
  ioctl: (_vdev, command, argument) => {
    if (typeof argument !== 'object') return -ENOTTY;
    switch (command) {
      case VFIO_DEVICE_GET_INFO:
        return vfio_pci_get_info(argument, VFIO_DEVICE_FLAGS_PCI);
      case VFIO_DEVICE_GET_REGION_INFO:
        return vfio_pci_get_region_info(argument, [{
          index: 2, size: 0x4000, flags: VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_MMAP,
          areas: [{ offset: 0x1000, size: 0x1000 }],
        }]);
      case VFIO_DEVICE_SET_IRQS:
        return vfio_pci_set_irqs(argument, [{
          index: VFIO_PCI_MSIX_IRQ_INDEX, count: 2,
          set_eventfds: (start, files) => { files.forEach((file, i) => { signals[start + i] = file; }); return 0; },
          disable: () => { signals.fill(null); return 0; },
        }]);
      default:
        return -ENOTTY;
    }
  },
};
let left = 1;
const driver: mdev_driver = {
  name: 'card', device_api: 'vfio-pci',
  probe: (mdev) => {
    if (left === 0) return -ENOSPC;
    left -= 1;
    const vdev = vfio_alloc_device(mdev, ops);
    return typeof vdev === 'number' ? vdev : vfio_register_emulated_iommu_dev(vdev);
  },
  remove: (mdev) => {
    const vdev = vfio_find_device(mdev);
    if (vdev === null) return;
    vfio_unregister_group_dev(vdev);
    vfio_put_device(vdev);
  },
  get_available: () => left,
  show_description: (type) => 'all of ' + type.pretty_name,
};
const TYPES = '/sys/class/mdev_bus/0000:03:00.0/mdev_supported_types';
`;

const OPENED = `
mdev_register_driver(driver);
mdev_register_parent(card, driver, [{ sysfs_name: 'whole', pretty_name: 'The card' }]);
echo(UUID, TYPES + '/pci-whole/create');
const iommufd = open('/dev/iommu');
const fd = open('/dev/vfio/devices/' + ls('/sys/bus/mdev/devices/' + UUID + '/vfio-dev')[0]);
`;
const BOUND = `${OPENED}
ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, { iommufd });
`;

describe('linux/mdev in a script', () => {
  it('shows its types in sysfs and creates devices through the driver', () => {
    const reports = reportsOf(
      `${DRIVER}
report('early', mdev_register_parent(card, driver, []));
report('driver', mdev_register_driver(driver));
report('parent', mdev_register_parent(card, driver, [{ sysfs_name: 'whole', pretty_name: 'The card' }]));
report('again', mdev_register_parent(card, driver, []));
const type = TYPES + '/pci-whole';
report('files', ls(type).join(' '));
report('texts', [cat(type + '/name'), cat(type + '/description'), cat(type + '/device_api'), cat(type + '/available_instances')].join(', '));
report('create', echo(UUID, type + '/create'));
report('twice', echo(UUID, type + '/create'));
report('full', echo(UUID.replace(/1$/, '2'), type + '/create'));
report('bad', echo('none', type + '/create'));
report('left', cat(type + '/available_instances'));
report('type', readlink('/sys/bus/mdev/devices/' + UUID + '/mdev_type') ?? '');
report('remove', echo(1, '/sys/bus/mdev/devices/' + UUID + '/remove'));
mdev_unregister_parent(card);
mdev_unregister_driver(driver);
report('gone', ls('/sys/class/mdev_bus').length + ls('/sys/bus/mdev/drivers').length + ls(TYPES).length);
report('calls', calls.join(' '));
`,
      CARD,
    );
    expect(reports).toEqual({
      early: -EINVAL,
      driver: 0,
      parent: 0,
      again: -EEXIST,
      files: 'available_instances create description device_api devices name',
      texts: 'The card, all of The card, vfio-pci, 1',
      create: 36,
      twice: -EEXIST,
      full: -ENOSPC,
      bad: -EINVAL,
      left: '0',
      type: '/sys/devices/pci0000:03/0000:03:00.0/mdev_supported_types/pci-whole',
      remove: 1,
      gone: 0,
      calls: 'init release',
    });
  });

  it('refuses a driver that does not say what programs will speak', () => {
    const reports = reportsOf(
      `${DRIVER}
report('driver', mdev_register_driver({ ...driver, device_api: undefined }));
`,
      CARD,
    );
    expect(reports).toEqual({ driver: -EINVAL });
  });

  it('registers the operations of 2019 as well', () => {
    const reports = reportsOf(
      `
import { mdev_register_device, mdev_set_iommu_device, mdev_get_iommu_device, mdev_unregister_device } from 'linux/mdev';
import { pci_devices } from 'linux/pci';
import { cat, echo } from 'lab/shell';
import { report } from 'lab/oracle';
const [card] = pci_devices();
const calls: string[] = [];
const groups = [{ name: 'old', attributes: { available_instances: () => 3, name: () => 'Old style' } }];
report('incomplete', mdev_register_device(card, { supported_type_groups: groups, create: () => 0 }));
report('register', mdev_register_device(card, {
  name: 'old_ops', supported_type_groups: groups,
  create: (mdev) => { mdev_set_iommu_device(mdev, card); calls.push('create ' + (mdev_get_iommu_device(mdev)?.name ?? '')); return 0; },
  remove: () => { calls.push('remove'); return 0; },
}));
const type = '/sys/class/mdev_bus/0000:03:00.0/mdev_supported_types/pci-old';
report('available', cat(type + '/available_instances'));
report('create', echo('83b8f4f2-509f-382f-3c1e-000000000001', type + '/create'));
mdev_unregister_device(card);
report('calls', calls.join(', '));
`,
      { ...CARD, profile: 'kvmforum2019' },
    );
    expect(reports).toEqual({
      incomplete: -EINVAL,
      register: 0,
      available: '3',
      create: 36,
      calls: 'create 0000:03:00.0, remove',
    });
  });
});

describe('linux/vfio in a script', () => {
  it('lets a program use a device only after it is bound', () => {
    const reports = reportsOf(
      `${DRIVER}${OPENED}
const bytes = new Uint8Array(2);
report('unbound', pread(fd, bytes, 0));
report('bind', ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, { iommufd }));
report('second', ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, { iommufd }));
report('read', pread(fd, bytes, VFIO_PCI_INDEX_TO_OFFSET(7) + 4));
report('bytes', bytes.join(' '));
report('write', pwrite(fd, Uint8Array.of(1, 2, 3), 0));
report('close', close(fd));
report('calls', calls.join(', '));
`,
      CARD,
    );
    expect(reports).toEqual({
      unbound: -EINVAL,
      bind: 0,
      second: -EINVAL,
      read: 2,
      bytes: '7 4',
      write: 3,
      close: 0,
      calls: 'init, open, write 1 2 3, close',
    });
  });

  it('answers the requests of a PCI device with the helpers', () => {
    const reports = reportsOf(
      `${DRIVER}${BOUND}
const info: vfio_device_info = {};
report('info', ioctl(fd, VFIO_DEVICE_GET_INFO, info));
report('regions', info.num_regions ?? -1);
report('small', ioctl(fd, VFIO_DEVICE_GET_INFO, { argsz: 8 }));
const region: vfio_region_info & { caps?: { areas?: { offset: number; size: number }[] }[] } = { index: 2, argsz: 128 };
report('region', ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, region));
report('size', region.size ?? -1);
report('place', region.offset === VFIO_PCI_INDEX_TO_OFFSET(2));
report('areas', JSON.stringify(region.caps?.[0]?.areas));
report('out of range', ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, { index: 99 }));
`,
      CARD,
    );
    expect(reports).toEqual({
      info: 0,
      regions: 9,
      small: -EINVAL,
      region: 0,
      size: 0x4000,
      place: true,
      areas: '[{"offset":4096,"size":4096}]',
      'out of range': -EINVAL,
    });
  });

  it('hands eventfds to the driver and signals them', () => {
    const reports = reportsOf(
      `${DRIVER}${BOUND}
const event = eventfd();
const install = { flags: VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, index: VFIO_PCI_MSIX_IRQ_INDEX, start: 1 };
report('install', ioctl(fd, VFIO_DEVICE_SET_IRQS, { ...install, count: 1, data: [event] }));
report('silent', eventfd_read(event) < 0);
const installed = signals[1];
if (installed !== null) { eventfd_signal(installed); eventfd_signal(installed); }
report('count', eventfd_read(event));
report('too many', ioctl(fd, VFIO_DEVICE_SET_IRQS, { ...install, count: 2, data: [event, event] }));
const disable = { flags: VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, index: VFIO_PCI_MSIX_IRQ_INDEX, start: 0, count: 0 };
report('disable', ioctl(fd, VFIO_DEVICE_SET_IRQS, disable));
report('left', signals[1] === null);
`,
      CARD,
    );
    expect(reports).toEqual({
      install: 0,
      silent: true,
      count: 2,
      'too many': -EINVAL,
      disable: 0,
      left: true,
    });
  });

  it('maps device pages into the program', () => {
    const run = runScript(
      `${DRIVER}${BOUND}
const at = mmap(4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, VFIO_PCI_INDEX_TO_OFFSET(2) + 0x1000);
report('mapped', at > 0);
report('unmap', munmap(at, 4096));
`,
      CARD,
    );
    expect(run.outcome).toEqual({ kind: 'finished' });
    expect(run.reports).toEqual({ mapped: true, unmap: 0 });
  });
});

describe('libc in a script', () => {
  it('returns the error numbers of the kernel', () => {
    const reports = reportsOf(
      `
import { open, close, mmap, pread, getpid, usleep, MAP_SHARED, PROT_READ } from 'libc';
import { now } from 'hw';
import { report } from 'lab/oracle';
report('open', open('/dev/nothing'));
report('close', close(77));
report('mmap', mmap(4096, PROT_READ, MAP_SHARED, 77, 0) < 0);
report('pread', pread(77, new Uint8Array(1), 0) < 0);
report('pid', getpid() > 0);
const before = now();
usleep(3);
report('slept', now() - before);
`,
    );
    expect(reports).toEqual({
      open: -ENOENT,
      close: -9,
      mmap: true,
      pread: true,
      pid: true,
      slept: 3000,
    });
  });

  it('names the structure that a request wants', () => {
    const run = runScript(`
import { open, ioctl } from 'libc';
import { VFIO_IOMMU_MAP_DMA } from 'uapi/vfio';
ioctl(open('/dev/vfio/vfio'), VFIO_IOMMU_MAP_DMA, { address: 1 });
`);
    expect(failureOf(run)).toContain('struct vfio_iommu_type1_dma_map');
    expect(failureOf(run)).toContain('vaddr');
  });
});

describe('uapi modules', () => {
  it('turn structures into bytes and back', () => {
    const reports = reportsOf(`
import { pack, unpack, sizeof } from 'uapi/iommufd';
import { report } from 'lab/oracle';
const bytes = pack('iommu_ioas_map', { size: 40, flags: 6, ioas_id: 3, user_va: 0x7f00_0000_1000n, length: 0x1000, iova: 0x10_0000 });
report('bytes', bytes.length === sizeof('iommu_ioas_map'));
const back = unpack('iommu_ioas_map', bytes);
report('back', [back.ioas_id, back.user_va, back.iova].join(' '));
`);
    expect(reports).toEqual({ bytes: true, back: '3 139637976731648 1048576' });
  });

  it('build descriptors byte for byte, and refuse members of other operations by name', () => {
    const reports = reportsOf(`
import { dsa_hw_desc, dsa_completion_record, dsa_status_text, DSA_OPCODE_MEMFILL, DSA_COMP_PAGE_FAULT_NOBOF } from 'uapi/idxd';
import { report } from 'lab/oracle';
const desc = dsa_hw_desc({ opcode: DSA_OPCODE_MEMFILL, flags: 0xc, completion_addr: 0x1020, dst_addr: 0x2000, xfer_size: 0x345, pattern: 0x1122_3344_5566_7788n });
const view = new DataView(desc.buffer);
report('head', view.getUint32(4, true));
report('record', view.getBigUint64(8, true));
report('pattern', view.getBigUint64(16, true));
report('target', view.getBigUint64(24, true));
report('size', view.getUint32(32, true));
const record = new Uint8Array(32);
record.set([0x83, 0, 0, 0, 5], 0);
const members = dsa_completion_record(record);
report('answer', [members.status, members.fault_is_write, members.bytes_completed].join(' '));
report('text', dsa_status_text(DSA_COMP_PAGE_FAULT_NOBOF));
`);
    expect(reports).toMatchObject({
      head: 0x0400_000c,
      record: 0x1020n,
      pattern: 0x1122_3344_5566_7788n,
      target: 0x2000n,
      size: 0x345,
      answer: '3 1 5',
    });
    expect(reports['text']).toContain('page fault');
    const run = runScript(`
import { dsa_hw_desc, DSA_OPCODE_MEMFILL } from 'uapi/idxd';
dsa_hw_desc({ opcode: DSA_OPCODE_MEMFILL, src_addr: 1 });
`);
    expect(failureOf(run)).toMatch(/members of .*pattern.*src_addr/s);
  });
});

describe('asm/enqcmd and lab/memory', () => {
  it('let a program hand a descriptor to a dedicated queue and read the answer', () => {
    const reports = programReports(`
movdir64b(portal('wq0.0'), move);
report('status', wait());
report('text', load_text(memory + 0x1000, 6));
report('record', dsa_completion_record(load(record, 32)).status);
`);
    expect(reports).toEqual({ status: 1, text: 'copied', record: 1 });
  });

  it('give the zero flag of ENQCMD: 1 once the threshold is reached', () => {
    const reports = programReports(`
const queue = portal('wq0.1');
report('flags', Array.from({ length: 8 }, () => enqcmd(queue, move)).join(' '));
report('status', wait());
report('later', enqcmd(queue, move));
`);
    expect(reports).toEqual({ flags: '0 0 0 0 0 0 1 1', status: 1, later: 0 });
  });

  it.each([
    ['movdir64b(portal("wq0.0") + 8, move);', 'aligned to 64'],
    ['movdir64b(memory + 0x10_0000, move);', 'Segmentation fault'],
    ['movdir64b(portal("wq0.0"), new Uint8Array(63));', '64 bytes'],
    ['load8(0x1234);', 'Segmentation fault: app read 0x1234'],
    ['store_text(0x1234, "x");', 'Segmentation fault: app wrote to 0x1234'],
  ])('end the program for %s', (line, message) => {
    const run = runScript({ 'app.ts': PROGRAM + line }, QUEUES, { 'app.ts': 'application' });
    expect(failureOf(run)).toContain(message);
  });

  it('keep ENQCMDS for the kernel', () => {
    const run = runScript(
      {
        'app.ts': `${PROGRAM}
import { enqcmds } from 'asm/enqcmd';
enqcmds(portal('wq0.1'), move);`,
      },
      QUEUES,
      { 'app.ts': 'application' },
    );
    expect(failureOf(run)).toContain('ring 0');
  });

  it('read and write memory in every width', () => {
    const reports = programReports(`
import { load32, load64, store, store8, store32, store64, memset } from 'lab/memory';
store64(memory, 0x1122_3344_5566_7788n);
report('low', load32(memory));
store8(memory, 0xff);
store32(memory + 4, 0xcafe);
report('all', load64(memory));
store(memory + 8, Uint8Array.of(1, 2));
memset(memory + 9, 7, 2);
report('bytes', load(memory + 8, 4).join(' '));
`);
    expect(reports).toEqual({ low: 0x5566_7788, all: 0xcafe_5566_77ffn, bytes: '1 7 7 0' });
  });
});

describe('linux/idxd in a driver', () => {
  const HOST = `${CONFIGURE}
import { idxd_from_pci, idxd_wq_enable, idxd_wq_disable, idxd_wq_set_pasid, idxd_wq_disable_pasid, idxd_wq_portal, idxd_wq_get,
  idxd_wq_put, idxd_submit_desc, idxd_device_drain_pasid, IDXD_PORTAL_UNLIMITED, IDXD_PORTAL_LIMITED } from 'linux/idxd';
import { iommu_paging_domain_alloc, iommu_map, iommu_alloc_global_pasid, iommu_attach_device_pasid, IOMMU_READ, IOMMU_WRITE } from 'linux/iommu';
import { pci_devices } from 'linux/pci';
import { dsa_hw_desc, DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR } from 'uapi/idxd';
import { movdir64b, enqcmds, umwait } from 'asm/enqcmd';
import { alloc_pages, read, write } from 'hw';
import { report } from 'lab/oracle';
const [dev] = pci_devices();
const idxd = idxd_from_pci(dev)!;
const wq = idxd.wqs[2];
const page = alloc_pages(1);
`;

  it('puts a queue to work in an address space of its own', () => {
    const reports = reportsOf(
      `${HOST}
const domain = iommu_paging_domain_alloc(dev);
if (typeof domain === 'number') throw new Error('no domain');
iommu_map(domain, 0x10_0000, page, 0x1000, IOMMU_READ | IOMMU_WRITE);
const pasid = iommu_alloc_global_pasid(dev);
report('attach', iommu_attach_device_pasid(domain, dev, pasid));
idxd_wq_set_pasid(wq, pasid);
report('enable', idxd_wq_enable(wq));
report('pasid', wq.pasid === pasid && wq.is_enabled);
write(page, Uint8Array.of(1, 2, 3, 4));
const desc = dsa_hw_desc({ opcode: DSA_OPCODE_MEMMOVE, flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR, completion_addr: 0x10_0100,
  src_addr: 0x10_0000, dst_addr: 0x10_0040, xfer_size: 4 });
movdir64b(idxd_wq_portal(wq, IDXD_PORTAL_UNLIMITED), desc);
while (umwait(10_000)) {}
report('status', read(page + 0x100, 1)[0]);
report('copy', read(page + 0x40, 4).join(' '));
report('drain', idxd_device_drain_pasid(idxd, pasid));
report('disable', idxd_wq_disable(wq));
idxd_wq_disable_pasid(wq);
report('without', wq.pasid === null);
`,
      QUEUES,
    );
    expect(reports).toEqual({
      attach: 0,
      enable: 0,
      pasid: true,
      status: 1,
      copy: '1 2 3 4',
      drain: 0,
      disable: 0,
      without: true,
    });
  });

  it('counts clients and shows what a queue is', () => {
    const reports = reportsOf(
      `${HOST}
idxd_wq_get(wq);
idxd_wq_get(wq);
idxd_wq_put(wq);
report('clients', wq.clients);
report('queue', [wq.name, wq.mode, wq.type, wq.size].join(' '));
report('pages', idxd_wq_portal(wq, IDXD_PORTAL_LIMITED) - idxd_wq_portal(wq, IDXD_PORTAL_UNLIMITED));
report('device', [idxd.name, idxd.state, idxd.wqs.length].join(' '));
`,
      QUEUES,
    );
    expect(reports).toEqual({
      clients: 1,
      queue: 'wq0.2 dedicated kernel 8',
      pages: 0x1000,
      device: 'dsa0 enabled 8',
    });
  });

  it('answers Retry to ENQCMDS where no shared queue listens, and faults for reserved bits', () => {
    const reports = reportsOf(
      `${HOST}
const empty = new Uint8Array(64);
report('dedicated', enqcmds(idxd_wq_portal(wq, IDXD_PORTAL_UNLIMITED), empty));
`,
      QUEUES,
    );
    expect(reports).toEqual({ dedicated: 1 });
    const run = runScript(
      `${HOST}
const wrong = new Uint8Array(64);
wrong[3] = 0x40;
enqcmds(idxd_wq_portal(idxd.wqs[1], IDXD_PORTAL_UNLIMITED), wrong);
`,
      QUEUES,
    );
    expect(failureOf(run)).toContain('bits 30:20');
  });
});

describe('lab/process and lab/shell', () => {
  it('run calls as another program, with files and memory of its own', () => {
    const reports = reportsOf(`
import { spawn, run_as, current, exit, kill, fork } from 'lab/process';
import { open, mmap, getpid, MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from 'libc';
import { load8, store8 } from 'lab/memory';
import { report } from 'lab/oracle';
const other = spawn('other', { capabilities: ['CAP_IPC_LOCK'] });
report('own', run_as(other, () => getpid()) === other.pid && getpid() !== other.pid);
const at = run_as(other, () => {
  const memory = mmap(4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  store8(memory, 42);
  return memory;
});
const child = fork(other, 'child');
if (typeof child === 'number') throw new Error('fork failed');
run_as(other, () => store8(at, 43));
report('copy', run_as(child, () => load8(at)));
exit(child);
kill(other, 'SIGKILL');
report('ends', [child.is_alive, other.is_alive, other.signal, current().is_alive].join(' '));
`);
    expect(reports).toEqual({ own: true, copy: 42, ends: 'false false SIGKILL true' });
  });

  it('list what is there, and nothing where nothing is', () => {
    const reports = reportsOf(
      `
import { cat, echo, ls, readlink, modprobe, rmmod } from 'lab/shell';
import { report } from 'lab/oracle';
report('dev', ls('/dev/vfio').join(' '));
report('missing', ls('/sys/nothing').length);
report('file', ls('/sys/bus/dsa/devices/wq0.0/size').length);
report('cat', cat('/sys/nothing'));
report('echo', echo(1, '/sys/nothing'));
report('link', readlink('/sys/bus/dsa/devices/wq0.0') ?? '');
report('none', readlink('/sys/nothing') === null);
report('unload', rmmod('idxd'));
report('gone', ls('/sys/bus/dsa/devices').length);
report('load', modprobe('idxd'));
report('unknown', modprobe('nothing'));
`,
      QUEUES,
    );
    expect(reports).toMatchObject({
      dev: 'vfio',
      missing: 0,
      file: 0,
      cat: -ENOENT,
      echo: -ENOENT,
      link: '/sys/devices/pci0000:6a/0000:6a:01.0/dsa0/wq0.0',
      none: true,
      unload: 0,
      gone: 0,
      load: 0,
      unknown: -ENOENT,
    });
  });
});
