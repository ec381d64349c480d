/**
 * Migration of one VFIO device as its VMM does it (QEMU's hw/vfio/migration.c): states by VFIO_DEVICE_FEATURE, the saved
 * state through the descriptor that comes with some of them.
 */
import { ENOMSG } from '../../linux/errno.ts';
import { decodeBytes, encodeBytes } from '../../linux/core/user-argument.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { Process } from '../../linux/mm/process.ts';
import { VFIO_DEVICE_IOCTLS as D, VFIO_FLAGS as F } from '../../spec/vfio/ioctl-numbers.ts';
import { VfioDeviceFeature, VfioDeviceFeatureMigState } from '../../spec/vfio/vfio-structures.ts';
import type { VfioDeviceFd } from './vfio-requests.ts';

const CHUNK_BYTES = 65536;
const NONE = -1;

export class DeviceMigration {
  readonly #kernel: Kernel;
  readonly #process: Process;
  readonly #device: VfioDeviceFd;
  /** Descriptor of the stream, -1 in a state without one. */
  #stream = NONE;

  constructor(kernel: Kernel, process: Process, device: VfioDeviceFd) {
    this.#kernel = kernel;
    this.#process = process;
    this.#device = device;
  }

  /** State of the device, or a negative error number. */
  get state(): number {
    const { result, values } = this.#feature(F.VFIO_DEVICE_FEATURE_GET, 0);
    return result < 0 ? result : values.device_state;
  }

  /** 0 or a negative error number. */
  setState(state: number): number {
    const { result, values } = this.#feature(F.VFIO_DEVICE_FEATURE_SET, state);
    if (result < 0) {
      return result;
    }
    const { calls } = this.#kernel;
    const stream = values.data_fd | 0;
    if (this.#stream >= 0) {
      calls.close(this.#process, this.#stream);
    }
    this.#stream = stream;
    return 0;
  }

  /** Everything that the stream gives now, or a negative error number. */
  read(): Uint8Array | number {
    const pieces: Uint8Array[] = [];
    for (;;) {
      const piece = new Uint8Array(CHUNK_BYTES);
      const count = this.#kernel.calls.pread(this.#process, this.#stream, piece, 0);
      if (count < 0 && count !== -ENOMSG) {
        return count;
      }
      if (count <= 0) {
        return concat(pieces);
      }
      pieces.push(piece.subarray(0, count));
    }
  }

  /** Bytes written, or a negative error number. */
  write(data: Uint8Array): number {
    return this.#kernel.calls.pwrite(this.#process, this.#stream, data, 0);
  }

  #feature(way: number, device_state: number) {
    const argsz = VfioDeviceFeature.bytes + VfioDeviceFeatureMigState.bytes;
    const buffer = new Uint8Array(argsz);
    const flags = way | F.VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
    buffer.set(encodeBytes(VfioDeviceFeature, { argsz, flags }));
    const data = buffer.subarray(VfioDeviceFeature.bytes);
    data.set(encodeBytes(VfioDeviceFeatureMigState, { device_state }));
    const result = this.#device.ioctl(D.VFIO_DEVICE_FEATURE, buffer);
    return { result, values: decodeBytes(VfioDeviceFeatureMigState, data) };
  }
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
