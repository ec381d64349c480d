/** A VM whose virtual device is paused: its direct pages are gone from the EPT, what it submits waits with the VDCM. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../src-main/bits/invariant.ts';
import { MIGRATION_STATE as S } from '../../../src-main/linux/vfio/migration-state.ts';
import { EXIT_REASON } from '../../../src-main/spec/cpu/vm-exit.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import { dsaDevice } from '../../support/linux-idxd.ts';
import { openOfVm, readAll, setState, writeTo } from '../../support/vdev-migration.ts';
import {
  bootGuest,
  bootIdxdVms,
  enableGuestDevice,
  enableGuestQueue,
  plugVdev,
  prepareCopy,
  type GuestCopy,
  type IdxdGuest,
  type IdxdVmLab,
} from '../../support/vm-idxd.ts';
import {
  bootVsva,
  guestMove,
  guestStatus,
  openGuestApp,
  startGuest,
} from '../../support/linux-vsva.ts';

const DEDICATED = { mode: 'dedicated', type: 'mdev' } as const;
const PROFILES = ['kvmforum2019', 'iommufd'] as const;
const GUEST_BYTES = 40 * 2 ** 20;

function boot(profile: (typeof PROFILES)[number]): {
  readonly lab: IdxdVmLab;
  readonly sides: readonly [IdxdGuest, IdxdGuest];
} {
  const lab = bootIdxdVms({
    profile,
    devices: [dsaDevice({ wqs: 2 })],
    wqs: [DEDICATED, { ...DEDICATED, group: 1 }],
  });
  const [source, destination] = [1, 2].map((n) => bootGuest(plugVdev(lab, 'dsa-1dwq-v1', n)));
  return { lab, sides: [defined(source, 'Source'), defined(destination, 'Destination')] };
}

function started(guest: IdxdGuest): IdxdGuest {
  enableGuestDevice(guest);
  enableGuestQueue(guest);
  return guest;
}

function submit({ guest, wq }: IdxdGuest, { words }: GuestCopy): void {
  expect(guest.idxd.idxd_submit_desc(wq, words)).toBe(0);
}

function portalWalk({ vm, plugged }: IdxdGuest): string {
  const [{ gpa } = { gpa: 0 }] = plugged.mappedAreas;
  return vm.qemu.vm.ept.walk(gpa, 'write').kind;
}

describe.each(PROFILES)('a paused device of a VM, %s', (profile) => {
  it('takes its portal from the guest: stores exit, wait, and are done when it goes on', () => {
    const { lab, sides } = boot(profile);
    const own = started(sides[0]);
    const device = openOfVm(own.vm, own.host.uuid);
    expect(portalWalk(own)).toBe('mapped');
    expect(setState(device, S.PRE_COPY).rc).toBe(0);
    expect(portalWalk(own)).toBe('violation');
    expect(lab.rows('vmm.slot.zapped').at(-1)?.source).toBe('vm1');
    const waiting = prepareCopy(own, 'while it is paused');
    const enqueued = lab.rows('dsa.descriptor.enqueued').length;
    expect(own.vm.exitsDuring(() => submit(own, waiting))).toEqual({
      [EXIT_REASON.eptViolation]: 1,
    });
    own.guest.core.advance(100_000);
    expect(waiting.status()).toBe(0);
    expect(lab.rows('dsa.descriptor.enqueued')).toHaveLength(enqueued);
    expect(setState(device, S.RUNNING).rc).toBe(0);
    own.guest.core.advance(100_000);
    expect([waiting.status(), waiting.result()]).toEqual([STATUS.success, 'while it is paused']);
    // KVM finds the page again with one exit, and then there are none.
    const copies = ['first', 'second'].map((text) => prepareCopy(own, text));
    const exits = copies.map((copy) => own.vm.exitsDuring(() => submit(own, copy)));
    expect(exits).toEqual([{ [EXIT_REASON.eptViolation]: 1 }, {}]);
    expect(lab.rows('vmm.slot.faulted')).toHaveLength(1);
    own.guest.core.advance(100_000);
    expect(copies.map((copy) => copy.result())).toEqual(['first', 'second']);
  });

  it('leaves its portal to nobody else: the neighbour runs on without an exit', () => {
    const { sides } = boot(profile);
    const [own, other] = [started(sides[0]), started(sides[1])];
    setState(openOfVm(own.vm, own.host.uuid), S.STOP);
    const copy = prepareCopy(other, 'untouched');
    other.vm.port.memoryRead64(0x1000);
    expect(other.vm.exitsDuring(() => submit(other, copy))).toEqual({});
    other.guest.core.advance(100_000);
    expect([copy.status(), copy.result()]).toEqual([STATUS.success, 'untouched']);
  });

  it('becomes the device of another VM, and what waited is done there', () => {
    const { lab, sides } = boot(profile);
    const [source, destination] = [started(sides[0]), sides[1]];
    const [from, to] = [source, destination].map((side) => openOfVm(side.vm, side.host.uuid));
    const leaving = defined(from, 'Source');
    const arriving = defined(to, 'Destination');
    const first = lab.machine.trace.head;
    setState(leaving, S.PRE_COPY);
    const waiting = prepareCopy(source, 'on its way');
    submit(source, waiting);
    const { bytes, end } = readAll(leaving, setState(leaving, S.STOP_COPY).fd);
    expect(end).toBe(0);
    destination.vm.port.memoryWrite(0, source.vm.port.memoryRead(0, GUEST_BYTES));
    expect(writeTo(arriving, setState(arriving, S.RESUMING).fd, bytes)).toBe(bytes.length);
    expect(setState(arriving, S.RUNNING).rc).toBe(0);
    lab.kernel.core.advance(100_000);
    const record = waiting.words[2] ?? 0;
    expect(destination.vm.port.memoryRead(record, 1)).toEqual(Uint8Array.of(STATUS.success));
    expect(waiting.status()).toBe(0);
    const enqueued = lab.rowsFrom(first).filter((r) => r.kind === 'dsa.descriptor.enqueued');
    expect(enqueued.map((r) => r.values['pasid'])).toEqual([destination.host.pasids.default]);
    // The order of the recipe: the portal goes before the queue is drained.
    const order = lab
      .rowsFrom(first)
      .map((r) => r.kind)
      .filter((kind) => kind === 'vmm.slot.zapped' || kind === 'linux.idxd.command-given');
    expect(order[0]).toBe('vmm.slot.zapped');
    expect(order).toContain('linux.idxd.command-given');
  });

  it('keeps the numbers of its guest: a shared queue gets the PASID translated when it goes on', () => {
    const lab = bootVsva(profile, ['shared']);
    const own = startGuest(lab, 1, 'shared');
    const app = openGuestApp(own, 'app');
    const device = openOfVm(own.vm, own.host.uuid);
    setState(device, S.PRE_COPY);
    const submit = (): string =>
      own.guest.instructions.enqcmd(app.process, app.portal, guestMove(app));
    expect(own.vm.exitsDuring(() => expect(submit()).toBe('accepted'))).toMatchObject({
      [EXIT_REASON.eptViolation]: 1,
    });
    own.guest.core.advance(200_000);
    expect(guestStatus(app)).toBe(0);
    setState(device, S.RUNNING);
    own.guest.core.advance(200_000);
    expect(guestStatus(app)).toBe(STATUS.success);
    const [last] = lab.rows('dsa.descriptor.enqueued').slice(-1);
    expect(own.host.pasids.guestOf(Number(last?.values['pasid']))).toBe(app.process.mm.pasid);
  });

  it.each(['close', 'exit'] as const)(
    'leaves nothing of a process for the next owner of its PASID: %s',
    (way) => {
      const lab = bootVsva(profile, ['shared']);
      const own = startGuest(lab, 1, 'shared');
      const device = openOfVm(own.vm, own.host.uuid);
      const first = openGuestApp(own, 'first');
      // The guest waits for its command and serves no page requests meanwhile: its pages are there.
      first.process.mm.write(first.memory, new Uint8Array(2 * 4096));
      setState(device, S.PRE_COPY);
      own.guest.instructions.enqcmd(first.process, first.portal, guestMove(first));
      if (way === 'close') {
        own.guest.calls.munmap(first.process, first.portal, 4096);
        own.guest.calls.close(first.process, first.fd);
        // The guest drained: what waited is done before its driver goes on.
        expect(guestStatus(first)).toBe(STATUS.success);
      }
      own.guest.processes.exit(first.process);
      const heir = openGuestApp(own, 'heir');
      heir.process.mm.write(heir.memory + 4096, new Uint8Array(64).fill(0xa5));
      setState(device, S.RUNNING);
      own.guest.core.advance(500_000);
      expect([heir.memory, heir.records]).toEqual([first.memory, first.records]);
      expect(guestStatus(heir)).toBe(0);
      expect(heir.process.mm.read(heir.memory + 4096, 64)).toEqual(new Uint8Array(64).fill(0xa5));
    },
  );

  it('loses every page when its VMM dies', () => {
    const { lab, sides } = boot(profile);
    const { vm } = started(sides[0]);
    const from = lab.machine.trace.head;
    vm.kill();
    const kinds = lab.rowsFrom(from).map((r) => r.kind);
    const zapped = kinds.lastIndexOf('vmm.slot.zapped');
    expect(zapped).toBeGreaterThan(0);
    expect(zapped).toBeLessThan(kinds.indexOf('linux.idxd.command-given'));
  });
});
