import { describe, expect, it } from 'vitest';
import { ENOSPC, EFAULT } from '../../../../src-main/linux/errno.ts';
import { EventfdFile } from '../../../../src-main/linux/core/eventfd.ts';
import type { BypassConsumer } from '../../../../src-main/linux/irq/irq-bypass.ts';
import { COMMAND } from '../../../../src-main/spec/dsa/commands.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import { VFIO_FLAGS as F } from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import { remappableMessage } from '../../../../src-main/spec/vtd/interrupt-message.ts';
import {
  BAR,
  bootIdxd,
  createVdev,
  DSA_BDF,
  dsaDevice,
  GUEST_RAM,
  mapPortal,
  moveWords,
  openVdev,
  startVdev,
  statusAt,
  vdevCommand,
  type IdxdLab,
  type IdxdOptions,
  type OpenVdev,
} from '../../../support/linux-idxd.ts';

const EVENTFD = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;
const NONE = F.VFIO_IRQ_SET_DATA_NONE | F.VFIO_IRQ_SET_ACTION_TRIGGER;
const MSIX = F.VFIO_PCI_MSIX_IRQ_INDEX;
const VECTOR_1_CONTROL = 0x61c;
const VECTOR_0_CONTROL = 0x60c;
const PENDING = 0x700;

interface WithInterrupts extends OpenVdev {
  readonly lab: IdxdLab;
  readonly portal: number;
  /** Vector 0 and vector 1. */
  readonly eventfds: readonly [EventfdFile, EventfdFile];
  readonly handle: number;
}

function eventfd(lab: IdxdLab, open: OpenVdev): { fd: number; file: EventfdFile } {
  const fd = lab.kernel.calls.eventfd(open.user.process);
  const file = open.user.process.files.get(fd);
  if (!(file instanceof EventfdFile)) {
    throw new Error('No eventfd');
  }
  return { fd, file };
}

function running(options: IdxdOptions = {}): WithInterrupts {
  const lab = bootIdxd({ wqs: [{ mode: 'dedicated', type: 'mdev' }], ...options });
  const open = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1'));
  const zero = eventfd(lab, open);
  const one = eventfd(lab, open);
  expect(open.user.setIrqs(open.fd, MSIX, EVENTFD, {}, [zero.fd, one.fd])).toBe(0);
  startVdev(open);
  const { result } = vdevCommand(open, COMMAND.requestInterruptHandle, 1);
  return {
    ...open,
    lab,
    portal: mapPortal(open, 0),
    eventfds: [zero.file, one.file],
    handle: result,
  };
}

/** A small copy that asks for an interrupt. */
function submit(vdev: WithInterrupts, at = 0x2000, handle = vdev.handle): void {
  const words = moveWords({
    from: GUEST_RAM,
    to: GUEST_RAM + 0x1000,
    bytes: 16,
    record: GUEST_RAM + at,
    handle,
  });
  vdev.lab.kernel.instructions.movdir64b(vdev.user.process, vdev.portal, words);
  vdev.lab.kernel.core.advance(100_000);
}

function irteWords(lab: IdxdLab): readonly unknown[] {
  return lab.rows('linux.irte.written').map((r) => r.values['new']);
}

