/** Two VMs with a shared queue each and a process that uses it: who attacks, and who is attacked. */
import { defined } from '../../../src-main/bits/invariant.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import {
  bootVsva,
  guestMove,
  guestStatus,
  openGuestApp,
  startGuest,
  type VsvaApp,
  type VsvaGuest,
  type VsvaLab,
} from '../linux-vsva.ts';
import { PAGE } from '../linux-sva.ts';
import type { Switches } from './attack.ts';

export const PROFILES = ['kvmforum2019', 'iommufd'] as const;
export type Profile = (typeof PROFILES)[number];

const SPAN_NS = 10_000_000;
/** Record of good work: attacks use the ones before it. */
const OWN_RECORD = 9;

export interface GuestClient extends VsvaGuest {
  readonly app: VsvaApp;
}

export interface TwoGuests {
  readonly lab: VsvaLab;
  readonly attacker: GuestClient;
  readonly victim: GuestClient;
}

export function twoGuests(profile: Profile, without: Switches): TwoGuests {
  const lab = bootVsva(profile, ['shared', 'shared'], without);
  const [attacker, victim] = [1, 2]
    .map((n) => startGuest(lab, n, 'shared'))
    .map((guest) => ({ ...guest, app: openGuestApp(guest, 'app') }));
  return { lab, attacker: defined(attacker, 'Attacker'), victim: defined(victim, 'Victim') };
}

/** Submits as the process does, and waits; what the instruction said. */
export function submitInGuest({ guest, app }: GuestClient, words: Uint32Array): string {
  const result = guest.instructions.enqcmd(app.process, app.portal, words);
  guest.core.advance(SPAN_NS);
  return result;
}

/** A copy between pages of the process that are there. */
export function copiesInGuest(client: GuestClient): boolean {
  const { app } = client;
  app.process.mm.write(app.memory, new Uint8Array([5]));
  app.process.mm.write(app.memory + PAGE, new Uint8Array([0]));
  app.process.mm.write(app.records + OWN_RECORD * 64, new Uint8Array(32));
  submitInGuest(client, guestMove(app, { at: OWN_RECORD }));
  const copied = app.process.mm.read(app.memory + PAGE, 1);
  return (
    guestStatus(app, OWN_RECORD) === STATUS.success && typeof copied !== 'number' && copied[0] === 5
  );
}
