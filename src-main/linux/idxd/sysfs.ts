/**
 * Configuration files of the accelerator (Documentation/ABI/stable/sysfs-driver-dma-idxd): /sys/bus/dsa/devices with a
 * directory for the device, each group, engine and queue. Errors are those of drivers/dma/idxd/sysfs.c.
 */
import { toHex } from '../../bits/hex.ts';
import type { SysfsAttribute } from '../core/sysfs.ts';
import { EINVAL, EPERM } from '../errno.ts';
import type { IdxdDevice, IdxdEngine, IdxdGroup } from './idxd-device.ts';
import type { IdxdWq, WqMode, WqType } from './wq.ts';

type Attributes = Readonly<Record<string, SysfsAttribute>>;

const MAX_PRIORITY = 15;
const MAX_NAME = 1024;
const BUS = 'bus/dsa/devices';

function readOnly(show: () => string | number): SysfsAttribute {
  return { show: () => String(show()) };
}

/** `%*pb`: groups of eight hexadecimal digits, the highest first. */
function bitmapText(words: Uint32Array): string {
  return [...words]
    .reverse()
    .map((word) => word.toString(16).padStart(8, '0'))
    .join(',');
}

/** A whole number, or undefined: the kernel's kstrtol with base 10 or a 0x prefix. */
function parseNumber(text: string): number | undefined {
  const trimmed = text.trim();
  return /^(-?\d+|0x[0-9a-f]+)$/i.test(trimmed) ? Number(trimmed) : undefined;
}

/** A number within limits, handed on. */
function storeNumber(
  text: string,
  limits: { readonly min: number; readonly max: number },
  set: (value: number) => number | void,
): number {
  const value = parseNumber(text);
  return value === undefined || value < limits.min || value > limits.max
    ? -EINVAL
    : (set(value) ?? 0);
}

function deviceAttributes(idxd: IdxdDevice): Attributes {
  const { gencap, grpcap, engcap, wqcap, wqs, opcap, version } = idxd.capabilities;
  return {
    version: readOnly(() => toHex(version.major * 256 + version.minor)),
    max_groups: readOnly(() => grpcap.count),
    max_work_queues: readOnly(() => wqs),
    max_engines: readOnly(() => engcap.count),
    max_work_queues_size: readOnly(() => wqcap.totalSize),
    max_batch_size: readOnly(() => 2 ** gencap.maxBatchShift),
    max_transfer_size: readOnly(() => 2 ** gencap.maxTransferShift),
    max_read_buffers: readOnly(() => grpcap.readBuffers),
    read_buffer_limit: {
      show: () => String(idxd.read_buffer_limit),
      store: (text) =>
        idxd.state === 'enabled'
          ? -EPERM
          : storeNumber(text, { min: 0, max: grpcap.readBuffers }, (value) => {
              idxd.read_buffer_limit = value;
            }),
    },
    op_cap: readOnly(() => toHex(opcap)),
    ims_size: readOnly(() => idxd.capabilities.imsEntries),
    configurable: readOnly(() => gencap.configuration),
    pasid_enabled: readOnly(() => Number(idxd.isPasidEnabled)),
    state: readOnly(() => idxd.state),
    cmd_status: {
      show: () => toHex(idxd.cmd_status),
      store: () => {
        idxd.cmd_status = 0;
        return 0;
      },
    },
    clients: readOnly(() => idxd.wqs.reduce((sum, wq) => sum + wq.clients, 0)),
    errors: readOnly(() => bitmapText(idxd.sw_err)),
  };
}

function groupAttributes(idxd: IdxdDevice, group: IdxdGroup): Attributes {
  const { grpcap } = idxd.capabilities;
  const limited = (
    get: () => number,
    max: number,
    set: (value: number) => void,
  ): SysfsAttribute => ({
    show: () => String(get()),
    store: (text) => (idxd.state === 'enabled' ? -EPERM : storeNumber(text, { min: 0, max }, set)),
  });
  return {
    work_queues: readOnly(() =>
      idxd.wqs
        .filter((w) => w.config.group_id === group.id)
        .map((w) => w.name)
        .join(' '),
    ),
    engines: readOnly(() =>
      idxd.engines
        .filter((e) => e.group_id === group.id)
        .map((e) => e.name)
        .join(' '),
    ),
    read_buffers_allowed: limited(
      () => group.read_buffers_allowed,
      grpcap.readBuffers,
      (value) => {
        group.read_buffers_allowed = value;
      },
    ),
    read_buffers_reserved: limited(
      () => group.read_buffers_reserved,
      grpcap.readBuffers,
      (value) => {
        group.read_buffers_reserved = value;
      },
    ),
    use_read_buffer_limit: limited(
      () => Number(group.use_read_buffer_limit),
      1,
      (value) => {
        group.use_read_buffer_limit = value === 1;
      },
    ),
    traffic_class_a: limited(
      () => group.traffic_class_a,
      7,
      (value) => {
        group.traffic_class_a = value;
      },
    ),
    traffic_class_b: limited(
      () => group.traffic_class_b,
      7,
      (value) => {
        group.traffic_class_b = value;
      },
    ),
  };
}

