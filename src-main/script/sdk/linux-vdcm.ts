/** `linux/vdcm`: a learner's own decisions in the accelerator's virtual device composition module. */
import type { EventfdFile } from '../../linux/core/eventfd.ts';
import type { IdxdVdev } from '../../linux/idxd/vdcm/vdev.ts';
import { EFAULT } from '../../linux/errno.ts';
import type { MigrationFile } from '../../linux/vfio/migration.ts';
import { AnyDescriptor } from '../../spec/dsa/descriptor.ts';
import type { RegionSpec } from '../../linux/vfio/device-requests.ts';
import type { IrqSetRequest } from '../../linux/vfio/irq-set.ts';
import type { VdcmOps } from '../../linux/vdcm/vdcm-ops.ts';
import { KvmVm } from '../../vmm/kvm/kvm-vm.ts';
import {
  asArray,
  asBoolean,
  asInteger,
  asRecord,
  asU32,
  asUnsigned,
  operationOf,
  optional,
} from './arguments.ts';
import { effect, query, type SdkEnvironment } from './environment.ts';
import { eventfdType } from './eventfd-handle.ts';
import { handleOr, ioasidSetType } from './handles.ts';
import { idxdType, wqType } from './linux-idxd.ts';
import { asAddress, toReturnCode } from './numbers.ts';
import {
  defineHostType,
  defineSdkModule,
  type GuestFunction,
  type HostFunctionSpec,
  type ScriptRecord,
  type ScriptValue,
  type SdkModule,
} from './sdk-module.ts';
import { bytesOfWords } from './descriptor-bytes.ts';
import { migrationFileType } from './migration-file-handle.ts';
import { VDCM_TYPES } from './types/linux-vdcm.ts';
import { vmAreaType } from './vm-area-handle.ts';

type Functions = Record<string, HostFunctionSpec>;
type Ops = VdcmOps<IdxdVdev>;

const MAX_PASID = 0xf_ffff;

export const vdevType = defineHostType<IdxdVdev>({
  name: 'vdev',
  properties: {
    uuid: { get: (vdev) => vdev.uuid },
    wq: { get: (vdev) => wqType.of(vdev.wq), isPrinted: false },
    idxd: { get: (vdev) => idxdType.of(vdev.idxd), isPrinted: false },
    state: { get: (vdev) => vdev.state },
    is_open: { get: (vdev) => vdev.isOpen },
    default_pasid: { get: (vdev) => vdev.pasids.default },
    guest_pasid: {
      get: ({ bar0 }) => (bar0.wq.values.pasidEnable === 1 ? bar0.wq.values.pasid : null),
    },
    guest_priv: { get: ({ bar0 }) => bar0.wq.values.priv === 1 },
    is_pasid_translated: {
      get: (vdev) => {
        const kvm = vdev.vfioDevice?.kvm;
        return kvm instanceof KvmVm && kvm.hasPasidTranslation;
      },
      isPrinted: false,
    },
  },
});

export const vdevOf = (value: ScriptValue): IdxdVdev => vdevType.target(value, 'vdev');
const fileOf = (file: EventfdFile | null): ScriptValue =>
  file === null ? null : eventfdType.of(file);

// ---- values that cross -----------------------------------------------------------------------------------------------

function regionToScript(region: RegionSpec | undefined): ScriptValue {
  if (region === undefined) return null;
  const { size, flags, mmapAreas } = region;
  const areas = mmapAreas?.map(({ offset, size: bytes }) => ({ offset, size: bytes }));
  return { size, flags, ...(areas === undefined ? {} : { areas }) };
}

function regionFromScript(value: ScriptValue): RegionSpec | undefined {
  if (value === null || value === undefined) return undefined;
  const fields = asRecord(value, 'region');
  const areas = optional(fields['areas'], 'region.areas', asArray)?.map((area, i) => {
    const at = `region.areas[${String(i)}]`;
    const place = asRecord(area, at);
    return {
      offset: asAddress(place['offset'], `${at}.offset`),
      size: asAddress(place['size'], `${at}.size`),
    };
  });
  return {
    size: asAddress(fields['size'], 'region.size'),
    flags: asU32(fields['flags'], 'region.flags'),
    ...(areas === undefined ? {} : { mmapAreas: areas }),
  };
}

