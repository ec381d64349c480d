/** Fault reasons of second-stage walks: legacy mode (LCT.4.3, LSS.1, LSS.2) and scalable mode (SSS.1 to SSS.6). */
import { InvariantError } from '../../bits/invariant.ts';
import { WALK } from './second-stage-walk.ts';

const SCALABLE: readonly number[] = (() => {
  const codes: number[] = [];
  codes[WALK.readError] = 0x78;
  codes[WALK.notPresent] = 0x79;
  codes[WALK.reservedBits] = 0x7a;
  codes[WALK.rootReadError] = 0x7b;
  codes[WALK.flagNoSnoop] = 0x7c;
  codes[WALK.flagFailed] = 0x7d;
  return codes;
})();

export function secondStageFault(outcome: number): number {
  const code = SCALABLE[outcome];
  if (code === undefined) {
    throw new InvariantError(`Second-stage walk outcome ${outcome} is no fault`);
  }
  return code;
}

/**
 * Legacy mode has no code for "entry not present": a request that may not read or write at all is refused as a write or a
 * read (section 7.1.3, LGN.2 and LGN.3).
 */
export function legacySecondStageFault(outcome: number, isWrite: boolean): number {
  switch (outcome) {
    case WALK.rootReadError:
      return 0x03;
    case WALK.readError:
      return 0x07;
    case WALK.reservedBits:
      return 0x0c;
    case WALK.notPresent:
      return isWrite ? 0x05 : 0x06;
    default:
      throw new InvariantError(`Second-stage walk outcome ${outcome} is no legacy fault`);
  }
}
