/** `libc`: the system calls of a program. They return what the kernel returns, so an error is a negative number. */
import { ContainerFile } from '../../linux/vfio/container-file.ts';
import { MAP, PROT } from '../../linux/mm/mm.ts';
import { ioctlArgument } from '../../spec/vfio/ioctl-arguments.ts';
import {
  asBytes,
  asInteger,
  asString,
  asU32,
  asUnsigned,
  isRecord,
  optional,
} from './arguments.ts';
import { effect, type BoundCall, type SdkEnvironment } from './environment.ts';
import { ioctlAnswer, ioctlBuffer } from './ioctl-argument.ts';
import { asAddress } from './numbers.ts';
import { ArgumentError, defineSdkModule, type ScriptValue, type SdkModule } from './sdk-module.ts';

/** One pread() moves no more than this. */
const MAX_READ_BYTES = 0x10_0000;
const NS_PER_US = 1000;

const types = `/** A number or BigInt below 2^53. */
export type address = number | bigint;

/**
 * Opens a device node.
 * @returns a file descriptor, or -ENOENT, -EBUSY, -EPERM
 */
export declare function open(path: string, flags?: number): number;
/** Closes a descriptor. @returns 0 or -EBADF */
export declare function close(fd: number): number;
/**
 * A request to a driver. The argument is a number, a string, or an object with the members of the request's structure,
 * which gets the answer; \`argsz\` and \`size\` are filled in when they are absent. \`data\` is what lies behind the structure:
 * bytes, or numbers of 32 bits such as file descriptors. A capability chain comes back as \`caps\`.
 *
 * \`\`\`ts
 * const info: vfio_region_info = { index: VFIO_PCI_BAR2_REGION_INDEX };
 * ioctl(device, VFIO_DEVICE_GET_REGION_INFO, info);
 * console.log(info.size, info.offset);
 * \`\`\`
 * @returns 0 or more, or a negative error number
 */
export declare function ioctl(fd: number, request: number, argument?: number | string | Uint8Array | object): number;
/** Reads into \`buffer\` from a place in a file. @returns bytes read, or a negative error number */
export declare function pread(fd: number, buffer: Uint8Array, offset: address): number;
/** Writes \`buffer\` to a place in a file. @returns bytes written, or a negative error number */
export declare function pwrite(fd: number, buffer: Uint8Array, offset: address): number;
/**
 * Maps memory: anonymous with MAP_ANONYMOUS and \`fd\` -1, else a part of a file. Whole pages of 4096 bytes.
 * @returns the address, or a negative error number
 */
export declare function mmap(length: address, prot: number, flags: number, fd: number, offset: address): number;
/** Takes a mapping away. @returns 0 or -EINVAL */
export declare function munmap(addr: address, length: address): number;
/** A counter that one side signals and another waits on. @returns a file descriptor */
export declare function eventfd(): number;
/** The counter of an eventfd, which starts again from zero. @returns the count, or -EAGAIN when it is zero */
export declare function eventfd_read(fd: number): number;
/** Sleeps; devices go on meanwhile. */
export declare function usleep(microseconds: number): void;
/** The calling program's number. */
export declare function getpid(): number;

/** Pages may be read. */
export declare const PROT_READ: 1;
/** Pages may be written. */
export declare const PROT_WRITE: 2;
/** Changes are seen by others that map the same. Device pages want this. */
export declare const MAP_SHARED: 1;
/** Changes are the program's own. */
export declare const MAP_PRIVATE: 2;
/** Memory of no file. */
export declare const MAP_ANONYMOUS: 32;
/** Pages are there at once, not at the first touch. */
export declare const MAP_POPULATE: 32768;
/** Pages of 2 MiB. */
export declare const MAP_HUGETLB: 262144;
`;

function ioctl(
  bound: BoundCall,
  fd: ScriptValue,
  request: ScriptValue,
  value: ScriptValue,
): number {
  const { kernel, call } = bound;
  const process = bound.process();
  const descriptor = asInteger(fd, 'fd');
  const command = asU32(request, 'request');
  if (value === undefined || typeof value === 'number' || typeof value === 'string') {
    return kernel.calls.ioctl(process, descriptor, command, value ?? 0);
  }
  if (value instanceof Uint8Array) {
    const result = kernel.calls.ioctl(process, descriptor, command, value);
    call.copyTo(2, value);
    return result;
  }
  const isContainer = process.files.get(descriptor) instanceof ContainerFile;
  const structure = ioctlArgument(command, isContainer ? 'container' : 'other');
  if (structure === undefined || !isRecord(value)) {
    const expected =
      structure === undefined ? 'a number or a string' : `a struct ${structure.name}`;
    throw new ArgumentError('argument', `${expected} for this request`, value);
  }
  const buffer = ioctlBuffer(structure, value);
  const result = kernel.calls.ioctl(process, descriptor, command, buffer);
  call.assignTo(2, ioctlAnswer(structure, buffer));
  return result;
}

export function createLibcModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'libc',
    types,
    constants: {
      PROT_READ: PROT.READ,
      PROT_WRITE: PROT.WRITE,
      MAP_SHARED: MAP.SHARED,
      MAP_PRIVATE: MAP.PRIVATE,
      MAP_ANONYMOUS: MAP.ANONYMOUS,
      MAP_POPULATE: MAP.POPULATE,
      MAP_HUGETLB: MAP.HUGETLB,
    },
    functions: {
      open: effect(env, ({ kernel, process }, path, flags) =>
        kernel.calls.open(process(), asString(path, 'path'), optional(flags, 'flags', asU32)),
      ),
      close: effect(env, ({ kernel, process }, fd) =>
        kernel.calls.close(process(), asInteger(fd, 'fd')),
      ),
      ioctl: effect(env, ioctl),
      pread: effect(env, ({ kernel, process, call }, fd, buffer, offset) => {
        const length = asUnsigned(asBytes(buffer, 'buffer').length, 'buffer', MAX_READ_BYTES);
        const bytes = new Uint8Array(length);
        const at = asAddress(offset, 'offset');
        const result = kernel.calls.pread(process(), asInteger(fd, 'fd'), bytes, at);
        if (result > 0) call.copyTo(1, bytes.subarray(0, result));
        return result;
      }),
      pwrite: effect(env, ({ kernel, process }, fd, buffer, offset) =>
        kernel.calls.pwrite(
          process(),
          asInteger(fd, 'fd'),
          asBytes(buffer, 'buffer'),
          asAddress(offset, 'offset'),
        ),
      ),
      mmap: effect(env, ({ kernel, process }, length, prot, flags, fd, offset) =>
        kernel.calls.mmap(process(), {
          length: asAddress(length, 'length'),
          prot: asU32(prot, 'prot'),
          flags: asU32(flags, 'flags'),
          fd: asInteger(fd, 'fd'),
          offset: asAddress(offset, 'offset'),
        }),
      ),
      munmap: effect(env, ({ kernel, process }, addr, length) =>
        kernel.calls.munmap(process(), asAddress(addr, 'addr'), asAddress(length, 'length')),
      ),
      eventfd: effect(env, ({ kernel, process }) => kernel.calls.eventfd(process())),
      eventfd_read: effect(env, ({ kernel, process }, fd) =>
        kernel.calls.eventfdRead(process(), asInteger(fd, 'fd')),
      ),
      usleep: effect(env, ({ kernel }, microseconds) =>
        kernel.core.advance(asU32(microseconds, 'microseconds') * NS_PER_US),
      ),
      getpid: effect(env, ({ process }) => process().pid),
    },
  });
}