function requestToScript(request: IrqSetRequest): ScriptRecord {
  const { index, start, count, flags, which, eventfds } = request;
  return { index, start, count, flags, which: [...which], eventfds: eventfds.map(fileOf) };
}

function requestFromScript(value: ScriptValue): IrqSetRequest {
  const fields = asRecord(value, 'request');
  const files = optional(fields['eventfds'], 'request.eventfds', asArray) ?? [];
  const which = optional(fields['which'], 'request.which', asArray) ?? [];
  return {
    index: asU32(fields['index'], 'request.index'),
    start: asU32(fields['start'], 'request.start'),
    count: asU32(fields['count'], 'request.count'),
    flags: asU32(fields['flags'], 'request.flags'),
    which: which.map((flag, i) => asBoolean(flag, `request.which[${String(i)}]`)),
    eventfds: files.map((file, i) =>
      file === null ? null : eventfdType.target(file, `request.eventfds[${String(i)}]`),
    ),
  };
}

// ---- operations of a script ------------------------------------------------------------------------------------------

/** A value, or a negative error number. Nothing counts as -EFAULT. */
function readValue(value: ScriptValue): bigint | number {
  if (value === undefined) return -EFAULT;
  if (typeof value === 'bigint') return value;
  const number = asInteger(value, 'the result of cfg_read');
  return number < 0 ? number : BigInt(number);
}

/** A stream, null for none, or a negative error number. Nothing counts as no stream. */
function readFile(value: ScriptValue): MigrationFile | null | number {
  if (value === undefined || value === null) return null;
  if (migrationFileType.is(value)) return migrationFileType.target(value, 'file');
  const number = asInteger(value, 'the result of migration_set_state');
  return number < 0 ? number : null;
}

function configOps(op: (name: string) => GuestFunction | undefined): Partial<Ops> {
  const [read, write] = [op('cfg_read'), op('cfg_write')];
  return {
    ...(read === undefined
      ? {}
      : {
          cfg_read: (vdev: IdxdVdev, offset: number, bytes: number) =>
            readValue(read.call(vdevType.of(vdev), offset, bytes)),
        }),
    ...(write === undefined
      ? {}
      : {
          cfg_write: (vdev: IdxdVdev, offset: number, bytes: number, value: bigint) =>
            toReturnCode(write.call(vdevType.of(vdev), offset, bytes, numberOf(value))),
        }),
  };
}

