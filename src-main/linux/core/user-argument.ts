/**
 * The structure behind the third argument of an ioctl, as the kernel copies it in and out: the size member at the front, the
 * minimum, the bytes that a newer caller may add, the capability chain behind the structure.
 */
import type { FieldMap, Values } from '../../bits/layout.ts';
import type { Structure } from '../../bits/structure.ts';
import { VfioInfoCapHeader } from '../../spec/vfio/vfio-structures.ts';
import { E2BIG, EFAULT, EINVAL } from '../errno.ts';
import type { IoctlArgument } from './files.ts';

const SIZE_BYTES = 4;

/** A capability to append: its id, version and the bytes behind the header. */
export interface InfoCapability {
  readonly id: number;
  readonly version?: number;
  readonly data: Uint8Array;
}

function toWords(bytes: Uint8Array, count: number): Uint32Array {
  const padded = new Uint8Array(count * 4);
  padded.set(bytes.subarray(0, count * 4));
  const view = new DataView(padded.buffer);
  return Uint32Array.from({ length: count }, (_, i) => view.getUint32(i * 4, true));
}

function toBytes(words: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => view.setUint32(i * 4, word, true));
  return bytes;
}

/** A decoded structure read from bytes, missing ones as zero. */
export function decodeBytes<F extends FieldMap>(
  structure: Structure<F>,
  bytes: Uint8Array,
): Values<F> {
  return structure.decode(toWords(bytes, structure.bytes / 4));
}

export function encodeBytes<F extends FieldMap>(
  structure: Structure<F>,
  values: Partial<Values<F>>,
): Uint8Array {
  return toBytes(structure.encode(values));
}

export class UserArgument<F extends FieldMap> {
  readonly values: Values<F>;
  /** The caller's buffer, as far as it said it reaches. */
  readonly buffer: Uint8Array;
  readonly #structure: Structure<F>;

  private constructor(structure: Structure<F>, buffer: Uint8Array) {
    this.#structure = structure;
    this.buffer = buffer;
    this.values = decodeBytes(structure, buffer);
  }

  /** VFIO: `argsz` below the minimum is -EINVAL, bytes behind the structure are the caller's business. */
  static vfio<F extends FieldMap>(
    structure: Structure<F>,
    argument: IoctlArgument,
    minimum = structure.bytes,
  ): UserArgument<F> | number {
    const size = sizeOf(argument);
    if (typeof argument !== 'object' || size === undefined) {
      return -EFAULT;
    }
    if (size < minimum) {
      return -EINVAL;
    }
    return argument.length < Math.min(size, structure.bytes)
      ? -EFAULT
      : new UserArgument(structure, argument.subarray(0, Math.min(size, argument.length)));
  }

  /** iommufd: additional bytes that this kernel does not know must be zero (copy_struct_from_user). */
  static iommufd<F extends FieldMap>(
    structure: Structure<F>,
    argument: IoctlArgument,
    minimum = structure.bytes,
  ): UserArgument<F> | number {
    const size = sizeOf(argument);
    if (typeof argument !== 'object' || size === undefined || argument.length < size) {
      return -EFAULT;
    }
    if (size < minimum) {
      return -EINVAL;
    }
    const hasUnknown = argument.subarray(structure.bytes, size).some((byte) => byte !== 0);
    return hasUnknown ? -E2BIG : new UserArgument(structure, argument.subarray(0, size));
  }

  /** Copies results back: these members, the others as they were. */
  put(values: Partial<Values<F>>): void {
    const bytes = encodeBytes(this.#structure, { ...this.values, ...values });
    this.buffer.set(bytes.subarray(0, Math.min(bytes.length, this.buffer.length)));
  }

  /** As `put`, with capabilities behind the structure where they fit. */
  putWithCapabilities(
    values: Partial<Values<F>>,
    capabilities: readonly InfoCapability[],
    flag: { readonly flags: number; readonly capsFlag: number },
  ): void {
    const extra = (fields: Readonly<Record<string, number>>): Partial<Values<F>> =>
      ({ ...values, ...fields }) as unknown as Partial<Values<F>>;
    if (capabilities.length === 0) {
      this.put(extra({ flags: flag.flags }));
      return;
    }
    const flags = flag.flags | flag.capsFlag;
    const total = capabilities.reduce(
      (sum, c) => sum + VfioInfoCapHeader.bytes + c.data.length,
      this.#structure.bytes,
    );
    if (this.buffer.length < total) {
      this.put(extra({ flags, argsz: total, cap_offset: 0 }));
      return;
    }
    this.put(extra({ flags, cap_offset: this.#structure.bytes }));
    this.#appendCapabilities(capabilities);
  }

  #appendCapabilities(capabilities: readonly InfoCapability[]): void {
    let at = this.#structure.bytes;
    capabilities.forEach((capability, i) => {
      const end = at + VfioInfoCapHeader.bytes + capability.data.length;
      const header = encodeBytes(VfioInfoCapHeader, {
        id: capability.id,
        version: capability.version ?? 1,
        next: i + 1 < capabilities.length ? end : 0,
      });
      this.buffer.set(header, at);
      this.buffer.set(capability.data, at + VfioInfoCapHeader.bytes);
      at = end;
    });
  }
}

function sizeOf(argument: IoctlArgument): number | undefined {
  if (typeof argument !== 'object' || argument.length < SIZE_BYTES) {
    return undefined;
  }
  return new DataView(argument.buffer, argument.byteOffset).getUint32(0, true);
}
