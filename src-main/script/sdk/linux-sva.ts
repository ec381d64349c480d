/** `linux/sva`: a device in the address space of a program, its page requests, and what a driver hears of that space. */
import { PAGE_RESPONSE_CODE } from '../../spec/vtd/descriptors/page-request-descriptors.ts';
import type { FaultGroup, PageResponseCode } from '../../linux/iommu/fault-group.ts';
import type { SvaHandle } from '../../linux/iommu/sva.ts';
import type { Mm, MmuNotifier } from '../../linux/mm/mm.ts';
import { asBoolean, asFunction, asRecord, operationOf } from './arguments.ts';
import { effect, query, type SdkEnvironment } from './environment.ts';
import { deviceHandle, deviceOf, domainType, handleOr } from './handles.ts';
import { processType } from './lab-process.ts';
import { asAddress, toReturnCode } from './numbers.ts';
import {
  ArgumentError,
  defineHostType,
  defineSdkModule,
  type HostFunctionSpec,
  type ScriptValue,
  type SdkModule,
} from './sdk-module.ts';
import { SVA_TYPES } from './types/linux-sva.ts';

type Functions = Record<string, HostFunctionSpec>;

const svaType = defineHostType<SvaHandle>({
  name: 'struct iommu_sva',
  properties: {
    name: { get: (handle) => handle.name },
    dev: { get: (handle) => deviceHandle(handle.dev), isPrinted: false },
    domain: { get: (handle) => domainType.of(handle.domain), isPrinted: false },
    users: { get: (handle) => handle.users },
  },
});

const groupType = defineHostType<FaultGroup>({
  name: 'struct iopf_group',
  properties: {
    pasid: { get: (group) => group.last.pasid },
    faults: {
      get: (group) =>
        group.faults.map(({ rid, pasid, address, isRead, isWrite }) => ({
          rid,
          pasid,
          address,
          is_read: isRead,
          is_write: isWrite,
        })),
    },
  },
});

interface Registration {
  readonly mm: Mm;
  readonly notifier: MmuNotifier;
}

const notifierType = defineHostType<Registration>({
  name: 'struct mmu_notifier',
  properties: { name: { get: ({ mm }) => `notifier of ${mm.name}` } },
});

const RESPONSES = {
  IOMMU_PAGE_RESP_SUCCESS: PAGE_RESPONSE_CODE.success,
  IOMMU_PAGE_RESP_INVALID: PAGE_RESPONSE_CODE.invalidRequest,
} as const;

function responseCode(value: ScriptValue): PageResponseCode {
  const known = Object.values(RESPONSES).find((code) => code === value);
  if (known !== undefined) return known;
  throw new ArgumentError('code', 'IOMMU_PAGE_RESP_SUCCESS or IOMMU_PAGE_RESP_INVALID', value);
}

function faultFunctions(env: SdkEnvironment): Functions {
  return {
    iommu_domain_set_iopf_handler: effect(env, (_bound, domain, handler) => {
      const run = handler === null ? null : asFunction(handler, 'handler');
      domainType.target(domain, 'domain').iopf_handler =
        run === null ? null : (group) => toReturnCode(run.call(groupType.of(group)));
    }),
    iopf_group_response: effect(env, (_bound, group, code) =>
      groupType.target(group, 'group').respond(responseCode(code), 'answered by a script'),
    ),
    handle_mm_fault: effect(env, (_bound, mm, address, isWrite) =>
      processType
        .target(mm, 'mm')
        .mm.handleFault(asAddress(address, 'address'), asBoolean(isWrite, 'is_write')),
    ),
    mmu_notifier_register: effect(env, (_bound, who, ops) => {
      const { mm } = processType.target(who, 'mm');
      const table = asRecord(ops, 'ops');
      const [invalidate, release] = [
        operationOf(table, 'invalidate_range', 'ops'),
        operationOf(table, 'release', 'ops'),
      ];
      const notifier: MmuNotifier = {
        invalidateRange: (start, end) => void invalidate?.call(start, end),
        release: () => void release?.call(),
      };
      mm.notifiers.add(notifier);
      return notifierType.of({ mm, notifier });
    }),
    mmu_notifier_unregister: effect(env, (_bound, registration) => {
      const { mm, notifier } = notifierType.target(registration, 'notifier');
      mm.notifiers.delete(notifier);
    }),
  };
}

export function createSvaModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'linux/sva',
    types: SVA_TYPES,
    constants: RESPONSES,
    functions: {
      ...faultFunctions(env),
      iommu_sva_bind_device: effect(env, ({ kernel }, dev, mm) =>
        handleOr(
          svaType,
          kernel.sva.iommu_sva_bind_device(deviceOf(dev, 'dev'), processType.target(mm, 'mm').mm),
        ),
      ),
      iommu_sva_get_pasid: query(env, ({ kernel }, handle) =>
        kernel.sva.iommu_sva_get_pasid(svaType.target(handle, 'handle')),
      ),
      iommu_sva_unbind_device: effect(env, ({ kernel }, handle) =>
        kernel.sva.iommu_sva_unbind_device(svaType.target(handle, 'handle')),
      ),
    },
  });
}