/** What a guest wrote: a number where it is one. */
function numberOf(value: bigint): ScriptValue {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

function otherOps(op: (name: string) => GuestFunction | undefined): Partial<Ops> {
  const [info, mmap, enable, irqs, reset, submit, setState] = [
    op('get_region_info'),
    op('mmap'),
    op('wq_enable'),
    op('set_irqs'),
    op('reset'),
    op('submit'),
    op('migration_set_state'),
  ];
  const ops: { -readonly [K in keyof Ops]?: Ops[K] } = {};
  if (info !== undefined) {
    ops.get_region_info = (vdev, index) => regionFromScript(info.call(vdevType.of(vdev), index));
  }
  if (mmap !== undefined) {
    ops.mmap = (vdev, index, offset, area) =>
      toReturnCode(mmap.call(vdevType.of(vdev), index, offset, vmAreaType.of(area)));
  }
  if (enable !== undefined) {
    ops.wq_enable = (vdev) => toReturnCode(enable.call(vdevType.of(vdev)));
  }
  if (irqs !== undefined) {
    ops.set_irqs = (vdev, request) =>
      toReturnCode(irqs.call(vdevType.of(vdev), requestToScript(request)));
  }
  if (reset !== undefined) {
    ops.reset = (vdev, isFull) => void reset.call(vdevType.of(vdev), isFull);
  }
  if (submit !== undefined) {
    ops.submit = (vdev, words) =>
      toReturnCode(
        submit.call(vdevType.of(vdev), AnyDescriptor.decode(words).pasid, bytesOfWords(words)),
      );
  }
  if (setState !== undefined) {
    ops.migration_set_state = (vdev, state) => readFile(setState.call(vdevType.of(vdev), state));
  }
  return ops;
}

// ---- functions -------------------------------------------------------------------------------------------------------

function registration(env: SdkEnvironment): Functions {
  return {
    vdcm_set_ops: effect(env, ({ kernel }, argument) => {
      const table = asRecord(argument, 'ops');
      const op = (name: string): GuestFunction | undefined => operationOf(table, name, 'ops');
      kernel.idxd.vdcm.hooks.override({ ...configOps(op), ...otherOps(op) });
    }),
    vdcm_vdevs: query(env, ({ kernel }) => kernel.idxd.vdcm.vdevs.map((v) => vdevType.of(v))),
  };
}

function builtins(env: SdkEnvironment): Functions {
  return {
    vdcm_cfg_read: query(env, ({ kernel }, vdev, offset, bytes) => {
      const { builtin } = kernel.idxd.vdcm.hooks;
      const value = builtin.cfg_read(vdevOf(vdev), asU32(offset, 'offset'), asU32(bytes, 'bytes'));
      return Number(value);
    }),
    vdcm_cfg_write: effect(env, ({ kernel }, vdev, offset, bytes, value) =>
      kernel.idxd.vdcm.hooks.builtin.cfg_write(
        vdevOf(vdev),
        asU32(offset, 'offset'),
        asU32(bytes, 'bytes'),
        BigInt(asU32(value, 'value')),
      ),
    ),
    vdcm_get_region_info: query(env, ({ kernel }, vdev, index) =>
      regionToScript(
        kernel.idxd.vdcm.hooks.builtin.get_region_info(vdevOf(vdev), asU32(index, 'index')),
      ),
    ),
    vdcm_mmap: effect(env, ({ kernel }, vdev, index, offset, vma) =>
      kernel.idxd.vdcm.hooks.builtin.mmap(
        vdevOf(vdev),
        asU32(index, 'index'),
        asAddress(offset, 'offset'),
        vmAreaType.target(vma, 'vma'),
      ),
    ),
    vdcm_wq_enable: effect(env, ({ kernel }, vdev) =>
      kernel.idxd.vdcm.hooks.builtin.wq_enable(vdevOf(vdev)),
    ),
    vdcm_set_irqs: effect(env, ({ kernel }, vdev, request) =>
      kernel.idxd.vdcm.hooks.builtin.set_irqs(vdevOf(vdev), requestFromScript(request)),
    ),
    vdcm_reset: effect(env, ({ kernel }, vdev, isFull) =>
      kernel.idxd.vdcm.hooks.builtin.reset(vdevOf(vdev), asBoolean(isFull, 'is_full')),
    ),
  };
}

function vdevFunctions(env: SdkEnvironment): Functions {
  return {
    vdev_translate_pasid: query(env, (_bound, vdev, guest) =>
      vdevOf(vdev).pasids.translate(asUnsigned(guest, 'guest_pasid', MAX_PASID)),
    ),
    vdev_ioasid_set: query(env, ({ kernel }, vdev) => {
      const mm = vdevOf(vdev).vfioDevice?.user?.mm;
      return handleOr(
        ioasidSetType,
        mm === undefined ? null : kernel.ioasids.ioasid_find_mm_set(mm),
      );
    }),
    vidxd_report_pci_error: effect(env, (_bound, vdev) => vdevOf(vdev).reportConfigurationChange()),
    vdev_set_misc_eventfd: effect(env, (_bound, vdev, ctx) =>
      vdevOf(vdev).interrupts.setFirst(ctx === null ? null : eventfdType.target(ctx, 'ctx')),
    ),
    vdev_set_vector_irq: effect(env, (_bound, vdev, vector, irq) => {
      const target = vdevOf(vdev);
      const number = irq === null ? null : asInteger(irq, 'irq');
      const result = target.interrupts.adopt(asU32(vector, 'vector'), number);
      target.publish();
      return result;
    }),
  };
}

export function createVdcmModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'linux/vdcm',
    types: VDCM_TYPES,
    functions: { ...registration(env), ...builtins(env), ...vdevFunctions(env) },
  });
}