describe('row 44: a completion interrupt', () => {
  it('goes from the IMS entry over a remapping entry of the device to the eventfd', () => {
    for (const profile of ['iommufd', 'kvmforum2019'] as const) {
      const vdev = running({ profile });
      const seen: number[] = [];
      vdev.eventfds[1].listen((count) => seen.push(count));
      submit(vdev);
      expect(statusAt(vdev, 0x2000)).toBe(STATUS.success);
      expect(seen).toEqual([1]);
      const { lab } = vdev;
      const sent = lab.rows('dsa.interrupt.sent').at(-1)?.values;
      expect(sent).toMatchObject({ table: 1, index: vdev.handle });
      const remapped = lab.rows('iommu.interrupt.remapped').at(-1)?.values;
      const irq = lab.kernel.core
        .publishedKeys('irq/')
        .map((key) => lab.kernel.core.published(key) as Record<string, unknown>)
        .find((i) => String(i['chip']).startsWith('IMS'));
      expect(remapped).toMatchObject({
        rid: lab.dev.rid,
        index: irq?.['irte'],
        vector: irq?.['vector'],
      });
      expect(irq?.['count']).toBe(1);
    }
  });

  it('needs an attached address space and a free entry', () => {
    const lab = bootIdxd({ wqs: [{ mode: 'dedicated', type: 'mdev' }], dsa: { imsEntries: 256 } });
    const open = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1'));
    const fds = [eventfd(lab, open).fd, eventfd(lab, open).fd];
    const taken = Array.from({ length: 256 }, () => lab.idxd.ims?.ims_alloc_irq() ?? -1);
    expect(taken.every((irq) => irq > 0)).toBe(true);
    expect(open.user.setIrqs(open.fd, MSIX, EVENTFD, {}, fds)).toBe(-ENOSPC);
    lab.idxd.ims?.ims_free_irq(taken[0] ?? -1);
    expect(open.user.setIrqs(open.fd, MSIX, EVENTFD, {}, fds)).toBe(0);
    expect(open.user.setIrqs(open.fd, MSIX, EVENTFD, {}, fds.slice(0, 1))).toBe(0);
    const other = bootIdxd({ wqs: [{ mode: 'dedicated', type: 'mdev' }] });
    const detached = openVdev(other, createVdev(other, 'dsa-1dwq-v1'));
    detached.user.detach(detached.fd);
    const pair = [eventfd(other, detached).fd, eventfd(other, detached).fd];
    expect(detached.user.setIrqs(detached.fd, MSIX, EVENTFD, {}, pair)).toBe(-EFAULT);
    expect(other.kernel.core.publishedKeys('ims/')).toEqual([]);
  });

  it('is refused with status 19h for the entry of somebody else, and nothing is sent', () => {
    const lab = bootIdxd({
      wqs: [
        { mode: 'dedicated', type: 'mdev' },
        { mode: 'dedicated', type: 'mdev' },
      ],
    });
    const [victim, attacker] = [1, 2].map((n) => {
      const open = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1', n), `vm${n}`);
      const files = [eventfd(lab, open), eventfd(lab, open)] as const;
      open.user.setIrqs(open.fd, MSIX, EVENTFD, {}, [files[0].fd, files[1].fd]);
      startVdev(open);
      const { result } = vdevCommand(open, COMMAND.requestInterruptHandle, 1);
      return {
        ...open,
        lab,
        portal: mapPortal(open, 0),
        eventfds: [files[0].file, files[1].file] as const,
        handle: result,
      };
    });
    if (victim === undefined || attacker === undefined) {
      throw new Error('Two VMs expected');
    }
    submit(attacker, 0x2000, victim.handle);
    expect(statusAt(attacker, 0x2000)).toBe(STATUS.interruptHandle);
    expect(victim.eventfds[1].total).toBe(0);
    expect(lab.rows('dsa.interrupt.sent').filter((r) => r.values['table'] === 1)).toEqual([]);
    submit(attacker, 0x3000);
    expect(statusAt(attacker, 0x3000)).toBe(STATUS.success);
    expect(attacker.eventfds[1].total).toBe(1);
  });

  it('loses its entry with the interrupt: PASID enable is cleared', () => {
    const vdev = running();
    expect(vdev.user.setIrqs(vdev.fd, MSIX, NONE, { count: 0 })).toBe(0);
    expect(vdev.lab.kernel.core.publishedKeys('ims/')).toEqual([]);
    const last = vdev.lab.rows('linux.ims-entry.written').filter((r) => r.values['word'] === 3);
    expect(Number(last.at(-1)?.values['new']) & 8).toBe(0);
    submit(vdev);
    expect(statusAt(vdev, 0x2000)).toBe(STATUS.interruptHandle);
  });
});

describe('row 45: posting', () => {
  it('begins when irqfd and device interrupt share an eventfd, and ends with either', () => {
    const vdev = running();
    const { lab } = vdev;
    const { kernel } = lab;
    const descriptor = kernel.pages.alloc(1, { owner: 'posted-interrupt descriptor' });
    const consumer: BypassConsumer = {
      name: 'irqfd',
      token: vdev.eventfds[1],
      addProducer: (producer) =>
        kernel.irqs.irq_set_vcpu_affinity(producer.irq, {
          descriptor,
          vector: 0x41,
          isUrgent: false,
        }),
      deleteProducer: (producer) => {
        kernel.irqs.irq_set_vcpu_affinity(producer.irq, null);
      },
    };
    const before = irteWords(lab).length;
    kernel.bypass.irq_bypass_register_consumer(consumer);
    const posted = irteWords(lab).slice(before);
    expect(posted.length).toBeGreaterThan(0);
    submit(vdev);
    expect(statusAt(vdev, 0x2000)).toBe(STATUS.success);
    // Bit 0x41 of the posted-interrupt requests, and no host handler.
    expect(lab.hw.memoryRead(descriptor + 8, 1)[0]).toBe(2);
    expect(vdev.eventfds[1].total).toBe(0);
    kernel.bypass.irq_bypass_unregister_consumer(consumer);
    submit(vdev, 0x3000);
    expect(vdev.eventfds[1].total).toBe(1);
    kernel.bypass.irq_bypass_register_consumer(consumer);
    vdev.user.setIrqs(vdev.fd, MSIX, EVENTFD, { start: 1 }, [-1]);
    expect(kernel.core.publishedKeys('ims/')).toEqual([]);
  });
});

