/**
 * VFIO_DEVICE_SET_IRQS: checks of the argument and the meaning of each combination of data and action
 * (drivers/vfio/vfio_main.c, vfio_set_irqs_validate_and_prepare; drivers/vfio/pci/vfio_pci_intrs.c).
 */
import { VFIO_FLAGS as F } from '../../spec/vfio/ioctl-numbers.ts';
import { VfioIrqSet } from '../../spec/vfio/vfio-structures.ts';
import { EventfdFile } from '../core/eventfd.ts';
import type { Caller, IoctlArgument } from '../core/files.ts';
import { UserArgument } from '../core/user-argument.ts';
import { EBADF, EINVAL, ENOTTY, IS_ERR } from '../errno.ts';

/** What a device does with one interrupt index. Absent operations give -ENOTTY. */
export interface IrqSetTarget {
  readonly count: number;
  /** Installs, replaces or (null) removes the eventfds of consecutive interrupts; all of them or none. */
  setEventfds?(start: number, eventfds: readonly (EventfdFile | null)[]): number;
  /** The whole index goes: everything is freed. */
  disable?(): number;
  /** Fires the eventfds, as if the device had. */
  trigger?(start: number, which: readonly boolean[]): number;
  mask?(start: number, which: readonly boolean[]): number;
  unmask?(start: number, which: readonly boolean[]): number;
}

const DATA_MASK = F.VFIO_IRQ_SET_DATA_NONE | F.VFIO_IRQ_SET_DATA_BOOL | F.VFIO_IRQ_SET_DATA_EVENTFD;
const ACTION_MASK =
  F.VFIO_IRQ_SET_ACTION_MASK | F.VFIO_IRQ_SET_ACTION_UNMASK | F.VFIO_IRQ_SET_ACTION_TRIGGER;
const FD_BYTES = 4;

/** A request that passed the checks of the VFIO core. */
export interface IrqSetRequest {
  readonly index: number;
  readonly start: number;
  readonly count: number;
  /** VFIO_IRQ_SET_DATA_* and VFIO_IRQ_SET_ACTION_*, one of each. */
  readonly flags: number;
  /** Interrupts that are meant, from `start` on: all of them unless the data says which. */
  readonly which: readonly boolean[];
  /** Eventfds from `start` on, null for none; only with that kind of data. */
  readonly eventfds: readonly (EventfdFile | null)[];
}

function isOneBit(value: number): boolean {
  return value !== 0 && (value & (value - 1)) === 0;
}

function bytesOf(data: number, count: number): number {
  if (data === F.VFIO_IRQ_SET_DATA_NONE) {
    return 0;
  }
  return data === F.VFIO_IRQ_SET_DATA_BOOL ? count : count * FD_BYTES;
}

export function setIrqs(
  argument: IoctlArgument,
  targets: ReadonlyMap<number, IrqSetTarget>,
  caller: Caller,
): number {
  const request = parseIrqSet(argument, targets, caller);
  return IS_ERR(request) ? request : applyIrqSet(targets, request);
}

