/** Carries the steps of a `TenantSequence` out on a kernel of one profile, and tells what came of them. */
import { defined } from '../../src-main/bits/invariant.ts';
import { IS_ERR } from '../../src-main/linux/errno.ts';
import type { IommuDomain } from '../../src-main/linux/iommu/domain.ts';
import { IOMMU_READ, IOMMU_WRITE } from '../../src-main/linux/iommu/iommu.ts';
import { MIGRATION_STATE as S } from '../../src-main/linux/vfio/migration-state.ts';
import { createKernel, type Kernel, type KernelProfile } from '../../src-main/linux/kernel.ts';
import { parseBdf } from '../../src-main/linux/pci/pci-scan.ts';
import { Machine, MachineHardware, onBehalfOf, type PlainData } from '../../src-main/sim/index.ts';
import { COMMAND } from '../../src-main/spec/dsa/commands.ts';
import { STATUS } from '../../src-main/spec/dsa/status-codes.ts';
import {
  ISOLATION_BREACHED,
  ISOLATION_INTERRUPT_BREACHED,
} from '../../src-main/spec/events/isolation.ts';
import {
  VFIO_DEVICE_IOCTLS as D,
  VFIO_FLAGS as F,
} from '../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  BAR,
  becomeMaster,
  bytesOfWords,
  DSA_BDF,
  dsaDevice,
  enablePlans,
  moveWords,
  typePath,
  uuidOf,
  vdevCommand,
  type IdxdHost,
  type OpenVdev,
} from './linux-idxd.ts';
import { VfioUser } from './linux-vfio.ts';
import { TenantGuests } from './tenant-guests.ts';
import { APPS, SLOTS, type TenantStep } from './tenant-sequence.ts';
import { expectThat, Heir, must, WorkingProcess } from './tenant-work.ts';
import { copyMemory, readAll, setState, writeTo } from './vdev-migration.ts';

const PAGE = 4096;
/** Work with which nothing else is in the way is done after this. */
const LONG_NS = 100_000;
/** Word 0 of a descriptor of a kernel, without a PASID. */
const PRIVILEGED = 2 ** 31;

interface Tenant {
  readonly uuid: string;
  readonly type: 'dwq' | 'swq';
  open: (OpenVdev & { readonly ioas: number }) | null;
  isPaused: boolean;
}

interface KernelOwner {
  readonly domain: IommuDomain;
  readonly pasid: number;
  readonly pages: Map<number, number>;
}

const QUEUES = [
  { mode: 'dedicated', type: 'mdev', size: 16, enable: false },
  { mode: 'dedicated', type: 'mdev', size: 16, enable: false },
  { mode: 'shared', type: 'mdev', size: 16, enable: false },
  { mode: 'shared', type: 'user', size: 16, enable: false },
] as const;
const USER_QUEUE = 3;

/** `sysfs/` has a place of its own in the inventory; VMs count their exits, and have theirs. */
const UNSTABLE = ['sysfs/', 'vm/'];
/** What stays tells what happened: counts of accesses and interrupts, the last command in the registers of a VDEV. */
function withoutCounts(state: PlainData | undefined): PlainData | undefined {
  return typeof state === 'object' && state !== null && !Array.isArray(state)
    ? { ...state, accesses: 0, count: 0, bar0: '' }
    : state;
}

/** What the machine's isolation oracle finds, access by access and message by message. */
function watchBreaches({ trace }: Machine): string[] {
  const breaches: string[] = [];
  const record = trace.record.bind(trace);
  trace.record = (kind, ...values) => {
    if (kind === ISOLATION_BREACHED || kind === ISOLATION_INTERRUPT_BREACHED) {
      breaches.push(values.slice(1).join(' '));
    }
    return record(kind, ...values);
  };
  return breaches;
}

