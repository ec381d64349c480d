/** Objects of an open /dev/iommu by id, with users that keep them from being destroyed. */
import type { PlainData } from '../../sim/index.ts';
import type { Core } from '../core/core.ts';
import type { Device } from '../core/device.ts';
import { EBUSY, EINVAL, ENOENT } from '../errno.ts';
import type { IommuDomain } from '../iommu/domain.ts';
import type { VfioDevice } from '../vfio/vfio-device.ts';
import type { FaultQueue } from './fault-queue.ts';
import type { Ioas } from './ioas.ts';

export interface IoasObject {
  readonly kind: 'ioas';
  readonly id: number;
  readonly ioas: Ioas;
}

export interface HwptObject {
  readonly kind: 'hwpt';
  readonly id: number;
  readonly domain: IommuDomain;
  /** IOAS that it mirrors, or parent HWPT that it nests on. */
  readonly ioas: IoasObject | null;
  readonly parent: HwptObject | null;
  readonly isNestParent: boolean;
  readonly isPasidCompatible: boolean;
  readonly fault: FaultObject | null;
  /** Made by attaching a device to the IOAS; goes with its last user. */
  readonly isAuto: boolean;
}

export interface FaultObject {
  readonly kind: 'fault';
  readonly id: number;
  readonly queue: FaultQueue;
}

export interface DeviceObject {
  readonly kind: 'device';
  readonly id: number;
  readonly vdev: VfioDevice;
  /** Device whose IOMMU carries the DMA: its own, or the parent of a VDEV. Null for emulated devices. */
  readonly dma: Device | null;
  /** What requests without a guest PASID use. */
  hwpt: HwptObject | null;
  /** Host PASID that stands for them on a parent; 0 for a device with its own Requester ID. */
  pasid: number;
  /** Guest PASIDs: their page table and host PASID. */
  readonly pasids: Map<number, { hwpt: HwptObject; readonly hostPasid: number }>;
  /** Emulated devices: the IOAS that pins come from. */
  ioas: IoasObject | null;
}

export type IommufdObject = IoasObject | HwptObject | FaultObject | DeviceObject;
type Kind = IommufdObject['kind'];
type OfKind<K extends Kind> = Extract<IommufdObject, { kind: K }>;

/** The open file behind a context. */
export interface ContextFile {
  /** `iommufd 1` */
  readonly name: string;
  hold(): void;
  drop(): void;
}

export class IommufdContext {
  readonly name: string;
  readonly #core: Core;
  readonly #objects = new Map<number, IommufdObject>();
  readonly #users = new Map<number, number>();
  #nextObject = 1;
  /** IOAS behind the compatibility interface. */
  compatIoas: IoasObject | null = null;
  /** iommufd_ctx_get and _put: bound devices keep the file alive after its descriptor was closed. */
  readonly file: ContextFile;
  readonly #key: string;

  constructor(core: Core, file: ContextFile) {
    this.#core = core;
    this.file = file;
    this.#key = file.name.replace(' ', '/');
    this.name = file.name;
  }

  get objects(): readonly IommufdObject[] {
    return [...this.#objects.values()];
  }

  nextId(): number {
    return this.#nextObject++;
  }

  add<T extends IommufdObject>(object: T): T {
    this.#objects.set(object.id, object);
    this.publish(object);
    return object;
  }

  /** -ENOENT when there is no such object, -EINVAL when it is of another kind. */
  get<K extends Kind>(id: number, ...kinds: readonly K[]): OfKind<K> | number {
    const object = this.#objects.get(id);
    if (object === undefined) {
      return -ENOENT;
    }
    return kinds.some((k) => k === object.kind) ? (object as OfKind<K>) : -EINVAL;
  }

  use(object: IommufdObject): void {
    this.#users.set(object.id, this.usersOf(object) + 1);
    this.publish(object);
  }

  unuse(object: IommufdObject): void {
    this.#users.set(object.id, this.usersOf(object) - 1);
    this.publish(object);
  }

  usersOf(object: IommufdObject): number {
    return this.#users.get(object.id) ?? 0;
  }

  /** -EBUSY while somebody uses it. The caller tears down what is behind it. */
  remove(object: IommufdObject): number {
    if (this.usersOf(object) > 0) {
      return -EBUSY;
    }
    this.#objects.delete(object.id);
    this.#users.delete(object.id);
    this.#core.publish(`${this.#key}/${object.id}`, undefined);
    return 0;
  }

  publish(object: IommufdObject): void {
    if (this.#objects.has(object.id)) {
      this.#core.publish(`${this.#key}/${object.id}`, {
        kind: object.kind,
        users: this.usersOf(object),
        ...describeObject(object),
      });
    }
  }
}

function describeObject(object: IommufdObject): Readonly<Record<string, PlainData>> {
  switch (object.kind) {
    case 'ioas':
      return {
        areas: object.ioas.areas.map((a) => ({
          iova: a.iova,
          vaddr: a.vaddr,
          bytes: a.bytes,
          isPinned: a.runs !== null,
        })),
        domains: object.ioas.domains.map((d) => d.name),
      };
    case 'hwpt':
      return {
        domain: object.domain.name,
        ioas: object.ioas?.id ?? null,
        parent: object.parent?.id ?? null,
        isNestParent: object.isNestParent,
        isPasidCompatible: object.isPasidCompatible,
        faultQueue: object.fault?.id ?? null,
      };
    case 'fault':
      return { waiting: object.queue.waiting, unanswered: object.queue.unanswered };
    case 'device':
      return {
        device: object.vdev.name,
        hwpt: object.hwpt?.id ?? null,
        ioas: object.ioas?.id ?? null,
        hostPasid: object.pasid,
        pasids: [...object.pasids].map(([pasid, a]) => ({
          pasid,
          hwpt: a.hwpt.id,
          hostPasid: a.hostPasid,
        })),
      };
  }
}
