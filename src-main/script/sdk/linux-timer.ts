/**
 * `linux/timer`: timers of a kernel, over its simulated time. They run on ticks as timer wheels do; a function that is due
 * runs between two steps of the machine, like an interrupt handler, and counts against the limits of the script.
 */
import type { Core } from '../../linux/core/core.ts';
import { asFunction, asUnsigned } from './arguments.ts';
import { effect, pure, query, type SdkEnvironment } from './environment.ts';
import {
  defineHostType,
  defineSdkModule,
  type GuestFunction,
  type SdkModule,
} from './sdk-module.ts';
import { TIMER_TYPES } from './types/linux-timer.ts';

/** CONFIG_HZ of the kernels: ticks in a second. */
const HZ = 1000;
const TICK_NS = 1_000_000_000 / HZ;
const MS_PER_SECOND = 1000;

class ScriptTimer {
  readonly core: Core;
  readonly id: number;
  expires = 0;
  readonly #callback: GuestFunction;
  #pending: number | undefined;

  constructor(core: Core, callback: GuestFunction) {
    this.core = core;
    this.id = core.nextId('timer');
    this.#callback = callback;
  }

  get isPending(): boolean {
    return this.#pending !== undefined;
  }

  /** A time that has passed is the next tick: a function that sets its timer again cannot stop time. */
  modify(expires: number): boolean {
    const wasPending = this.delete();
    this.expires = expires;
    const tick = Math.max(expires, jiffiesOf(this.core) + 1);
    this.#pending = this.core.timers.schedule(tick * TICK_NS, () => {
      this.#pending = undefined;
      this.core.callback('timer', this.#callback.functionName, `timer ${this.id}`, () =>
        this.#callback.call(timerType.of(this)),
      );
    });
    return wasPending;
  }

  delete(): boolean {
    const wasPending = this.#pending !== undefined;
    if (this.#pending !== undefined) {
      this.core.timers.cancel(this.#pending);
      this.#pending = undefined;
    }
    return wasPending;
  }
}

const timerType = defineHostType<ScriptTimer>({
  name: 'struct timer_list',
  properties: { expires: { get: (timer) => timer.expires } },
});

function jiffiesOf(core: Core): number {
  return Math.floor(core.nowNs / TICK_NS);
}

export function createTimerModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'linux/timer',
    types: TIMER_TYPES,
    constants: { HZ },
    functions: {
      timer_setup: effect(env, ({ kernel }, callback) =>
        timerType.of(new ScriptTimer(kernel.core, asFunction(callback, 'callback'))),
      ),
      mod_timer: effect(env, (_bound, timer, expires) =>
        Number(
          timerType
            .target(timer, 'timer')
            .modify(asUnsigned(expires, 'expires', Number.MAX_SAFE_INTEGER / TICK_NS)),
        ),
      ),
      timer_delete: effect(env, (_bound, timer) =>
        Number(timerType.target(timer, 'timer').delete()),
      ),
      timer_pending: query(env, (_bound, timer) => timerType.target(timer, 'timer').isPending),
      jiffies: query(env, ({ kernel }) => jiffiesOf(kernel.core)),
      msecs_to_jiffies: pure((milliseconds) =>
        Math.ceil((asUnsigned(milliseconds, 'milliseconds', 0xffff_ffff) * HZ) / MS_PER_SECOND),
      ),
    },
  });
}
