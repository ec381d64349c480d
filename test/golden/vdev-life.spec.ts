/**
 * The life of a VDEV from the driver's probe to its removal, step by step: what each step changes is asserted, and all that
 * happens on the way is compared with the recorded run. The guest runs the same driver as the host.
 */
import { describe, expect, it } from 'vitest';
import { defined } from '../../src-main/bits/invariant.ts';
import { ENOENT } from '../../src-main/linux/errno.ts';
import type { Kernel } from '../../src-main/linux/kernel.ts';
import { parseBdf } from '../../src-main/linux/pci/pci-scan.ts';
import { COMMAND } from '../../src-main/spec/dsa/commands.ts';
import { STATUS } from '../../src-main/spec/dsa/status-codes.ts';
import { EXIT_REASON } from '../../src-main/spec/cpu/vm-exit.ts';
import { PGTT } from '../../src-main/spec/vtd/pasid-table-entry.ts';
import { Kvm } from '../../src-main/vmm/kvm/kvm.ts';
import { goldenLines } from '../support/golden-lines.ts';
import {
  configureWq,
  createVdev,
  dsaDevice,
  DSA_BDF,
  typePath,
  uuidOf,
  wqAt,
  type IdxdLab,
} from '../support/linux-idxd.ts';
import { bootLab, type Lab, type TraceRow } from '../support/linux-machine.ts';
import {
  bootGuest,
  enableGuestDevice,
  enableGuestQueue,
  listenToCompletions,
  prepareCopy,
} from '../support/vm-idxd.ts';
import { Vm } from '../../src-main/vmm/vm.ts';

const PROFILES = ['kvmforum2019', 'iommufd'] as const;
const MIB = 2 ** 20;
/** ADDRESS_TYPE of a request that carries what a translation request gave. */
const TRANSLATED = 2;
const RID = parseBdf(DSA_BDF);
/** The guest's memory without the hole between 640 KiB and 1 MiB. */
const GUEST_PAGES = (40 * MIB) / 4096 - 0x60;

class Story {
  readonly lines: string[] = [];
  readonly #lab: Lab;
  #from = 0;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** Closes a step of the reference: its records, and how often the guest left for the VMM. */
  step(steps: string, title: string): readonly TraceRow[] {
    const rows = this.#lab.rowsFrom(this.#from);
    this.#from = this.#lab.machine.trace.head;
    const exits = rows.filter((row) => row.kind === 'cpu.vm.exited').length;
    this.lines.push(JSON.stringify({ steps, title, exits }), ...goldenLines(rows));
    return rows;
  }
}

function pasidEntry(kernel: Kernel, lab: Pick<IdxdLab, 'dev'>, pasid: number) {
  return defined(kernel.iommu.driver?.info(lab.dev)?.pasidTable, 'PASID table').read(pasid);
}

