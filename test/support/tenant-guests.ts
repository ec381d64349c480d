/**
 * VMs beside the tenants: each has a virtual IOMMU, a virtual device on the shared queue, and a program that hands plain
 * pointers to it. Both guests give their program the same PASID. They boot when the first step needs them, and stay.
 */
import { defined } from '../../src-main/bits/invariant.ts';
import { MIGRATION_STATE as S } from '../../src-main/linux/vfio/migration-state.ts';
import { Kvm } from '../../src-main/vmm/kvm/kvm.ts';
import type { IdxdHost, OpenVdev } from './linux-idxd.ts';
import { startGuest, type VsvaGuest } from './linux-vsva.ts';
import { GUESTS, type TenantStep } from './tenant-sequence.ts';
import { expectThat, Heir, must, WorkingProcess } from './tenant-work.ts';
import { openOfVm, setState } from './vdev-migration.ts';

type GuestStep = Extract<TenantStep, { readonly guest: number }>;

interface TenantGuest extends VsvaGuest {
  readonly tag: number;
  readonly device: OpenVdev;
  /** Gets the pages that programs of the guest give back. */
  readonly heir: Heir;
  app: WorkingProcess | null;
  isPaused: boolean;
}

/** The numbers of their VDEVs, away from those of the tenants. */
const FIRST_VDEV = 101;
const FIRST_TAG = 0x40;
/** More than a guest ever has at once. */
const GUEST_PASIDS = Array.from({ length: 16 }, (_, pasid) => pasid);

export class TenantGuests {
  readonly #host: IdxdHost;
  #guests: readonly TenantGuest[] = [];
  #serial = 0;

  constructor(host: IdxdHost) {
    this.#host = host;
  }

  boot(): void {
    const lab = { ...this.#host, kvm: new Kvm(this.#host.kernel) };
    this.#guests = Array.from({ length: GUESTS }, (_, i) => {
      const guest = startGuest(lab, FIRST_VDEV + i, 'shared', {});
      const device = openOfVm(guest.vm, guest.host.uuid);
      const heir = new Heir(guest.guest);
      return { ...guest, tag: FIRST_TAG + i, device, heir, app: null, isPaused: false };
    });
    // KVM keeps its table of PASIDs once there was one.
    for (let guest = 0; guest < GUESTS; guest++) {
      for (const op of ['guest-open', 'guest-submit', 'guest-exit'] as const) {
        this.do({ op, guest });
      }
    }
  }

  /** What came of it. */
  do({ op, guest: i }: GuestStep): string {
    const guest = defined(this.#guests[i], 'Guest');
    switch (op) {
      case 'guest-open':
        return this.#open(guest);
      case 'guest-pause':
      case 'guest-resume':
        this.#setPaused(guest, op === 'guest-pause');
        return '';
      default:
        return this.#ofApp(guest, defined(guest.app ?? undefined, 'App'), op);
    }
  }

  /** What became of the work of all; what waits for a paused device goes on waiting. */
  settle(): string {
    this.#guests.forEach(({ heir }) => heir.check());
    return this.#guests
      .filter(({ isPaused }) => !isPaused)
      .map(({ app }) => app?.settle() ?? '')
      .join(' ')
      .trim();
  }

  /** Programs end, devices run. */
  end(): string {
    this.#guests.filter(({ isPaused }) => isPaused).forEach((g) => this.#setPaused(g, false));
    const said = this.settle();
    for (const guest of this.#guests) {
      guest.app?.exit();
      guest.app = null;
      guest.heir.check();
    }
    return said;
  }

  /** All that a leak would change, in the guests and in what the host has for them. */
  inventory(): unknown {
    return this.#guests.map(({ guest, viommu, host, vm }) => ({
      bytes: guest.pages.bytesInUse,
      pinned: guest.userPages.pinnedPages,
      pasids: guest.pasids.inUse,
      processes: guest.processes.list().map(({ name }) => name),
      entries: viommu.shadow.entries.map(({ pasid }) => pasid),
      unanswered: viommu.faults.unanswered,
      hostPasids: host.pasids.all.length,
      translations: GUEST_PASIDS.filter((pasid) => vm.qemu.vm.pasids.lookup(pasid) !== undefined),
      objects: guest.core.publishedKeys('').filter((key) => !key.startsWith('sysfs/')),
    }));
  }

  /** With work in the device one VM is killed and the other shut down. */
  retire(): void {
    this.#guests.forEach((guest, i) => {
      this.#open(guest);
      guest.app?.start();
      if (i % 2 === 0) {
        guest.vm.kill();
      } else {
        guest.vm.shutdown();
      }
      const path = `bus/mdev/devices/${guest.host.uuid}/remove`;
      must(this.#host.sysfsWrite(path, '1'), 'remove');
    });
    this.#guests = [];
  }

  #open(guest: TenantGuest): string {
    this.#serial += 1;
    const queue = defined(guest.idxd.wqs[0], 'Queue in the guest').name;
    const app = new WorkingProcess(guest.guest, `app-${this.#serial}`, queue, guest.tag);
    guest.app = app;
    app.open();
    return String(app.process.mm.pasid);
  }

  #ofApp(guest: TenantGuest, app: WorkingProcess, op: GuestStep['op']): string {
    switch (op) {
      case 'guest-start':
        return app.start();
      case 'guest-submit':
        expectThat(app.start() === 'accepted', 'ENQCMD was not accepted');
        return app.settle();
      case 'guest-munmap':
      case 'guest-madvise':
        app.takeMemory(op === 'guest-munmap' ? 'munmap' : 'madvise');
        guest.heir.inherit();
        return '';
      case 'guest-close':
        app.close();
        break;
      default:
    }
    app.exit();
    guest.app = null;
    guest.heir.inherit();
    return '';
  }

  #setPaused(guest: TenantGuest, isPaused: boolean): void {
    const { rc, fd } = setState(guest.device, isPaused ? S.PRE_COPY : S.RUNNING);
    must(rc, isPaused ? 'PRE_COPY' : 'RUNNING');
    if (isPaused) {
      must(guest.device.user.close(fd), 'close of the stream');
    }
    guest.isPaused = isPaused;
  }
}