/** After these somebody else may own the pages. */
const GIVES_BACK: ReadonlySet<TenantStep['op']> = new Set([
  'close',
  'exit',
  'unmap',
  'migrate',
  'app-munmap',
  'app-madvise',
  'app-exit',
  'guest-exit',
]);

/** Where a slot of a tenant's memory is in its address space; slot n has n + 1 pages. */
function iovaOf(slot: number): number {
  return 0x10_0000 + slot * 0x10_0000;
}

export class TenantWorld {
  readonly kernel: Kernel;
  readonly host: IdxdHost;
  readonly guests: TenantGuests;
  readonly #tenants = new Map<number, Tenant>();
  readonly #apps: (WorkingProcess | null)[] = Array.from({ length: APPS }, () => null);
  readonly #heir: Heir;
  readonly #breaches: string[];
  #owner: KernelOwner | null = null;
  #serial = 0;
  #said: string[] = [];

  constructor(profile: KernelProfile) {
    const machine = new Machine({
      config: {
        name: 'tenants',
        seed: 1,
        kernelProfile: profile,
        memory: { bytes: 256 * 2 ** 20 },
        cpus: 3,
        iommu: { profile: 'lab' },
        devices: [dsaDevice({ wqs: QUEUES.length })],
      },
      // Records are counted, which is enough for the oracle to know what follows from what.
      trace: { mode: 'count' },
    });
    this.#breaches = watchBreaches(machine);
    const hw = new MachineHardware(machine);
    this.kernel = createKernel({ hw, role: 'host', profile, params: { modules: ['idxd'] } });
    const { kernel } = this;
    const dev = defined(kernel.pci.deviceAt(parseBdf(DSA_BDF)), 'The accelerator');
    const idxd = defined(kernel.idxd.deviceOf(dev), 'Its driver');
    this.host = {
      kernel,
      dev,
      idxd,
      wqs: idxd.wqs,
      sysfsWrite: (path, text) => kernel.sysfs.write(path, text),
      sysfsRead: (path) => kernel.sysfs.read(path),
    };
    enablePlans(this.host, QUEUES);
    for (const { name } of idxd.wqs) {
      must(kernel.sysfs.write(`bus/dsa/devices/${name}/block_on_fault`, '1'), 'block_on_fault');
      must(kernel.sysfs.write('bus/dsa/drivers/dsa/bind', name), 'enable');
    }
    this.#heir = new Heir(kernel);
    this.guests = new TenantGuests(this.host);
  }

  /** What programs could see of the steps since the last call. */
  takeOutcomes(): readonly string[] {
    return this.#said.splice(0);
  }

  do(step: TenantStep): void {
    if ('tenant' in step) {
      this.#ofTenant(step);
    } else if ('app' in step) {
      this.#ofApp(step);
    } else if ('guest' in step) {
      this.#say(step.op, this.guests.do(step));
    } else {
      this.#ofOther(step);
    }
    if (GIVES_BACK.has(step.op)) {
      this.#heir.inherit();
    }
  }

  /** Everybody leaves, each in the way that is open to it. */
  end(): void {
    this.#settle();
    this.#say('end', this.guests.end());
    for (const [i, tenant] of [...this.#tenants]) {
      if (tenant.open !== null) {
        this.do({ op: i % 2 === 0 ? 'close' : 'exit', tenant: i });
      }
      this.do({ op: 'remove', tenant: i });
    }
    if (this.#owner !== null) {
      this.#detachOwner();
    }
    this.#apps.forEach((app, i) => {
      if (app !== null) {
        this.do({ op: 'app-exit', app: i });
      }
    });
    this.kernel.core.advance(LONG_NS);
    this.#heir.check();
    expectThat(this.#breaches.length === 0, `breach: ${this.#breaches.splice(0).join(', ')}`);
  }

