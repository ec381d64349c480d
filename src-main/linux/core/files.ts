/**
 * Open files, file descriptors and device nodes. A file's class says what it is: `file instanceof ContainerFile` is the
 * test that Linux makes on `file->f_op`.
 */
import { FILE_CLOSED, FILE_OPENED } from '../../spec/events/linux.ts';
import type { PlainData } from '../../sim/index.ts';
import { EBADF, EINVAL, ENODEV, ENOENT, ENOTTY } from '../errno.ts';
import type { Mm, VmArea } from '../mm/mm.ts';
import type { Core } from './core.ts';

/** The process that makes a system call, as files see it. */
export interface Caller {
  readonly name: string;
  readonly mm: Mm;
  readonly files: FileTable;
  hasCapability(capability: string): boolean;
}

/** What the third argument of ioctl() points to: a buffer in user memory, a plain number, or a string. */
export type IoctlArgument = Uint8Array | number | string;

/** `struct file` with its operations. Operations that a file lacks give the error Linux gives. */
export abstract class OpenFile {
  readonly name: string;
  readonly core: Core;
  #references = 0;
  readonly #places: { readonly owner: string; readonly fd: number }[] = [];

  constructor(core: Core, name: string) {
    this.core = core;
    this.name = name;
  }

  get references(): number {
    return this.#references;
  }

  hold(): void {
    this.#references += 1;
  }

  /** fput: the last one releases. */
  drop(): void {
    this.#references -= 1;
    if (this.#references === 0) {
      this.release();
    }
  }

  /** A descriptor table took the file in. */
  installed(owner: string, fd: number): void {
    this.#places.push({ owner, fd });
    this.hold();
    this.touch();
  }

  /** A descriptor table let the file go. */
  uninstalled(owner: string, fd: number): void {
    const at = this.#places.findIndex((p) => p.owner === owner && p.fd === fd);
    this.#places.splice(at, 1);
    this.core.publish(`fd/${owner}/${fd}`, undefined);
    this.drop();
  }

  /** Publishes the file's rows again after its state changed. */
  touch(): void {
    for (const { owner, fd } of this.#places) {
      this.core.publish(`fd/${owner}/${fd}`, { file: this.name, state: this.state() });
    }
  }

  ioctl(_command: number, _argument: IoctlArgument, _caller: Caller): number {
    return -ENOTTY;
  }

  /** Bytes read, or a negative error number. */
  read(_into: Uint8Array, _position: number, _caller: Caller): number {
    return -EINVAL;
  }

  write(_from: Uint8Array, _position: number, _caller: Caller): number {
    return -EINVAL;
  }

  mmap(_area: VmArea, _caller: Caller): number {
    return -ENODEV;
  }

  release(): void {}

  /** What panes show in the descriptor's row. */
  state(): PlainData {
    return {};
  }
}

/** Opens a device node for a process: a file, or a negative error number. */
export type OpenNode = (caller: Caller, flags: number) => OpenFile | number;

/** Nodes of /dev. */
export class DeviceNodes {
  readonly #core: Core;
  readonly #nodes = new Map<string, OpenNode>();

  constructor(core: Core) {
    this.#core = core;
  }

  add(path: string, open: OpenNode): void {
    this.#nodes.set(path, open);
    this.#core.publish(`dev${path.slice('/dev'.length)}`, { path });
  }

  remove(path: string): void {
    this.#nodes.delete(path);
    this.#core.publish(`dev${path.slice('/dev'.length)}`, undefined);
  }

  has(path: string): boolean {
    return this.#nodes.has(path);
  }

  list(): readonly string[] {
    return [...this.#nodes.keys()].sort();
  }

  open(path: string, caller: Caller, flags: number): OpenFile | number {
    const open = this.#nodes.get(path);
    return open === undefined ? -ENOENT : open(caller, flags);
  }
}

const FIRST_FD = 3;

/** Descriptors of one process. */
export class FileTable {
  readonly #core: Core;
  readonly #owner: string;
  readonly #files = new Map<number, OpenFile>();

  constructor(core: Core, owner: string) {
    this.#core = core;
    this.#owner = owner;
  }

  /** fd_install: the lowest free number. */
  install(file: OpenFile): number {
    let fd = FIRST_FD;
    while (this.#files.has(fd)) {
      fd += 1;
    }
    this.#files.set(fd, file);
    this.#core.emit(FILE_OPENED, this.#owner, fd, file.name);
    file.installed(this.#owner, fd);
    return fd;
  }

  get(fd: number): OpenFile | undefined {
    return this.#files.get(fd);
  }

  entries(): readonly (readonly [number, OpenFile])[] {
    return [...this.#files];
  }

  close(fd: number): number {
    const file = this.#files.get(fd);
    if (file === undefined) {
      return -EBADF;
    }
    this.#files.delete(fd);
    this.#core.emit(FILE_CLOSED, this.#owner, fd, file.name);
    file.uninstalled(this.#owner, fd);
    return 0;
  }

  /** exit_files: in descriptor order. */
  closeAll(): void {
    for (const fd of [...this.#files.keys()].sort((a, b) => a - b)) {
      this.close(fd);
    }
  }
}
