/** `lab/memory`: loads and stores of a program. What C does through pointers needs a name here. */
import { PAGE_BYTES } from '../../linux/mm/page-allocator.ts';
import type { Process } from '../../linux/mm/process.ts';
import { asBytes, asString, asU32, asU64, asU8, asUnsigned } from './arguments.ts';
import { effect, query, type BoundCall, type SdkEnvironment } from './environment.ts';
import { asAddress } from './numbers.ts';
import { ScriptError, defineSdkModule, type ScriptValue, type SdkModule } from './sdk-module.ts';

const MAX_BYTES = 0x100_0000;

const types = `/** A number or BigInt below 2^53. */
export type address = number | bigint;

/** Bytes of the program's memory. An address that is not mapped ends the program with SIGSEGV. */
export declare function load(addr: address, bytes: number): Uint8Array;
/** One byte of the program's memory. */
export declare function load8(addr: address): number;
/** 32 bits of the program's memory. */
export declare function load32(addr: address): number;
/** 64 bits of the program's memory. */
export declare function load64(addr: address): bigint;
/** Text of \`bytes\` bytes in the program's memory. */
export declare function load_text(addr: address, bytes: number): string;
/** Writes bytes to the program's memory. */
export declare function store(addr: address, bytes: Uint8Array): void;
/** Writes one byte. */
export declare function store8(addr: address, value: number): void;
/** Writes 32 bits. */
export declare function store32(addr: address, value: number): void;
/** Writes 64 bits. */
export declare function store64(addr: address, value: number | bigint): void;
/** Writes text as UTF-8. @returns its length in bytes */
export declare function store_text(addr: address, text: string): number;
/** Fills memory with one byte value. */
export declare function memset(addr: address, value: number, bytes: number): void;
`;

/** As the CPU would: an illegal access is a signal, and the program is over. */
function crash(bound: BoundCall, process: Process, what: string, address: number): never {
  bound.kernel.processes.kill(process, 'SIGSEGV');
  const at = `0x${address.toString(16)}`;
  throw new ScriptError(
    `Segmentation fault: ${process.name} ${what} ${at}, which is not mapped for that. Expected an address that mmap() gave`,
  );
}

/** What is there now, without bringing a page in: a watch expression changes nothing. Untouched pages are zero. */
function peekBytes(
  { mm }: Process,
  core: BoundCall['kernel']['core'],
  address: number,
  bytes: number,
): Uint8Array {
  const out = new Uint8Array(bytes);
  for (let done = 0; done < bytes;) {
    const at = address + done;
    const size = Math.min(bytes - done, PAGE_BYTES - (at % PAGE_BYTES));
    const physical = mm.table.translate(at);
    if (physical !== undefined) out.set(core.hw.memoryRead(physical, size), done);
    done += size;
  }
  return out;
}

function readBytes(bound: BoundCall, addr: ScriptValue, bytes: number): Uint8Array {
  const process = bound.process();
  const address = asAddress(addr, 'addr');
  if (bound.call.purpose !== 'run') return peekBytes(process, bound.kernel.core, address, bytes);
  const found = process.mm.read(address, bytes);
  return typeof found === 'number' ? crash(bound, process, 'read', address) : found;
}

function writeBytes(bound: BoundCall, addr: ScriptValue, bytes: Uint8Array): void {
  const process = bound.process();
  const address = asAddress(addr, 'addr');
  if (process.mm.write(address, bytes) < 0) crash(bound, process, 'wrote to', address);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A value as `bytes` little-endian bytes. */
function littleEndian(value: bigint, bytes: 4 | 8): Uint8Array {
  const out = new Uint8Array(8);
  viewOf(out).setBigUint64(0, value, true);
  return out.subarray(0, bytes);
}

function asLength(value: ScriptValue): number {
  return asUnsigned(value, 'bytes', MAX_BYTES);
}

export function createMemoryModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'lab/memory',
    types,
    functions: {
      load: query(env, (bound, addr, bytes) => readBytes(bound, addr, asLength(bytes))),
      load8: query(env, (bound, addr) => readBytes(bound, addr, 1)[0] ?? 0),
      load32: query(env, (bound, addr) => viewOf(readBytes(bound, addr, 4)).getUint32(0, true)),
      load64: query(env, (bound, addr) => viewOf(readBytes(bound, addr, 8)).getBigUint64(0, true)),
      load_text: query(env, (bound, addr, bytes) =>
        new TextDecoder('utf-8').decode(readBytes(bound, addr, asLength(bytes))),
      ),
      store: effect(env, (bound, addr, bytes) => writeBytes(bound, addr, asBytes(bytes, 'bytes'))),
      store8: effect(env, (bound, addr, value) =>
        writeBytes(bound, addr, Uint8Array.of(asU8(value, 'value'))),
      ),
      store32: effect(env, (bound, addr, value) =>
        writeBytes(bound, addr, littleEndian(BigInt(asU32(value, 'value')), 4)),
      ),
      store64: effect(env, (bound, addr, value) =>
        writeBytes(bound, addr, littleEndian(asU64(value, 'value'), 8)),
      ),
      store_text: effect(env, (bound, addr, text) => {
        const bytes = new TextEncoder().encode(asString(text, 'text'));
        writeBytes(bound, addr, bytes);
        return bytes.length;
      }),
      memset: effect(env, (bound, addr, value, bytes) =>
        writeBytes(bound, addr, new Uint8Array(asLength(bytes)).fill(asU8(value, 'value'))),
      ),
    },
  });
}