  #ofOther(step: Exclude<TenantStep, { tenant: number } | { app: number } | { guest: number }>) {
    switch (step.op) {
      case 'kernel-attach':
        this.#attachOwner();
        break;
      case 'kernel-detach':
        this.#detachOwner();
        break;
      case 'kernel-map':
      case 'kernel-unmap':
        this.#mapOwner(step.slot, step.op === 'kernel-map');
        break;
      default:
        this.kernel.core.advance(LONG_NS);
        this.#settle();
    }
  }

  /** All programs look at what became of their work, and the heir at its pages. */
  #settle(): void {
    this.#apps.forEach((app) => {
      if (app !== null) {
        this.#say(app.process.name, app.settle());
      }
    });
    this.#say('guests', this.guests.settle());
    this.#heir.check();
  }

  #say(who: string, what: string): void {
    if (what !== '') {
      this.#said.push(`${who}: ${what}`);
    }
  }

  /** PASID entries below the limit, as the hardware reads them. */
  pasidTable(limit: number): readonly string[] {
    const table = defined(this.kernel.iommu.driver?.info(this.host.dev)?.pasidTable, 'PASID table');
    return Array.from(
      { length: limit },
      (_, pasid) =>
        `${pasid}: ${[...table.readWords(pasid)].map((word) => word.toString(16)).join(' ')}`,
    );
  }

  /** All that a leak would change: objects that are published, memory, pins, interrupts, queues. */
  inventory(): Readonly<Record<string, unknown>> {
    const { kernel, host } = this;
    const { core } = kernel;
    const objects = core
      .publishedKeys('')
      .filter((key) => !UNSTABLE.some((prefix) => key.startsWith(prefix)))
      .map((key) => [key, withoutCounts(core.published(key))]);
    return {
      objects: Object.fromEntries(objects),
      sysfs: core.publishedKeys('sysfs/'),
      bytes: kernel.pages.bytesInUse,
      pinned: kernel.userPages.pinnedPages,
      irqs: kernel.irqs.list().length,
      ims: host.idxd.ims?.used,
      processes: kernel.processes.list().map(({ name }) => name),
      groups: kernel.iommu.groups.length,
      pasids: kernel.pasids.inUse,
      guests: this.guests.inventory(),
      queues: host.wqs.map((wq) => [
        wq.clients,
        wq.state,
        wq.pasid,
        wq.read().state,
        wq.read().pasid,
      ]),
    };
  }

  // ---- tenants -------------------------------------------------------------------------------------------------------

  #ofTenant(step: Extract<TenantStep, { readonly tenant: number }>): void {
    if (step.op === 'create') {
      const uuid = uuidOf(step.tenant + 1);
      const path = `${typePath(this.host, `dsa-1${step.type}-v1`)}/create`;
      must(this.host.sysfsWrite(path, uuid), 'create');
      this.#tenants.set(step.tenant, { uuid, type: step.type, open: null, isPaused: false });
      return;
    }
    const tenant = defined(this.#tenants.get(step.tenant), 'Tenant');
    switch (step.op) {
      case 'remove':
        must(this.host.sysfsWrite(`bus/mdev/devices/${tenant.uuid}/remove`, '1'), 'remove');
        this.#tenants.delete(step.tenant);
        break;
      case 'open':
        tenant.open = this.#open(tenant);
        break;
      default:
        this.#ofOpen(tenant, defined(tenant.open ?? undefined, 'Open device'), step);
    }
  }

  #ofOpen(
    tenant: Tenant,
    open: NonNullable<Tenant['open']>,
    step: Extract<TenantStep, { readonly tenant: number }>,
  ): void {
    switch (step.op) {
      case 'close':
        this.#close(open);
        Object.assign(tenant, { open: null, isPaused: false });
        break;
      case 'exit':
        this.kernel.processes.exit(open.user.process);
        Object.assign(tenant, { open: null, isPaused: false });
        break;
      case 'map':
        must(this.#map(open, step.slot), 'map');
        break;
      case 'unmap':
        this.#unmap(open, step.slot);
        break;
      case 'irqs-on':
      case 'irqs-off':
        must(this.#setIrqs(open, step.op === 'irqs-on'), step.op);
        break;
      case 'start':
        this.#start(tenant, open);
        break;
      case 'stop':
        must(-vdevCommand(open, COMMAND.disableDevice).error, 'Disable Device');
        break;
      case 'reset':
        must(open.user.ioctl(open.fd, D.VFIO_DEVICE_RESET), 'reset');
        tenant.isPaused = false;
        break;
      case 'pause':
      case 'resume':
        this.#setPaused(tenant, open, step.op === 'pause');
        break;
      case 'migrate':
        this.#migrate(tenant, open, defined(this.#tenants.get(step.to), 'Other side'));
        break;
      default:
        this.#submit(tenant, open);
    }
  }

  #open({ uuid }: Tenant): NonNullable<Tenant['open']> {
    this.#serial += 1;
    const user = new VfioUser(this.kernel, `tenant-${this.#serial}`);
    const pages = SLOTS * SLOTS;
    const memory = user.memory(pages);
    if (this.kernel.core.profile === 'kvmforum2019') {
      const { container, group, device } = user.openByGroup(uuid);
      must(device, 'GET_DEVICE_FD');
      return { user, fd: device, others: [group, container], memory, pages, ioas: -1 };
    }
    const iommufd = user.open('/dev/iommu');
    const fd = user.open(user.cdevOf(uuid));
    must(user.bind(fd, iommufd).rc, 'BIND');
    const ioas = user.ioas(iommufd);
    must(user.attach(fd, ioas).rc, 'ATTACH');
    return { user, fd, others: [iommufd], memory, pages, ioas };
  }

  #close({ user, fd, others }: OpenVdev): void {
    [fd, ...others].forEach((each) => must(user.close(each), 'close'));
    this.kernel.processes.exit(user.process);
  }

  #map({ user, others, memory, ioas }: NonNullable<Tenant['open']>, slot: number): number {
    const at = memory + slot * SLOTS * PAGE;
    const bytes = (slot + 1) * PAGE;
    return ioas < 0
      ? user.mapDma(others[1] ?? -1, at, iovaOf(slot), bytes)
      : user.ioasMap(others[0] ?? -1, ioas, at, iovaOf(slot), bytes);
  }

  #unmap({ user, others, ioas }: NonNullable<Tenant['open']>, slot: number): void {
    const bytes = (slot + 1) * PAGE;
    const unmapped =
      ioas < 0
        ? user.unmapDma(others[1] ?? -1, iovaOf(slot), bytes)
        : user.ioasUnmap(others[0] ?? -1, ioas, BigInt(iovaOf(slot)), BigInt(bytes));
    expectThat(unmapped === bytes, `unmap gave ${unmapped}`);
  }

  #setIrqs({ user, fd }: OpenVdev, isOn: boolean): number {
    const data = isOn ? F.VFIO_IRQ_SET_DATA_EVENTFD : F.VFIO_IRQ_SET_DATA_NONE;
    const flags = data | F.VFIO_IRQ_SET_ACTION_TRIGGER;
    const fds = isOn ? [0, 1].map(() => this.kernel.calls.eventfd(user.process)) : [];
    const result = user.setIrqs(fd, F.VFIO_PCI_MSIX_IRQ_INDEX, flags, {}, fds);
    // The device holds them now.
    fds.forEach((eventfd) => user.close(eventfd));
    return result;
  }

  #start({ type }: Tenant, open: OpenVdev): void {
    if (type === 'swq') {
      // ATS, PASID and PRI: descriptors of a shared queue carry a PASID.
      for (const [at, value] of [
        [0x106, 0x8000],
        [0x126, 5],
        [0x114, 1],
      ] as const) {
        must(open.user.writeValue(open.fd, BAR.config, at, 2, value), 'config');
      }
    }
    becomeMaster(open);
    must(-vdevCommand(open, COMMAND.enableDevice).error, 'Enable Device');
    must(-vdevCommand(open, COMMAND.enableWq).error, 'Enable WQ');
  }

  /**
   * A copy inside slot 0, by stores that trap: both kinds of queues have them. With interrupts on, its completion raises one,
   * which only a kernel may ask for.
   */
  #submit({ uuid, isPaused }: Tenant, open: OpenVdev): void {
    const { user, fd, memory } = open;
    const text = new TextEncoder().encode(uuid.slice(-8));
    user.process.mm.write(memory, text);
    user.process.mm.write(memory + 0x800, new Uint8Array(32));
    const iova = iovaOf(0);
    const { handle, isMasked } = this.#entryOf(uuid);
    const words = moveWords({
      from: iova,
      to: iova + 64,
      bytes: text.length,
      record: iova + 0x800,
      ...(handle < 0 ? {} : { handle }),
    });
    words[0] = handle < 0 ? (words[0] ?? 0) : PRIVILEGED;
    const before = this.#interrupts;
    const at = BAR.portals * 2 ** 40;
    const submitted = onBehalfOf(this.kernel.core.hw.isolation, user.process.mm.name, () =>
      this.kernel.calls.pwrite(user.process, fd, bytesOfWords(words), at),
    );
    must(submitted, 'submit');
    this.kernel.core.advance(LONG_NS);
    const status = this.#statusOf(open);
    if (isPaused) {
      expectThat(status === 0, 'a paused device did its work');
      return;
    }
    const copied = user.process.mm.read(memory + 64, text.length);
    expectThat(status === STATUS.success, `status ${status}`);
    expectThat(String(copied) === String(text), 'the copy is wrong');
    const raised = this.#interrupts - before;
    expectThat(raised === Number(handle >= 0 && !isMasked), `${raised} interrupts`);
  }

  /** Handle of vector 1, negative when there is none; after a reset its entry is masked. */
  #entryOf(uuid: string): { readonly handle: number; readonly isMasked: boolean } {
    const { interrupts } = defined(this.kernel.idxd.vdcm.find(uuid), 'VDEV');
    const handle = interrupts.handleOf(1);
    const entry = this.kernel.core.published(`ims/${this.host.dev.name}/${handle}`);
    const isOpen =
      typeof entry === 'object' && entry !== null && 'isMasked' in entry && !entry.isMasked;
    return { handle, isMasked: !isOpen };
  }

  /** Interrupts that the host's handlers got so far. */
  get #interrupts(): number {
    return this.kernel.irqs.list().reduce((sum, { count }) => sum + count, 0);
  }

  #statusOf({ user, memory }: OpenVdev): number {
    const read = user.process.mm.read(memory + 0x800, 1);
    return typeof read === 'number' ? read : (read[0] ?? 0);
  }

  #setPaused(tenant: Tenant, open: OpenVdev, isPaused: boolean): void {
    const { rc, fd } = setState(open, isPaused ? S.PRE_COPY : S.RUNNING);
    must(rc, isPaused ? 'PRE_COPY' : 'RUNNING');
    if (isPaused) {
      must(open.user.close(fd), 'close of the stream');
    }
    tenant.isPaused = isPaused;
    this.kernel.core.advance(LONG_NS);
    this.#say('migration', `${tenant.uuid.slice(-1)} ${this.#statusOf(open)}`);
  }

  /** The whole way of a device to another VMM, with memory; what waited goes on there. */
  #migrate(tenant: Tenant, from: OpenVdev, other: Tenant): void {
    const to = defined(other.open ?? undefined, 'Open destination');
    const saving = setState(from, S.STOP_COPY);
    must(saving.rc, 'STOP_COPY');
    const { bytes, end } = readAll(from, saving.fd);
    expectThat(end === 0, `the stream ended with ${end}`);
    copyMemory(from, to);
    const resuming = setState(to, S.RESUMING);
    must(resuming.rc, 'RESUMING');
    expectThat(writeTo(to, resuming.fd, bytes) === bytes.length, 'write of the state');
    must(setState(to, S.RUNNING).rc, 'RUNNING');
    must(from.user.close(saving.fd), 'close of the stream');
    must(to.user.close(resuming.fd), 'close of the stream');
    this.kernel.core.advance(LONG_NS);
    this.#say('migrated', `${this.#statusOf(from)} ${this.#statusOf(to)}`);
    tenant.isPaused = false;
  }

  // ---- processes -----------------------------------------------------------------------------------------------------

  #ofApp({ op, app: i }: Extract<TenantStep, { readonly app: number }>): void {
    if (op === 'app-open') {
      this.#serial += 1;
      const queue = defined(this.host.wqs[USER_QUEUE], 'Queue').name;
      const made = this.#apps[i];
      const app = made ?? new WorkingProcess(this.kernel, `app-${this.#serial}`, queue, 0x10 + i);
      this.#apps[i] = app;
      app.open();
      return;
    }
    const app = defined(this.#apps[i] ?? undefined, 'App');
    switch (op) {
      case 'app-start':
        this.#say(op, app.start());
        break;
      case 'app-submit':
        expectThat(app.start() === 'accepted', 'ENQCMD was not accepted');
        this.#say(op, app.settle());
        break;
      case 'app-munmap':
      case 'app-madvise':
        app.takeMemory(op === 'app-munmap' ? 'munmap' : 'madvise');
        break;
      case 'app-close':
        app.close();
        app.expectDrained();
        break;
      default:
        app.exit();
        this.#apps[i] = null;
    }
  }

  // ---- the kernel ----------------------------------------------------------------------------------------------------

  #attachOwner(): void {
    const { iommu, aux, core } = this.kernel;
    const { dev } = this.host;
    if (core.profile === 'kvmforum2019') {
      const domain = defined(iommu.iommu_domain_alloc() ?? undefined, 'Domain');
      must(aux.iommu_aux_attach_device(domain, dev), 'aux attach');
      this.#owner = { domain, pasid: aux.iommu_aux_get_pasid(domain, dev), pages: new Map() };
      return;
    }
    const domain = iommu.iommu_paging_domain_alloc(dev);
    if (IS_ERR(domain)) {
      throw new Error(`domain: ${domain}`);
    }
    const pasid = iommu.iommu_alloc_global_pasid(dev);
    must(iommu.iommu_attach_device_pasid(domain, dev, pasid), 'PASID attach');
    this.#owner = { domain, pasid, pages: new Map() };
  }

  #detachOwner(): void {
    const { iommu, aux, core } = this.kernel;
    const { domain, pasid, pages } = defined(this.#owner ?? undefined, 'Owner');
    [...pages.keys()].forEach((slot) => this.#mapOwner(slot, false));
    if (core.profile === 'kvmforum2019') {
      aux.iommu_aux_detach_device(domain, this.host.dev);
    } else {
      iommu.iommu_detach_device_pasid(domain, this.host.dev, pasid);
      iommu.iommu_free_global_pasid(pasid);
    }
    iommu.iommu_domain_free(domain);
    this.#owner = null;
  }

  #mapOwner(slot: number, isMapping: boolean): void {
    const { iommu, pages: allocator } = this.kernel;
    const { domain, pages } = defined(this.#owner ?? undefined, 'Owner');
    const bytes = (slot + 1) * PAGE;
    if (isMapping) {
      const page = allocator.alloc(slot + 1, { owner: 'kernel owner' });
      must(
        iommu.iommu_map(domain, iovaOf(slot), page, bytes, IOMMU_READ | IOMMU_WRITE),
        'iommu_map',
      );
      pages.set(slot, page);
      return;
    }
    expectThat(iommu.iommu_unmap(domain, iovaOf(slot), bytes) === bytes, 'iommu_unmap');
    allocator.free(defined(pages.get(slot), 'Page'));
    pages.delete(slot);
  }
}