/** The request of user space, or a negative error number when it is none for these interrupts. */
export function parseIrqSet(
  argument: IoctlArgument,
  targets: ReadonlyMap<number, IrqSetTarget>,
  caller: Caller,
): IrqSetRequest | number {
  const arg = UserArgument.vfio(VfioIrqSet, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  const request = arg.values;
  const data = request.flags & DATA_MASK;
  const action = request.flags & ACTION_MASK;
  const hasUnknown = (request.flags & ~(DATA_MASK | ACTION_MASK)) !== 0;
  const target = targets.get(request.index);
  if (hasUnknown || !isOneBit(data) || !isOneBit(action) || target === undefined) {
    return -EINVAL;
  }
  const { start, count } = request;
  const isInRange = start < target.count && start + count <= target.count;
  const isDisable = data === F.VFIO_IRQ_SET_DATA_NONE && count === 0;
  if (!isDisable && (count === 0 || !isInRange)) {
    return -EINVAL;
  }
  const bytes = arg.buffer.subarray(VfioIrqSet.bytes);
  if (bytes.length < bytesOf(data, count)) {
    return -EINVAL;
  }
  const isEventfd = data === F.VFIO_IRQ_SET_DATA_EVENTFD;
  const takesEventfds = isEventfd && action === F.VFIO_IRQ_SET_ACTION_TRIGGER;
  const eventfds = takesEventfds ? readEventfds(bytes, count, caller) : [];
  if (IS_ERR(eventfds)) {
    return eventfds;
  }
  const which =
    data === F.VFIO_IRQ_SET_DATA_BOOL
      ? [...bytes.subarray(0, count)].map((b) => b !== 0)
      : Array.from({ length: count }, () => true);
  return { index: request.index, start, count, flags: request.flags, which, eventfds };
}

export function applyIrqSet(
  targets: ReadonlyMap<number, IrqSetTarget>,
  { index, start, count, flags, which, eventfds }: IrqSetRequest,
): number {
  const target = targets.get(index);
  if (target === undefined) {
    return -EINVAL;
  }
  const data = flags & DATA_MASK;
  const action = flags & ACTION_MASK;
  if (action !== F.VFIO_IRQ_SET_ACTION_TRIGGER) {
    const isEventfd = data === F.VFIO_IRQ_SET_DATA_EVENTFD;
    const operation = action === F.VFIO_IRQ_SET_ACTION_MASK ? target.mask : target.unmask;
    return isEventfd || operation === undefined ? -ENOTTY : operation.call(target, start, which);
  }
  if (data === F.VFIO_IRQ_SET_DATA_EVENTFD) {
    return target.setEventfds?.(start, eventfds) ?? -ENOTTY;
  }
  if (data === F.VFIO_IRQ_SET_DATA_NONE && count === 0) {
    return target.disable?.() ?? -ENOTTY;
  }
  return target.trigger?.(start, which) ?? -ENOTTY;
}

/** -1 stands for none. A descriptor that is no eventfd fails the whole request before anything changed. */
function readEventfds(
  bytes: Uint8Array,
  count: number,
  caller: Caller,
): readonly (EventfdFile | null)[] | number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: (EventfdFile | null)[] = [];
  for (let i = 0; i < count; i++) {
    const fd = view.getInt32(i * FD_BYTES, true);
    if (fd < -1) {
      return -EINVAL;
    }
    const file = fd < 0 ? null : caller.files.get(fd);
    if (file === undefined) {
      return -EBADF;
    }
    if (file !== null && !(file instanceof EventfdFile)) {
      return -EINVAL;
    }
    found.push(file);
  }
  return found;
}

/** Eventfds of one index whose interrupts are raised by software. */
export class SoftwareIrqs implements IrqSetTarget {
  readonly #eventfds: (EventfdFile | null)[];

  constructor(count: number) {
    this.#eventfds = Array.from({ length: count }, () => null);
  }

  get count(): number {
    return this.#eventfds.length;
  }

  eventfd(index: number): EventfdFile | null {
    return this.#eventfds[index] ?? null;
  }

  setEventfds(start: number, eventfds: readonly (EventfdFile | null)[]): number {
    eventfds.forEach((file, i) => {
      file?.hold();
      this.#eventfds[start + i]?.drop();
      this.#eventfds[start + i] = file;
    });
    return 0;
  }

  disable(): number {
    return this.setEventfds(
      0,
      this.#eventfds.map(() => null),
    );
  }

  trigger(start: number, which: readonly boolean[]): number {
    which.forEach((isMeant, i) => {
      if (isMeant) {
        this.#eventfds[start + i]?.signal('triggered by user space');
      }
    });
    return 0;
  }

  signal(index: number, why: string): void {
    this.#eventfds[index]?.signal(why);
  }
}
