/** `hw`: raw access to the machine, for labs that look below the kernel. */
import { asBytes, asInteger, asU32, asU64 } from './arguments.ts';
import { effect, query, type SdkEnvironment } from './environment.ts';
import { pciDevType } from './handles.ts';
import { asAddress } from './numbers.ts';
import { ArgumentError, defineSdkModule, type ScriptValue, type SdkModule } from './sdk-module.ts';

const types = `/** A physical address: a number or BigInt below 2^53. */
export type address = number | bigint;

/** Simulated time in nanoseconds since the start of the run. */
export declare function now(): number;
/** Lets simulated time pass; everything that is due happens, interrupts are handled. */
export declare function advance(nanoseconds: number): void;
/**
 * Lets time pass until something happens or the limit is over.
 * @returns false when nothing happened
 */
export declare function wait_event(limit_nanoseconds: number): boolean;
/** Bytes of physical memory. FFh where there is no memory. */
export declare function read(addr: address, bytes: number): Uint8Array;
/** Writes bytes to physical memory. */
export declare function write(addr: address, bytes: Uint8Array): void;
/** 32 bits of physical memory, aligned to 4. */
export declare function read32(addr: address): number;
/** 64 bits of physical memory as a BigInt, aligned to 8. */
export declare function read64(addr: address): bigint;
/** Writes 32 bits of physical memory, aligned to 4. */
export declare function write32(addr: address, value: number): void;
/** Writes 64 bits of physical memory, aligned to 8. No cache is told: see the invalidation queue. */
export declare function write64(addr: address, value: number | bigint): void;
/** Reads a register anywhere in the physical address space. \`bytes\` is 1, 2, 4 or 8. */
export declare function mmio_read(addr: address, bytes: 1 | 2 | 4 | 8): bigint;
/** Writes a register anywhere in the physical address space. */
export declare function mmio_write(addr: address, bytes: 1 | 2 | 4 | 8, value: number | bigint): void;
/** A model-specific register of a CPU. */
export declare function rdmsr(cpu: number, index: number): bigint;
/** Writes a model-specific register of a CPU. */
export declare function wrmsr(cpu: number, index: number, value: number | bigint): void;
/** Zeroed pages of physical memory for the script, or 0. */
export declare function alloc_pages(count: number): number;
/** Gives pages of alloc_pages() back. */
export declare function free_pages(addr: address): void;
/** Requester ID of a function as the IOMMU sees it. */
export declare function rid_of(dev: { readonly name: string }): number;
`;

function accessSize(value: ScriptValue): 1 | 2 | 4 | 8 {
  if (value === 1 || value === 2 || value === 4 || value === 8) {
    return value;
  }
  throw new ArgumentError('bytes', '1, 2, 4 or 8', value);
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

export function createHwModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'hw',
    types,
    functions: {
      now: query(env, ({ kernel }) => kernel.core.nowNs),
      advance: effect(env, ({ kernel }, ns) => kernel.core.advance(asAddress(ns, 'nanoseconds'))),
      wait_event: effect(env, ({ kernel }, ns) =>
        kernel.core.step(asAddress(ns, 'limit_nanoseconds')),
      ),
      read: query(env, ({ kernel }, addr, bytes) =>
        kernel.core.hw.memoryRead(asAddress(addr, 'addr'), asU32(bytes, 'bytes')).slice(),
      ),
      write: effect(env, ({ kernel }, addr, bytes) =>
        kernel.core.hw.memoryWrite(asAddress(addr, 'addr'), asBytes(bytes, 'bytes')),
      ),
      read32: query(env, ({ kernel }, addr) => {
        const bytes = kernel.core.hw.memoryRead(asAddress(addr, 'addr'), 4);
        return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
      }),
      read64: query(env, ({ kernel }, addr) =>
        kernel.core.hw.memoryRead64(asAddress(addr, 'addr')),
      ),
      write32: effect(env, ({ kernel }, addr, value) =>
        kernel.core.hw.memoryWrite(asAddress(addr, 'addr'), word(asU32(value, 'value'))),
      ),
      write64: effect(env, ({ kernel }, addr, value) =>
        kernel.core.hw.memoryWrite64(asAddress(addr, 'addr'), asU64(value, 'value')),
      ),
      mmio_read: query(env, ({ kernel }, addr, bytes) =>
        kernel.core.hw.mmioRead(asAddress(addr, 'addr'), accessSize(bytes)),
      ),
      mmio_write: effect(env, ({ kernel }, addr, bytes, value) =>
        kernel.core.hw.mmioWrite(asAddress(addr, 'addr'), accessSize(bytes), asU64(value, 'value')),
      ),
      rdmsr: query(env, ({ kernel }, cpu, index) =>
        kernel.core.hw.readMsr(asInteger(cpu, 'cpu'), asU32(index, 'index')),
      ),
      wrmsr: effect(env, ({ kernel }, cpu, index, value) =>
        kernel.core.hw.writeMsr(
          asInteger(cpu, 'cpu'),
          asU32(index, 'index'),
          asU64(value, 'value'),
        ),
      ),
      alloc_pages: effect(env, ({ kernel }, count) =>
        Math.max(0, kernel.pages.alloc(asU32(count, 'count'), { owner: 'script', zone: 'user' })),
      ),
      free_pages: effect(env, ({ kernel }, addr) => kernel.pages.free(asAddress(addr, 'addr'))),
      rid_of: query(env, (_bound, dev) => pciDevType.target(dev, 'dev').rid),
    },
  });
}
