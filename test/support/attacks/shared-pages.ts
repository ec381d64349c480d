/** 8.2b: ring pairs whose registers lie in one page of the device. Scalable IOV section 3.1. */
import { createHash } from 'node:crypto';
import {
  ARBITER_ENABLE,
  REQUEST_BASE_LOW,
  REQUEST_CONFIG,
  REQUEST_TAIL,
  RESPONSE_BASE_LOW,
  RESPONSE_CONFIG,
  RING_PAIR_PASID,
} from '../../../src-main/spec/qat/registers.ts';
import { PAGE } from '../linux-sva.ts';
import { bootQatVms, QatGuest, SIZE_CODE, type QatVmLab } from '../vm-qat.ts';
import { lacking, type Attack, type Outcome, type Switches } from './attack.ts';
import { faultsOf } from './faults.ts';
import { PROFILES, type Profile } from './guest-clients.ts';
import { mount } from './mount.ts';
import { FREE, TRAPPED } from './toll.ts';

/** Two banks of two halves in a page. */
const PACKED = 0x800;
const SPAN_NS = 1_000_000;
const PASID_VALID = 0x8000_0000;
const BREACHED = [{ principal: 'qemu-vm2', owner: 'qemu-vm1' }] as const;

interface Neighbours {
  readonly lab: QatVmLab;
  /** Has the first bank of the page. */
  readonly victim: QatGuest;
  /** Has the second one. */
  readonly attacker: QatGuest;
}

function neighbours(profile: Profile, without: Switches): Neighbours {
  const lab = bootQatVms({ profile, device: { ringPairs: 8, bankBytes: PACKED }, ...without });
  const [victim, attacker] = [new QatGuest(lab, 1), new QatGuest(lab, 2)];
  [victim, attacker].forEach((guest) => guest.start());
  return { lab, victim, attacker };
}

function hasDigest({ digest }: QatGuest, text: string): boolean {
  const expected = createHash('sha256').update(text).digest();
  return digest.every((byte, i) => byte === expected[i]);
}

function hashes(guest: QatGuest): boolean {
  guest.hash('abc');
  return hasDigest(guest, 'abc');
}

/** The attacker rings where every guest has its doorbell, before the victim's request is meant to run. */
function ringForNeighbour(profile: Profile, without: Switches): Outcome {
  const { lab, victim, attacker } = neighbours(profile, without);
  return mount(lab, {
    attack: () => {
      const faults = faultsOf(lab);
      attacker.write(REQUEST_TAIL.offset, victim.prepare('not yet'));
      attacker.guest.core.advance(SPAN_NS);
      const { mappedAreas } = attacker.plugged;
      return { mapped: mappedAreas.length, hasRun: hasDigest(victim, 'not yet'), faults: faults() };
    },
    benign: () => hashes(victim),
  });
}

/** The attacker gives its own ring pair the PASID and the rings of the victim. */
function takeNeighboursPasid(profile: Profile, without: Switches): Outcome {
  const { lab, victim, attacker } = neighbours(profile, without);
  const fast = attacker.host.pair.fast % PAGE;
  const config = fast + PACKED / 2;
  return mount(lab, {
    attack: () => {
      const faults = faultsOf(lab);
      const tail = victim.prepare('stolen');
      const { default: pasid } = victim.host.pasids;
      attacker.write(config + RING_PAIR_PASID.offset, (PASID_VALID | pasid) >>> 0);
      attacker.write(config + REQUEST_CONFIG.offset, SIZE_CODE.request);
      attacker.write(config + RESPONSE_CONFIG.offset, SIZE_CODE.response);
      attacker.write(config + REQUEST_BASE_LOW.offset, victim.at('requests'));
      attacker.write(config + RESPONSE_BASE_LOW.offset, victim.at('responses'));
      attacker.write(fast + ARBITER_ENABLE.offset, 3);
      attacker.write(fast + REQUEST_TAIL.offset, tail);
      attacker.guest.core.advance(SPAN_NS);
      return { hasRun: hasDigest(victim, 'stolen'), faults: faults() };
    },
    benign: () => hashes(victim),
  });
}

function ofProfile(profile: Profile): readonly Attack[] {
  return [
    {
      id: '8.2b',
      title: `the doorbell of another ring pair in the page (${profile})`,
      run: (without) => ringForNeighbour(profile, without),
      defended: {
        seen: { mapped: 0, hasRun: false, faults: [] },
        budget: { attack: TRAPPED, benign: TRAPPED },
      },
      stoppedBy: 'software',
      undefended: [
        {
          kind: 'breach',
          without: lacking('portal-granularity'),
          breached: BREACHED,
          seen: { mapped: 1, hasRun: true, faults: [] },
        },
      ],
    },
    {
      id: '8.2b',
      title: `the configuration of ring pairs in the page (${profile})`,
      run: (without) => takeNeighboursPasid(profile, without),
      defended: {
        seen: { hasRun: false, faults: [] },
        budget: { attack: { ...FREE, exits: { eptMisconfiguration: 7 } }, benign: TRAPPED },
      },
      stoppedBy: 'software',
      undefended: [
        {
          kind: 'breach',
          without: lacking('portal-granularity'),
          breached: BREACHED,
          seen: { hasRun: true, faults: [] },
        },
      ],
    },
  ];
}

export const SHARED_PAGES: readonly Attack[] = PROFILES.flatMap(ofProfile);
