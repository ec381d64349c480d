/** What the editor shows of `lab/vm`. */
export const VM_TYPES = `/** A virtual machine: the VMM process on the host, its memory, its virtual CPUs. */
export interface vm {
  readonly name: string;
  /** Bytes of guest memory. */
  readonly memory: number;
  readonly vcpus: number;
  /** A guest kernel runs in it. */
  readonly is_booted: boolean;
  /** VM exits so far. */
  readonly exits: number;
}

/** A VFIO device on the guest's bus. */
export interface guest_device {
  /** UUID of a mediated device, or the PCI name of a function. */
  readonly name: string;
  /** Place on the guest's bus: \`00:03.0\`. */
  readonly bdf: string;
  /** VM exits that accesses to it cost. */
  readonly exits: number;
  /** The host's driver asked for it back. */
  readonly is_release_requested: boolean;
}

/** How a VM is started. */
export interface vm_options {
  /** The CPUs take posted interrupts without an exit (APICv). True when absent. */
  readonly posted_interrupts?: boolean;
  /** KVM translates the PASIDs of ENQCMD and ENQCMDS. True when absent. */
  readonly pasid_translation?: boolean;
}

/** The guest kernel's command line. */
export interface guest_kernel_options {
  /** Drivers that are loaded at boot: \`idxd\`. */
  readonly modules?: readonly string[];
}

/** VM exits by reason: \`{ 'I/O instruction': 4 }\`. A reason that never occurred is not in it. */
export type exit_counts_by_reason = { readonly [reason: string]: number };

/**
 * Starts the VMM process of a VM that machine.json describes: guest memory is allocated, nothing runs yet.
 *
 * \`\`\`ts
 * const vm = start_vm('vm0');
 * plug(vm, uuid);
 * boot(vm);
 * run_in(vm, () => pci_devices().forEach((dev) => console.log(dev.name)));
 * \`\`\`
 */
export declare function start_vm(name: string, options?: vm_options): vm;
/** A VM that runs, or null. */
export declare function find_vm(name: string): vm | null;
/**
 * \`-device vfio-pci\`: opens a VFIO device for the VM and puts it on the guest's bus.
 * @param device UUID of a mediated device, or PCI name of a function that vfio-pci has
 * @returns the device, or the error number of what failed
 */
export declare function plug(vm: vm, device: string): guest_device | number;
/** Takes a device from the guest's bus and closes it. */
export declare function unplug(vm: vm, device: guest_device): void;
/** Firmware places the BARs of what is plugged, then the guest's own Linux boots and enumerates its bus. */
export declare function boot(vm: vm, options?: guest_kernel_options): void;
/**
 * Runs \`body\` in the guest: every call of a kernel function in it is the guest kernel's, every access the guest's own.
 * @returns what body returns
 */
export declare function run_in<T>(vm: vm, body: () => T): T;
/** VM exits since the start, by reason. */
export declare function exit_counts(vm: vm): exit_counts_by_reason;
/** Runs \`body\` in the guest. @returns the VM exits it cost, by reason; an empty object for none */
export declare function exits_during(vm: vm, body: () => void): exit_counts_by_reason;
/** The VM's devices go back to their state after power-on. */
export declare function reset_vm(vm: vm): void;
/** Orderly end: devices are closed, then the process ends. */
export declare function shutdown_vm(vm: vm): void;
/** The VMM process is killed: the kernel closes what it had open, and nothing else happens. */
export declare function kill_vm(vm: vm): void;

/**
 * KVM translates a PASID of the guest in ENQCMD and ENQCMDS from here on. A name of this simulator.
 * @returns 0 or a negative error number
 */
export declare function kvm_pasid_map(vm: vm, guest_pasid: number, host_pasid: number): number;
/** The guest's PASID has no translation any more. A name of this simulator. */
export declare function kvm_pasid_unmap(vm: vm, guest_pasid: number): void;
/**
 * Who answers exits 72 and 73, for a guest PASID that has no translation: the host PASID to enter, or undefined, which
 * gives the guest #GP. A name of this simulator.
 */
export declare function kvm_set_pasid_miss(vm: vm, handler: (guest_pasid: number) => number | undefined): void;

/** VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, as the VMM asks for it. @returns a state of \`linux/migration\`, or a negative error number */
export declare function migration_state(device: guest_device): number;
/** VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, as the VMM sets it. @returns 0 or a negative error number */
export declare function set_migration_state(device: guest_device, state: number): number;
/** What the stream of the present state has to read: up to its end, or up to now. @returns bytes, or a negative error number */
export declare function read_migration_data(device: guest_device): Uint8Array | number;
/** Writes to the stream of the state RESUMING. @returns bytes taken, or a negative error number */
export declare function write_migration_data(device: guest_device, data: Uint8Array): number;
/**
 * The VMM's share of a live migration: memory, virtual CPUs, the virtual IOMMU, BARs and MSI-X tables go over, and the guest
 * goes on in \`to\`, which has not booted and has devices in the same places. A name of this simulator.
 */
export declare function move_guest(from: vm, to: vm): void;
`;
