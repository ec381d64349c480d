/**
 * The DMA API for drivers of the kernel (kernel/dma, drivers/iommu/dma-iommu.c): buffers and mappings in the default domain of
 * the device's group. Addresses are handed out from the top of the 32-bit space downward, as the IOVA allocator does.
 */
import type { Core } from '../core/core.ts';
import type { Device } from '../core/device.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import { IS_ERR } from '../errno.ts';
import { PAGE_BYTES, type PageAllocator } from '../mm/page-allocator.ts';
import type { IommuDomain } from './domain.ts';
import { IOMMU_READ, IOMMU_WRITE, type Iommu } from './iommu.ts';

/** dma_mapping_error() */
export const DMA_MAPPING_ERROR = -1;

const DMA_LIMIT = 2 ** 32;
/** The interrupt window and what lies above it are never handed out. */
const HIGHEST_IOVA = 0xfee0_0000;

export interface CoherentBuffer {
  /** Address for the CPU. */
  readonly cpu: number;
  /** Address for the device. */
  readonly dma: number;
  readonly bytes: number;
}

interface Mapping {
  readonly domain: IommuDomain;
  readonly iova: number;
  readonly bytes: number;
}

export class DmaApi {
  readonly #iommu: Iommu;
  readonly #pages: PageAllocator;
  /** Lowest address handed out so far, and what came back, by domain. */
  readonly #next = new Map<IommuDomain, number>();
  readonly #freed = new Map<IommuDomain, { readonly iova: number; readonly bytes: number }[]>();
  readonly #mappings = new Map<string, Mapping>();

  constructor(core: Core, iommu: Iommu, pages: PageAllocator) {
    this.#iommu = iommu;
    this.#pages = pages;
    exportSymbols<DmaApi>(core, this, {
      calls: ['dma_alloc_coherent', 'dma_free_coherent', 'dma_map_single', 'dma_unmap_single'],
    });
  }

  dma_alloc_coherent(dev: Device, bytes: number): CoherentBuffer | null {
    const pages = Math.ceil(bytes / PAGE_BYTES);
    const cpu = this.#pages.alloc(pages, { owner: `DMA buffer of ${dev.name}` });
    if (IS_ERR(cpu)) {
      return null;
    }
    const dma = this.dma_map_single(dev, cpu, pages * PAGE_BYTES);
    if (dma === DMA_MAPPING_ERROR) {
      this.#pages.free(cpu);
      return null;
    }
    return { cpu, dma, bytes: pages * PAGE_BYTES };
  }

  dma_free_coherent(dev: Device, buffer: CoherentBuffer): void {
    this.dma_unmap_single(dev, buffer.dma);
    this.#pages.free(buffer.cpu);
  }

  /** Address for the device, or DMA_MAPPING_ERROR. */
  dma_map_single(dev: Device, address: number, bytes: number): number {
    const group = this.#iommu.groupOf(dev);
    if (this.#iommu.driver === null || group === undefined) {
      return address;
    }
    const domain = group.default_domain;
    if (domain === null || group.domain !== domain) {
      return DMA_MAPPING_ERROR;
    }
    if (domain.type === 'identity') {
      return address;
    }
    const offset = address % PAGE_BYTES;
    const size = Math.ceil((offset + bytes) / PAGE_BYTES) * PAGE_BYTES;
    const iova = this.#allocIova(domain, size);
    const result = this.#iommu.iommu_map(
      domain,
      iova,
      address - offset,
      size,
      IOMMU_READ | IOMMU_WRITE,
    );
    if (result < 0) {
      return DMA_MAPPING_ERROR;
    }
    this.#mappings.set(`${domain.id}:${iova}`, { domain, iova, bytes: size });
    return iova + offset;
  }

  dma_unmap_single(dev: Device, address: number): void {
    const domain = this.#iommu.groupOf(dev)?.default_domain;
    const iova = address - (address % PAGE_BYTES);
    const key = `${domain?.id ?? 0}:${iova}`;
    const mapping = this.#mappings.get(key);
    if (mapping === undefined) {
      return;
    }
    this.#mappings.delete(key);
    this.#iommu.iommu_unmap(mapping.domain, mapping.iova, mapping.bytes);
    const freed = this.#freed.get(mapping.domain) ?? [];
    freed.push(mapping);
    this.#freed.set(mapping.domain, freed);
  }

  #allocIova(domain: IommuDomain, bytes: number): number {
    const freed = this.#freed.get(domain) ?? [];
    const fit = freed.findIndex((f) => f.bytes === bytes);
    const reused = fit < 0 ? undefined : freed.splice(fit, 1)[0];
    if (reused !== undefined) {
      return reused.iova;
    }
    const top = this.#next.get(domain) ?? Math.min(HIGHEST_IOVA, DMA_LIMIT);
    const iova = top - bytes;
    this.#next.set(domain, iova);
    return iova;
  }
}
