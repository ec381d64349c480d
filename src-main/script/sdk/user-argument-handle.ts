/** What a learner's driver sees of user memory: the argument of an ioctl, and the bytes of reads. */
import type { Caller, IoctlArgument } from '../../linux/core/files.ts';
import { EFAULT } from '../../linux/errno.ts';
import { ArgumentError, defineHostType, type ScriptValue } from './sdk-module.ts';

/** The buffer that the third argument of an ioctl points to. */
interface UserBuffer {
  readonly bytes: Uint8Array;
  /** The process that asks: file descriptors in the buffer are its own. */
  readonly caller: Caller;
}

export const userArgumentType = defineHostType<UserBuffer>({
  name: 'user argument',
  properties: { size: { get: (buffer) => buffer.bytes.length } },
});

/** Numbers and strings pass as they are; a pointer becomes an object for copy_from_user() and its kin. */
export function ioctlArgumentOf(argument: IoctlArgument, caller: Caller): ScriptValue {
  return typeof argument === 'object' ? userArgumentType.of({ bytes: argument, caller }) : argument;
}

export function userBufferOf(value: ScriptValue, argument: string): Uint8Array {
  return userArgumentType.target(value, argument).bytes;
}

/** What a read operation returned: bytes, or a negative error number. Nothing counts as -EFAULT. */
export function transferOf(value: ScriptValue): Uint8Array | number {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'number' && value < 0) return value;
  if (value === undefined) return -EFAULT;
  throw new ArgumentError('the result of read', 'a Uint8Array or a negative error number', value);
}
