/** 8.9: one client that costs the others the service. Honest work is theirs. DSA 3.0 sections 3.4 and 3.13; VT-d 5.10 section 7.4. */
import { defined, invariant } from '../../../src-main/bits/invariant.ts';
import { DSA_TIMING } from '../../../src-main/sim/devices/dsa/timing.ts';
import { INVALID_IOASID } from '../../../src-main/linux/iommu/ioasid.ts';
import { SWERROR } from '../../../src-main/spec/dsa/general-registers.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import { Vm } from '../../../src-main/vmm/vm.ts';
import { BAR, bootIdxd, mapPortal, wqAt, type OpenVdev } from '../linux-idxd.ts';
import {
  anonymous,
  bootSva,
  lazyMove,
  openApp,
  PAGE,
  pageRequest,
  statusOf,
  type SvaApp,
} from '../linux-sva.ts';
import { bootVsva } from '../linux-vsva.ts';
import { lacking, type Attack, type Outcome, type Switches } from './attack.ts';
import { copiesMapped, guestMemoryMove, submitMapped, twoVdevs } from './mediated-clients.ts';
import { mount } from './mount.ts';
import { copiesOwn, moveFor } from './native-clients.ts';
import { FREE, type Toll } from './toll.ts';

const NOWHERE = 0x1000_0000;
const LONG_NS = 100_000_000;

/** A client fills a shared queue; the kernel, which may go beyond the threshold, has one move for it. */
function fullQueue(without: Switches): Outcome {
  const lab = bootSva({ size: 8, threshold: 6 }, without);
  const flooder = openApp(lab, 'flooder');
  flooder.process.mm.write(flooder.memory, new Uint8Array([1]));
  const { instructions, core } = lab.kernel;
  const target = anonymous(lab, flooder.process, 2, true);
  const kernelSubmits = (): string => {
    const own = lazyMove(flooder, { to: target, at: 5 });
    own[0] = defined(flooder.process.mm.pasid, 'PASID');
    return lab.hw.enqcmds(0, wqAt(lab, 0).portal('unlimitedMsix'), own);
  };
  return mount(lab, {
    attack: () => {
      const results = Array.from({ length: 32 }, (_, n) => {
        const words = lazyMove(flooder, { from: target, to: target, bytes: PAGE, at: n % 4 });
        return instructions.enqcmd(flooder.process, flooder.portal, words);
      });
      return { accepted: results.filter((result) => result === 'accepted').length };
    },
    benign: () => {
      const result = kernelSubmits();
      core.advance(LONG_NS);
      return result === 'accepted';
    },
  });
}

/** Transfers of 256 KiB on a queue that is limited to 64 KiB. */
const LONG_TRANSFERS = 14;

/** A neighbour waits for as long as the device takes to look at each of the long transfers, when it refuses them. */
function longWork(without: Switches): Outcome {
  const lab = bootIdxd({ wqs: [{ mode: 'shared', type: 'user', enable: false }], ...without });
  const { name } = wqAt(lab, 0);
  for (const [path, text] of [
    [`bus/dsa/devices/${name}/max_transfer_size`, String(16 * PAGE)],
    ['bus/dsa/drivers/dsa/bind', name],
  ] as const) {
    invariant(lab.sysfsWrite(path, text) > 0, `${path} is written`);
  }
  const [attacker, neighbour] = [openApp(lab, 'attacker', 0), openApp(lab, 'neighbour', 1)];
  const { instructions, core } = lab.kernel;
  const source = anonymous(lab, attacker.process, 64, true);
  const target = anonymous(lab, attacker.process, 64, true);
  const { records } = neighbour;
  let aloneNs = 0;
  const submit = (app: SvaApp, plan: Parameters<typeof moveFor>[2]): void => {
    instructions.enqcmd(app.process, app.portal, moveFor(lab, app, plan));
  };
  return mount(lab, {
    attack: () => {
      for (let at = 0; at < LONG_TRANSFERS; at++) {
        submit(attacker, { from: source, to: target, bytes: 64 * PAGE, at });
      }
      return {};
    },
    benign: () => {
      neighbour.process.mm.write(records, new Uint8Array(PAGE));
      const start = core.nowNs;
      submit(neighbour, { from: records, to: records + 0x800, at: 4 });
      core.waitFor(() => statusOf(neighbour, 4) !== 0, LONG_NS);
      const ns = core.nowNs - start;
      aloneNs ||= ns;
      return (
        statusOf(neighbour, 4) === STATUS.success &&
        ns <= aloneNs + LONG_TRANSFERS * DSA_TIMING.dispatchNs
      );
    },
    later: () => {
      core.advance(LONG_NS);
      return { status: statusOf(attacker) };
    },
  });
}

