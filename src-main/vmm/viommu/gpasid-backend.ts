/**
 * Nesting in the words of 2019: PASIDs of `/dev/ioasid`, VFIO_IOMMU_NESTING_OP on the container, page faults from the
 * device's fault region. vSVA series for Linux and QEMU, 2020.
 *
 * The VDEVs of one container on one parent share the VM's domain and so its PASIDs: a number is bound for all of them at
 * once.
 */
import type { Device } from '../../linux/core/device.ts';
import { EINVAL, ENODEV } from '../../linux/errno.ts';
import type { IommuDomain } from '../../linux/iommu/domain.ts';
import type { FaultGroup } from '../../linux/iommu/fault-group.ts';
import type { IoasidFile } from '../../linux/iommu/ioasid-file.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { Process } from '../../linux/mm/process.ts';
import type {
  GuestFaultGroup,
  GuestPasidSource,
  GuestRange,
  GuestStage1,
  NestingBackend,
  UnrecoverableFault,
} from './nesting-backend.ts';

interface Place {
  readonly domain: IommuDomain;
  readonly parent: Device;
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
    const hpasid = place === undefined ? -ENODEV : this.#hostOf(place, pasid);
    if (place === undefined || hpasid < 0) {
      return place === undefined ? -ENODEV : -EINVAL;
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
    this.#listen(place.domain);
    const { guestPasids, core } = this.#kernel;
    const result = core.call('VFIO_IOMMU_NESTING_OP', ['bind', device, pasid, stage1.root], () =>
      guestPasids.iommu_uapi_sva_bind_gpasid(place.domain, place.parent, {
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
      this.#bound.set(key, { ...place, hpasid, pasid, devices: new Set([device]) });
    }
    return result;
  }

  unbind(device: string, pasid: number): void {
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

  #listen(domain: IommuDomain): void {
    const { guestPasids } = this.#kernel;
    const deviceOf = (pasid: number): string | undefined => {
      const bound = [...this.#bound.values()].find((b) => b.domain === domain && b.pasid === pasid);
      return bound?.devices.values().next().value;
    };
    guestPasids.onUnrecoverable(domain, (fault, pasid) => {
      const device = deviceOf(pasid);
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

  #hostOf({ domain }: Place, pasid: number): number {
    return pasid === 0 ? domain.default_pasid : this.#file.hostOf(pasid);
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
