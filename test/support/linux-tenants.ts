/**
 * Tenants of one accelerator and what they may do, in the words of neither era: virtual devices with memory, interrupts and
 * work, an in-kernel owner of a PASID, a native process. A `TenantSequence` chooses valid steps from a seed; a `TenantWorld`
 * carries them out on a kernel of one profile.
 */
import { defined } from '../../src-main/bits/invariant.ts';
import { IS_ERR } from '../../src-main/linux/errno.ts';
import type { IommuDomain } from '../../src-main/linux/iommu/domain.ts';
import { IOMMU_READ, IOMMU_WRITE } from '../../src-main/linux/iommu/iommu.ts';
import { createKernel, type Kernel, type KernelProfile } from '../../src-main/linux/kernel.ts';
import { MAP, PROT } from '../../src-main/linux/mm/mm.ts';
import type { Process } from '../../src-main/linux/mm/process.ts';
import { parseBdf } from '../../src-main/linux/pci/pci-scan.ts';
import { Machine, MachineHardware } from '../../src-main/sim/index.ts';
import { COMMAND } from '../../src-main/spec/dsa/commands.ts';
import { STATUS } from '../../src-main/spec/dsa/status-codes.ts';
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

const TENANTS = 3;
const SLOTS = 3;
const PAGE = 4096;
const DEDICATED = 2;
/** Work with which nothing else is in the way is done after this. */
const LONG_NS = 100_000;

export type TenantStep =
  | { readonly op: 'create'; readonly tenant: number; readonly type: 'dwq' | 'swq' }
  | { readonly op: 'map' | 'unmap'; readonly tenant: number; readonly slot: number }
  | { readonly op: TenantOp; readonly tenant: number }
  | { readonly op: 'kernel-map' | 'kernel-unmap'; readonly slot: number }
  | { readonly op: OtherOp };

type TenantOp =
  | 'open'
  | 'close'
  | 'exit'
  | 'remove'
  | 'irqs-on'
  | 'irqs-off'
  | 'start'
  | 'stop'
  | 'reset'
  | 'submit';
type OtherOp =
  'kernel-attach' | 'kernel-detach' | 'app-open' | 'app-submit' | 'app-close' | 'app-exit' | 'wait';

// ---- choosing --------------------------------------------------------------------------------------------------------

interface TenantModel {
  type: 'dwq' | 'swq' | null;
  isOpen: boolean;
  hasIrqs: boolean;
  isRunning: boolean;
  readonly slots: Set<number>;
}

