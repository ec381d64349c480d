/** The VMs of one host, by name, as its configuration describes them. */
import { defined } from '../bits/invariant.ts';
import type { Kernel } from '../linux/kernel.ts';
import type { VmConfig } from '../sim/index.ts';
import { Kvm } from './kvm/kvm.ts';
import { Vm } from './vm.ts';

export interface VmStartOptions {
  /** The CPUs take posted interrupts without an exit (APICv). */
  readonly hasPosting?: boolean;
  readonly hasPasidTranslation?: boolean;
}

export class VirtualMachines {
  /** The host's kernel. */
  readonly kernel: Kernel;
  #kvm: Kvm | undefined;
  readonly #running = new Map<string, Vm>();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** What the machine's configuration knows, running or not. */
  get configured(): readonly VmConfig[] {
    return this.kernel.core.hw.config.vms ?? [];
  }

  /** A VM whose process is alive. */
  find(name: string): Vm | undefined {
    return this.#running.get(name);
  }

  /** Why a VM cannot be started, as a sentence; undefined when it can. */
  problem(name: string): string | undefined {
    const names = this.configured.map((vm) => vm.name);
    if (!names.includes(name)) {
      const known = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
      return `The machine has no VM ${name}: ${known}`;
    }
    if (this.#running.has(name)) return `The VM ${name} runs already`;
    return this.kernel.core.hw.config.cpus > 1
      ? undefined
      : 'VMs need a second CPU: CPU 0 belongs to the host';
  }

  /** The VMM process with its memory and virtual CPUs. Nothing runs in it before `Vm.boot`. */
  start(name: string, options: VmStartOptions = {}): Vm {
    const config = defined(
      this.configured.find((vm) => vm.name === name),
      `VM ${name}`,
    );
    this.#kvm ??= new Kvm(this.kernel);
    const { memoryBytes, cpus, viommu } = config;
    const vm = new Vm(this.#kvm, {
      name,
      memoryBytes,
      vcpus: cpus,
      ...(viommu === true ? { viommu: {} } : {}),
      ...options,
    });
    this.#running.set(name, vm);
    return vm;
  }

  shutdown(vm: Vm): void {
    this.#running.delete(vm.name);
    vm.shutdown();
  }

  kill(vm: Vm): void {
    this.#running.delete(vm.name);
    vm.kill();
  }
}