const REQUEST_QUEUE_ENTRIES = 2048;

/** Page requests of one process, more than the queue of the unit holds; then another process needs a page. */
function pageRequestFlood(without: Switches): Outcome {
  const lab = bootSva({}, without);
  const [flooder, quiet] = [openApp(lab, 'flooder', 0), openApp(lab, 'quiet', 1)];
  const { instructions, core } = lab.kernel;
  quiet.process.mm.write(quiet.memory, new Uint8Array([1]));
  let fresh = 0;
  return mount(lab, {
    attack: () => {
      const pasid = defined(flooder.process.mm.pasid, 'PASID');
      for (let n = 0; n <= REQUEST_QUEUE_ENTRIES; n++) {
        pageRequest(lab, lab.dev.rid, { pasid, low: NOWHERE });
      }
      core.advance(1_000_000);
      const warnings = lab.rows('linux.warning.printed').map((r) => r.values['text']);
      return { isLogged: warnings.includes('DMAR: page request overflow on dmar0') };
    },
    benign: () => {
      fresh += PAGE;
      quiet.process.mm.write(quiet.records, new Uint8Array(32));
      const words = lazyMove(quiet, { to: quiet.memory + fresh });
      instructions.enqcmd(quiet.process, quiet.portal, words);
      core.advance(20_000_000);
      return statusOf(quiet) === STATUS.success;
    },
  });
}

const OUTSTANDING = 8;
const WAITING = 4;

/** Processes share the page requests that a function may have outstanding: the others wait in the device. */
function manyPageFaults(without: Switches): Outcome {
  const lab = bootSva({}, { dsa: { pageRequestCapacity: OUTSTANDING }, ...without });
  const [flooder, quiet] = [openApp(lab, 'flooder', 0), openApp(lab, 'quiet', 1)];
  const { instructions, core } = lab.kernel;
  const faulting = Array.from({ length: OUTSTANDING + WAITING }, (_, n) => n);
  return mount(lab, {
    attack: () => {
      for (const n of faulting) {
        const words = lazyMove(flooder, { from: NOWHERE + n * PAGE, at: n });
        instructions.enqcmd(flooder.process, flooder.portal, words);
      }
      core.advance(1_000);
      return { asked: lab.rows('dsa.page-request.sent').length };
    },
    benign: () => copiesOwn(lab, quiet),
    later: () => ({ statuses: [...new Set(faulting.map((n) => statusOf(flooder, n)))] }),
  });
}

const PASIDS = 20;
const QUOTA = 8;

/** A VM takes PASIDs until it gets no more; another needs one. */
function pasidHoard(without: Switches): Outcome {
  const lab = bootVsva('kvmforum2019', ['shared'], without);
  const { ioasids } = lab.kernel;
  const sets = ['flooder', 'other'].map((name) => {
    const vm = new Vm(lab.kvm, {
      name,
      memoryBytes: 40 * 2 ** 20,
      vcpus: 1,
      viommu: { pasidQuota: QUOTA },
    });
    return defined(ioasids.ioasid_find_mm_set(vm.qemu.process.mm), 'Set');
  });
  const [flooder, other] = [defined(sets[0], 'Flooder'), defined(sets[1], 'Other')];
  return mount(lab, {
    attack: () => {
      let taken = 0;
      while (ioasids.ioasid_alloc(flooder, 1, PASIDS) !== INVALID_IOASID) {
        taken += 1;
      }
      return { isWithinQuota: taken <= QUOTA };
    },
    benign: () => {
      const pasid = ioasids.ioasid_alloc(other, 1, PASIDS);
      ioasids.ioasid_free(other, pasid);
      return pasid !== INVALID_IOASID;
    },
  });
}

/** Where no completion record can be, so that the error goes to the register. */
const BAD_RECORD = 0x2008;

