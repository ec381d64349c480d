/** What the editor shows of `linux/timer`. */
export const TIMER_TYPES = `/** A function that a kernel calls at a time, once for each mod_timer(). */
export interface timer_list {
  /** Tick for which it was set last. */
  readonly expires: number;
}

/** Ticks in a second of simulated time. */
export declare const HZ: 1000;
/** Ticks since the start of the run. A variable in C. */
export declare function jiffies(): number;
/** Ticks of a duration, rounded up. */
export declare function msecs_to_jiffies(milliseconds: number): number;
/**
 * Prepares a timer. It does not run yet, and there are no flags here: in C it is \`timer_setup(&timer, callback, 0)\`.
 *
 * \`\`\`ts
 * const timer = timer_setup(() => console.log('too late'));
 * mod_timer(timer, jiffies() + msecs_to_jiffies(100));
 * \`\`\`
 * @param callback runs in the kernel that made the timer; what it takes counts as time of the script
 */
export declare function timer_setup(callback: (timer: timer_list) => void): timer_list;
/**
 * Starts a timer, or changes when it runs. A tick that has passed already means the next one.
 * @returns 1 when it was waiting already, 0 otherwise
 */
export declare function mod_timer(timer: timer_list, expires: number): 0 | 1;
/** Stops a timer (del_timer() before Linux 6.2). @returns 1 when it was waiting, 0 otherwise */
export declare function timer_delete(timer: timer_list): 0 | 1;
/** Whether a timer waits for its time. */
export declare function timer_pending(timer: timer_list): boolean;
`;
