/** `linux/iommu`: domains, mapping, attachment; auxiliary domains of the 2019 profile; the DMA API. */
import {
  IOMMU_DEV_FEAT_AUX,
  IOMMU_DEV_FEAT_IOPF,
  IOMMU_DEV_FEAT_SVA,
} from '../../linux/iommu/aux-domain.ts';
import { DMA_MAPPING_ERROR } from '../../linux/iommu/dma.ts';
import type { DomainFormat } from '../../linux/iommu/domain.ts';
import {
  IOMMU_CACHE,
  IOMMU_PASID_INVALID,
  IOMMU_READ,
  IOMMU_WRITE,
  createGather,
} from '../../linux/iommu/iommu.ts';
import { asInteger, asRecord, asString, asU32, optional } from './arguments.ts';
import { effect, query, type SdkEnvironment } from './environment.ts';
import { deviceOf, domainType, gatherType, groupType, handleOr } from './handles.ts';
import { asAddress } from './numbers.ts';
import {
  ArgumentError,
  defineSdkModule,
  type HostFunctionSpec,
  type ScriptValue,
  type SdkModule,
} from './sdk-module.ts';
import { IOMMU_TYPES } from './types/linux-iommu.ts';

type Functions = Record<string, HostFunctionSpec>;

function formatOf(value: ScriptValue): DomainFormat | undefined {
  const text = optional(value, 'format', asString);
  if (text === undefined || text === 'first-stage' || text === 'second-stage') {
    return text;
  }
  throw new ArgumentError('format', "'first-stage' or 'second-stage'", value);
}

function domainFunctions(env: SdkEnvironment): Functions {
  return {
    iommu_domain_alloc: effect(env, ({ kernel }, format) =>
      handleOr(domainType, kernel.iommu.iommu_domain_alloc(formatOf(format))),
    ),
    iommu_paging_domain_alloc: effect(env, ({ kernel }, dev, format) =>
      handleOr(
        domainType,
        kernel.iommu.iommu_paging_domain_alloc(deviceOf(dev, 'dev'), formatOf(format)),
      ),
    ),
    iommu_domain_free: effect(env, ({ kernel }, domain) =>
      kernel.iommu.iommu_domain_free(domainType.target(domain, 'domain')),
    ),
    iommu_map: effect(env, ({ kernel }, domain, iova, paddr, size, prot) =>
      kernel.iommu.iommu_map(
        domainType.target(domain, 'domain'),
        asAddress(iova, 'iova'),
        asAddress(paddr, 'paddr'),
        asAddress(size, 'size'),
        asU32(prot, 'prot'),
      ),
    ),
    iommu_unmap: effect(env, ({ kernel }, domain, iova, size) =>
      kernel.iommu.iommu_unmap(
        domainType.target(domain, 'domain'),
        asAddress(iova, 'iova'),
        asAddress(size, 'size'),
      ),
    ),
    iommu_iotlb_gather_init: query(env, () => gatherType.of(createGather())),
    iommu_unmap_fast: effect(env, ({ kernel }, domain, iova, size, gather) =>
      kernel.iommu.iommu_unmap_fast(
        domainType.target(domain, 'domain'),
        asAddress(iova, 'iova'),
        asAddress(size, 'size'),
        gatherType.target(gather, 'iotlb_gather'),
      ),
    ),
    iommu_iotlb_sync: effect(env, ({ kernel }, domain, gather) =>
      kernel.iommu.iommu_iotlb_sync(
        domainType.target(domain, 'domain'),
        gatherType.target(gather, 'iotlb_gather'),
      ),
    ),
    iommu_flush_iotlb_all: effect(env, ({ kernel }, domain) =>
      kernel.iommu.iommu_flush_iotlb_all(domainType.target(domain, 'domain')),
    ),
    iommu_iova_to_phys: query(env, ({ kernel }, domain, iova) =>
      kernel.iommu.iommu_iova_to_phys(domainType.target(domain, 'domain'), asAddress(iova, 'iova')),
    ),
    iommu_get_domain_for_dev: query(env, ({ kernel }, dev) =>
      handleOr(domainType, kernel.iommu.iommu_get_domain_for_dev(deviceOf(dev, 'dev'))),
    ),
    iommu_group_get: query(env, ({ kernel }, dev) =>
      handleOr(groupType, kernel.iommu.iommu_group_get(deviceOf(dev, 'dev'))),
    ),
  };
}

