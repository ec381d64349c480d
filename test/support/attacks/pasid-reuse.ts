/** 8.7: what a former owner of a PASID has on its way meets the next one. Linux drivers/iommu/intel/{pasid,prq}.c. */
import { invariant } from '../../../src-main/bits/invariant.ts';
import { FLAG } from '../../../src-main/spec/dsa/descriptor.ts';
import { PAGE_RESPONSE_CODE } from '../../../src-main/spec/vtd/descriptors/page-request-descriptors.ts';
import { bootIdxd, moveWords, wqAt } from '../linux-idxd.ts';
import { anonymous, bootSva, openApp, responses } from '../linux-sva.ts';
import { lacking, type Attack, type Outcome, type Switches } from './attack.ts';
import { faultsOf } from './faults.ts';
import { HastyDriver } from './hasty-driver.ts';
import { mount } from './mount.ts';
import { copiesOwn, filledPage, moveFor, submit } from './native-clients.ts';
import { FREE } from './toll.ts';

/** SPT.2 */
const PASID_NOT_PRESENT = 0x59;
const SPAN_NS = 10_000_000;
/** Until a move that finds no page has sent its page request. */
const REQUEST_NS = 3_000;
/** Moves that are in the device when their submitter dies. */
const IN_FLIGHT = 8;

/**
 * A process dies with work in the device. Its child holds the file, so nobody drains the device yet: between exit_mm and
 * the last close only the unit stands between that work and whoever has the pages. Then the number gets another owner.
 */
function deathInFlight(without: Switches): Outcome {
  const lab = bootSva({}, without);
  const { core, instructions, processes } = lab.kernel;
  const [mallory, alice] = [openApp(lab, 'mallory', 0), openApp(lab, 'alice', 1)];
  const pasid = mallory.process.mm.pasid;
  const source = filledPage(lab, mallory);
  const page = filledPage(lab, mallory);
  submit(lab, mallory, moveFor(lab, mallory, { from: source, to: page }));
  return mount(lab, {
    attack: () => {
      const faults = faultsOf(lab);
      const child = processes.fork(mallory.process, 'child');
      invariant(typeof child !== 'number', 'The child is there');
      for (let n = 0; n < IN_FLIGHT; n++) {
        instructions.enqcmd(
          mallory.process,
          mallory.portal,
          moveFor(lab, mallory, { from: source, to: page }),
        );
      }
      processes.exit(mallory.process);
      anonymous(lab, alice.process, 16, true);
      core.advance(SPAN_NS);
      const refused = new Set(faults());
      processes.exit(child);
      const heir = openApp(lab, 'heir', 1);
      invariant(heir.process.mm.pasid === pasid, 'The number has its next owner');
      const heirWorks = copiesOwn(lab, heir);
      processes.exit(heir.process);
      return { refused: [...refused], logged: lab.rows('iommu.fault.recorded').length, heirWorks };
    },
    benign: () => copiesOwn(lab, alice),
  });
}

/**
 * A process dies while its move waits for a page, and the queue goes to another, who gets the same PASID. The page request is
 * still in the queue of the unit: the thread that takes it out has not run yet.
 */
function pageRequestInQueue(without: Switches): Outcome {
  const lab = bootIdxd({
    wqs: [
      { mode: 'shared', type: 'user' },
      { mode: 'dedicated', type: 'kernel', enable: false },
    ],
    ...without,
  });
  const { core, instructions, processes } = lab.kernel;
  const bystander = openApp(lab, 'bystander', 1);
  const driver = new HastyDriver(lab, wqAt(lab, 1));
  const mallory = processes.create('mallory');
  const source = anonymous(lab, mallory, 1, true);
  const destination = anonymous(lab, mallory, 1);
  const pasid = driver.bind(mallory);
  const portal = driver.map(mallory);
  return mount(lab, {
    attack: () => {
      instructions.movdir64b(mallory, portal, withoutRecord(source, destination));
      lab.hw.advance(REQUEST_NS);
      invariant(lab.rows('iommu.page-request.queued').length === 1, 'A page is asked for');
      processes.exit(mallory);
      driver.unbind();
      const alice = processes.create('alice', { cpu: 1 });
      // At the addresses that Mallory had: one page there, one not.
      invariant(anonymous(lab, alice, 1, true) === source, 'Source');
      invariant(anonymous(lab, alice, 1) === destination, 'Destination');
      invariant(driver.bind(alice) === pasid, 'The number has its next owner');
      core.advance(SPAN_NS);
      return {
        answers: responses(lab).map(([, code]) => code),
        pageCame: alice.mm.table.lookup(destination) !== undefined,
      };
    },
    benign: () => copiesOwn(lab, bystander),
  });
}

/** A move of which nobody hears: it ends in the page that it waits for. */
function withoutRecord(from: number, to: number): Uint32Array {
  const words = moveWords({ from, to, bytes: 64, record: 0 });
  words[1] =
    ((words[1] ?? 0) & ~(FLAG.recordAddressValid | FLAG.requestRecord)) | FLAG.blockOnFault;
  return words;
}

export const PASID_REUSE: readonly Attack[] = [
  {
    id: '8.7',
    title: 'work of a process that died, through what the caches keep of its PASID',
    run: deathInFlight,
    defended: {
      seen: { refused: [PASID_NOT_PRESENT], logged: 0, heirWorks: true },
      budget: {
        // Completion records had no place either: software errors.
        attack: { exits: {}, interrupts: { 'dsa0-misc': IN_FLIGHT }, exceptions: { '#GP': 1 } },
        benign: FREE,
      },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'breach',
        without: lacking('pasid-teardown-flush'),
        breached: [{ principal: 'mallory', owner: 'alice' }],
        seen: { refused: [], logged: 0, heirWorks: true },
      },
      {
        kind: 'breach',
        without: lacking('pasid-teardown-flush', 'page-request-drain'),
        breached: [
          { principal: 'mallory', owner: 'alice' },
          { principal: 'heir', owner: 'alice' },
        ],
        seen: { refused: [], logged: 0, heirWorks: false },
      },
    ],
  },
  {
    id: '8.7',
    title: 'a page request of a process that died, answered for the next owner of its PASID',
    run: pageRequestInQueue,
    defended: {
      seen: { answers: [PAGE_RESPONSE_CODE.invalidRequest], pageCame: false },
      budget: {
        // The move fails, and has no record to say so.
        attack: { ...FREE, interrupts: { 'dmar0-prq': 1, 'dsa0-misc': 1 } },
        benign: FREE,
      },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'breach',
        without: lacking('page-request-drain'),
        breached: [{ principal: 'mallory', owner: 'alice' }],
        seen: { answers: [PAGE_RESPONSE_CODE.success], pageCame: true },
      },
    ],
  },
];
