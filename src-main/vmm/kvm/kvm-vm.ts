/**
 * One VM as KVM keeps it: address space, virtual CPUs, interrupt routes, PASID translation. It lives as long as its file
 * descriptor; a VMM that dies takes the VM with it.
 */
import { invariant } from '../../bits/invariant.ts';
import { lowOfBig, highOfBig } from '../../bits/u64.ts';
import type { ExitReason } from '../../spec/cpu/vm-exit.ts';
import {
  CompatibilityMessageAddress,
  CompatibilityMessageData,
} from '../../spec/vtd/interrupt-message.ts';
import { VM_CREATED } from '../../spec/events/vmm.ts';
import type { EventfdFile } from '../../linux/core/eventfd.ts';
import { OpenFile } from '../../linux/core/files.ts';
import { EBUSY, EINVAL } from '../../linux/errno.ts';
import { IOASID_PRIO, type IoasidNotifier, type IoasidSet } from '../../linux/iommu/ioasid.ts';
import type { MmuNotifier } from '../../linux/mm/mm.ts';
import type { Process } from '../../linux/mm/process.ts';
import type { PlainData } from '../../sim/index.ts';
import { Ept } from './ept.ts';
import { Irqfd, type MsiRoute } from './irqfd.ts';
import type { Kvm } from './kvm.ts';
import { KvmVcpu } from './kvm-vcpu.ts';
import { MemorySlots } from './memory-slots.ts';
import { PasidTables } from './pasid-tables.ts';

export interface KvmVmOptions {
  readonly name: string;
  /** The VMM process, whose memory the guest gets. */
  readonly process: Process;
  readonly vcpus: number;
  readonly memoryBytes: number;
  /** The CPUs process posted interrupts (APICv). */
  readonly hasPosting: boolean;
  /** ENQCMD and ENQCMDS of the guest have their PASIDs translated. True when absent. */
  readonly hasPasidTranslation?: boolean;
}

/** Exits by reason; reasons that never occurred are left out. */
export type ExitCounts = Readonly<Record<number, number>>;

