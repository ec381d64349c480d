/**
 * The sysfs tree: directories, attribute files with show and store, symbolic links. Paths are relative to /sys, without a
 * leading slash; a leading `/sys/` is accepted from user space.
 *
 * Every node is published under `sysfs/<path>`; a file's published value is what `show` gave when it was last touched.
 */
import { SYSFS_CHANGED } from '../../spec/events/linux.ts';
import { EACCES, EEXIST, EIO, EISDIR, ENOENT, ENOTDIR } from '../errno.ts';
import type { Core } from './core.ts';

export interface SysfsAttribute {
  /** Text of the file without a final newline, or a negative error number. */
  show?(): string | number;
  /** Zero or positive: accepted; negative: the error that write() gives. */
  store?(text: string): number;
  /** The attribute's show runs a learner's code: it is called only when somebody reads the file. */
  readonly isLazy?: boolean;
}

type SysfsNode =
  | { readonly kind: 'directory' }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'file'; readonly attribute: SysfsAttribute; published: string | undefined };

const MAX_LINKS = 8;

export class Sysfs {
  readonly #core: Core;
  readonly #nodes = new Map<string, SysfsNode>([['', { kind: 'directory' }]]);
  /** Paths of what is directly in a directory. */
  readonly #children = new Map<string, Set<string>>();

  constructor(core: Core) {
    this.#core = core;
    for (const path of ['bus', 'class', 'devices', 'kernel', 'module']) {
      this.mkdir(path);
    }
  }

  // ---- for the kernel ------------------------------------------------------------------------------------------------

  /** Makes a directory and those above it that are missing. */
  mkdir(path: string): number {
    if (this.#nodes.has(path)) {
      return -EEXIST;
    }
    const slash = path.lastIndexOf('/');
    if (slash > 0 && !this.#nodes.has(path.slice(0, slash))) {
      this.mkdir(path.slice(0, slash));
    }
    this.#add(path, { kind: 'directory' });
    return 0;
  }

  file(path: string, attribute: SysfsAttribute): void {
    const node: SysfsNode = { kind: 'file', attribute, published: undefined };
    this.#add(path, node);
    this.#publishFile(path, node);
  }

  link(path: string, target: string): void {
    const slash = path.lastIndexOf('/');
    this.mkdir(path.slice(0, slash));
    this.#add(path, { kind: 'link', target });
  }

  /** Removes a node and everything below it. */
  remove(path: string): void {
    for (const name of this.#below(path).sort().reverse()) {
      this.#nodes.delete(name);
      this.#children.delete(name);
      this.#core.publish(`sysfs/${name}`, undefined);
      this.#core.emit(SYSFS_CHANGED, 'removed', name);
    }
    this.#children.get(directoryOf(path))?.delete(path);
  }

  /** Publishes the files directly in a directory again when their text changed. */
  touch(directory: string): void {
    for (const path of this.#children.get(directory) ?? []) {
      const node = this.#nodes.get(path);
      if (node?.kind === 'file') {
        this.#publishFile(path, node);
      }
    }
  }

  // ---- for user space ------------------------------------------------------------------------------------------------

  exists(path: string): boolean {
    return this.resolve(path) !== undefined;
  }

  isLink(path: string): boolean {
    return this.#nodes.get(this.#normal(path))?.kind === 'link';
  }

  /** Names in a directory, sorted, or a negative error number. */
  list(path: string): readonly string[] | number {
    const real = this.resolve(path);
    if (real === undefined) {
      return -ENOENT;
    }
    if (this.#nodes.get(real)?.kind !== 'directory') {
      return -ENOTDIR;
    }
    return [...(this.#children.get(real) ?? [])].map((p) => p.slice(p.lastIndexOf('/') + 1)).sort();
  }

  read(path: string): string | number {
    const node = this.#fileAt(path);
    if (typeof node === 'number') {
      return node;
    }
    return node.attribute.show === undefined ? -EIO : node.attribute.show();
  }

  write(path: string, text: string): number {
    const node = this.#fileAt(path);
    if (typeof node === 'number') {
      return node;
    }
    if (node.attribute.store === undefined) {
      return -EACCES;
    }
    const result = node.attribute.store(text);
    return result < 0 ? result : text.length;
  }

  /** The path with links followed, or undefined when there is nothing. */
  resolve(path: string): string | undefined {
    let done = '';
    let rest = this.#normal(path).split('/');
    let links = 0;
    while (rest.length > 0) {
      const [name, ...others] = rest as [string, ...string[]];
      if (name === '') {
        rest = others;
        continue;
      }
      const next = done === '' ? name : `${done}/${name}`;
      const node = this.#nodes.get(next);
      if (node === undefined) {
        return undefined;
      }
      rest = others;
      done = next;
      if (node.kind === 'link') {
        if (++links > MAX_LINKS) {
          return undefined;
        }
        rest = [...node.target.split('/'), ...others];
        done = '';
      }
    }
    return done;
  }

  /** A node that exists and everything below it. */
  #below(path: string): string[] {
    const children = [...(this.#children.get(path) ?? [])];
    const all = children.flatMap((child) => this.#below(child));
    return this.#nodes.has(path) ? [path, ...all] : all;
  }

  #normal(path: string): string {
    return path.replace(/^\/+(sys\/)?/, '').replace(/\/+$/, '');
  }

  #fileAt(path: string): Extract<SysfsNode, { kind: 'file' }> | number {
    const real = this.resolve(path);
    const node = real === undefined ? undefined : this.#nodes.get(real);
    if (node === undefined) {
      return -ENOENT;
    }
    return node.kind === 'file' ? node : -EISDIR;
  }

  #add(path: string, node: SysfsNode): void {
    const directory = directoryOf(path);
    const siblings = this.#children.get(directory) ?? new Set();
    this.#children.set(directory, siblings.add(path));
    this.#nodes.set(path, node);
    this.#core.emit(SYSFS_CHANGED, 'added', path);
    if (node.kind === 'link') {
      this.#core.publish(`sysfs/${path}`, { kind: 'link', target: node.target });
    } else if (node.kind === 'directory') {
      this.#core.publish(`sysfs/${path}`, { kind: 'directory' });
    }
  }

  #publishFile(path: string, node: Extract<SysfsNode, { kind: 'file' }>): void {
    const { attribute } = node;
    const shown = attribute.isLazy === true ? '' : (attribute.show?.() ?? '');
    const value = typeof shown === 'number' ? '' : shown;
    if (value === node.published) {
      return;
    }
    node.published = value;
    this.#core.publish(`sysfs/${path}`, {
      kind: 'file',
      value,
      isReadable: attribute.show !== undefined,
      isWritable: attribute.store !== undefined,
    });
  }
}

function directoryOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