/** -1 takes it out of its group. */
function groupId(
  idxd: IdxdDevice,
  get: () => number,
  set: (id: number) => void,
  isLocked: () => boolean,
): SysfsAttribute {
  return {
    show: () => String(get()),
    store: (text) => {
      if (idxd.state === 'enabled' || isLocked() || idxd.capabilities.gencap.configuration === 0) {
        return -EPERM;
      }
      return storeNumber(text, { min: -1, max: idxd.groups.length - 1 }, set);
    },
  };
}

/** A setting that only changes while the queue is disabled. */
function wqSetting(
  wq: IdxdWq,
  get: () => string | number,
  set: (text: string) => number,
): SysfsAttribute {
  return {
    show: () => String(get()),
    store: (text) => {
      if (wq.isBound || wq.isLocked) {
        return -EPERM;
      }
      const result = set(text);
      if (result >= 0) {
        wq.publish();
      }
      return result;
    },
  };
}

function oneOf<T extends string>(
  text: string,
  allowed: readonly T[],
  set: (value: T) => number | void,
): number {
  const value = allowed.find((a) => a === text.trim());
  return value === undefined ? -EINVAL : (set(value) ?? 0);
}

/** A setting that is read-only where somebody else configures the device. */
function wqLimit(
  idxd: IdxdDevice,
  wq: IdxdWq,
  get: () => string | number,
  set: (text: string) => number,
): SysfsAttribute {
  const isFixed = idxd.capabilities.gencap.configuration === 0;
  return wqSetting(wq, get, (text) => (isFixed ? -EPERM : set(text)));
}

const MODES: readonly WqMode[] = ['shared', 'dedicated'];
const TYPES: readonly WqType[] = ['none', 'kernel', 'user', 'mdev'];

/** What decides where a queue's descriptors go and who may put them there. */
function wqPlacement(idxd: IdxdDevice, wq: IdxdWq): Attributes {
  const { config } = wq;
  const { wqcap } = idxd.capabilities;
  return {
    group_id: groupId(
      idxd,
      () => config.group_id,
      (id) => {
        config.group_id = id;
        wq.publish();
      },
      () => wq.isBound,
    ),
    size: wqLimit(
      idxd,
      wq,
      () => config.size,
      (text) =>
        idxd.state === 'enabled'
          ? -EPERM
          : storeNumber(
              text,
              { min: 0, max: wqcap.totalSize - idxd.claimedSize + config.size },
              (value) => {
                config.size = value;
              },
            ),
    ),
    mode: wqSetting(
      wq,
      () => config.mode,
      (text) =>
        oneOf(text, MODES, (mode) => {
          if (wq.isModeFixed) {
            return -EPERM;
          }
          if (mode === 'shared' && !idxd.isPasidEnabled) {
            return -EINVAL;
          }
          config.mode = mode;
          config.threshold = mode === 'dedicated' ? 0 : config.threshold;
          return 0;
        }),
    ),
    threshold: wqLimit(
      idxd,
      wq,
      () => config.threshold,
      (text) =>
        config.mode === 'dedicated'
          ? -EINVAL
          : storeNumber(text, { min: 1, max: config.size }, (value) => {
              config.threshold = value;
            }),
    ),
    priority: wqLimit(
      idxd,
      wq,
      () => config.priority,
      (text) =>
        storeNumber(text, { min: 1, max: MAX_PRIORITY }, (value) => {
          config.priority = value;
        }),
    ),
  };
}

