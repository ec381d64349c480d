/** Row 71, attacks 8.5a to 8.5d where they succeed: a vector has an owner, and somebody made it come. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import type { IdxdVdev } from '../../../../src-main/linux/idxd/vdcm/vdev.ts';
import {
  ADDRESS_TYPE,
  onBehalfOf,
  Replica,
  type MachineConfig,
} from '../../../../src-main/sim/index.ts';
import { COMMAND } from '../../../../src-main/spec/dsa/commands.ts';
import { PORTAL_PAGE } from '../../../../src-main/spec/dsa/portals.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import { INSTRUCTION_EXECUTED } from '../../../../src-main/spec/events/linux.ts';
import { remappableMessage } from '../../../../src-main/spec/vtd/interrupt-message.ts';
import { VFIO_FLAGS as F } from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import { interruptBreachesOf } from '../../../support/isolation-breaches.ts';
import {
  bootIdxd,
  closeVdev,
  createVdev,
  DSA_BDF,
  dsaDevice,
  GUEST_RAM,
  moveWords,
  openVdev,
  statusAt,
  type IdxdLab,
  type IdxdOptions,
  type OpenVdev,
} from '../../../support/linux-idxd.ts';
import {
  bootGuest,
  bootIdxdVms,
  enableGuestDevice,
  enableGuestQueue,
  listenToCompletions,
  plugVdev,
  prepareCopy,
  type IdxdGuest,
} from '../../../support/vm-idxd.ts';

const PAGE = 4096;
const PROFILES = ['kvmforum2019', 'iommufd'] as const;
const MSI_WINDOW = 0xfee0_0000;
const MSIX_TABLE = 0x2000;
const COMMAND_REGISTER = 0xa0;
const REQUEST_INTERRUPT = 0x8000_0000;
const SHARED = { mode: 'shared', type: 'mdev' } as const;
const DEDICATED = { mode: 'dedicated', type: 'mdev' } as const;
const AT = { cpu: 0, posted: 1 } as const;
const BY = { table: 0, dma: 1 } as const;

type Profile = (typeof PROFILES)[number];
type Defences = NonNullable<MachineConfig['defences']>;

interface Tenant {
  readonly vdev: IdxdVdev;
  readonly open: OpenVdev;
}

function tenant(lab: IdxdLab, n: number, name: string): Tenant {
  const vdev = createVdev(lab, 'dsa-1swq-v1', n);
  return { vdev, open: openVdev(lab, vdev, name) };
}

/** Vectors 0 and 1 of a VDEV go to eventfds of its user. Gives the interrupt behind vector 1. */
function takeVectors({ open: { user, fd } }: Tenant): void {
  const flags = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;
  const fds = [0, 1].map(() => user.kernel.calls.eventfd(user.process));
  expect(user.setIrqs(fd, F.VFIO_PCI_MSIX_IRQ_INDEX, flags, {}, fds)).toBe(0);
}

function lastIrq(lab: IdxdLab): number {
  return defined(lab.kernel.irqs.list().at(-1), 'Interrupt').irq;
}

/** A copy inside the tenant's memory whose completion raises the entry behind a handle. */
function copy(lab: IdxdLab, { vdev, open }: Tenant, handle: number): number {
  const words = moveWords({
    from: GUEST_RAM,
    to: GUEST_RAM + PAGE,
    bytes: 8,
    record: GUEST_RAM + 0x2000,
    handle,
    pasid: vdev.pasids.default,
  });
  words[0] = (0x8000_0000 | vdev.pasids.default) >>> 0;
  onBehalfOf(lab.hw.isolation, open.user.process.mm.name, () =>
    lab.hw.enqcmds(0, lab.idxd.portalAddress(vdev.wq.id, PORTAL_PAGE.limitedIms), words),
  );
  lab.kernel.core.advance(1_000_000);
  return statusAt(open, 0x2000);
}

function bootTenants(profile: Profile, options: IdxdOptions = {}): IdxdLab {
  return bootIdxd({ profile, wqs: [SHARED, SHARED, SHARED], ...options });
}

