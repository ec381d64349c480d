/** 8.3: a page goes and gets another owner, and a cached translation still leads to it. VT-d 5.10 section 6.5.3.3. */
import { invariant } from '../../../src-main/bits/invariant.ts';
import type { DefenceName } from '../../../src-main/sim/index.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import { bootIdxd, wqAt, type IdxdLab } from '../linux-idxd.ts';
import { anonymous, bootSva, openApp, PAGE, statusOf } from '../linux-sva.ts';
import { lacking, type Attack, type Outcome, type Switches, type UndefendedRun } from './attack.ts';
import { faultsOf } from './faults.ts';
import { mount } from './mount.ts';
import { copiesOwn, filledPage, moveFor, submit } from './native-clients.ts';
import { FREE } from './toll.ts';

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
];