/** Mulberry32: the same steps for the same seed, everywhere. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

export class TenantSequence {
  readonly steps: readonly TenantStep[];
  readonly #tenants: readonly TenantModel[];
  readonly #kernel = { isAttached: false, slots: new Set<number>() };
  #app: 'none' | 'open' | 'closed' = 'none';

  constructor(seed: number, length: number) {
    this.#tenants = Array.from({ length: TENANTS }, () => ({
      type: null,
      isOpen: false,
      hasIrqs: false,
      isRunning: false,
      slots: new Set<number>(),
    }));
    const next = random(seed);
    const steps: TenantStep[] = [];
    while (steps.length < length) {
      const possible = this.#possible();
      const step = defined(possible[next(possible.length)], 'A step');
      this.#note(step);
      steps.push(step);
    }
    this.steps = steps;
  }

  #possible(): readonly TenantStep[] {
    return [
      ...this.#tenants.flatMap((tenant, i) => this.#ofTenant(tenant, i)),
      ...this.#ofKernel(),
      ...this.#ofApp(),
      { op: 'wait' },
    ];
  }

  #ofTenant(model: TenantModel, tenant: number): readonly TenantStep[] {
    if (model.type === null) {
      const taken = this.#tenants.filter(({ type }) => type === 'dwq').length;
      const types = taken < DEDICATED ? (['dwq', 'swq'] as const) : (['swq'] as const);
      return types.map((type) => ({ op: 'create', tenant, type }));
    }
    const just = (...ops: readonly TenantOp[]): readonly TenantStep[] =>
      ops.map((op) => ({ op, tenant }));
    if (!model.isOpen) {
      return just('open', 'open', 'remove');
    }
    const slots = Array.from({ length: SLOTS }, (_, slot): TenantStep => ({
      op: model.slots.has(slot) ? 'unmap' : 'map',
      tenant,
      slot,
    }));
    // What is under way when memory goes is the tenant's own affair; here it has ended.
    const canWork = model.isRunning && model.slots.has(0);
    return [
      ...slots,
      ...just('close', 'exit', 'reset', model.hasIrqs ? 'irqs-off' : 'irqs-on'),
      ...just(model.isRunning ? 'stop' : 'start'),
      ...(canWork ? just('submit', 'submit') : []),
    ];
  }

  #ofKernel(): readonly TenantStep[] {
    if (!this.#kernel.isAttached) {
      return [{ op: 'kernel-attach' }];
    }
    return [
      { op: 'kernel-detach' },
      ...Array.from({ length: SLOTS }, (_, slot): TenantStep => ({
        op: this.#kernel.slots.has(slot) ? 'kernel-unmap' : 'kernel-map',
        slot,
      })),
    ];
  }

  #ofApp(): readonly TenantStep[] {
    switch (this.#app) {
      case 'open':
        return [{ op: 'app-submit' }, { op: 'app-close' }, { op: 'app-exit' }];
      case 'closed':
        return [{ op: 'app-open' }, { op: 'app-exit' }];
      default:
        return [{ op: 'app-open' }];
    }
  }

  #note(step: TenantStep): void {
    if ('tenant' in step) {
      this.#noteTenant(defined(this.#tenants[step.tenant], 'Tenant'), step);
      return;
    }
    switch (step.op) {
      case 'kernel-attach':
      case 'kernel-detach':
        this.#kernel.isAttached = step.op === 'kernel-attach';
        this.#kernel.slots.clear();
        break;
      case 'kernel-map':
        this.#kernel.slots.add(step.slot);
        break;
      case 'kernel-unmap':
        this.#kernel.slots.delete(step.slot);
        break;
      case 'app-open':
        this.#app = 'open';
        break;
      case 'app-close':
        this.#app = 'closed';
        break;
      case 'app-exit':
        this.#app = 'none';
        break;
      default:
    }
  }

  #noteTenant(model: TenantModel, step: Extract<TenantStep, { readonly tenant: number }>): void {
    switch (step.op) {
      case 'create':
        model.type = step.type;
        break;
      case 'remove':
        model.type = null;
        break;
      case 'open':
        model.isOpen = true;
        break;
      case 'close':
      case 'exit':
        Object.assign(model, { isOpen: false, hasIrqs: false, isRunning: false });
        model.slots.clear();
        break;
      case 'map':
        model.slots.add(step.slot);
        break;
      case 'unmap':
        model.slots.delete(step.slot);
        break;
      case 'irqs-on':
      case 'irqs-off':
        model.hasIrqs = step.op === 'irqs-on';
        break;
      case 'start':
        model.isRunning = true;
        break;
      case 'stop':
      case 'reset':
        model.isRunning = false;
        break;
      default:
    }
  }
}

// ---- doing -----------------------------------------------------------------------------------------------------------

interface Tenant {
  readonly uuid: string;
  readonly type: 'dwq' | 'swq';
  open: (OpenVdev & { readonly ioas: number }) | null;
}

interface App {
  readonly process: Process;
  readonly memory: number;
  fd: number;
  portal: number;
}

interface KernelOwner {
  readonly domain: IommuDomain;
  readonly pasid: number;
  readonly pages: Map<number, number>;
}

const QUEUES = [
  { mode: 'dedicated', type: 'mdev', size: 16 },
  { mode: 'dedicated', type: 'mdev', size: 16 },
  { mode: 'shared', type: 'mdev', size: 16 },
  { mode: 'shared', type: 'user', size: 16 },
] as const;
const USER_QUEUE = 3;

function must(result: number, what: string): number {
  if (result < 0) {
    throw new Error(`${what} gave ${result}`);
  }
  return result;
}

function expectThat(isTrue: boolean, what: string): void {
  if (!isTrue) {
    throw new Error(what);
  }
}

/** Where a slot of a tenant's memory is in its address space; slot n has n + 1 pages. */
function iovaOf(slot: number): number {
  return 0x10_0000 + slot * 0x10_0000;
}

export class TenantWorld {
  readonly kernel: Kernel;
  readonly host: IdxdHost;
  readonly #tenants = new Map<number, Tenant>();
  #owner: KernelOwner | null = null;
  #app: App | null = null;
  #serial = 0;

  constructor(profile: KernelProfile) {
    const machine = new Machine({
      config: {
        name: 'tenants',
        seed: 1,
        kernelProfile: profile,
        memory: { bytes: 64 * 2 ** 20 },
        cpus: 1,
        iommu: { profile: 'lab' },
        devices: [dsaDevice({ wqs: QUEUES.length })],
      },
      trace: { mode: 'off' },
    });
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
  }

