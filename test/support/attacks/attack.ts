/**
 * One shape for every attack of docs/isolation.md: what is done, what is seen with all defences and without some of them,
 * whose pages are reached, whether others can still work, and what the host pays for it.
 */
import type { KernelParams } from '../../../src-main/linux/core/params.ts';
import type { DefenceName, MachineConfig } from '../../../src-main/sim/index.ts';
import type { Breach, InterruptBreach } from '../isolation-breaches.ts';
import type { Toll } from './toll.ts';

/** The attacks, by their numbers in docs/isolation.md. */
export const ATTACK_IDS = [
  '8.1a',
  '8.1b',
  '8.1c',
  '8.1d',
  '8.1e',
  '8.2a',
  '8.2b',
  '8.2c',
  '8.3',
  '8.4',
  '8.5a',
  '8.5b',
  '8.5c',
  '8.5d',
  '8.5e',
  '8.6',
  '8.7',
  '8.8',
  '8.9a',
  '8.9b',
  '8.9c',
  '8.9d',
  '8.9e',
  '8.10',
  '8.11',
  '8.12',
] as const;
export type AttackId = (typeof ATTACK_IDS)[number];

/** What a scene is booted without: options of a machine and of its kernel. */
export interface Switches {
  readonly defences?: NonNullable<MachineConfig['defences']>;
  readonly params?: Partial<KernelParams>;
}

/** Names the codes, faults, error numbers and data that somebody sees, each with what it is. */
export type Facts = Readonly<Record<string, unknown>>;

/** What an attack came to. */
export interface Outcome {
  readonly breaches: readonly Breach[];
  /** Vectors that came to one by the doing of another. */
  readonly vectors: readonly InterruptBreach[];
  readonly seen: Facts;
  /** Whether work of somebody who attacks nobody did what it should, before the attack and after it. */
  readonly benign: { readonly before: boolean; readonly after: boolean };
  readonly cost: Budget;
}

/** Exits and host interrupts: of the attack, and of the benign work after it. Fast-path work is FREE. */
export interface Budget {
  readonly attack: Toll;
  readonly benign: Toll;
}

interface Run {
  /** What is taken away. */
  readonly without: Switches;
  readonly seen: Facts;
}

/** A device reaches pages that belong to somebody else than the one it works for. */
interface BreachRun extends Run {
  readonly kind: 'breach';
  /** On whose behalf pages are reached, and whose they are. */
  readonly breached: readonly [Breached, ...Breached[]];
  /** The benign work fails after it too. */
  readonly alsoDenies?: true;
}

export type Breached = Pick<Breach, 'principal' | 'owner'>;

/** A vector arrives at somebody by the doing of somebody else. */
interface InterruptRun extends Run {
  readonly kind: 'interrupt';
  /** By whose doing, and whose the vectors are. */
  readonly raised: readonly [Breached, ...Breached[]];
}

/** No page is reached that is not one's own; what goes wrong instead shows in `seen`. */
interface HarmRun extends Run {
  readonly kind: HarmKind;
}

type HarmKind =
  /** Somebody gets a handle or a mapping that he may not have. */
  | 'admission'
  /** Data of a former owner is there for the next one. */
  | 'remanence'
  /** The host's kernel is damaged. */
  | 'corruption';

/** Others cannot work any more: the benign work fails after the attack. */
interface DenialRun extends Run {
  readonly kind: 'denial';
}

/** The host pays for each step of the attacker. */
interface ExpenseRun extends Run {
  readonly kind: 'expense';
  readonly attackCost: Toll;
}

/** Another defence stops the attack too: nothing is reached. */
interface HeldRun extends Run {
  readonly kind: 'held';
}

export type UndefendedRun = BreachRun | InterruptRun | HarmRun | DenialRun | ExpenseRun | HeldRun;

interface Mounted {
  readonly id: AttackId;
  readonly title: string;
  /** Boots a scene without these switches, does the attack, and then benign work. */
  readonly run: (without: Switches) => Outcome;
  readonly defended: { readonly seen: Facts; readonly budget: Budget };
}

/** Software stops it: each run shows what goes without a part of that. */
export interface SoftwareStopped extends Mounted {
  readonly stoppedBy: 'software';
  readonly undefended: readonly [UndefendedRun, ...UndefendedRun[]];
}

/** Only hardware stops it, and nothing takes that away. */
export interface HardwareStopped extends Mounted {
  readonly stoppedBy: 'hardware';
  readonly because: string;
}

export type Attack = SoftwareStopped | HardwareStopped;

/** Switches for a machine without these defences. */
export function lacking(...names: readonly DefenceName[]): Switches {
  return { defences: Object.fromEntries(names.map((name) => [name, false])) };
}