describe.each(PROFILES)('row 71: 8.5a, the handle of another tenant (%s)', (profile) => {
  function attack(isOpenToAttacker: boolean) {
    const lab = bootTenants(profile);
    const [attacker, victim] = [tenant(lab, 1, 'attacker'), tenant(lab, 2, 'victim')];
    takeVectors(victim);
    const ims = defined(lab.idxd.ims ?? undefined, 'IMS');
    const irq = lastIrq(lab);
    if (isOpenToAttacker) {
      // A VDCM that writes the PASID of whoever asks into the entry.
      ims.irq_set_auxdata(irq, attacker.vdev.pasids.default);
    }
    const status = copy(lab, attacker, ims.indexOf(irq));
    const vector = lab.kernel.irqs.desc(irq)?.vector;
    return {
      status,
      vector,
      rid: lab.dev.rid,
      breaches: interruptBreachesOf(lab),
      lab,
      victim,
      irq,
    };
  }

  it('raises nothing while the entry is bound to its owner', () => {
    const { status, breaches, lab, victim, irq } = attack(false);
    expect(status).toBe(STATUS.interruptHandle);
    expect(breaches).toEqual([]);
    const handle = defined(lab.idxd.ims ?? undefined, 'IMS').indexOf(irq);
    expect(copy(lab, victim, handle)).toBe(STATUS.success);
    expect(lab.kernel.irqs.desc(irq)?.count).toBe(1);
    expect(interruptBreachesOf(lab)).toEqual([]);
  });

  it('raises the victim’s vector when the entry has the attacker’s PASID', () => {
    const { status, vector, rid, breaches } = attack(true);
    expect(status).toBe(STATUS.success);
    expect(breaches).toEqual([
      { principal: 'attacker', owner: 'victim', rid, vector, arrival: AT.cpu, path: BY.table },
    ]);
  });

  it('is in the past where it was', () => {
    const { lab } = attack(true);
    const end = lab.machine.trace.head;
    const replica = new Replica(lab.hw);
    for (const seq of [end, Math.floor(end / 2), end]) {
      replica.seek(seq);
    }
    expect(replica.machine.isolation?.snapshot()).toEqual(lab.machine.isolation?.snapshot());
  });
});

describe('row 71: 8.5b, a write to the interrupt window without remapping', () => {
  function write(lab: IdxdLab, vector: number, principal: string): void {
    const request = {
      pasid: -1,
      isPrivileged: false,
      isExecute: false,
      addressType: ADDRESS_TYPE.untranslated,
      high: 0,
      low: MSI_WINDOW,
      bytes: 4,
      trafficClass: 0,
    };
    onBehalfOf(lab.hw.isolation, principal, () => {
      const seq = lab.hw.emit(INSTRUCTION_EXECUTED, 'test', principal, 'MOVDIR64B', 0n, 'posted');
      lab.hw.within(seq, () => {
        lab.machine.fabric.portOf(lab.dev.rid).write(request, new Uint8Array([vector, 0, 0, 0]), 0);
      });
    });
    lab.kernel.core.settle();
  }

  it.each([true, false])('with remapping %s, names who wrote and whose vector it is', (isOn) => {
    const lab = bootIdxd({ params: { modules: ['idxd'], interrupt_remapping: isOn } });
    const own = defined(lab.kernel.irqs.desc(lab.dev.msix_irqs[0] ?? -1), 'Interrupt');
    // The function may raise its own vector, but nobody may tell it to by a descriptor; and one is free.
    write(lab, own.vector, 'mallory');
    write(lab, 0x77, 'mallory');
    const { rid } = lab.dev;
    const breach = { principal: 'mallory', rid, arrival: AT.cpu, path: BY.dma };
    expect(interruptBreachesOf(lab)).toEqual(
      isOn
        ? []
        : [
            { ...breach, owner: `kernel (${own.name})`, vector: own.vector },
            { ...breach, owner: 'nobody (a free vector)', vector: 0x77 },
          ],
    );
  });
});

describe('row 71: 8.5c, the handle of another function', () => {
  function attack(defences: Defences) {
    const lab = bootIdxd({
      devices: [dsaDevice({}, DSA_BDF), dsaDevice({}, '6b:01.0')],
      defences,
    });
    const victim = defined(lab.kernel.irqs.desc(lab.dev.msix_irqs[0] ?? -1), 'Interrupt');
    const interruptFrom = (index: number): void => {
      const { base } = defined(lab.kernel.idxd.devices[index], `dsa${index}`).registers;
      const command = BigInt(((COMMAND.drainAll << 20) | REQUEST_INTERRUPT) >>> 0);
      lab.hw.mmioWrite(base + COMMAND_REGISTER, 4, command);
      lab.kernel.core.advance(100_000);
    };
    interruptFrom(0);
    interruptFrom(1);
    expect(interruptBreachesOf(lab)).toEqual([]);
    const evil = defined(lab.kernel.idxd.devices[1], 'dsa1').registers.base;
    lab.hw.mmioWrite(evil + MSIX_TABLE, 4, BigInt(remappableMessage(victim.handle).address));
    lab.hw.mmioWrite(evil + MSIX_TABLE + 8, 4, 0n);
    interruptFrom(1);
    return { victim, breaches: interruptBreachesOf(lab) };
  }

  it('is seen where the entry names no source, and does not arrive where it does', () => {
    expect(attack({}).breaches).toEqual([]);
    const { victim, breaches } = attack({ 'irte-source-check': false });
    expect(breaches).toEqual([
      {
        principal: 'kernel (driver of 6b:01.0)',
        owner: `kernel (${victim.name})`,
        rid: 0x6b08,
        vector: victim.vector,
        arrival: AT.cpu,
        path: BY.table,
      },
    ]);
  });
});

