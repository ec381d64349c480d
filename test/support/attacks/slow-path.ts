/** 8.1d and 8.10: what a guest stores to a portal that its VDCM traps. siov-stack 8.10; DSA 3.0 section 7.5.3. */
import { invariant } from '../../../src-main/bits/invariant.ts';
import { PORTAL_PAGE } from '../../../src-main/spec/dsa/portals.ts';
import { moveWords } from '../linux-idxd.ts';
import { PAGE } from '../linux-sva.ts';
import {
  bootSlowPath,
  copied,
  copiesSlowly,
  copyWords,
  prepare,
  slowGuest,
  type SlowGuest,
} from '../slow-path.ts';
import type { IdxdVmLab } from '../vm-idxd.ts';
import { lacking, type Attack, type Outcome, type Switches } from './attack.ts';
import { faultsOf } from './faults.ts';
import { PROFILES, type Profile } from './guest-clients.ts';
import { mount } from './mount.ts';
import { FREE, TRAPPED } from './toll.ts';

const SPAN_NS = 1_000_000;
/** A while after the host's first attempt, and long before it gives up. */
const LATER_NS = 700;
/** A transfer that takes some hundred nanoseconds. */
const LONG_PAGES = 4;
const MANY = 512;
const BREACHED = [{ principal: 'qemu-vm2', owner: 'qemu-vm1' }] as const;

interface TwoVms {
  readonly lab: IdxdVmLab;
  readonly victim: SlowGuest;
  readonly attacker: SlowGuest;
}

function twoVms(profile: Profile, without: Switches): TwoVms {
  const lab = bootSlowPath({ profile, ...without });
  return { lab, victim: slowGuest(lab, 1), attacker: slowGuest(lab, 2) };
}

/** Lines of the host's log from now on that tell of a descriptor that was dropped. */
function dropsOf(lab: IdxdVmLab): () => number {
  const from = lab.machine.trace.head;
  return () =>
    lab
      .rowsFrom(from)
      .filter((r) => r.kind === 'linux.warning.printed')
      .filter((r) => String(r.values['text']).includes('descriptor with foreign PASID')).length;
}

/** Work of the attacker's own until the queue takes no more for a while: the host must wait with the next descriptor. */
function fillQueue(lab: IdxdVmLab, { guest, host, memory }: SlowGuest): void {
  const portal = lab.idxd.portalAddress(host.wq.id, PORTAL_PAGE.unlimitedIms);
  const pages = guest.pages.alloc(2 * LONG_PAGES, { owner: 'long copies' });
  const words = moveWords({
    from: pages,
    to: pages + LONG_PAGES * PAGE,
    bytes: LONG_PAGES * PAGE,
    record: memory + 2 * PAGE + 64,
  });
  words[0] = host.pasids.default;
  const isFull = (): boolean => lab.hw.enqcmds(0, portal, words) === 'retry';
  for (let n = 0; n < MANY; n++) {
    // Engines take some work in at first.
    if (isFull()) {
      lab.kernel.core.advance(LATER_NS);
      if (isFull()) {
        return;
      }
    }
  }
  invariant(false, 'The queue is never full');
}

/** A descriptor with the victim's PASID and addresses. */
function foreignDescriptor(profile: Profile, without: Switches): Outcome {
  const { lab, victim, attacker } = twoVms(profile, without);
  return mount(lab, {
    attack: () => {
      const [faults, drops] = [faultsOf(lab), dropsOf(lab)];
      prepare(victim);
      const words = copyWords(victim, victim.host.pasids.default);
      attacker.vm.port.movdir64b(0, attacker.portal, words);
      lab.kernel.core.advance(SPAN_NS);
      return { dropped: drops(), victimCopied: copied(victim), faults: faults() };
    },
    benign: () => copiesSlowly(victim),
  });
}

/** A descriptor that is good when the host looks at it. The other virtual CPU stores over it while the host waits. */
function changedDescriptor(profile: Profile, without: Switches): Outcome {
  const { lab, victim, attacker } = twoVms(profile, without);
  return mount(lab, {
    attack: () => {
      const [faults, drops] = [faultsOf(lab), dropsOf(lab)];
      const { core } = lab.kernel;
      [victim, attacker].forEach(prepare);
      fillQueue(lab, attacker);
      const foreign = copyWords(victim, victim.host.pasids.default);
      core.timers.schedule(core.nowNs + LATER_NS, () => {
        attacker.vm.port.movdir64b(1, attacker.portal, foreign);
      });
      attacker.vm.port.movdir64b(0, attacker.portal, copyWords(attacker));
      core.advance(SPAN_NS);
      return {
        // The store that comes too late is refused by itself in any case.
        dropped: drops(),
        attackerCopied: copied(attacker),
        victimCopied: copied(victim),
        faults: faults(),
      };
    },
    benign: () => copiesSlowly(victim),
  });
}

function foreignAttack(profile: Profile): Attack {
  return {
    id: '8.1d',
    title: `another VM’s PASID in a store to a trapped portal (${profile})`,
    run: (without) => foreignDescriptor(profile, without),
    defended: {
      seen: { dropped: 1, victimCopied: false, faults: [] },
      budget: { attack: { ...FREE, exits: { eptViolation: 1 } }, benign: TRAPPED },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'breach',
        without: lacking('gpasid-ownership'),
        breached: BREACHED,
        seen: { dropped: 0, victimCopied: true, faults: [] },
      },
    ],
  };
}

function changedAttack(profile: Profile): Attack {
  return {
    id: '8.10',
    title: `a descriptor that changes after its PASID was looked up (${profile})`,
    run: (without) => changedDescriptor(profile, without),
    defended: {
      seen: { dropped: 1, attackerCopied: true, victimCopied: false, faults: [] },
      budget: {
        attack: { ...FREE, exits: { eptViolation: 1, eptMisconfiguration: 1 } },
        benign: TRAPPED,
      },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'breach',
        without: lacking('copy-once'),
        breached: BREACHED,
        seen: { dropped: 1, attackerCopied: false, victimCopied: true, faults: [] },
      },
    ],
  };
}

export const FOREIGN_DESCRIPTORS: readonly Attack[] = PROFILES.map(foreignAttack);
export const CHANGED_DESCRIPTORS: readonly Attack[] = PROFILES.map(changedAttack);