export class KvmVm extends OpenFile {
  readonly kvm: Kvm;
  /** Name of the VM; the file's own name is `kvm-vm:<name>`. */
  readonly vm: string;
  readonly process: Process;
  readonly ept: Ept;
  readonly slots: MemorySlots;
  readonly pasids: PasidTables;
  readonly vcpus: readonly KvmVcpu[];
  readonly irqfds = new Map<EventfdFile, Irqfd>();
  /** No PASID of the guest reaches a device as the guest wrote it. */
  readonly hasPasidTranslation: boolean;
  readonly #memoryBytes: number;
  readonly #mmuNotifier: MmuNotifier;
  #notified: {
    readonly set: IoasidSet;
    readonly notifier: IoasidNotifier;
    /** Ids that the tables hold a reference of. */
    readonly held: ReadonlySet<number>;
  } | null = null;

  constructor(kvm: Kvm, options: KvmVmOptions) {
    const { kernel } = kvm;
    const { core, pages } = kernel;
    super(core, `kvm-vm:${options.name}`);
    invariant(!kvm.vms.has(options.name), `VM ${options.name} exists already`);
    this.kvm = kvm;
    this.vm = options.name;
    this.process = options.process;
    this.#memoryBytes = options.memoryBytes;
    this.hasPasidTranslation =
      (options.hasPasidTranslation ?? true) && core.defends('pasid-translation');
    this.ept = new Ept(core, pages, this.vm);
    this.slots = new MemorySlots(core, this.vm, this.ept, options.process.mm);
    this.#mmuNotifier = {
      invalidateRange: (start, end) => this.slots.zap(start, end),
      release: () => this.slots.zap(0, Infinity),
    };
    this.process.mm.notifiers.add(this.#mmuNotifier);
    this.pasids = new PasidTables(core, pages, this.vm);
    this.vcpus = Array.from(
      { length: options.vcpus },
      (_, index) =>
        new KvmVcpu({
          kvm,
          vm: this.vm,
          principal: this.process.mm.name,
          index,
          cpu: kvm.assignCpu(),
          eptPointer: this.ept.pointer,
          pasidDirectories: this.pasids,
          hasPosting: options.hasPosting,
          hasPasidTranslation: this.hasPasidTranslation,
        }),
    );
    kvm.vms.set(this.vm, this);
    core.hw.emit(VM_CREATED, this.vm, options.memoryBytes, options.vcpus, this.ept.pointer);
    this.publish();
  }

  /** Exits of all virtual CPUs. */
  get exits(): number {
    return Object.values(this.exitCounts).reduce((sum, count) => sum + count, 0);
  }

  get exitCounts(): ExitCounts {
    const counts: Record<number, number> = {};
    for (const { reason, count } of this.vcpus.flatMap((v) => v.facts.exits)) {
      counts[reason] = (counts[reason] ?? 0) + count;
    }
    return counts;
  }

  exitsOf(reason: ExitReason): number {
    return this.exitCounts[reason] ?? 0;
  }

  // ---- memory --------------------------------------------------------------------------------------------------------

  /** KVM_SET_USER_MEMORY_REGION: number of the slot, or a negative error number. */
  addSlot(gpa: number, bytes: number, hva: number, name: string): number {
    const slot = this.core.call('KVM_SET_USER_MEMORY_REGION', [name, gpa, bytes, hva], () =>
      this.slots.add(gpa, bytes, hva, name),
    );
    this.publish();
    return slot;
  }

  removeSlot(slot: number): void {
    this.core.call('KVM_SET_USER_MEMORY_REGION', [slot, 0], () => {
      this.slots.remove(slot);
      return 0;
    });
    this.publish();
  }

  // ---- interrupts ----------------------------------------------------------------------------------------------------

  /** The virtual CPU and vector that an MSI of the guest names; undefined for a destination that does not exist. */
  route(address: bigint, data: number): MsiRoute | undefined {
    const words = [lowOfBig(address), highOfBig(address)];
    const { DEST } = CompatibilityMessageAddress.decode(words);
    const { V } = CompatibilityMessageData.decode([data]);
    const vcpu = this.vcpus[DEST];
    return vcpu === undefined ? undefined : { vcpu, vector: V };
  }

  /** KVM_IRQFD: 0, -EBUSY when the eventfd has one, -EINVAL for a message that reaches nobody. */
  assignIrqfd(eventfd: EventfdFile, address: bigint, data: number): number {
    return this.core.call('KVM_IRQFD', [eventfd, address, data], () => {
      const route = this.route(address, data);
      if (route === undefined) {
        return -EINVAL;
      }
      const known = this.irqfds.get(eventfd);
      if (known !== undefined) {
        return -EBUSY;
      }
      this.irqfds.set(eventfd, new Irqfd(this.kvm.kernel, this.vm, eventfd, route));
      return 0;
    });
  }

  /** KVM_SET_GSI_ROUTING for one irqfd. */
  updateIrqfd(eventfd: EventfdFile, address: bigint, data: number): number {
    return this.core.call('KVM_SET_GSI_ROUTING', [eventfd, address, data], () => {
      const route = this.route(address, data);
      const irqfd = this.irqfds.get(eventfd);
      if (route === undefined || irqfd === undefined) {
        return -EINVAL;
      }
      irqfd.update(route);
      return 0;
    });
  }

  deassignIrqfd(eventfd: EventfdFile): void {
    const irqfd = this.irqfds.get(eventfd);
    if (irqfd !== undefined) {
      this.core.call('KVM_IRQFD', [eventfd, 'deassign'], () => {
        this.irqfds.delete(eventfd);
        irqfd.release();
        return 0;
      });
    }
  }

  /** KVM_SIGNAL_MSI: the VMM injects by itself. */
  signalMsi(address: bigint, data: number): number {
    return this.core.call('KVM_SIGNAL_MSI', [address, data], () => {
      const route = this.route(address, data);
      route?.vcpu.inject(route.vector);
      return route === undefined ? -EINVAL : 1;
    });
  }

  // ---- VFIO and PASIDs -----------------------------------------------------------------------------------------------

  /** KVM_DEV_VFIO_FILE_ADD: drivers of the group or device learn which VM uses them. */
  addVfioFile(fd: number): number {
    const file = this.process.files.get(fd);
    const result = this.core.call('KVM_DEV_VFIO_FILE_ADD', [this, fd], () =>
      file === undefined ? -EINVAL : this.kvm.kernel.vfio.setKvm(file, this),
    );
    const set = this.kvm.kernel.ioasids.ioasid_find_mm_set(this.process.mm);
    if (set !== null && this.#notified === null) {
      this.followPasids(set);
    }
    return result;
  }

  /** Follows the PASIDs of the VM's set: bound ones are translated, freed ones are not (2019 profile). */
  followPasids(set: IoasidSet): void {
    const { ioasids } = this.kvm.kernel;
    const held = new Set<number>();
    const notifier: IoasidNotifier = {
      name: `kvm ${this.vm}`,
      priority: IOASID_PRIO.CPU,
      call: (event, id, spid) => {
        const guestPasid = spid ?? id;
        if (event === 'BIND' && !held.has(id)) {
          held.add(id);
          ioasids.ioasid_get(set, id);
          this.setPasid(guestPasid, id);
        } else if ((event === 'UNBIND' || event === 'FREE') && held.delete(id)) {
          this.clearPasid(guestPasid);
          ioasids.ioasid_put(set, id);
        }
      },
    };
    ioasids.ioasid_register_notifier(set, notifier);
    this.#notified = { set, notifier, held };
  }

  setPasid(guestPasid: number, hostPasid: number): number {
    return this.pasids.set(guestPasid, hostPasid);
  }

  /** The slot first, then every virtual CPU leaves guest mode: no enqueue with the old number is under way after this. */
  clearPasid(guestPasid: number): void {
    if (this.pasids.lookup(guestPasid) === undefined) {
      return;
    }
    this.pasids.clear(guestPasid);
    for (const vcpu of this.vcpus) {
      if (vcpu.isInGuest) {
        vcpu.preempt();
      }
    }
  }

  // ---- life ----------------------------------------------------------------------------------------------------------

  override release(): void {
    for (const eventfd of [...this.irqfds.keys()]) {
      this.deassignIrqfd(eventfd);
    }
    if (this.#notified !== null) {
      const { set, notifier, held } = this.#notified;
      this.kvm.kernel.ioasids.ioasid_unregister_notifier(set, notifier);
      held.forEach((id) => this.kvm.kernel.ioasids.ioasid_put(set, id));
    }
    this.vcpus.forEach((vcpu) => vcpu.destroy());
    this.process.mm.notifiers.delete(this.#mmuNotifier);
    this.slots.list().forEach(({ slot }) => this.slots.remove(slot));
    this.ept.destroy();
    this.pasids.destroy();
    this.kvm.vms.delete(this.vm);
    this.core.publish(`vm/${this.vm}`, undefined);
  }

  override state(): PlainData {
    return { kind: 'kvm', vm: this.vm, vcpus: this.vcpus.length };
  }

  publish(): void {
    this.core.publish(`vm/${this.vm}`, {
      memoryBytes: this.#memoryBytes,
      eptPointer: `0x${this.ept.pointer.toString(16)}`,
      process: this.process.name,
      vcpus: this.vcpus.map((v) => ({
        id: v.id,
        name: v.name,
        cpu: v.cpu,
        descriptor: v.descriptor.address,
        hasPosting: v.hasPosting,
      })),
      slots: this.slots.list().map((slot) => ({ ...slot })),
    });
  }
}