describe.each(PROFILES)('row 71: 8.5d, an entry of a tenant that is gone (%s)', (profile) => {
  function attack(defences: Defences) {
    const lab = bootTenants(profile, { defences });
    const first = tenant(lab, 1, 'first');
    const pasid = first.vdev.pasids.default;
    takeVectors(first);
    const ims = defined(lab.idxd.ims ?? undefined, 'IMS');
    const handle = ims.indexOf(lastIrq(lab));
    closeVdev(first.open);
    const second = tenant(lab, 2, 'second');
    expect(second.vdev.pasids.default).toBe(pasid);
    const status = copy(lab, second, handle);
    // The entry is free and masked; its next owner lets out what it remembers.
    const third = tenant(lab, 3, 'third');
    takeVectors(third);
    expect(ims.indexOf(lastIrq(lab))).toBe(handle);
    lab.kernel.core.settle();
    return {
      status,
      count: lab.kernel.irqs.desc(lastIrq(lab))?.count,
      breaches: interruptBreachesOf(lab),
    };
  }

  it('keeps nothing for its next owner when its PASID goes with it', () => {
    expect(attack({})).toEqual({ status: STATUS.interruptHandle, count: 0, breaches: [] });
  });

  it('brings the next owner a vector that somebody raised before', () => {
    const { status, count, breaches } = attack({ 'ims-pasid': false });
    expect([status, count]).toEqual([STATUS.success, 1]);
    expect(breaches).toMatchObject([{ principal: 'second', owner: 'third', path: BY.table }]);
  });
});

describe.each(PROFILES)('posted interrupts (%s)', (profile) => {
  function guests() {
    const lab = bootIdxdVms({ profile, wqs: [DEDICATED, DEDICATED] });
    const [one, two] = [1, 2].map((n) => {
      const device = bootGuest(plugVdev(lab, 'dsa-1dwq-v1', n));
      enableGuestDevice(device);
      enableGuestQueue(device);
      return device;
    }) as [IdxdGuest, IdxdGuest];
    return { lab, one, two };
  }

  function submit(device: IdxdGuest, handle: number): void {
    const { guest, wq } = device;
    const copied = prepareCopy(device, 'text', { handle });
    guest.io.iosubmit_cmds512(wq.portal('unlimitedMsix'), copied.words);
    guest.core.advance(100_000);
    expect(copied.status()).toBe(STATUS.success);
  }

  it('are right for the VM that asked for them, and a breach for another', () => {
    const { lab, one, two } = guests();
    const [mine, other] = [listenToCompletions(one), listenToCompletions(two)];
    submit(one, mine.handle);
    submit(two, other.handle);
    expect([mine.count(), other.count()]).toEqual([1, 1]);
    expect(interruptBreachesOf(lab)).toEqual([]);
    // The host posts the first VM's interrupt to the second VM.
    const posted = lab.kernel.irqs.list().filter((desc) => desc.posted !== null);
    const [first, second] = posted;
    lab.kernel.irqs.irq_set_vcpu_affinity(
      defined(first, 'Interrupt').irq,
      defined(second?.posted ?? undefined, 'Target'),
    );
    submit(one, mine.handle);
    two.guest.core.advance(1_000);
    expect([mine.count(), other.count()]).toEqual([1, 2]);
    expect(interruptBreachesOf(lab)).toEqual([
      {
        principal: 'qemu-vm1',
        owner: 'qemu-vm2',
        rid: lab.dev.rid,
        vector: second?.posted?.vector,
        arrival: AT.posted,
        path: BY.table,
      },
    ]);
  });
});
