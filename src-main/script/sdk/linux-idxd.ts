/** `linux/idxd`: the accelerator driver's own interface, for drivers that sit on its queues. */
import { PORTAL_PAGE, PORTAL_PAGE_NAMES } from '../../spec/dsa/portals.ts';
import type { IdxdDevice } from '../../linux/idxd/idxd-device.ts';
import type { IdxdWq } from '../../linux/idxd/wq.ts';
import { PciDev } from '../../linux/pci/pci-dev.ts';
import { asBoolean, asFunction, asInteger, asU32, asUnsigned, optional } from './arguments.ts';
import { asDescriptor } from './descriptor-bytes.ts';
import { effect, query, type SdkEnvironment } from './environment.ts';
import { deviceOf } from './handles.ts';
import {
  defineHostType,
  defineSdkModule,
  type HostFunctionSpec,
  type ScriptValue,
  type SdkModule,
} from './sdk-module.ts';

type Functions = Record<string, HostFunctionSpec>;

const PORTALS = {
  IDXD_PORTAL_UNLIMITED: PORTAL_PAGE.unlimitedMsix,
  IDXD_PORTAL_LIMITED: PORTAL_PAGE.limitedMsix,
  IDXD_PORTAL_UNLIMITED_IMS: PORTAL_PAGE.unlimitedIms,
  IDXD_PORTAL_LIMITED_IMS: PORTAL_PAGE.limitedIms,
} as const;

const portalTypes = Object.entries(PORTALS)
  .map(
    ([name, page]) =>
      `/** Portal page ${String(page)} of a queue: ${PORTAL_PAGE_NAMES[page] ?? ''}. */\nexport declare const ${name}: ${String(page)};`,
  )
  .join('\n');

const types = `import type { pci_dev } from 'linux/pci';

/** A work queue: what Scalable IOV assigns (\`struct idxd_wq\`). */
export interface idxd_wq {
  /** \`wq0.0\` */
  readonly name: string;
  readonly id: number;
  /** \`dedicated\`: one client, PASID in the device. \`shared\`: many, PASID in each descriptor. */
  readonly mode: 'dedicated' | 'shared';
  readonly type: 'none' | 'kernel' | 'user' | 'mdev';
  /** Entries. */
  readonly size: number;
  readonly threshold: number;
  readonly priority: number;
  readonly group: number;
  /** The administrator enabled it. */
  readonly is_bound: boolean;
  /** The hardware queue takes work. */
  readonly is_enabled: boolean;
  /** Users of idxd_wq_get(). */
  readonly clients: number;
  /** PASID that a dedicated queue puts on its requests, null without. */
  readonly pasid: number | null;
}

/** An accelerator (\`struct idxd_device\`). */
export interface idxd_device {
  /** \`dsa0\` */
  readonly name: string;
  readonly state: 'disabled' | 'enabled' | 'halted';
  readonly wqs: readonly idxd_wq[];
  /** Last command's error code; 0 is success. */
  readonly cmd_status: number;
  /** PASID of the kernel's own descriptors, -1 without. */
  readonly system_pasid: number;
}

/** The accelerator behind a PCI function, or null when the idxd driver has not bound it. */
export declare function idxd_from_pci(dev: pci_dev): idxd_device | null;
/** Enables the device with its groups and queues as sysfs configured them. @returns 0 or -ENXIO; see cmd_status */
export declare function idxd_device_enable(idxd: idxd_device): number;
/** Lets descriptors of programs ask for an interrupt, from the next time that the device is enabled. */
export declare function idxd_set_user_intr(idxd: idxd_device, enable: boolean): void;
/** Disables the device. @returns 0; -EBUSY while a queue has users */
export declare function idxd_device_disable(idxd: idxd_device): number;

/** Takes a reference: the queue has one more user. */
export declare function idxd_wq_get(wq: idxd_wq): void;
/** Drops a reference. */
export declare function idxd_wq_put(wq: idxd_wq): void;
/**
 * Writes the queue's configuration and gives Enable WQ.
 * @returns 0, or -ENXIO when the device refused; the code is in cmd_status
 */
export declare function idxd_wq_enable(wq: idxd_wq): number;
/** Stops taking work and finishes what is queued. @returns 0 or -ENXIO */
export declare function idxd_wq_disable(wq: idxd_wq): number;
/** Waits until everything queued is finished. @returns 0 or -ENXIO */
export declare function idxd_wq_drain(wq: idxd_wq): number;
/** Drops what has not started. @returns 0 or -ENXIO */
export declare function idxd_wq_abort(wq: idxd_wq): number;
/** Disables the queue and forgets its configuration but for the size. @returns 0 or -ENXIO */
export declare function idxd_wq_reset(wq: idxd_wq): number;
/**
 * Sets the PASID that a dedicated queue puts on every request. The queue must be disabled.
 * @param priv requests are privileged
 */
export declare function idxd_wq_set_pasid(wq: idxd_wq, pasid: number, priv?: boolean): void;
/** Requests of the queue go without a PASID. The queue must be disabled. */
export declare function idxd_wq_disable_pasid(wq: idxd_wq): void;
/** Physical address of one of the queue's four portal pages. */
export declare function idxd_wq_portal(wq: idxd_wq, page: number): number;

/** Waits until nothing of this PASID is left in the device. @returns 0 or -ENXIO */
export declare function idxd_device_drain_pasid(idxd: idxd_device, pasid: number): number;
/** Drops what this PASID has queued. @returns 0 or -ENXIO */
export declare function idxd_device_abort_pasid(idxd: idxd_device, pasid: number): number;
/** A handle for descriptors that ask for an interrupt. @returns the handle or -ENXIO */
export declare function idxd_device_request_int_handle(idxd: idxd_device, index: number): number;
/** Gives a handle back. @returns 0 */
export declare function idxd_device_release_int_handle(idxd: idxd_device, index: number): number;
/**
 * Who is told that the handles of the device are not those of its interrupts any more: descriptors that carry one end with
 * status 19h, and a new one has to be asked for (idxd_int_handle_revoke). A name of this simulator.
 */
export declare function idxd_on_int_handles_revoked(idxd: idxd_device, handler: () => void): void;
/** Which PASID's descriptors may name an MSI-X entry, null for those without one. @returns 0 or -EINVAL */
export declare function idxd_device_set_perm_entry(idxd: idxd_device, entry: number, pasid: number | null): number;
/** Submits a descriptor of the kernel itself. @returns 0; -EAGAIN when the queue stays full; -ENODEV when it is off */
export declare function idxd_submit_desc(wq: idxd_wq, desc: Uint8Array): number;

${portalTypes}
`;