describe.each(PROFILES)('the life of a VDEV, %s', (profile) => {
  it('goes through every step, and back to where it began', async () => {
    // 1, 2: firmware, PCI core and IOMMU driver.
    const machine = bootLab({
      profile,
      memory: { bytes: 512 * MIB },
      cpus: 4,
      devices: [dsaDevice({})],
    });
    const { kernel } = machine;
    const story = new Story(machine);
    const dev = defined(kernel.pci.deviceAt(RID), 'The accelerator');
    const group = kernel.iommu.iommu_group_get(dev);
    expect([dev.pasid.isEnabled, dev.ats.isEnabled, dev.pri.isEnabled]).toEqual([true, true, true]);
    expect(kernel.pci.pci_find_dvsec_capability(dev, 0x8086, 5)).toBeGreaterThan(0);
    expect(kernel.iommu.driver?.unit.mode).toBe('scalable');
    expect(pasidEntry(kernel, { dev }, 0)).toMatchObject({ P: 1 });
    expect(group?.domain).toBe(group?.default_domain);
    story.step('1-2', 'enumeration, scalable mode, default domain');
    const pages = kernel.pages.bytesInUse;
    const domain = pasidEntry(kernel, { dev }, 0).DID;

    // 3, 5, 6: the host driver takes the function over, makes interrupt storage, and becomes a parent.
    expect(kernel.modprobe('idxd')).toBe(0);
    const idxd = defined(kernel.idxd.deviceOf(dev), 'Driver');
    const lab: IdxdLab = {
      ...machine,
      dev,
      idxd,
      wqs: idxd.wqs,
      sysfsWrite: (path, text) => kernel.sysfs.write(path, text),
      sysfsRead: (path) => kernel.sysfs.read(path),
    };
    expect(idxd.state).toBe('disabled');
    expect(pasidEntry(kernel, lab, idxd.systemPasid)).toMatchObject({ P: 1, DID: domain });
    expect(idxd.ims?.entries).toBe(idxd.capabilities.imsEntries);
    const available = (): string | number =>
      lab.sysfsRead(`${typePath(lab, 'dsa-1dwq-v1')}/available_instances`);
    expect(available()).toBe('0');
    story.step('3, 5, 6', 'probe of the host driver');

    // 4: the administrator sizes and enables a queue.
    expect(lab.sysfsWrite('bus/dsa/devices/engine0.0/group_id', '0')).toBeGreaterThan(0);
    configureWq(lab, wqAt(lab, 0), { mode: 'dedicated', type: 'mdev' });
    expect(lab.sysfsWrite('bus/dsa/drivers/idxd/bind', 'dsa0')).toBeGreaterThan(0);
    expect(lab.sysfsWrite('bus/dsa/drivers/dsa/bind', 'wq0.0')).toBeGreaterThan(0);
    expect(wqAt(lab, 0).read()).toMatchObject({ state: 1, mode: 1, size: 16 });
    expect(available()).toBe('1');
    story.step('4', 'configuration of a dedicated queue for VMs');

    // 7, 8, 9: a UUID is written, the VDCM takes the queue, VFIO makes a group.
    const host = createVdev(lab, 'dsa-1dwq-v1');
    expect(available()).toBe('0');
    expect([host.wq.id, host.wq.state, wqAt(lab, 0).read().state]).toEqual([0, 'locked', 0]);
    expect(kernel.sysfs.resolve(`bus/mdev/devices/${host.uuid}/iommu_group`)).toMatch(
      /kernel\/iommu_groups\/\d+$/,
    );
    expect(host.pasids.default).toBeLessThan(0);
    story.step('7-9', 'creation of the mediated device');

    // 10 to 16: the VMM opens it, maps the guest's memory and the portals, and tells KVM.
    const kvm = new Kvm(kernel);
    const vm = new Vm(kvm, { name: 'vm1', memoryBytes: 40 * MIB, vcpus: 1 });
    const plugged = vm.plug(host.uuid);
    if (typeof plugged === 'number') {
      throw new Error(`plug: ${plugged}`);
    }
    const pasid = host.pasids.default;
    expect(pasid).toBeGreaterThan(0);
    const entry = pasidEntry(kernel, lab, pasid);
    expect(entry).toMatchObject({ P: 1, PGTT: PGTT.secondStage });
    expect(entry.DID).not.toBe(domain);
    expect(kernel.userPages.pinnedPages).toBe(GUEST_PAGES);
    expect(host.isOpen).toBe(true);
    expect(host.vfioDevice?.kvm).toBe(vm.qemu.vm);
    expect(vm.qemu.vm.slots.list().map(({ name }) => name)).toEqual(['low memory', 'memory']);
    story.step('10-16', 'the VMM opens the device');

    // 17 to 20: firmware and guest kernel find the device, and its driver takes the interrupts.
    const guest = bootGuest({ vm, host, plugged });
    expect(guest.dev).toMatchObject({ vendor: 0x8086, device: 0x0b25 });
    expect(host.config.isBusMaster).toBe(true);
    expect(plugged.mappedAreas.map(({ bar, offset }) => [bar, offset])).toEqual([
      [2, 0],
      [2, 4096],
    ]);
    const completions = listenToCompletions(guest);
    expect(host.interrupts.installed).toEqual([0, 1]);
    expect(idxd.ims?.used).toBe(1);
    const [imsKey = ''] = kernel.core.publishedKeys('ims/');
    expect(kernel.core.published(imsKey)).toMatchObject({ pasid, isMasked: false });
    const posted = kernel.core
      .publishedKeys('irq/')
      .map((key) => kernel.core.published(key) as Record<string, unknown>)
      .find((irq) => String(irq['chip']).startsWith('IMS'));
    expect(posted?.['posted']).not.toBeNull();
    expect(vm.qemu.vm.exitsOf(EXIT_REASON.ioInstruction)).toBeGreaterThan(20);
    expect(vm.exits).toBeGreaterThan(100);
    story.step('17-20', 'the guest boots and takes the interrupts');

    // 21, 22: Enable Device; the handle is the entry behind the vector.
    enableGuestDevice(guest);
    expect([host.state, completions.handle]).toEqual(['enabled', 0]);
    story.step('21-22', 'the guest enables the device');

    // 23: Enable WQ puts the default PASID into the physical queue.
    enableGuestQueue(guest);
    expect(wqAt(lab, 0).read()).toMatchObject({ state: 1, pasid, pasidEnable: 1, priv: 1 });
    expect(guest.wq.read()).toMatchObject({ state: 1, pasidEnable: 0 });
    story.step('23', 'the guest enables the queue');

    // 24 to 30: submission, translation, completion and interrupt, without an exit.
    const copy = prepareCopy(guest, 'from page to page', { handle: completions.handle });
    const exits = vm.exitsDuring(() => {
      expect(guest.guest.idxd.idxd_submit_desc(guest.wq, copy.words)).toBe(0);
      guest.guest.core.advance(100_000);
    });
    expect(exits).toEqual({});
    expect([copy.status(), copy.result(), completions.count()]).toEqual([
      STATUS.success,
      'from page to page',
      1,
    ]);
    const fast = story.step('24-30', 'the fast path');
    // A translated address needs no PASID any more; it was got by one.
    const requests = fast.filter(
      ({ kind, values }) => kind === 'iommu.request.translated' && values['type'] !== TRANSLATED,
    );
    expect(
      new Set(requests.map(({ values }) => `${String(values['rid'])} ${String(values['pasid'])}`)),
    ).toEqual(new Set([`${RID} ${pasid}`]));
    expect(fast.filter((row) => row.source === 'linux')).toEqual([]);

    // 31: without a virtual IOMMU the guest's mappings are nobody's business but its own.
    const buffer = defined(
      guest.guest.dma.dma_alloc_coherent(guest.dev, 4096) ?? undefined,
      'Buffer',
    );
    guest.guest.dma.dma_free_coherent(guest.dev, buffer);
    const unmapping = story.step('31', 'the guest maps and unmaps a buffer');
    expect(unmapping.filter(({ source }) => !source.startsWith('vm1'))).toEqual([]);

    // 32: a reset from inside. The queue stops, the device stays the guest's.
    expect(guest.idxd.command(COMMAND.resetDevice).error).toBe(0);
    expect([host.state, wqAt(lab, 0).read().state, wqAt(lab, 0).read().pasid]).toEqual([
      'disabled',
      0,
      0,
    ]);
    expect(idxd.ims?.used).toBe(1);
    story.step('32', 'reset by the guest');

    // 33, 34: the process dies; its closed files are the only hook, and they undo everything.
    vm.kill();
    expect([host.isOpen, host.pasids.default < 0, idxd.ims?.used]).toEqual([false, true, 0]);
    expect(pasidEntry(kernel, lab, pasid).P).toBe(0);
    expect(kernel.userPages.pinnedPages).toBe(0);
    expect(kernel.mdev.find(host.uuid)?.state).toBe('active');
    story.step('33-34', 'the VMM is killed');

    // 35: removal gives the queue back.
    expect(lab.sysfsWrite(`bus/mdev/devices/${host.uuid}/remove`, '1')).toBe(1);
    expect([available(), host.wq.clients, host.wq.state]).toEqual(['1', 0, 'enabled']);
    expect(lab.sysfsRead(`bus/mdev/devices/${uuidOf(1)}/mdev_type`)).toBe(-ENOENT);
    story.step('35', 'removal of the mediated device');

    // 36: the driver goes, and with it whatever it made.
    expect(kernel.rmmod('idxd')).toBe(0);
    expect(kernel.core.publishedKeys('mdev/')).toEqual([]);
    expect(kernel.core.publishedKeys('pasid/')).toEqual([]);
    expect(kernel.iommu.groups).toEqual([group]);
    expect(kernel.pages.bytesInUse).toBe(pages);
    story.step('36', 'removal of the host driver');

    await expect(`${story.lines.join('\n')}\n`).toMatchFileSnapshot(
      `./vdev-life-${profile}.golden.jsonl`,
    );
  });
});
