/** `asm/io`: register accesses of drivers. */
import { asU16, asU32, asU64, asU8 } from './arguments.ts';
import { effect, query, type SdkEnvironment } from './environment.ts';
import { asAddress } from './numbers.ts';
import { defineSdkModule, type SdkModule } from './sdk-module.ts';

const types = `/** An address that pci_iomap() gave, plus an offset. */
export type iomem = number | bigint;

/** Reads 8 bits. All ones where nothing answers. */
export declare function readb(addr: iomem): number;
/** Reads 16 bits. All ones where nothing answers. */
export declare function readw(addr: iomem): number;
/** Reads 32 bits. All ones where nothing answers. */
export declare function readl(addr: iomem): number;
/** Reads 64 bits as a BigInt. All ones where nothing answers. */
export declare function readq(addr: iomem): bigint;
/** Writes 8 bits. The value comes first, as in Linux. */
export declare function writeb(value: number, addr: iomem): void;
/** Writes 16 bits. The value comes first, as in Linux. */
export declare function writew(value: number, addr: iomem): void;
/** Writes 32 bits. The value comes first, as in Linux. */
export declare function writel(value: number, addr: iomem): void;
/** Writes 64 bits: a BigInt, or a number below 2^53. The value comes first, as in Linux. */
export declare function writeq(value: number | bigint, addr: iomem): void;
`;

export function createIoModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'asm/io',
    types,
    functions: {
      readb: query(env, ({ kernel }, addr) => kernel.io.readb(asAddress(addr, 'addr'))),
      readw: query(env, ({ kernel }, addr) => kernel.io.readw(asAddress(addr, 'addr'))),
      readl: query(env, ({ kernel }, addr) => kernel.io.readl(asAddress(addr, 'addr'))),
      readq: query(env, ({ kernel }, addr) => kernel.io.readq(asAddress(addr, 'addr'))),
      writeb: effect(env, ({ kernel }, value, addr) =>
        kernel.io.writeb(asU8(value, 'value'), asAddress(addr, 'addr')),
      ),
      writew: effect(env, ({ kernel }, value, addr) =>
        kernel.io.writew(asU16(value, 'value'), asAddress(addr, 'addr')),
      ),
      writel: effect(env, ({ kernel }, value, addr) =>
        kernel.io.writel(asU32(value, 'value'), asAddress(addr, 'addr')),
      ),
      writeq: effect(env, ({ kernel }, value, addr) =>
        kernel.io.writeq(asU64(value, 'value'), asAddress(addr, 'addr')),
      ),
    },
  });
}
