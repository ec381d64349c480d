/** What the editor shows of `linux/mdev`. */
export const MDEV_TYPES = `/** A PCI function, a mediated device, or another device. */
export interface device {
  readonly name: string;
}

/** One type that a parent offers (\`struct mdev_type\`). */
export interface mdev_type {
  /** Directory below mdev_supported_types: \`idxd-1dwq\`. */
  readonly id: string;
  readonly sysfs_name: string;
  readonly pretty_name: string;
}

/** A mediated device (\`struct mdev_device\`). */
export interface mdev_device extends device {
  readonly uuid: string;
  readonly type: mdev_type;
  readonly state: string;
}

/** A type as a driver declares it. */
export interface mdev_type_spec {
  /** Name behind the driver's: \`1dwq\`. */
  readonly sysfs_name: string;
  readonly pretty_name?: string;
}

/** The driver of mediated devices (\`struct mdev_driver\`). Operations return 0 or a negative error number. */
export interface mdev_driver {
  readonly name: string;
  /** What user space will speak: \`vfio-pci\`. Without it registration is -EINVAL. */
  readonly device_api?: string;
  /** Instances of one parent, all types together; the core counts. Absent: the driver counts. */
  readonly max_instances?: number;
  /** A device was created: make it work, or refuse. */
  probe(mdev: mdev_device): number;
  /** A device goes: undo what probe did. */
  remove(mdev: mdev_device): void;
  /** What \`available_instances\` shows. The core does not enforce it. */
  get_available?(type: mdev_type): number;
  /** What \`description\` shows. */
  show_description?(type: mdev_type): string;
}

/**
 * Makes a driver known.
 * @returns 0, or -EINVAL without \`device_api\`
 */
export declare function mdev_register_driver(driver: mdev_driver): number;
/** Forgets a driver. */
export declare function mdev_unregister_driver(driver: mdev_driver): void;
/**
 * Lets mediated devices of these types be created on a device: its \`mdev_supported_types\` appears in sysfs.
 * @returns 0; -EEXIST when the device is a parent already; -EINVAL when the driver is not registered
 */
export declare function mdev_register_parent(dev: device, driver: mdev_driver, types: readonly mdev_type_spec[]): number;
/** Takes the types away; every mediated device of the parent is removed first. */
export declare function mdev_unregister_parent(dev: device): void;
/** The device a mediated device is made of. */
export declare function mdev_parent_dev(mdev: mdev_device): device;

/** Attributes of a type in 2019: the driver shows each file itself. */
export interface mdev_type_group {
  readonly name: string;
  /** \`name\`, \`device_api\`, \`available_instances\` and more, each a function that gives the text. */
  readonly attributes?: { readonly [file: string]: () => string | number };
}

/** Argument of an ioctl that points to user memory; see linux/vfio. */
export interface user_argument {
  /** Bytes of the caller's buffer. */
  readonly size: number;
}

/** A mapping that a program asks for. */
export interface vm_area_struct {
  readonly vm_start: number;
  readonly vm_end: number;
  readonly is_shared: boolean;
  readonly is_writable: boolean;
  /** Offset in the file, in bytes. */
  readonly offset: number;
}

/** Operations of a parent in 2019 (\`struct mdev_parent_ops\`). create, remove and supported_type_groups are mandatory. */
export interface mdev_parent_ops {
  readonly name?: string;
  readonly supported_type_groups?: readonly mdev_type_group[];
  create?(mdev: mdev_device): number;
  remove?(mdev: mdev_device): number;
  open?(mdev: mdev_device): number;
  release?(mdev: mdev_device): void;
  read?(mdev: mdev_device, count: number, position: number): Uint8Array | number;
  write?(mdev: mdev_device, bytes: Uint8Array, position: number): number;
  ioctl?(mdev: mdev_device, command: number, argument: user_argument | number | string): number;
  mmap?(mdev: mdev_device, area: vm_area_struct): number;
  request?(mdev: mdev_device, count: number): void;
}

/** 2019: registers a parent. @returns 0; -EINVAL without a mandatory operation; -EEXIST the second time */
export declare function mdev_register_device(dev: device, ops: mdev_parent_ops): number;
/** 2019: takes the parent away. */
export declare function mdev_unregister_device(dev: device): void;
/** 2019: names the device whose IOMMU carries the DMA of a mediated device. @returns 0 */
export declare function mdev_set_iommu_device(mdev: mdev_device, iommu_device: device | null): number;
/** 2019: the device that mdev_set_iommu_device() named, or null. */
export declare function mdev_get_iommu_device(mdev: mdev_device): device | null;
`;
