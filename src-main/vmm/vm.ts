/**
 * A virtual machine with everything around it: the QEMU-like process, KVM's part, the port on which a guest kernel runs,
 * and that kernel once it is booted.
 *
 * Published: `vm/<name>` (memory, EPT pointer, virtual CPUs with their numbers in the hardware, memory slots) and
 * `vm/<name>/device/<VFIO device>` (place on the guest's bus, BARs, direct areas, exits by reason).
 */
import { invariant } from '../bits/invariant.ts';
import { createKernel, type Kernel } from '../linux/kernel.ts';
import type { KernelParams } from '../linux/core/params.ts';
import type { MachineConfig } from '../sim/index.ts';
import { runFirmware } from './firmware.ts';
import type { Kvm } from './kvm/kvm.ts';
import type { ExitCounts } from './kvm/kvm-vm.ts';
import { Qemu, type QemuOptions } from './qemu/qemu.ts';
import type { VfioPciDevice } from './qemu/vfio-pci.ts';
import { VmMachinePort } from './vm-machine-port.ts';

export class Vm {
  readonly name: string;
  readonly qemu: Qemu;
  #port: VmMachinePort;
  /** Answers guest PASIDs that the CPU has no entry for; undefined is a mistake of the guest, which gets #GP. */
  pasidMiss: (guestPasid: number) => number | undefined = (pasid) => this.qemu.hostPasid(pasid);
  #guest: Kernel | null = null;
  readonly #kvm: Kvm;

  constructor(kvm: Kvm, options: QemuOptions) {
    this.#kvm = kvm;
    this.name = options.name;
    this.qemu = new Qemu(kvm, options);
    this.#port = new VmMachinePort({
      kvm,
      qemu: this.qemu,
      config: guestConfig(kvm.kernel.core.hw.config, options),
      onPasidMiss: (guestPasid) => this.pasidMiss(guestPasid),
    });
  }

  /** The machine as its guest has it. */
  get port(): VmMachinePort {
    return this.#port;
  }

  /** The guest's kernel, null before `boot`. */
  get guest(): Kernel | null {
    return this.#guest;
  }

  /** Exits so far, by reason. */
  get exitCounts(): ExitCounts {
    return this.qemu.vm.exitCounts;
  }

  get exits(): number {
    return this.qemu.vm.exits;
  }

  /** The device on the guest's bus, or a negative error number. */
  plug(device: string): VfioPciDevice | number {
    return this.qemu.plug(device);
  }

  /** Firmware, then the guest's own Linux. */
  boot(params: Partial<KernelParams> = {}): Kernel {
    this.#tellForgotten();
    runFirmware(this.port);
    const guest = createKernel({
      hw: this.port,
      role: { guest: this.name },
      profile: this.#kvm.kernel.core.profile,
      params,
    });
    this.#guest = guest;
    return guest;
  }

  /** The kernel of another VM, whose state is here already, goes on here. */
  adopt(from: Vm): void {
    invariant(this.#guest === null, `${this.name} has a guest`);
    this.#port.exchange(from.#port);
    [this.#port, from.#port] = [from.#port, this.#port];
    this.#guest = from.#guest;
    from.#guest = null;
    const [vm, to] = [from, this].map(({ qemu }) => qemu.process.mm.name) as [string, string];
    this.#kvm.kernel.core.hw.isolation?.tell({ op: 'move-guest', vm, to });
  }

  /** Exits that `body` costs this VM, by reason. */
  exitsDuring(body: () => void): ExitCounts {
    const before = this.exitCounts;
    body();
    const after = Object.entries(this.exitCounts);
    return Object.fromEntries(
      after
        .map(([reason, count]) => [reason, count - (before[Number(reason)] ?? 0)] as const)
        .filter(([, count]) => count > 0),
    );
  }

  shutdown(): void {
    this.qemu.shutdown();
    this.#forgetGuest();
  }

  kill(): void {
    this.qemu.kill();
    this.#forgetGuest();
  }

  /** What the guest's kernel showed goes with it. */
  #forgetGuest(): void {
    const core = this.#guest?.core;
    core?.publishedKeys('').forEach((key) => core.publish(key, undefined));
    this.#guest = null;
    this.#tellForgotten();
  }

  #tellForgotten(): void {
    const { isolation } = this.#kvm.kernel.core.hw;
    isolation?.tell({ op: 'forget-guest', vm: this.qemu.process.mm.name });
  }
}

/** What the guest's firmware tells its kernel. Devices are found by enumeration. */
function guestConfig(host: MachineConfig, options: QemuOptions): MachineConfig {
  return {
    ...host,
    name: options.name,
    memory: { bytes: options.memoryBytes },
    cpus: options.vcpus,
    devices: [],
    vms: [],
    processes: [],
  };
}
