/** `linux/ioasid`: the PASID space of the 2019 profile, with sets, private numbers and notifiers. */
import { INVALID_IOASID, IOASID_PRIO, type IoasidNotifier } from '../../linux/iommu/ioasid.ts';
import { asFunction, asInteger, asU32 } from './arguments.ts';
import { effect, query, type SdkEnvironment } from './environment.ts';
import { handleOr, ioasidSetType } from './handles.ts';
import {
  defineSdkModule,
  type GuestFunction,
  type ScriptValue,
  type SdkModule,
} from './sdk-module.ts';
import type { IoasidSet } from '../../linux/iommu/ioasid.ts';

const types = `/** The ids of one VM (\`struct ioasid_set\`). */
export interface ioasid_set {
  readonly name: string;
  readonly quota: number;
}

/** What ioasid_alloc() and ioasid_find_by_spid() give when there is none. */
export declare const INVALID_IOASID: 4294967295;
/** Notified first: the CPU side stops submission. */
export declare const IOASID_PRIO_CPU: 3;
/** Notified second: devices drain. */
export declare const IOASID_PRIO_DEVICE: 2;
/** Notified last: the IOMMU tears down. */
export declare const IOASID_PRIO_IOMMU: 1;

/** A set for the calling process, with room for \`quota\` ids. @returns the set, or -EBUSY when it has one */
export declare function ioasid_alloc_set(quota: number): ioasid_set | number;
/** Frees a set and all its ids. */
export declare function ioasid_free_set(set: ioasid_set): void;
/** The lowest free id in [min, max] (2019; later iommu_alloc_global_pasid()). \`set\` null: an id of the kernel. */
export declare function ioasid_alloc(set: ioasid_set | null, min: number, max: number): number;
/** Takes a reference. @returns 0, -EINVAL for a foreign id or one that is being freed */
export declare function ioasid_get(set: ioasid_set | null, id: number): number;
/** Drops a reference. @returns true when the number is back in the pool */
export declare function ioasid_put(set: ioasid_set | null, id: number): boolean;
/** Frees an id. It always succeeds; an id with references is FREE_PENDING until they are gone. */
export declare function ioasid_free(set: ioasid_set | null, id: number): void;
/** Gives an id the number its guest uses. @returns 0, -ENOENT, -EINVAL when the set has that number */
export declare function ioasid_attach_spid(id: number, spid: number): number;
/** Takes the guest's number away. @returns 0 or -ENOENT */
export declare function ioasid_detach_spid(id: number): number;
/** Host id behind a guest's number in its own set, or INVALID_IOASID. */
export declare function ioasid_find_by_spid(set: ioasid_set, spid: number): number;
/** Calls \`notify\` for every event of the set, higher priorities first. @returns 0 */
export declare function ioasid_register_notifier(
  set: ioasid_set,
  priority: number,
  notify: (event: 'ALLOC' | 'BIND' | 'UNBIND' | 'FREE', id: number, spid: number | null) => void,
): number;
`;

function setOrNull(value: ScriptValue): IoasidSet | null {
  return value === null || value === undefined ? null : ioasidSetType.target(value, 'set');
}

function notifierOf(priority: number, notify: GuestFunction): IoasidNotifier {
  return {
    name: notify.functionName === '' ? 'notifier' : notify.functionName,
    priority,
    call: (event, id, spid) => {
      notify.call(event, id, spid);
    },
  };
}

export function createIoasidModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'linux/ioasid',
    types,
    constants: {
      INVALID_IOASID,
      IOASID_PRIO_CPU: IOASID_PRIO.CPU,
      IOASID_PRIO_DEVICE: IOASID_PRIO.DEVICE,
      IOASID_PRIO_IOMMU: IOASID_PRIO.IOMMU,
    },
    functions: {
      ioasid_alloc_set: effect(env, ({ kernel, process }, quota) =>
        handleOr(
          ioasidSetType,
          kernel.ioasids.ioasid_alloc_set(process().mm, asU32(quota, 'quota')),
        ),
      ),
      ioasid_free_set: effect(env, ({ kernel }, set) =>
        kernel.ioasids.ioasid_free_set(ioasidSetType.target(set, 'set')),
      ),
      ioasid_alloc: effect(env, ({ kernel }, set, min, max) =>
        kernel.ioasids.ioasid_alloc(setOrNull(set), asU32(min, 'min'), asU32(max, 'max')),
      ),
      ioasid_get: effect(env, ({ kernel }, set, id) =>
        kernel.ioasids.ioasid_get(setOrNull(set), asU32(id, 'id')),
      ),
      ioasid_put: effect(env, ({ kernel }, set, id) =>
        kernel.ioasids.ioasid_put(setOrNull(set), asU32(id, 'id')),
      ),
      ioasid_free: effect(env, ({ kernel }, set, id) =>
        kernel.ioasids.ioasid_free(setOrNull(set), asU32(id, 'id')),
      ),
      ioasid_attach_spid: effect(env, ({ kernel }, id, spid) =>
        kernel.ioasids.ioasid_attach_spid(asU32(id, 'id'), asU32(spid, 'spid')),
      ),
      ioasid_detach_spid: effect(env, ({ kernel }, id) =>
        kernel.ioasids.ioasid_detach_spid(asU32(id, 'id')),
      ),
      ioasid_find_by_spid: query(env, ({ kernel }, set, spid) =>
        kernel.ioasids.ioasid_find_by_spid(ioasidSetType.target(set, 'set'), asU32(spid, 'spid')),
      ),
      ioasid_register_notifier: effect(env, ({ kernel }, set, priority, notify) =>
        kernel.ioasids.ioasid_register_notifier(
          ioasidSetType.target(set, 'set'),
          notifierOf(asInteger(priority, 'priority'), asFunction(notify, 'notify')),
        ),
      ),
    },
  });
}
