/** What a view is made from: one machine at one instant, live or replayed. Views only read. */
import type { LayoutContext } from '../../bits/layout.ts';
import type { ViewModel, ViewParams } from '../../protocol/views.ts';
import type { Machine, Trace } from '../../sim/index.ts';

export interface ViewContext {
  readonly machine: Machine;
  /** The run's whole trace; a replayed machine keeps none. */
  readonly trace: Trace;
  /** Length of the trace at the instant. */
  readonly at: number;
  readonly params: ViewParams;
}

export type View = (context: ViewContext) => ViewModel;

export function layoutContextOf(machine: Machine): LayoutContext {
  return machine.unit.limits.capability.context;
}
