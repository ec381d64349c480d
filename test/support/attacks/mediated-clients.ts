/** Two VMMs with a dedicated queue each, as mediated devices, and guest memory at the same guest-physical address. */
import { defined } from '../../../src-main/bits/invariant.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import {
  BAR,
  bootIdxd,
  createVdev,
  GUEST_RAM,
  mapPortal,
  moveWords,
  openVdev,
  startVdev,
  statusAt,
  type IdxdLab,
  type OpenVdev,
} from '../linux-idxd.ts';
import { PAGE } from '../linux-sva.ts';
import type { Switches } from './attack.ts';

const SPAN_NS = 1_000_000;
const SECRET = 0x53;
/** Offset in guest memory of the record of good work. */
const OWN_RECORD = 0x3000;

export interface TwoVdevs {
  readonly lab: IdxdLab;
  readonly attacker: OpenVdev;
  readonly victim: OpenVdev;
}

export function twoVdevs(without: Switches): TwoVdevs {
  const lab = bootIdxd({
    wqs: [
      { mode: 'dedicated', type: 'mdev' },
      { mode: 'dedicated', type: 'mdev' },
    ],
    ...without,
  });
  const [attacker, victim] = ['attacker', 'victim'].map((name, i) => {
    const open = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1', i + 1), name);
    startVdev(open);
    open.user.process.mm.write(open.memory, new Uint8Array([SECRET]));
    return open;
  });
  return { lab, attacker: defined(attacker, 'Attacker'), victim: defined(victim, 'Victim') };
}

/** What switches ATS, PASID and PRI of a VDEV on: a queue that works with PASIDs of the guest needs them. */
export const PASID_CAPABILITIES = [
  [0x106, 0x8000],
  [0x126, 0x5],
  [0x114, 0x1],
] as const;

export function allowPasids({ user, fd }: OpenVdev): void {
  for (const [at, value] of PASID_CAPABILITIES) {
    user.writeValue(fd, BAR.config, at, 2, value);
  }
}

/** A move of guest memory onto its second page, its record at an offset. */
export function guestMemoryMove(record: number): Uint32Array {
  return moveWords({
    from: GUEST_RAM,
    to: GUEST_RAM + PAGE,
    bytes: 64,
    record: GUEST_RAM + record,
  });
}

/** Through a portal that the VMM has mapped. */
export function submitMapped(
  lab: IdxdLab,
  open: OpenVdev,
  portal: number,
  words: Uint32Array,
): void {
  lab.kernel.instructions.movdir64b(open.user.process, portal, words);
  lab.kernel.core.advance(SPAN_NS);
}

export function copiesMapped(lab: IdxdLab, open: OpenVdev): boolean {
  open.user.process.mm.write(open.memory + OWN_RECORD, new Uint8Array(32));
  submitMapped(lab, open, mapPortal(open, 0), guestMemoryMove(OWN_RECORD));
  return statusAt(open, OWN_RECORD) === STATUS.success;
}
