/** 8.3: a page goes and gets another owner, and a cached translation still leads to it. VT-d 5.10 section 6.5.3.3. */
import { invariant } from '../../../src-main/bits/invariant.ts';
import { MAP } from '../../../src-main/linux/mm/mm.ts';
import type { Process } from '../../../src-main/linux/mm/process.ts';
import type { DefenceName } from '../../../src-main/sim/index.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import { bootIdxd, wqAt, type IdxdLab } from '../linux-idxd.ts';
import { anonymous, bootSva, openApp, PAGE, statusOf } from '../linux-sva.ts';
import { guestMove, guestStatus } from '../linux-vsva.ts';
import { lacking, type Attack, type Outcome, type Switches, type UndefendedRun } from './attack.ts';
import {
  copiesInGuest,
  PROFILES,
  submitInGuest,
  twoGuests,
  type Profile,
} from './guest-clients.ts';
import { faultsOf } from './faults.ts';
import { mount } from './mount.ts';
import { copiesOwn, filledPage, moveFor, submit } from './native-clients.ts';
import { FREE } from './toll.ts';

const KEPT = 0x77;
const IN_GUEST = { principal: 'VM vm1 / process app', owner: 'VM vm1 / process neighbour' };
/** SFS.2 */
const FIRST_STAGE_NOT_PRESENT = 0x71;

/** The queue's requests go out untranslated with their PASID, and meet the IOTLB alone. */
function bootWithoutAts(without: Switches): IdxdLab {
  const lab = bootIdxd({ wqs: [{ mode: 'shared', type: 'user', enable: false }], ...without });
  const { name } = wqAt(lab, 0);
  for (const [path, text] of [
    [`bus/dsa/devices/${name}/ats_disable`, '1'],
    ['bus/dsa/drivers/dsa/bind', name],
  ] as const) {
    invariant(lab.sysfsWrite(path, text) > 0, `${path} is written`);
  }
  return lab;
}

/** A process lets the TLBs learn a translation, gives the page back, and goes on when a neighbour has it. */
function reachReusedPage(lab: IdxdLab): Outcome {
  const [mallory, alice] = [openApp(lab, 'mallory', 0), openApp(lab, 'alice', 1)];
  const page = filledPage(lab, mallory);
  const source = filledPage(lab, mallory);
  const physical = mallory.process.mm.table.translate(page);
  submit(lab, mallory, moveFor(lab, mallory, { from: source, to: page }));
  return mount(lab, {
    attack: () => {
      const faults = faultsOf(lab);
      lab.kernel.calls.munmap(mallory.process, page, PAGE);
      const reused = anonymous(lab, alice.process, 1, true);
      invariant(
        alice.process.mm.table.translate(reused) === physical,
        'The neighbour has the page',
      );
      submit(lab, mallory, moveFor(lab, mallory, { from: source, to: page, at: 1 }));
      return { status: statusOf(mallory, 1) & 0x7f, faults: faults() };
    },
    benign: () => copiesOwn(lab, alice),
  });
}

/** The same inside a VM, whose kernel says to its own unit what the host's must do. */
function reachReusedGuestPage(profile: Profile, without: Switches): Outcome {
  const { lab, attacker, victim } = twoGuests(profile, without);
  const { app, guest } = attacker;
  const map = (process: Process): number => {
    const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.POPULATE;
    return guest.calls.mmap(process, { length: PAGE, prot: 3, flags, fd: -1, offset: 0 });
  };
  const page = map(app.process);
  const physical = app.process.mm.table.translate(page);
  submitInGuest(attacker, guestMove(app, { from: app.records, to: page }));
  return mount(lab, {
    attack: () => {
      guest.calls.munmap(app.process, page, PAGE);
      const neighbour = guest.processes.create('neighbour');
      const reused = map(neighbour);
      invariant(neighbour.mm.table.translate(reused) === physical, 'The neighbour has the page');
      neighbour.mm.write(reused, new Uint8Array([KEPT]));
      submitInGuest(attacker, guestMove(app, { from: app.records, to: page, at: 1 }));
      const kept = neighbour.mm.read(reused, 1);
      return {
        status: guestStatus(app, 1) & 0x7f,
        isKept: typeof kept !== 'number' && kept[0] === KEPT,
      };
    },
    benign: () => copiesInGuest(victim),
  });
}

/** The device goes on as if nothing had happened. */
function reachesNeighbour(defence: DefenceName): UndefendedRun {
  return {
    kind: 'breach',
    without: lacking(defence),
    breached: [{ principal: 'mallory', owner: 'alice' }],
    seen: { status: STATUS.success, faults: [] },
  };
}

export const STALE_TRANSLATIONS: readonly Attack[] = [
  {
    id: '8.3',
    title: 'a page that was given back, through the IOTLB',
    run: (without) => reachReusedPage(bootWithoutAts(without)),
    defended: {
      // Writes are posted: only the unit knows that this one got nowhere.
      seen: { status: STATUS.success, faults: [FIRST_STAGE_NOT_PRESENT] },
      budget: { attack: { ...FREE, interrupts: { dmar0: 1 } }, benign: FREE },
    },
    stoppedBy: 'software',
    undefended: [reachesNeighbour('iotlb-flush'), reachesNeighbour('sva-invalidate')],
  },
  {
    id: '8.3',
    title: 'a page that was given back, through the device TLB',
    run: (without) => reachReusedPage(bootSva({}, without)),
    defended: {
      seen: { status: STATUS.pageRequestInvalid, faults: [FIRST_STAGE_NOT_PRESENT] },
      budget: { attack: { ...FREE, interrupts: { 'dmar0-prq': 1 } }, benign: FREE },
    },
    stoppedBy: 'software',
    undefended: [reachesNeighbour('device-tlb-flush'), reachesNeighbour('sva-invalidate')],
  },
  ...PROFILES.map((profile): Attack => ({
    id: '8.3',
    title: `a page that a guest’s process gave back (${profile})`,
    run: (without) => reachReusedGuestPage(profile, without),
    defended: {
      seen: { status: STATUS.pageRequestInvalid, isKept: true },
      budget: {
        // Queue and registers of the virtual unit: the invalidation, the page request and its answer.
        attack: { ...FREE, exits: { eptMisconfiguration: 7 }, interrupts: { 'dmar0-prq': 1 } },
        benign: FREE,
      },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'breach',
        breached: [IN_GUEST],
        without: lacking('device-tlb-flush'),
        seen: { status: STATUS.success, isKept: false },
      },
      {
        kind: 'breach',
        breached: [IN_GUEST],
        without: lacking('sva-invalidate'),
        seen: { status: STATUS.success, isKept: false },
      },
    ],
  })),
];
