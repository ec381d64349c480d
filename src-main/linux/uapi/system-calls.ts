/**
 * System calls of processes: files, ioctls, mappings, eventfds. Each leaves one record with the process, the arguments and
 * the result; ioctl numbers appear by name.
 */
import { ioctlName } from '../../spec/vfio/ioctl-numbers.ts';
import type { Core } from '../core/core.ts';
import { EventfdFile } from '../core/eventfd.ts';
import type { DeviceNodes, IoctlArgument, OpenFile } from '../core/files.ts';
import type { Sysfs } from '../core/sysfs.ts';
import { EBADF, EINVAL, ENODEV, IS_ERR } from '../errno.ts';
import { MAP, PROT } from '../mm/mm.ts';
import { PAGE_BYTES } from '../mm/page-allocator.ts';
import type { Process, Processes } from '../mm/process.ts';
import { ContainerFile } from '../vfio/container-file.ts';

export interface MmapRequest {
  readonly length: number;
  readonly prot: number;
  readonly flags: number;
  /** -1 for anonymous memory. */
  readonly fd: number;
  readonly offset: number;
}

export class SystemCalls {
  readonly #core: Core;
  readonly #nodes: DeviceNodes;
  readonly #sysfs: Sysfs;
  readonly #processes: Processes;

  constructor(parts: {
    readonly core: Core;
    readonly nodes: DeviceNodes;
    readonly sysfs: Sysfs;
    readonly processes: Processes;
  }) {
    this.#core = parts.core;
    this.#nodes = parts.nodes;
    this.#sysfs = parts.sysfs;
    this.#processes = parts.processes;
  }

  /** A file descriptor, or a negative error number. */
  open(process: Process, path: string, flags = 0): number {
    return this.#core.call('open', [process, path], () => {
      const file = this.#nodes.open(path, process, flags);
      return IS_ERR(file) ? file : process.files.install(file);
    });
  }

  close(process: Process, fd: number): number {
    return this.#core.call('close', [process, fd], () => process.files.close(fd));
  }

  ioctl(process: Process, fd: number, command: number, argument: IoctlArgument = 0): number {
    const file = process.files.get(fd);
    const name = { name: ioctlName(command, file instanceof ContainerFile) };
    return this.#core.call('ioctl', [process, fd, name, argument], () =>
      file === undefined ? -EBADF : file.ioctl(command, argument, process),
    );
  }

  /** Bytes read, or a negative error number; the buffer is filled. */
  pread(process: Process, fd: number, into: Uint8Array, offset: number): number {
    return this.#core.call('pread', [process, fd, into.length, offset], () =>
      this.#withFile(process, fd, (file) => file.read(into, offset, process)),
    );
  }

  pwrite(process: Process, fd: number, from: Uint8Array, offset: number): number {
    return this.#core.call('pwrite', [process, fd, from, offset], () =>
      this.#withFile(process, fd, (file) => file.write(from, offset, process)),
    );
  }

  eventfd(process: Process): number {
    return this.#core.call('eventfd', [process], () =>
      process.files.install(new EventfdFile(this.#core, process.mm.name)),
    );
  }

  /** Count of an eventfd, which starts again from zero; -EAGAIN when it is zero. */
  eventfdRead(process: Process, fd: number): number {
    const buffer = new Uint8Array(8);
    const result = this.pread(process, fd, buffer, 0);
    return result < 0 ? result : Number(new DataView(buffer.buffer).getBigUint64(0, true));
  }

  /** Address of the mapping, or a negative error number. */
  mmap(process: Process, request: MmapRequest): number {
    const { length, prot, flags, fd, offset } = request;
    return this.#core.call('mmap', [process, length, prot, flags, fd, offset], () => {
      if (length <= 0 || length % PAGE_BYTES !== 0 || offset % PAGE_BYTES !== 0) {
        return -EINVAL;
      }
      const address =
        (flags & MAP.ANONYMOUS) === 0
          ? this.#mapFile(process, request)
          : process.mm.mapAnonymous(length, prot, flags);
      this.#processes.publish(process);
      return address;
    });
  }

  munmap(process: Process, address: number, length: number): number {
    return this.#core.call('munmap', [process, address, length], () => {
      const result = process.mm.unmap(address, length);
      this.#processes.publish(process);
      return result;
    });
  }

  /** MADV_DONTNEED, the one advice that devices notice. */
  madvise(process: Process, address: number, length: number): number {
    return this.#core.call('madvise', [process, address, length, 'MADV_DONTNEED'], () => {
      const result = process.mm.discard(address, length);
      this.#processes.publish(process);
      return result;
    });
  }

  /** `cat /sys/...`: the text, or a negative error number. */
  sysfsRead(path: string): string | number {
    return this.#core.query('sysfs_read', [path], () => this.#sysfs.read(path));
  }

  /** `echo text > /sys/...`: bytes written, or a negative error number. */
  sysfsWrite(path: string, text: string): number {
    return this.#core.call('sysfs_write', [path, text], () => this.#sysfs.write(path, text));
  }

  #withFile(process: Process, fd: number, use: (file: OpenFile) => number): number {
    const file = process.files.get(fd);
    return file === undefined ? -EBADF : use(file);
  }

  #mapFile(process: Process, { length, prot, flags, fd, offset }: MmapRequest): number {
    const file = process.files.get(fd);
    if (file === undefined) {
      return -EBADF;
    }
    const area = process.mm.addArea(length, {
      name: file.name,
      isReadable: (prot & PROT.READ) !== 0,
      isWritable: (prot & PROT.WRITE) !== 0,
      isShared: (flags & MAP.SHARED) !== 0,
      offset,
      kind: 'file',
    });
    const result = file.mmap(area, process);
    if (result < 0) {
      process.mm.unmap(area.vm_start, length);
      return result === -ENODEV ? -ENODEV : result;
    }
    file.hold();
    const onClose = area.onClose;
    area.onClose = () => {
      onClose?.();
      file.drop();
    };
    return area.vm_start;
  }
}