export const wqType = defineHostType<IdxdWq>({
  name: 'struct idxd_wq',
  properties: {
    name: { get: (wq) => wq.name },
    id: { get: (wq) => wq.id },
    mode: { get: (wq) => wq.config.mode },
    type: { get: (wq) => wq.config.type },
    size: { get: (wq) => wq.config.size },
    threshold: { get: (wq) => wq.config.threshold, isPrinted: false },
    priority: { get: (wq) => wq.config.priority, isPrinted: false },
    group: { get: (wq) => wq.config.group_id, isPrinted: false },
    is_bound: { get: (wq) => wq.isBound, isPrinted: false },
    is_enabled: { get: (wq) => wq.isEnabled },
    clients: { get: (wq) => wq.clients },
    pasid: { get: (wq) => wq.pasid?.pasid ?? null },
  },
});

export const idxdType = defineHostType<IdxdDevice>({
  name: 'struct idxd_device',
  properties: {
    name: { get: (idxd) => idxd.name },
    state: { get: (idxd) => idxd.state },
    wqs: { get: (idxd) => idxd.wqs.map((wq) => wqType.of(wq)), isPrinted: false },
    cmd_status: { get: (idxd) => idxd.cmd_status, format: 'hex' },
    system_pasid: { get: (idxd) => idxd.systemPasid },
  },
});

const wqOf = (value: ScriptValue): IdxdWq => wqType.target(value, 'wq');
const idxdOf = (value: ScriptValue): IdxdDevice => idxdType.target(value, 'idxd');

function portalPage(value: ScriptValue): (typeof PORTAL_PAGE)[keyof typeof PORTAL_PAGE] {
  return asUnsigned(
    value,
    'page',
    PORTAL_PAGE.limitedIms,
  ) as (typeof PORTAL_PAGE)[keyof typeof PORTAL_PAGE];
}

