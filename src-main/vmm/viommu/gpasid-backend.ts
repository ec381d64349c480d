/**
 * Nesting in the words of 2019: PASIDs of `/dev/ioasid`, VFIO_IOMMU_NESTING_OP on the container, page faults from the
 * device's fault region. vSVA series for Linux and QEMU, 2020.
 *
 * The VDEVs of one container on one parent share the VM's domain and so its PASIDs: a number is bound for all of them at
 * once. Their requests without a PASID have one host PASID: the first table that is bound for it counts, another one is
 * -EBUSY, and the functions are blocked only when all of them are.
 */
import type { Device } from '../../linux/core/device.ts';
import { EBUSY, EINVAL, ENODEV } from '../../linux/errno.ts';
import type { IommuDomain } from '../../linux/iommu/domain.ts';
import type { FaultGroup } from '../../linux/iommu/fault-group.ts';
import type { IoasidFile } from '../../linux/iommu/ioasid-file.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { Process } from '../../linux/mm/process.ts';
import { EMPTY_STAGE1 } from './empty-table.ts';
import type {
  GuestFaultGroup,
  GuestPasidSource,
  GuestRange,
  GuestStage1,
  NestingBackend,
  Reach,
  UnrecoverableFault,
} from './nesting-backend.ts';

interface Place {
  readonly domain: IommuDomain;
  readonly parent: Device;
}

interface Defaults extends Place {
  /** What requests of a device without a PASID shall meet, null for guest-physical memory. */
  readonly wants: Map<string, GuestStage1 | null>;
  bound: GuestStage1 | null;
}

interface Bound extends Place {
  readonly hpasid: number;
  readonly pasid: number;
  readonly devices: Set<string>;
}

const MAX_PASID = 2 ** 20 - 1;

export class GpasidBackend implements NestingBackend {
  readonly pasids: GuestPasidSource;
  onFaults: (group: GuestFaultGroup) => void = () => {};
  onUnrecoverable: (fault: UnrecoverableFault) => void = () => {};
  readonly #kernel: Kernel;
  readonly #process: Process;
  readonly #file: IoasidFile;
  readonly #bound = new Map<string, Bound>();
  readonly #defaults = new Map<string, Defaults>();
  readonly #faults = new Map<
    number,
    { readonly group: FaultGroup; readonly domain: IommuDomain }
  >();
  #nextCookie = 1;

  constructor(kernel: Kernel, process: Process, file: IoasidFile) {
    this.#kernel = kernel;
    this.#process = process;
    this.#file = file;
    this.pasids = {
      alloc: () => file.alloc(MAX_PASID),
      free: (pasid) => file.free(pasid),
    };
  }

  bind(device: string, pasid: number, stage1: GuestStage1): number {
    const place = this.#placeOf(device);
    if (place === undefined) {
      return -ENODEV;
    }
    if (pasid === 0) {
      return this.#want(device, place, stage1);
    }
    const hpasid = this.#file.hostOf(pasid);
    if (hpasid < 0) {
      return -EINVAL;
    }
    const key = keyOf(place, hpasid);
    const known = this.#bound.get(key);
    if (known !== undefined && !known.devices.has(device)) {
      known.devices.add(device);
      return 0;
    }
    if (known !== undefined) {
      this.#unbind(key, known);
    }
    this.#listen(place);
    return this.#bindOne({ ...place, hpasid, pasid, devices: new Set([device]) }, stage1);
  }