function softwareError({ user, fd }: OpenVdev): ReturnType<typeof SWERROR.decode> {
  return SWERROR.decode(
    Uint32Array.from({ length: 8 }, (_, i) =>
      user.readValue(fd, BAR.registers, SWERROR.offset + i * 4, 4),
    ),
  );
}

/** A VM fills the software error register; another one has an error of its own, and must hear of it. */
function errorSpam(without: Switches): Outcome {
  const { lab, attacker, victim } = twoVdevs(without);
  const fail = (open: OpenVdev): void =>
    submitMapped(lab, open, mapPortal(open, 0), guestMemoryMove(BAD_RECORD));
  const hearsOfItsError = (): boolean => {
    fail(victim);
    const { valid, overflow, code } = softwareError(victim);
    return valid === 1 && overflow === 0 && code === STATUS.recordAlignment;
  };
  let isFirstTaken = false;
  return mount(lab, {
    attack: () => {
      fail(attacker);
      fail(attacker);
      isFirstTaken = true;
      const { valid, overflow } = softwareError(attacker);
      return { valid, overflow };
    },
    // The first error of all is the attacker's: there is none before.
    benign: () => copiesMapped(lab, victim) && (!isFirstTaken || hearsOfItsError()),
  });
}

/** The kernel fills IA32_PASID. */
const FIRST_ENQCMD: Toll = { ...FREE, exceptions: { '#GP': 1 } };
const ONE_REQUEST: Toll = { ...FREE, interrupts: { 'dmar0-prq': 1 } };

export const DENIALS: readonly Attack[] = [
  {
    id: '8.9a',
    title: 'a shared queue kept full by one client',
    run: fullQueue,
    defended: { seen: { accepted: 6 }, budget: { attack: FIRST_ENQCMD, benign: FREE } },
    stoppedBy: 'software',
    undefended: [{ kind: 'denial', without: lacking('limited-portal'), seen: { accepted: 8 } }],
  },
  {
    id: '8.9b',
    title: 'engines kept busy by long work',
    run: longWork,
    defended: {
      seen: { status: STATUS.transferSize },
      budget: { attack: FIRST_ENQCMD, benign: FREE },
    },
    stoppedBy: 'software',
    undefended: [
      { kind: 'denial', without: lacking('queue-limits'), seen: { status: STATUS.success } },
    ],
  },
  {
    id: '8.9c',
    title: 'page faults that fill the request queue',
    run: pageRequestFlood,
    defended: {
      seen: { isLogged: true },
      // The event comes once for all that arrive before it is handled. Honest work is a page fault here.
      budget: { attack: ONE_REQUEST, benign: ONE_REQUEST },
    },
    stoppedBy: 'software',
    undefended: [
      { kind: 'denial', without: lacking('page-request-overflow'), seen: { isLogged: false } },
    ],
  },
  {
    id: '8.9c',
    title: 'more page faults than the function may ask for at once',
    run: manyPageFaults,
    defended: {
      seen: { asked: OUTSTANDING, statuses: [STATUS.pageRequestInvalid] },
      budget: {
        attack: { ...FIRST_ENQCMD, interrupts: { 'dmar0-prq': OUTSTANDING } },
        // The requests that had to wait.
        benign: { ...FREE, interrupts: { 'dmar0-prq': WAITING } },
      },
    },
    stoppedBy: 'hardware',
    because: 'a function has no more requests outstanding than software allocates',
  },
  {
    id: '8.9d',
    title: 'PASIDs that one VM takes',
    run: pasidHoard,
    defended: { seen: { isWithinQuota: true }, budget: { attack: FREE, benign: FREE } },
    stoppedBy: 'software',
    undefended: [
      { kind: 'denial', without: lacking('pasid-quota'), seen: { isWithinQuota: false } },
    ],
  },
  {
    id: '8.9e',
    title: 'bad descriptors that hide the errors of others',
    run: errorSpam,
    defended: {
      seen: { valid: 1, overflow: 1 },
      budget: {
        attack: { ...FREE, interrupts: { 'dsa0-misc': 2 } },
        benign: { ...FREE, interrupts: { 'dsa0-misc': 1 } },
      },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'denial',
        without: lacking('software-error-clear'),
        seen: { valid: 1, overflow: 0 },
      },
    ],
  },
];
