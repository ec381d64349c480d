/** `struct pci_dev`: one function of the bus, with what the PCI core keeps about it. */
import type { Core } from '../core/core.ts';
import { Device } from '../core/device.ts';
import type { Sysfs } from '../core/sysfs.ts';

/** One BAR; a 64-bit BAR takes two indexes, the second is absent. */
export interface PciResource {
  readonly bar: number;
  readonly start: number;
  readonly bytes: number;
  readonly is64Bit: boolean;
  readonly isPrefetchable: boolean;
}

export interface PciFeatureState {
  isEnabled: boolean;
  /** Features of PASID, STU of ATS, outstanding requests of PRI. */
  value: number;
}

/** `0000:6a:01.0` from a Requester ID. */
export function pciName(rid: number): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
  return `0000:${hex(rid >>> 8, 2)}:${hex((rid >>> 3) & 0x1f, 2)}.${rid & 7}`;
}

export class PciDev extends Device {
  readonly rid: number;
  readonly vendor: number;
  readonly device: number;
  /** Class code, 24 bits. */
  readonly class: number;
  readonly isMultifunction: boolean;
  /** Bus below a bridge. */
  readonly secondaryBus: number | undefined;
  /** Bridge above; undefined on a root bus. */
  readonly bridge: PciDev | undefined;
  /** Physical function of a virtual function. */
  readonly physfn: PciDev | undefined;
  resources: readonly PciResource[] = [];
  /** Users that enabled it and did not disable it since. */
  enable_cnt = 0;
  is_busmaster = false;
  /** External port: ATS is never enabled. */
  untrusted = false;
  /** A port that people can plug something in below. */
  external_facing = false;
  readonly pasid: PciFeatureState = { isEnabled: false, value: 0 };
  readonly pri: PciFeatureState = { isEnabled: false, value: 0 };
  readonly ats: PciFeatureState = { isEnabled: false, value: 0 };
  /** Interrupts behind MSI-X entries, once allocated. */
  msix_irqs: readonly number[] = [];

  constructor(options: {
    readonly core: Core;
    readonly sysfs: Sysfs;
    readonly rid: number;
    readonly vendor: number;
    readonly device: number;
    readonly class: number;
    readonly isMultifunction: boolean;
    readonly secondaryBus?: number;
    readonly physfn?: PciDev;
    readonly bridge?: PciDev;
  }) {
    const name = pciName(options.rid);
    const bus = (options.rid >>> 8).toString(16).padStart(2, '0');
    super({
      core: options.core,
      sysfs: options.sysfs,
      name,
      path: `${options.bridge?.path ?? `devices/pci0000:${bus}`}/${name}`,
      bus: 'pci',
    });
    this.rid = options.rid;
    this.vendor = options.vendor;
    this.device = options.device;
    this.class = options.class;
    this.isMultifunction = options.isMultifunction;
    this.secondaryBus = options.secondaryBus;
    this.bridge = options.bridge;
    this.physfn = options.physfn;
  }

  get isBridge(): boolean {
    return this.secondaryBus !== undefined;
  }

  get devfn(): number {
    return this.rid & 0xff;
  }

  publish(): void {
    const hex = (value: number): string => `0x${value.toString(16)}`;
    this.core.publish(`pci/${this.name}`, {
      rid: this.rid,
      vendor: hex(this.vendor),
      device: hex(this.device),
      class: hex(this.class),
      driver: this.driver?.name ?? null,
      isEnabled: this.enable_cnt > 0,
      isBusMaster: this.is_busmaster,
      pasid: { ...this.pasid },
      pri: { ...this.pri },
      ats: { ...this.ats },
      msix: [...this.msix_irqs],
      physfn: this.physfn?.name ?? null,
      bars: this.resources.map((r) => ({ bar: r.bar, start: hex(r.start), bytes: r.bytes })),
    });
  }
}

export function isPciDev(device: unknown): device is PciDev {
  return device instanceof PciDev;
}
