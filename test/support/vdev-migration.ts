/** What a VMM does to move a virtual accelerator: states, streams, guest memory. */
import { defined } from '../../src-main/bits/invariant.ts';
import {
  MIGRATION_STATE as S,
  type MigrationState,
} from '../../src-main/linux/vfio/migration-state.ts';
import { decodeBytes, encodeBytes } from '../../src-main/linux/core/user-argument.ts';
import {
  VFIO_DEVICE_IOCTLS as D,
  VFIO_FLAGS as F,
} from '../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  VfioDeviceFeature,
  VfioDeviceFeatureMigState,
} from '../../src-main/spec/vfio/vfio-structures.ts';
import type { Vm } from '../../src-main/vmm/vm.ts';
import { BAR, bytesOfWords, type OpenVdev } from './linux-idxd.ts';
import { VfioUser } from './linux-vfio.ts';

const PAGE = 4096;

function must(result: number, what: string): void {
  if (result !== 0) {
    throw new Error(`${what}: ${result}`);
  }
}

/** VFIO_DEVICE_FEATURE with data behind the header. */
export function feature(
  open: OpenVdev,
  flags: number,
  data: Uint8Array,
): { rc: number; data: Uint8Array } {
  const argsz = VfioDeviceFeature.bytes + data.length;
  const buffer = new Uint8Array(argsz);
  buffer.set(encodeBytes(VfioDeviceFeature, { argsz, flags }));
  buffer.set(data, VfioDeviceFeature.bytes);
  const rc = open.user.ioctl(open.fd, D.VFIO_DEVICE_FEATURE, buffer);
  return { rc, data: buffer.subarray(VfioDeviceFeature.bytes) };
}

export function setState(open: OpenVdev, device_state: MigrationState): { rc: number; fd: number } {
  const request = encodeBytes(VfioDeviceFeatureMigState, { device_state });
  const flags = F.VFIO_DEVICE_FEATURE_SET | F.VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
  const { rc, data } = feature(open, flags, request);
  return { rc, fd: decodeBytes(VfioDeviceFeatureMigState, data).data_fd | 0 };
}

export function stateOf(open: OpenVdev): number {
  const flags = F.VFIO_DEVICE_FEATURE_GET | F.VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
  const { data } = feature(open, flags, new Uint8Array(VfioDeviceFeatureMigState.bytes));
  return decodeBytes(VfioDeviceFeatureMigState, data).device_state;
}

export function readAll({ user }: OpenVdev, fd: number): { bytes: Uint8Array; end: number } {
  const pieces: number[] = [];
  for (;;) {
    const into = new Uint8Array(1000);
    const count = user.kernel.calls.pread(user.process, fd, into, 0);
    if (count <= 0) {
      return { bytes: Uint8Array.from(pieces), end: count };
    }
    pieces.push(...into.subarray(0, count));
  }
}

export function writeTo({ user }: OpenVdev, fd: number, bytes: Uint8Array): number {
  return user.kernel.calls.pwrite(user.process, fd, bytes, 0);
}

/** What the VMM does besides: guest memory goes over. */
export function copyMemory(from: OpenVdev, to: OpenVdev): void {
  const bytes = from.user.process.mm.read(from.memory, from.pages * PAGE);
  if (typeof bytes === 'number') {
    throw new Error('No memory');
  }
  to.user.process.mm.write(to.memory, bytes);
}

/** Stores of a guest to a portal that is not mapped. */
export function trapped(open: OpenVdev, words: Uint32Array): void {
  open.user.write(open.fd, BAR.portals, 0, bytesOfWords(words));
}

/** The whole way of a device: saved there, restored here, running. */
export function migrate(source: OpenVdev, destination: OpenVdev): void {
  must(setState(source, S.PRE_COPY).rc, 'PRE_COPY');
  const { fd } = setState(source, S.STOP_COPY);
  const { bytes, end } = readAll(source, fd);
  must(end, 'end of the stream');
  copyMemory(source, destination);
  const resuming = setState(destination, S.RESUMING);
  must(writeTo(destination, resuming.fd, bytes) - bytes.length, 'write');
  must(setState(destination, S.RUNNING).rc, 'RUNNING');
}

/** The device of a VM through the file that its VMM has, for states and streams. */
export function openOfVm({ qemu }: Vm, device: string): OpenVdev {
  const { fd } = defined(
    qemu.devices.find(({ name }) => name === device),
    'Device of the VM',
  ).fd;
  const user = new VfioUser(qemu.vm.kvm.kernel, qemu.process);
  return { user, fd, others: [], memory: 0, pages: 0 };
}
