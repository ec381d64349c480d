/** Which exit an EPT walk that found no page ends in. Intel SDM volume 3, "EPT-Induced VM Exits". */
import { EXIT_REASON, type ExitReason } from '../spec/cpu/vm-exit.ts';
import type { EptWalk } from '../sim/index.ts';

export function trapExit(walk: EptWalk): ExitReason {
  return walk.kind === 'misconfiguration'
    ? EXIT_REASON.eptMisconfiguration
    : EXIT_REASON.eptViolation;
}