  do(step: TenantStep): void {
    if ('tenant' in step) {
      this.#ofTenant(step);
      return;
    }
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
      case 'app-open':
        this.#openApp();
        break;
      case 'app-submit':
        this.#submitApp();
        break;
      case 'app-close':
        this.#closeApp();
        break;
      case 'app-exit':
        this.kernel.processes.exit(defined(this.#app?.process, 'App'));
        this.#app = null;
        break;
      default:
        this.kernel.core.advance(LONG_NS);
    }
  }

  /** Everybody leaves, each in the way that is open to it. */
  end(): void {
    for (const [i, tenant] of [...this.#tenants]) {
      if (tenant.open !== null) {
        this.do({ op: i % 2 === 0 ? 'close' : 'exit', tenant: i });
      }
      this.do({ op: 'remove', tenant: i });
    }
    if (this.#owner !== null) {
      this.#detachOwner();
    }
    if (this.#app !== null) {
      this.do({ op: 'app-exit' });
    }
    this.kernel.core.advance(LONG_NS);
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
      .filter((key) => !key.startsWith('sysfs/'))
      .map((key) => [key, core.published(key)]);
    return {
      objects: Object.fromEntries(objects),
      sysfs: core.publishedKeys('sysfs/'),
      bytes: kernel.pages.bytesInUse,
      pinned: kernel.userPages.pinnedPages,
      irqs: kernel.irqs.list().length,
      ims: host.idxd.ims?.used,
      processes: kernel.processes.list().map(({ name }) => name),
      groups: kernel.iommu.groups.length,
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
      this.#tenants.set(step.tenant, { uuid, type: step.type, open: null });
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
        tenant.open = null;
        break;
      case 'exit':
        this.kernel.processes.exit(open.user.process);
        tenant.open = null;
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

  /** A copy inside slot 0, by stores that trap: both kinds of queues have them. */
  #submit({ uuid }: Tenant, { user, fd, memory }: OpenVdev): void {
    const text = new TextEncoder().encode(uuid.slice(-8));
    user.process.mm.write(memory, text);
    user.process.mm.write(memory + 0x800, new Uint8Array(32));
    const iova = iovaOf(0);
    const words = moveWords({
      from: iova,
      to: iova + 64,
      bytes: text.length,
      record: iova + 0x800,
    });
    const at = BAR.portals * 2 ** 40;
    must(this.kernel.calls.pwrite(user.process, fd, bytesOfWords(words), at), 'submit');
    this.kernel.core.advance(LONG_NS);
    const status = user.process.mm.read(memory + 0x800, 1);
    const copied = user.process.mm.read(memory + 64, text.length);
    expectThat(String(status) === String(STATUS.success), `status ${String(status)}`);
    expectThat(String(copied) === String(text), 'the copy is wrong');
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

  // ---- the process ---------------------------------------------------------------------------------------------------

  #openApp(): void {
    const { calls, processes } = this.kernel;
    const queue = defined(this.host.wqs[USER_QUEUE], 'Queue');
    if (this.#app === null) {
      this.#serial += 1;
      const process = processes.create(`app-${this.#serial}`, { capabilities: ['CAP_SYS_RAWIO'] });
      const memory = anonymous(this.kernel, process, 2);
      this.#app = { process, memory, fd: -1, portal: -1 };
    }
    const app = this.#app;
    app.fd = must(calls.open(app.process, `/dev/dsa/${queue.name}`), 'open of the queue');
    app.portal = must(
      calls.mmap(app.process, {
        length: PAGE,
        prot: PROT.WRITE,
        flags: MAP.SHARED,
        fd: app.fd,
        offset: 0,
      }),
      'mmap of the portal',
    );
  }

  #submitApp(): void {
    const { process, memory, portal } = defined(this.#app ?? undefined, 'App');
    process.mm.write(memory, Uint8Array.of(1, 2, 3, 4));
    process.mm.write(memory + PAGE, new Uint8Array(64));
    const words = moveWords({ from: memory, to: memory + 64, bytes: 4, record: memory + PAGE });
    const result = this.kernel.instructions.enqcmd(process, portal, words);
    expectThat(result === 'accepted', `ENQCMD: ${result}`);
    this.kernel.core.advance(LONG_NS);
    const status = process.mm.read(memory + PAGE, 1);
    expectThat(
      String(status) === String(STATUS.success),
      `status ${String(status)} of the process`,
    );
  }

  #closeApp(): void {
    const app = defined(this.#app ?? undefined, 'App');
    must(this.kernel.calls.munmap(app.process, app.portal, PAGE), 'munmap');
    must(this.kernel.calls.close(app.process, app.fd), 'close of the queue');
  }
}

function anonymous(kernel: Kernel, process: Process, pages: number): number {
  const flags = MAP.ANONYMOUS | MAP.PRIVATE;
  const prot = PROT.READ | PROT.WRITE;
  return must(
    kernel.calls.mmap(process, { length: pages * PAGE, prot, flags, fd: -1, offset: 0 }),
    'mmap',
  );
}
