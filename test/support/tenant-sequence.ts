/**
 * What several tenants of one accelerator may do, in the words of neither era: virtual devices with memory, interrupts,
 * work and migration, an in-kernel owner of a PASID, processes that share their address space with the device, natively
 * and in guests. A `TenantSequence` chooses valid steps from a seed.
 */
import { defined } from '../../src-main/bits/invariant.ts';

const TENANTS = 3;
export const SLOTS = 3;
export const APPS = 2;
export const GUESTS = 2;
const DEDICATED = 2;
/** How much more likely a guest's step is where there are guests. */
const GUEST_WEIGHT = 4;

export type TenantStep =
  | { readonly op: 'create'; readonly tenant: number; readonly type: 'dwq' | 'swq' }
  | { readonly op: 'map' | 'unmap'; readonly tenant: number; readonly slot: number }
  | { readonly op: 'migrate'; readonly tenant: number; readonly to: number }
  | { readonly op: TenantOp; readonly tenant: number }
  | { readonly op: 'kernel-map' | 'kernel-unmap'; readonly slot: number }
  | { readonly op: AppOp; readonly app: number }
  | { readonly op: GuestOp; readonly guest: number }
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
  | 'submit'
  /** Migration: submissions wait from now on, or go on. */
  | 'pause'
  | 'resume';

type AppOp =
  | 'app-open'
  /** Done when the step is. */
  | 'app-submit'
  /** Left in the device, with pages that it has to ask for. */
  | 'app-start'
  /** Memory of the work in the device goes. */
  | 'app-munmap'
  | 'app-madvise'
  | 'app-close'
  | 'app-exit';

type GuestOp =
  | 'guest-open'
  | 'guest-submit'
  | 'guest-start'
  | 'guest-munmap'
  | 'guest-madvise'
  | 'guest-close'
  | 'guest-exit'
  | 'guest-pause'
  | 'guest-resume';

type OtherOp = 'kernel-attach' | 'kernel-detach' | 'wait';

interface TenantModel {
  type: 'dwq' | 'swq' | null;
  isOpen: boolean;
  hasIrqs: boolean;
  isRunning: boolean;
  /** `gone`: its state is on the other side. */
  migration: 'none' | 'paused' | 'gone';
  readonly slots: Set<number>;
}

interface AppModel {
  state: 'none' | 'open' | 'closed';
  hasWork: boolean;
}

interface GuestModel extends AppModel {
  isPaused: boolean;
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

/** Everything that can be told of the tenants without a machine: which steps are possible now. */
class TenantModels {
  readonly #tenants: readonly TenantModel[] = Array.from({ length: TENANTS }, () => ({
    type: null,
    isOpen: false,
    hasIrqs: false,
    isRunning: false,
    migration: 'none',
    slots: new Set<number>(),
  }));
  readonly #apps: readonly AppModel[] = Array.from({ length: APPS }, () => ({
    state: 'none',
    hasWork: false,
  }));
  readonly #guests: readonly GuestModel[] = Array.from({ length: GUESTS }, () => ({
    state: 'none',
    hasWork: false,
    isPaused: false,
  }));
  readonly #kernel = { isAttached: false, slots: new Set<number>() };

  possible(guestWeight: number): readonly TenantStep[] {
    const guests = this.#guests.flatMap((guest, i) => ofGuest(guest, i));
    return [
      ...this.#tenants.flatMap((tenant, i) => this.#ofTenant(tenant, i)),
      ...this.#ofKernel(),
      ...this.#apps.flatMap((app, i) => ofApp(app, i)),
      ...Array.from({ length: guestWeight }, () => guests).flat(),
      { op: 'wait' },
    ];
  }

  note(step: TenantStep): void {
    if ('tenant' in step) {
      this.#noteTenant(defined(this.#tenants[step.tenant], 'Tenant'), step);
    } else if ('app' in step) {
      noteApp(defined(this.#apps[step.app], 'App'), step.op.slice('app-'.length));
    } else if ('guest' in step) {
      noteGuest(defined(this.#guests[step.guest], 'Guest'), step.op.slice('guest-'.length));
    } else {
      this.#noteOther(step);
    }
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
    if (model.migration === 'gone') {
      return [...slots, ...just('close', 'exit', 'reset')];
    }
    // What is under way when memory goes is the tenant's own affair; here it has ended.
    const canWork = model.isRunning && model.slots.has(0);
    const isPaused = model.migration === 'paused';
    return [
      ...slots,
      ...just('close', 'exit', 'reset', model.hasIrqs ? 'irqs-off' : 'irqs-on'),
      ...just(isPaused ? 'resume' : 'pause'),
      ...(isPaused ? this.#ofMigration(model, tenant) : just(...(model.isRunning ? STOP : START))),
      ...(canWork ? just(...SUBMIT) : []),
    ];
  }

  /** The other side has a device of the same type that nobody has begun to use. */
  #ofMigration(model: TenantModel, tenant: number): readonly TenantStep[] {
    return this.#tenants.flatMap((other, to): TenantStep[] => {
      const fits = other !== model && other.type === model.type && other.isOpen;
      return fits && !other.isRunning && other.migration === 'none'
        ? [{ op: 'migrate', tenant, to }]
        : [];
    });
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

  #noteOther(step: Exclude<TenantStep, { tenant: number } | { app: number } | { guest: number }>) {
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
      default:
        [...this.#apps, ...this.#guests.filter(({ isPaused }) => !isPaused)].forEach((app) => {
          app.hasWork = false;
        });
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
        model.migration = 'none';
        model.slots.clear();
        break;
      case 'map':
        model.slots.add(step.slot);
        break;
      case 'unmap':
        model.slots.delete(step.slot);
        break;
      case 'migrate':
        defined(this.#tenants[step.to], 'Other side').isRunning = model.isRunning;
        Object.assign(model, { isRunning: false, migration: 'gone' });
        break;
      default:
        noteDevice(model, step.op);
    }
  }
}