describe('row 46: interrupt faults', () => {
  /** MSI-X entry 0 of the second accelerator, and a command that sends it. */
  function sendFrom(lab: IdxdLab, address: number, data = 0): readonly unknown[] {
    const second = lab.kernel.idxd.devices[1];
    if (second === undefined) {
      throw new Error('No second accelerator');
    }
    const { base } = second.registers;
    const table = base + 0x2000;
    lab.hw.mmioWrite(table, 4, BigInt(address));
    lab.hw.mmioWrite(table + 8, 4, BigInt(data));
    lab.hw.mmioWrite(base + 0xa0, 4, BigInt((COMMAND.drainAll << 20) | 0x8000_0000) & 0xffff_ffffn);
    lab.kernel.core.advance(100_000);
    return lab.rows('linux.fault.logged').map((r) => [r.values['reason'], r.values['rid']]);
  }

  function twoDevices(): IdxdLab {
    return bootIdxd({ devices: [dsaDevice({}, DSA_BDF), dsaDevice({}, '6b:01.0')] });
  }

  it('are recorded for the entry of another function', () => {
    const lab = twoDevices();
    const irq = lab.kernel.irqs.desc(lab.dev.msix_irqs[0] ?? -1);
    const other = lab.kernel.idxd.devices[1]?.dev.rid;
    const count = irq?.count;
    expect(sendFrom(lab, remappableMessage(irq?.handle ?? 0).address)).toEqual([[0x26, other]]);
    expect(irq?.count).toBe(count);
  });

  it('are recorded for an index beyond the table, an entry not present and the compatibility format', () => {
    const rid = 0x6b08;
    expect(sendFrom(twoDevices(), remappableMessage(0xffff).address)).toEqual([[0x21, rid]]);
    expect(sendFrom(twoDevices(), remappableMessage(0xfff).address)).toEqual([[0x22, rid]]);
    expect(sendFrom(twoDevices(), 0xfee0_0000, 0x31)).toEqual([[0x25, rid]]);
  });
});

describe('row 47: masking', () => {
  it('of vector 0 sets its pending bit; unmasking delivers', () => {
    const vdev = running();
    const { user, fd } = vdev;
    user.writeValue(fd, BAR.registers, VECTOR_0_CONTROL, 4, 1);
    user.writeValue(fd, BAR.registers, 0xa0, 4, ((COMMAND.drainAll << 20) | 0x8000_0000) >>> 0);
    expect(vdev.eventfds[0].total).toBe(0);
    expect(user.readValue(fd, BAR.registers, PENDING, 4)).toBe(1);
    user.writeValue(fd, BAR.registers, VECTOR_0_CONTROL, 4, 0);
    expect(vdev.eventfds[0].total).toBe(1);
    expect(user.readValue(fd, BAR.registers, PENDING, 4)).toBe(0);
  });

  it('of a vector with an IMS entry is done by the entry', () => {
    const vdev = running();
    const { user, fd, lab } = vdev;
    user.writeValue(fd, BAR.registers, VECTOR_1_CONTROL, 4, 1);
    submit(vdev);
    expect(statusAt(vdev, 0x2000)).toBe(STATUS.success);
    expect(vdev.eventfds[1].total).toBe(0);
    expect(user.readValue(fd, BAR.registers, PENDING, 4)).toBe(2);
    user.writeValue(fd, BAR.registers, VECTOR_1_CONTROL, 4, 0);
    lab.kernel.core.advance(10_000);
    expect(vdev.eventfds[1].total).toBe(1);
    expect(user.readValue(fd, BAR.registers, PENDING, 4)).toBe(0);
  });
});