/** What a queue is for, what its descriptors may ask for, and how it is doing. */
function wqUse(idxd: IdxdDevice, wq: IdxdWq): Attributes {
  const { config } = wq;
  const { gencap, wqcap } = idxd.capabilities;
  return {
    type: wqSetting(
      wq,
      () => config.type,
      (text) =>
        oneOf(text, TYPES, (type) => {
          config.type = type;
          config.name = type === 'none' ? '' : config.name;
        }),
    ),
    name: wqSetting(
      wq,
      () => config.name,
      (text) => {
        const name = text.trim();
        if (name.length > MAX_NAME) {
          return -EINVAL;
        }
        config.name = name;
        return 0;
      },
    ),
    driver_name: wqSetting(
      wq,
      () => config.driver_name,
      (text) => {
        config.driver_name = text.trim();
        return 0;
      },
    ),
    max_transfer_size: wqLimit(
      idxd,
      wq,
      () => 2 ** config.max_transfer_shift,
      (text) =>
        storeNumber(text, { min: 1, max: 2 ** gencap.maxTransferShift }, (value) => {
          config.max_transfer_shift = Math.ceil(Math.log2(value));
        }),
    ),
    max_batch_size: wqLimit(
      idxd,
      wq,
      () => 2 ** config.max_batch_shift,
      (text) =>
        storeNumber(text, { min: 1, max: 2 ** gencap.maxBatchShift }, (value) => {
          config.max_batch_shift = Math.ceil(Math.log2(value));
        }),
    ),
    block_on_fault: flag(wq, 'block_on_fault', gencap.blockOnFault === 1),
    ats_disable: flag(wq, 'ats_disable', wqcap.atsDisable === 1),
    prs_disable: flag(wq, 'prs_disable', wqcap.prsDisable === 1),
    enqcmds_retries: wqSetting(
      wq,
      () => config.enqcmds_retries,
      (text) =>
        storeNumber(text, { min: 0, max: 64 }, (value) => {
          config.enqcmds_retries = value;
        }),
    ),
    op_config: readOnly(() => toHex(config.op_config)),
    occupancy: { show: () => String(wq.read().occupancy), isLazy: true },
    state: readOnly(() => wq.state),
    clients: readOnly(() => wq.clients),
  };
}

function flag(
  wq: IdxdWq,
  name: 'block_on_fault' | 'ats_disable' | 'prs_disable',
  isSupported: boolean,
): SysfsAttribute {
  return wqSetting(
    wq,
    () => Number(wq.config[name]),
    (text) =>
      isSupported
        ? storeNumber(text, { min: 0, max: 1 }, (value) => {
            wq.config[name] = value === 1;
          })
        : -EINVAL,
  );
}

function engineAttributes(idxd: IdxdDevice, engine: IdxdEngine): Attributes {
  return {
    group_id: groupId(
      idxd,
      () => engine.group_id,
      (id) => {
        engine.group_id = id;
        idxd.publish();
      },
      () => false,
    ),
  };
}

function addDirectory(idxd: IdxdDevice, path: string, attributes: Attributes): void {
  const { sysfs } = idxd.dev;
  sysfs.mkdir(path);
  for (const [name, attribute] of Object.entries(attributes)) {
    sysfs.file(`${path}/${name}`, attribute);
  }
}

/** Builds the directories; links from /sys/bus/dsa/devices lead there. */
export function addIdxdSysfs(idxd: IdxdDevice): void {
  const { sysfs, path } = idxd.dev;
  const base = `${path}/${idxd.name}`;
  addDirectory(idxd, base, deviceAttributes(idxd));
  sysfs.link(`${BUS}/${idxd.name}`, base);
  const add = (name: string, attributes: Attributes): void => {
    addDirectory(idxd, `${base}/${name}`, attributes);
    sysfs.link(`${BUS}/${name}`, `${base}/${name}`);
  };
  idxd.groups.forEach((group) => add(group.name, groupAttributes(idxd, group)));
  idxd.engines.forEach((engine) => add(engine.name, engineAttributes(idxd, engine)));
  idxd.wqs.forEach((wq) => add(wq.name, { ...wqPlacement(idxd, wq), ...wqUse(idxd, wq) }));
}

export function removeIdxdSysfs(idxd: IdxdDevice): void {
  const { sysfs, path } = idxd.dev;
  for (const { name } of [...idxd.groups, ...idxd.engines, ...idxd.wqs, idxd]) {
    sysfs.remove(`${BUS}/${name}`);
  }
  sysfs.remove(`${path}/${idxd.name}`);
}