function queueFunctions(env: SdkEnvironment): Functions {
  return {
    idxd_wq_get: effect(env, (_bound, wq) => wqOf(wq).addClient()),
    idxd_wq_put: effect(env, (_bound, wq) => wqOf(wq).removeClient()),
    idxd_wq_enable: effect(env, (_bound, wq) => wqOf(wq).enableHardware()),
    idxd_wq_disable: effect(env, (_bound, wq) => wqOf(wq).disable()),
    idxd_wq_drain: effect(env, (_bound, wq) => wqOf(wq).drain()),
    idxd_wq_abort: effect(env, (_bound, wq) => wqOf(wq).abort()),
    idxd_wq_reset: effect(env, (_bound, wq) => wqOf(wq).reset()),
    idxd_wq_set_pasid: effect(env, (_bound, wq, pasid, priv) =>
      wqOf(wq).setPasid({
        pasid: asUnsigned(pasid, 'pasid', MAX_PASID),
        priv: optional(priv, 'priv', asBoolean) ?? false,
      }),
    ),
    idxd_wq_disable_pasid: effect(env, (_bound, wq) => wqOf(wq).setPasid(null)),
    idxd_wq_portal: query(env, (_bound, wq, page) => {
      const queue = wqOf(wq);
      return queue.idxd.portalAddress(queue.id, portalPage(page));
    }),
    idxd_submit_desc: effect(env, ({ kernel }, wq, desc) =>
      kernel.idxd.idxd_submit_desc(wqOf(wq), asDescriptor(desc, 'desc')),
    ),
  };
}

/** PASIDs have 20 bits. */
const MAX_PASID = 0xf_ffff;

function deviceFunctions(env: SdkEnvironment): Functions {
  return {
    idxd_from_pci: query(env, ({ kernel }, dev) => {
      const device = deviceOf(dev, 'dev');
      const found = device instanceof PciDev ? kernel.idxd.deviceOf(device) : undefined;
      return found === undefined ? null : idxdType.of(found);
    }),
    idxd_device_enable: effect(env, ({ kernel }, idxd) =>
      kernel.idxd.idxd_device_enable(idxdOf(idxd)),
    ),
    idxd_device_disable: effect(env, ({ kernel }, idxd) =>
      kernel.idxd.idxd_device_disable(idxdOf(idxd)),
    ),
    idxd_set_user_intr: effect(env, (_bound, idxd, enable) => {
      idxdOf(idxd).hasUserInterrupts = asBoolean(enable, 'enable');
    }),
    idxd_device_drain_pasid: effect(env, ({ kernel }, idxd, pasid) =>
      kernel.idxd.idxd_device_drain_pasid(idxdOf(idxd), asU32(pasid, 'pasid')),
    ),
    idxd_device_abort_pasid: effect(env, ({ kernel }, idxd, pasid) =>
      kernel.idxd.idxd_device_abort_pasid(idxdOf(idxd), asU32(pasid, 'pasid')),
    ),
    idxd_device_request_int_handle: effect(env, ({ kernel }, idxd, index) =>
      kernel.idxd.idxd_device_request_int_handle(idxdOf(idxd), asInteger(index, 'index')),
    ),
    idxd_device_release_int_handle: effect(env, ({ kernel }, idxd, index) =>
      kernel.idxd.idxd_device_release_int_handle(idxdOf(idxd), asInteger(index, 'index')),
    ),
    idxd_on_int_handles_revoked: effect(env, (_bound, idxd, handler) => {
      const told = asFunction(handler, 'handler');
      idxdOf(idxd).onHandlesRevoked.add(() => void told.call());
    }),
    idxd_device_set_perm_entry: effect(env, ({ kernel }, idxd, entry, pasid) =>
      kernel.idxd.idxd_device_set_perm_entry(
        idxdOf(idxd),
        asInteger(entry, 'entry'),
        pasid === null ? null : asU32(pasid, 'pasid'),
      ),
    ),
  };
}

export function createIdxdModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'linux/idxd',
    types,
    constants: PORTALS,
    functions: { ...deviceFunctions(env), ...queueFunctions(env) },
  });
}