function attachFunctions(env: SdkEnvironment): Functions {
  return {
    iommu_attach_device: effect(env, ({ kernel }, domain, dev) =>
      kernel.iommu.iommu_attach_device(domainType.target(domain, 'domain'), deviceOf(dev, 'dev')),
    ),
    iommu_detach_device: effect(env, ({ kernel }, domain, dev) =>
      kernel.iommu.iommu_detach_device(domainType.target(domain, 'domain'), deviceOf(dev, 'dev')),
    ),
    iommu_attach_device_pasid: effect(env, ({ kernel }, domain, dev, pasid) =>
      kernel.iommu.iommu_attach_device_pasid(
        domainType.target(domain, 'domain'),
        deviceOf(dev, 'dev'),
        asU32(pasid, 'pasid'),
      ),
    ),
    iommu_replace_device_pasid: effect(env, ({ kernel }, domain, dev, pasid) =>
      kernel.iommu.iommu_replace_device_pasid(
        domainType.target(domain, 'domain'),
        deviceOf(dev, 'dev'),
        asU32(pasid, 'pasid'),
      ),
    ),
    iommu_detach_device_pasid: effect(env, ({ kernel }, domain, dev, pasid) =>
      kernel.iommu.iommu_detach_device_pasid(
        domainType.target(domain, 'domain'),
        deviceOf(dev, 'dev'),
        asU32(pasid, 'pasid'),
      ),
    ),
    iommu_alloc_global_pasid: effect(env, ({ kernel }, dev) =>
      kernel.iommu.iommu_alloc_global_pasid(deviceOf(dev, 'dev')),
    ),
    iommu_free_global_pasid: effect(env, ({ kernel }, pasid) =>
      kernel.iommu.iommu_free_global_pasid(asU32(pasid, 'pasid')),
    ),
    iommu_group_claim_dma_owner: effect(env, ({ kernel, call }, group) =>
      kernel.iommu.iommu_group_claim_dma_owner(groupType.target(group, 'group'), {
        name: call.actor,
      }),
    ),
    iommu_group_release_dma_owner: effect(env, ({ kernel }, group) =>
      kernel.iommu.iommu_group_release_dma_owner(groupType.target(group, 'group')),
    ),
  };
}

function auxFunctions(env: SdkEnvironment): Functions {
  return {
    iommu_dev_has_feature: query(env, ({ kernel }, dev, feature) =>
      kernel.aux.iommu_dev_has_feature(deviceOf(dev, 'dev'), asInteger(feature, 'feat')),
    ),
    iommu_dev_enable_feature: effect(env, ({ kernel }, dev, feature) =>
      kernel.aux.iommu_dev_enable_feature(deviceOf(dev, 'dev'), asInteger(feature, 'feat')),
    ),
    iommu_dev_disable_feature: effect(env, ({ kernel }, dev, feature) =>
      kernel.aux.iommu_dev_disable_feature(deviceOf(dev, 'dev'), asInteger(feature, 'feat')),
    ),
    iommu_dev_feature_enabled: query(env, ({ kernel }, dev, feature) =>
      kernel.aux.iommu_dev_feature_enabled(deviceOf(dev, 'dev'), asInteger(feature, 'feat')),
    ),
    iommu_aux_attach_device: effect(env, ({ kernel }, domain, dev) =>
      kernel.aux.iommu_aux_attach_device(domainType.target(domain, 'domain'), deviceOf(dev, 'dev')),
    ),
    iommu_aux_detach_device: effect(env, ({ kernel }, domain, dev) =>
      kernel.aux.iommu_aux_detach_device(domainType.target(domain, 'domain'), deviceOf(dev, 'dev')),
    ),
    iommu_aux_get_pasid: query(env, ({ kernel }, domain, dev) =>
      kernel.aux.iommu_aux_get_pasid(domainType.target(domain, 'domain'), deviceOf(dev, 'dev')),
    ),
  };
}

function dmaFunctions(env: SdkEnvironment): Functions {
  return {
    dma_alloc_coherent: effect(env, ({ kernel }, dev, size) => {
      const buffer = kernel.dma.dma_alloc_coherent(deviceOf(dev, 'dev'), asAddress(size, 'size'));
      return buffer === null ? null : { ...buffer };
    }),
    dma_free_coherent: effect(env, ({ kernel }, dev, buffer) => {
      const fields = asRecord(buffer, 'buffer');
      kernel.dma.dma_free_coherent(deviceOf(dev, 'dev'), {
        cpu: asAddress(fields['cpu'], 'buffer.cpu'),
        dma: asAddress(fields['dma'], 'buffer.dma'),
        bytes: asAddress(fields['bytes'], 'buffer.bytes'),
      });
    }),
    dma_map_single: effect(env, ({ kernel }, dev, address, size) =>
      kernel.dma.dma_map_single(
        deviceOf(dev, 'dev'),
        asAddress(address, 'address'),
        asAddress(size, 'size'),
      ),
    ),
    dma_unmap_single: effect(env, ({ kernel }, dev, address) =>
      kernel.dma.dma_unmap_single(deviceOf(dev, 'dev'), asAddress(address, 'dma_address')),
    ),
  };
}

export function createIommuModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'linux/iommu',
    types: IOMMU_TYPES,
    constants: {
      IOMMU_READ,
      IOMMU_WRITE,
      IOMMU_CACHE,
      IOMMU_PASID_INVALID,
      IOMMU_DEV_FEAT_AUX,
      IOMMU_DEV_FEAT_SVA,
      IOMMU_DEV_FEAT_IOPF,
      DMA_MAPPING_ERROR,
    },
    functions: {
      ...domainFunctions(env),
      ...attachFunctions(env),
      ...auxFunctions(env),
      ...dmaFunctions(env),
    },
  });
}
