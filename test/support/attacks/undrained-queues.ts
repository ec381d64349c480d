/** 8.7: queues of mediated devices that change hands with work in them. DSA 3.0 sections 3.10 and 7.5. */
import { defined, invariant } from '../../../src-main/bits/invariant.ts';
import { COMMAND } from '../../../src-main/spec/dsa/commands.ts';
import { PORTAL_PAGE } from '../../../src-main/spec/dsa/portals.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import {
  bootIdxd,
  closeVdev,
  createVdev,
  GUEST_RAM,
  mapPortal,
  moveWords,
  openVdev,
  startVdev,
  statusAt,
  vdevCommand,
  type IdxdLab,
  type WqPlan,
} from '../linux-idxd.ts';
import { PAGE } from '../linux-sva.ts';
import { lacking, type Attack, type Outcome, type Switches } from './attack.ts';
import { allowPasids, copiesMapped } from './mediated-clients.ts';
import { mount } from './mount.ts';
import { FREE } from './toll.ts';

const SPAN_NS = 10_000_000;
const GUEST_PAGES = 64;
/** All moves have begun, none has ended. */
const IN_FULL_SWING_NS = 2_000;
const RECORDS = 40 * PAGE;

/** Moves of 64 KiB inside guest memory. */
function longMove(n: number, pasid = 0): Uint32Array {
  return moveWords({
    from: GUEST_RAM,
    to: GUEST_RAM + 16 * PAGE,
    bytes: 16 * PAGE,
    record: GUEST_RAM + RECORDS + n * 64,
    pasid,
  });
}

/** What the kernel told the accelerator. */
function commandsOf(lab: IdxdLab): readonly unknown[] {
  return lab.rows('linux.idxd.command-given').map((r) => r.values['command']);
}

/** A VM is closed with work in its queue; the next one gets the same PASID, for a queue of its own. */
function closedWithWork(without: Switches): Outcome {
  const dedicated: WqPlan = { mode: 'dedicated', type: 'mdev' };
  const lab = bootIdxd({ wqs: [dedicated, dedicated, dedicated], ...without });
  const { core, instructions } = lab.kernel;
  const [bystander, first] = ['bystander', 'first'].map((name, i) => {
    const open = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1', i + 1), name, GUEST_PAGES);
    startVdev(open);
    return open;
  });
  const [honest, old] = [defined(bystander, 'Bystander'), defined(first, 'First')];
  const pasid = defined(lab.kernel.idxd.vdcm.vdevs[1], 'VDEV').pasids.default;
  return mount(lab, {
    attack: () => {
      const portal = mapPortal(old, 0);
      for (let n = 0; n < 12; n++) {
        instructions.movdir64b(old.user.process, portal, longMove(n));
      }
      core.advance(IN_FULL_SWING_NS);
      const before = commandsOf(lab).length;
      closeVdev(old);
      const commands = commandsOf(lab).slice(before);
      const next = createVdev(lab, 'dsa-1dwq-v1', 3);
      const second = openVdev(lab, next, 'second', GUEST_PAGES);
      invariant(next.pasids.default === pasid, 'The PASID has its next owner');
      core.advance(SPAN_NS);
      startVdev(second);
      return { commands, secondWorks: copiesMapped(lab, second) };
    },
    benign: () => copiesMapped(lab, honest),
  });
}

/** A neighbour on the same shared queue has long work; a VM resets its device. */
function resetBesideWork(without: Switches): Outcome {
  const lab = bootIdxd({ wqs: [{ mode: 'shared', type: 'mdev', size: 32 }], ...without });
  const [victim, neighbour] = ['victim', 'neighbour'].map((name, i) =>
    openVdev(lab, createVdev(lab, 'dsa-1swq-v1', i + 1), name, GUEST_PAGES),
  );
  const own = defined(victim, 'Victim');
  const other = defined(neighbour, 'Neighbour');
  const { core, idxd } = lab.kernel;
  const vdev = defined(idxd.vdcm.vdevs[1], 'VDEV of the neighbour');
  let aloneNs = 0;
  return mount(lab, {
    attack: () => {
      const portal = lab.idxd.portalAddress(vdev.wq.id, PORTAL_PAGE.limitedIms);
      const results = Array.from({ length: 12 }, (_, n) =>
        lab.hw.enqcmds(0, portal, longMove(n, vdev.pasids.default)),
      );
      core.advance(IN_FULL_SWING_NS);
      return { results: [...new Set(results)] };
    },
    benign: () => {
      allowPasids(own);
      startVdev(own);
      const start = core.nowNs;
      const { error } = vdevCommand(own, COMMAND.resetDevice);
      const ns = core.nowNs - start;
      aloneNs ||= ns;
      return error === 0 && ns === aloneNs;
    },
    later: () => {
      core.advance(SPAN_NS);
      return { status: statusAt(other, RECORDS) };
    },
  });
}

export const UNDRAINED_QUEUES: readonly Attack[] = [
  {
    id: '8.7',
    title: 'work of a VM that was closed, in the memory of the next owner of its PASID',
    run: closedWithWork,
    defended: {
      seen: { commands: ['Abort WQ', 'Disable WQ'], secondWorks: true },
      budget: { attack: FREE, benign: FREE },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'breach',
        without: lacking('drain-before-free'),
        breached: [{ principal: 'first', owner: 'second' }],
        seen: { commands: [], secondWorks: true },
      },
    ],
  },
  {
    id: '8.7',
    title: 'a reset that waits for strangers',
    run: resetBesideWork,
    defended: {
      seen: { results: ['accepted'], status: STATUS.success },
      budget: { attack: FREE, benign: FREE },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'denial',
        without: lacking('swq-drain-by-pasid'),
        seen: { results: ['accepted'], status: STATUS.success },
      },
    ],
  },
];