  #want(device: string, place: Place, want: GuestStage1 | null): number {
    this.#listen(place);
    const key = keyOf(place, place.domain.default_pasid);
    const defaults = this.#defaults.get(key) ?? { ...place, wants: new Map(), bound: null };
    const { wants } = defaults;
    this.#defaults.set(key, defaults);
    const isTaken = [...wants].some(([name, other]) => name !== device && isTable(other));
    if (isTable(want) && isTaken) {
      return -EBUSY;
    }
    wants.set(device, want);
    return this.#applyDefaults(key, defaults);
  }

  #applyDefaults(key: string, defaults: Defaults): number {
    const { wants, domain, parent } = defaults;
    const all = [...wants.values()];
    const stage1 =
      all.find(isTable) ?? (all.includes(null) || all.length === 0 ? null : EMPTY_STAGE1);
    const devices = [...wants].filter(([, want]) => want === stage1).map(([name]) => name);
    const known = this.#bound.get(key);
    if (known !== undefined && stage1 === defaults.bound) {
      known.devices.clear();
      devices.forEach((name) => known.devices.add(name));
      return 0;
    }
    if (known !== undefined) {
      this.#unbind(key, known);
    }
    defaults.bound = stage1;
    const hpasid = domain.default_pasid;
    return stage1 === null
      ? 0
      : this.#bindOne({ domain, parent, hpasid, pasid: 0, devices: new Set(devices) }, stage1);
  }

  #bindOne(bound: Bound, stage1: GuestStage1): number {
    const { guestPasids, core } = this.#kernel;
    const { domain, parent, hpasid, pasid, devices } = bound;
    const [device = ''] = devices;
    const result = core.call('VFIO_IOMMU_NESTING_OP', ['bind', device, pasid, stage1.root], () =>
      guestPasids.iommu_uapi_sva_bind_gpasid(domain, parent, {
        mm: this.#process.mm,
        hpasid,
        gpasid: pasid,
        gpgd: stage1.root,
        addr_width: stage1.width,
        isSupervisorAllowed: stage1.isSupervisorAllowed,
        hasExtendedAccessed: stage1.hasExtendedAccessed,
        isWriteProtected: stage1.isWriteProtected,
      }),
    );
    if (result === 0) {
      this.#bound.set(keyOf(bound, hpasid), bound);
    }
    return result;
  }

  unbind(device: string, pasid: number): void {
    if (pasid === 0) {
      const place = this.#placeOf(device);
      if (place !== undefined) {
        this.#want(device, place, null);
      }
      return;
    }
    const found = this.#find(device, pasid);
    if (found === undefined) {
      return;
    }
    const [key, bound] = found;
    bound.devices.delete(device);
    if (bound.devices.size === 0) {
      this.#unbind(key, bound);
    }
  }

  forget(device: string): void {
    for (const [key, defaults] of this.#defaults) {
      if (defaults.wants.delete(device)) {
        this.#applyDefaults(key, defaults);
      }
    }
  }

  sharedReach(device: string): Reach | undefined {
    const defaults = [...this.#defaults.values()].find(({ wants }) => wants.has(device));
    const want = defaults?.wants.get(device);
    if (defaults === undefined || want === defaults.bound) {
      return undefined;
    }
    return defaults.bound === null ? 'guest-physical' : 'other-table';
  }

  invalidate(
    device: string,
    pasid: number,
    range: GuestRange | null,
    what: 'iotlb' | 'device-tlb',
  ): void {
    const found = this.#find(device, pasid);
    if (found === undefined) {
      return;
    }
    const [, { domain, parent, hpasid }] = found;
    const { guestPasids, core } = this.#kernel;
    core.call('VFIO_IOMMU_NESTING_OP', ['cache invalidate', device, pasid], () =>
      guestPasids.iommu_uapi_cache_invalidate(domain, parent, {
        caches: [what === 'iotlb' ? 'iotlb' : 'dev-iotlb'],
        granularity: range === null ? 'pasid' : 'addr',
        pasid: hpasid,
        ...(range === null
          ? {}
          : { addr: range.address, bytes: range.bytes, isLeafOnly: range.isLeafOnly }),
      }),
    );
  }

  respond(cookie: number, code: number): number {
    const fault = this.#faults.get(cookie);
    this.#faults.delete(cookie);
    return fault === undefined
      ? -EINVAL
      : this.#kernel.guestPasids.iommu_page_response(
          fault.domain,
          fault.group.last.pasid,
          fault.group.last.group,
          code,
        );
  }

  #unbind(key: string, { domain, parent, hpasid, pasid }: Bound): void {
    const { guestPasids, core } = this.#kernel;
    this.#bound.delete(key);
    core.call('VFIO_IOMMU_NESTING_OP', ['unbind', pasid], () =>
      guestPasids.iommu_uapi_sva_unbind_gpasid(domain, parent, hpasid),
    );
  }

  #listen({ domain, parent }: Place): void {
    const { guestPasids } = this.#kernel;
    const deviceOf = (pasid: number): string | undefined => {
      const bound = [...this.#bound.values()].find((b) => b.domain === domain && b.pasid === pasid);
      return bound?.devices.values().next().value;
    };
    guestPasids.onUnrecoverable(domain, { dev: parent, mm: this.#process.mm }, (fault, pasid) => {
      // A PASID without an entry is nobody's: any function of the parent may have used it.
      const device = deviceOf(pasid) ?? this.#defaultsOf(domain).next().value;
      if (device !== undefined) {
        this.onUnrecoverable({ ...fault, device, pasid });
      }
    });
    guestPasids.iommu_register_device_fault_handler(domain, (group, pasid) => {
      const device = deviceOf(pasid);
      if (device === undefined) {
        return -EINVAL;
      }
      const cookie = this.#nextCookie++;
      this.#faults.set(cookie, { group, domain });
      this.onFaults({ device, pasid, faults: group.faults, cookie });
      return 0;
    });
  }

  *#defaultsOf(domain: IommuDomain): Generator<string> {
    for (const defaults of this.#defaults.values()) {
      if (defaults.domain === domain) {
        yield* defaults.wants.keys();
      }
    }
  }

  /** The VM's domain, and the device whose PASIDs carry the VDEV's requests. */
  #placeOf(device: string): Place | undefined {
    const { vfio, iommu } = this.#kernel;
    const vdev = vfio.devices.find((d) => d.name === device);
    if (vdev?.backing.kind !== 'pasid') {
      return undefined;
    }
    const { parent } = vdev.backing;
    const current = iommu.groupOf(parent)?.pasids.get(vfio.defaultPasid(vdev))?.domain;
    const domain = current?.type === 'nested' ? current.parent : current;
    return domain === null || domain === undefined ? undefined : { domain, parent };
  }

  #find(device: string, pasid: number): readonly [string, Bound] | undefined {
    return [...this.#bound].find(([, b]) => b.devices.has(device) && b.pasid === pasid);
  }
}

function keyOf({ parent, domain }: Place, hpasid: number): string {
  return `${parent.name}/${domain.name}/${hpasid}`;
}

function isTable(want: GuestStage1 | null): want is GuestStage1 {
  return want !== null && want !== EMPTY_STAGE1;
}
