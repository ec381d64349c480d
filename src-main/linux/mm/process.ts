/**
 * Processes: an address space, open files, a CPU to run on, and the IA32_PASID value of the thread. Each process has one
 * thread unless it makes more; a thread shares address space and files and has its own IA32_PASID.
 */
import { PROCESS_CHANGED } from '../../spec/events/linux.ts';
import type { Core } from '../core/core.ts';
import { FileTable, type Caller } from '../core/files.ts';
import { Mm } from './mm.ts';
import type { PageAllocator } from './page-allocator.ts';
import type { UserPages } from './user-pages.ts';

export interface ProcessOptions {
  /** CPU that runs it; 0 when absent. */
  readonly cpu?: number;
  readonly capabilities?: readonly string[];
  /** RLIMIT_MEMLOCK in bytes; a privileged process (CAP_IPC_LOCK) has no limit. */
  readonly memlockBytes?: number;
}

/** The limit that distributions set for ordinary users. */
const DEFAULT_MEMLOCK = 8 * 1024 * 1024;

export interface SubmitCounters {
  accepted: number;
  retried: number;
  faulted: number;
  /** MOVDIR64B: the CPU does not know what became of them. */
  posted: number;
}

export class Process implements Caller {
  readonly pid: number;
  readonly name: string;
  readonly mm: Mm;
  readonly files: FileTable;
  readonly cpu: number;
  /** IA32_PASID as XSAVES keeps it for the thread: 0 until the first #GP of ENQCMD is fixed up. */
  pasidState = 0n;
  isAlive = true;
  /** Signal that ended it. */
  signal: string | null = null;
  readonly counters: SubmitCounters = { accepted: 0, retried: 0, faulted: 0, posted: 0 };
  readonly #capabilities: ReadonlySet<string>;

  constructor(
    pid: number,
    name: string,
    parts: { readonly mm: Mm; readonly files: FileTable },
    options: ProcessOptions,
  ) {
    this.pid = pid;
    this.name = name;
    this.mm = parts.mm;
    this.files = parts.files;
    this.cpu = options.cpu ?? 0;
    this.#capabilities = new Set(options.capabilities ?? []);
  }

  get capabilities(): readonly string[] {
    return [...this.#capabilities];
  }

  hasCapability(capability: string): boolean {
    return this.#capabilities.has(capability);
  }
}

export class Processes {
  readonly #core: Core;
  readonly #pages: PageAllocator;
  readonly #userPages: UserPages;
  readonly #byName = new Map<string, Process>();

  constructor(core: Core, pages: PageAllocator, userPages: UserPages) {
    this.#core = core;
    this.#pages = pages;
    this.#userPages = userPages;
  }

  find(name: string): Process | undefined {
    return this.#byName.get(name);
  }

  list(): readonly Process[] {
    return [...this.#byName.values()];
  }

  create(name: string, options: ProcessOptions = {}): Process {
    const process = this.#make(name, options, this.#newMm(name, options));
    this.#changed(process, 'started');
    return process;
  }

  /** clone(CLONE_VM | CLONE_FILES): another thread; its IA32_PASID starts empty. */
  createThread(leader: Process, name: string, cpu = leader.cpu): Process {
    leader.mm.get();
    const thread = new Process(
      this.#core.nextId('pid', 1),
      name,
      { mm: leader.mm, files: leader.files },
      { cpu, capabilities: leader.capabilities },
    );
    this.#byName.set(name, thread);
    this.#changed(thread, `is a thread of ${leader.name}`);
    return thread;
  }

  /** fork: a copy of the address space without the areas that must not be copied; no PASID. */
  fork(parent: Process, name: string): Process | number {
    const options: ProcessOptions = {
      cpu: parent.cpu,
      capabilities: parent.capabilities,
      memlockBytes: parent.mm.lockLimitBytes,
    };
    const mm = this.#newMm(name, options);
    const result = parent.mm.copyTo(mm);
    if (result < 0) {
      mm.put();
      return result;
    }
    const child = this.#make(name, options, mm);
    for (const [, file] of parent.files.entries()) {
      child.files.install(file);
    }
    this.#changed(child, `forked from ${parent.name}`);
    return child;
  }

  /** Sends a signal that ends the process, as a bad access does. */
  kill(process: Process, signal: string): void {
    process.signal = signal;
    this.#changed(process, `got ${signal}`);
    this.exit(process);
  }

  /** do_exit: exit_mm comes before exit_files, so a device may still run for a process without memory. */
  exit(process: Process): void {
    if (!process.isAlive) {
      return;
    }
    process.isAlive = false;
    this.#changed(process, 'exits');
    process.mm.put();
    const isShared = this.list().some(
      (p) => p !== process && p.isAlive && p.files === process.files,
    );
    if (!isShared) {
      process.files.closeAll();
    }
    this.#byName.delete(process.name);
    this.#core.publish(`process/${process.name}`, undefined);
  }

  publish(process: Process): void {
    this.#core.publish(`process/${process.name}`, {
      pid: process.pid,
      cpu: process.cpu,
      isAlive: process.isAlive,
      signal: process.signal,
      pasid: process.mm.pasid,
      pasidMsr: `0x${process.pasidState.toString(16)}`,
      pageTable: process.mm.table.root,
      lockedPages: process.mm.lockedPages,
      counters: { ...process.counters },
      areas: process.mm.areas.map((a) => ({
        start: a.vm_start,
        end: a.vm_end,
        name: a.name,
        isWritable: a.isWritable,
        isDevice: a.isDevice,
      })),
    });
  }

  #newMm(name: string, options: ProcessOptions): Mm {
    return new Mm({
      core: this.#core,
      pages: this.#pages,
      userPages: this.#userPages,
      name,
      lockLimitBytes: options.memlockBytes ?? DEFAULT_MEMLOCK,
    });
  }

  #make(name: string, options: ProcessOptions, mm: Mm): Process {
    const process = new Process(
      this.#core.nextId('pid', 1),
      name,
      { mm, files: new FileTable(this.#core, name) },
      options,
    );
    this.#byName.set(name, process);
    return process;
  }

  #changed(process: Process, change: string): void {
    this.#core.emit(PROCESS_CHANGED, process.name, change);
    this.publish(process);
  }
}