function noteDevice(model: TenantModel, op: TenantStep['op']): void {
  switch (op) {
    case 'irqs-on':
    case 'irqs-off':
      model.hasIrqs = op === 'irqs-on';
      break;
    case 'start':
      model.isRunning = true;
      break;
    case 'stop':
      model.isRunning = false;
      break;
    case 'reset':
      model.isRunning = false;
      model.migration = 'none';
      break;
    case 'pause':
    case 'resume':
      model.migration = op === 'pause' ? 'paused' : 'none';
      break;
    default:
  }
}

function ofApp(model: AppModel, app: number): readonly TenantStep[] {
  const just = (...ops: readonly AppOp[]): readonly TenantStep[] => ops.map((op) => ({ op, app }));
  const memory = model.hasWork ? just('app-munmap', 'app-madvise') : [];
  switch (model.state) {
    case 'open':
      return [...memory, ...just('app-submit', 'app-start', 'app-close', 'app-exit')];
    case 'closed':
      return [...memory, ...just('app-open', 'app-exit')];
    default:
      return just('app-open');
  }
}

function noteApp(model: AppModel, op: string): void {
  switch (op) {
    case 'open':
      model.state = 'open';
      break;
    case 'start':
      model.hasWork = true;
      break;
    case 'munmap':
    case 'madvise':
      model.hasWork = false;
      break;
    case 'close':
      model.state = 'closed';
      break;
    case 'exit':
      Object.assign(model, { state: 'none', hasWork: false });
      break;
    default:
  }
}

function ofGuest(model: GuestModel, guest: number): readonly TenantStep[] {
  const just = (...ops: readonly GuestOp[]): readonly TenantStep[] =>
    ops.map((op) => ({ op, guest }));
  const pausing = just(model.isPaused ? 'guest-resume' : 'guest-pause');
  if (model.state === 'none') {
    return [...pausing, ...just('guest-open', 'guest-open')];
  }
  return [
    ...pausing,
    ...(model.hasWork ? just('guest-munmap', 'guest-madvise') : []),
    ...(model.isPaused ? [] : just('guest-submit', 'guest-submit')),
    ...just('guest-start', 'guest-close', 'guest-exit'),
  ];
}

function noteGuest(model: GuestModel, op: string): void {
  if (op === 'pause' || op === 'resume') {
    model.isPaused = op === 'pause';
  } else if (op === 'close') {
    noteApp(model, 'exit');
  } else {
    noteApp(model, op);
  }
}

/** Few come so far: a step as often as it stands here. */
const START = ['start', 'start', 'start', 'start'] as const;
const STOP = ['stop'] as const;
const SUBMIT = ['submit', 'submit', 'submit', 'submit', 'submit', 'submit'] as const;

export class TenantSequence {
  readonly steps: readonly TenantStep[];

  constructor(seed: number, length: number, options: { readonly hasGuests: boolean }) {
    const models = new TenantModels();
    const weight = options.hasGuests ? GUEST_WEIGHT : 0;
    const next = random(seed);
    const steps: TenantStep[] = [];
    while (steps.length < length) {
      const possible = models.possible(weight);
      const step = defined(possible[next(possible.length)], 'A step');
      models.note(step);
      steps.push(step);
    }
    this.steps = steps;
  }
}

/** Whether tenants can take these steps in this order, for sequences from which some were taken out. */
function isPossible(steps: readonly TenantStep[]): boolean {
  const models = new TenantModels();
  return steps.every((step) => {
    const text = JSON.stringify(step);
    const can = models.possible(1).some((possible) => JSON.stringify(possible) === text);
    models.note(step);
    return can;
  });
}

/** The same failure in fewer steps: takes out one after the other for as long as it still fails without. */
export function shrinkSteps(
  steps: readonly TenantStep[],
  fails: (fewer: readonly TenantStep[]) => boolean,
): readonly TenantStep[] {
  for (let i = steps.length - 1; i >= 0; i--) {
    const fewer = [...steps.slice(0, i), ...steps.slice(i + 1)];
    if (isPossible(fewer) && fails(fewer)) {
      return shrinkSteps(fewer, fails);
    }
  }
  return steps;
}
