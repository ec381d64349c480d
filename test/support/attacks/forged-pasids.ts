/** 8.1: somebody else's PASID, in each place where software can write one. DSA 3.0 section 3.3; siov-stack 5.8. */
import { defined } from '../../../src-main/bits/invariant.ts';
import { COMMAND, COMMAND_ERROR } from '../../../src-main/spec/dsa/commands.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import { bootSva, openApp, statusOf } from '../linux-sva.ts';
import { guestMove, hostPasidOf, type VsvaLab } from '../linux-vsva.ts';
import { prepareCopy } from '../vm-idxd.ts';
import { lacking, type Attack, type Outcome, type Switches } from './attack.ts';
import { faultsOf } from './faults.ts';
import { copiesInGuest, PROFILES, twoGuests, type Profile } from './guest-clients.ts';
import { PASID_CAPABILITIES } from './mediated-clients.ts';
import { mount } from './mount.ts';
import { copiesOwn, filledPage, moveFor, submit } from './native-clients.ts';
import { FREE, TRAPPED } from './toll.ts';
import { commandOf, copiesInVm, registerOf, submitInVm, twoVms } from './virtual-machines.ts';

const SPAN_NS = 1_000_000;
/** Mode word of the first entry of WQCFG. */
const WQCFG_MODE = 0x508;
const IA32_PASID = 0xd93;
const PASID_VALID = 2 ** 31;

/** In the source of ENQCMD, where IA32_PASID goes. */
function inEnqcmd(without: Switches): Outcome {
  const lab = bootSva({}, without);
  const [mallory, alice] = [openApp(lab, 'mallory', 0), openApp(lab, 'alice', 1)];
  submit(lab, mallory, moveFor(lab, mallory, { from: mallory.records, to: mallory.records }));
  return mount(lab, {
    attack: () => {
      const words = moveFor(lab, mallory, { to: alice.memory });
      words[0] = defined(alice.process.mm.pasid, 'PASID');
      return { result: submit(lab, mallory, words) };
    },
    benign: () => copiesOwn(lab, alice),
  });
}

/** In a descriptor for a dedicated queue, which has its PASID in WQCFG. */
function inDedicatedDescriptor(without: Switches): Outcome {
  const lab = bootSva({ mode: 'dedicated' }, without);
  const app = openApp(lab, 'app');
  const [source, destination] = [filledPage(lab, app), filledPage(lab, app)];
  return mount(lab, {
    attack: () => {
      const words = moveFor(lab, app, { from: source, to: destination });
      words[0] = 0x1234;
      submit(lab, app, words);
      const pasid = lab.rows('dsa.descriptor.completed').at(-1)?.values['pasid'];
      return { status: statusOf(app), isOwnPasid: pasid === app.process.mm.pasid };
    },
    benign: () => copiesOwn(lab, app),
  });
}

/** In virtual WQCFG of a dedicated queue, by a guest's kernel. */
function inVirtualWqcfg(without: Switches): Outcome {
  const { lab, attacker, victim } = twoVms(without);
  const { guest, dev } = attacker;
  const forged = victim.host.pasids.default;
  // Guest memory is at the same guest-physical addresses in both.
  const copy = prepareCopy(attacker, 'forged');
  return mount(lab, {
    attack: () => {
      commandOf(attacker, COMMAND.disableWq, 1);
      for (const [at, value] of PASID_CAPABILITIES) {
        guest.core.hw.configWrite(dev.rid, at, 2, value);
      }
      const mode = (1 | (forged << 8) | (1 << 28)) >>> 0;
      guest.io.writel(mode, registerOf(attacker, WQCFG_MODE));
      const error = commandOf(attacker, COMMAND.enableWq);
      if (error === 0) {
        submitInVm(attacker, copy.words);
      }
      return { error };
    },
    benign: () => copiesInVm(victim),
  });
}

/** By the kernel of a guest, which knows the victim's PASID and its addresses: both run the same program. */
function byGuestKernel(profile: Profile, without: Switches, way: 'enqcmds' | 'msr'): Outcome {
  const { lab, attacker, victim } = twoGuests(profile, without);
  const portal = defined(attacker.app.process.mm.table.translate(attacker.app.portal), 'Portal');
  const { port } = attacker.vm;
  return mount(lab, {
    attack: () => {
      const faults = faultsOf(lab);
      const forged = hostPasidOf(victim, victim.app);
      const { records } = victim.app;
      const words = guestMove(attacker.app, { from: records, to: records + 0x800 });
      if (way === 'msr') {
        port.writeMsr(0, IA32_PASID, BigInt(PASID_VALID + forged));
      } else {
        words[0] = forged;
      }
      const result = port[way === 'msr' ? 'enqcmd' : 'enqcmds'](0, portal, words);
      attacker.guest.core.advance(SPAN_NS);
      return { result, faults: faults(), portals: portalSlots(lab) };
    },
    benign: () => copiesInGuest(victim),
  });
}

/** Portal pages that guests reach without an exit. */
function portalSlots(lab: VsvaLab): number {
  const names = lab.rows('vmm.slot.set').map((r) => String(r.values['name']));
  return new Set(names.filter((name) => name.includes('BAR2'))).size;
}

const RAW = lacking('pasid-translation', 'portal-after-translation');

function guestKernelAttacks(profile: Profile): readonly Attack[] {
  return [
    {
      id: '8.1b',
      title: `a PASID forged by a guest’s kernel in ENQCMDS (${profile})`,
      run: (without) => byGuestKernel(profile, without, 'enqcmds'),
      defended: {
        seen: { result: 'fault', faults: [], portals: 2 },
        budget: { attack: { ...FREE, exits: { enqcmdsPasid: 1 } }, benign: FREE },
      },
      stoppedBy: 'software',
      undefended: [
        {
          kind: 'held',
          without: lacking('pasid-translation'),
          // The store traps, and the VDCM does not find the number.
          seen: { result: 'accepted', faults: [], portals: 0 },
        },
        {
          kind: 'breach',
          without: RAW,
          breached: [{ principal: 'qemu-vm1', owner: 'qemu-vm2' }],
          seen: { result: 'accepted', faults: [], portals: 2 },
        },
      ],
    },
    {
      id: '8.1b',
      title: `a PASID forged by a guest’s kernel in IA32_PASID (${profile})`,
      run: (without) => byGuestKernel(profile, without, 'msr'),
      defended: {
        seen: { result: 'fault', faults: [], portals: 2 },
        budget: { attack: { ...FREE, exits: { enqcmdPasid: 1 } }, benign: FREE },
      },
      stoppedBy: 'software',
      undefended: [
        {
          kind: 'breach',
          without: RAW,
          breached: [{ principal: 'qemu-vm1', owner: 'qemu-vm2' }],
          seen: { result: 'accepted', faults: [], portals: 2 },
        },
      ],
    },
    {
      id: '8.1e',
      title: `a portal of a VM whose PASIDs KVM does not translate (${profile})`,
      run: (without) => byGuestKernel(profile, beforeTranslation(without), 'enqcmds'),
      defended: {
        // The store traps, and the VDCM does not find the number. Honest work traps too.
        seen: { result: 'accepted', faults: [], portals: 0 },
        budget: {
          attack: { ...FREE, exits: { eptViolation: 1 } },
          benign: TRAPPED,
        },
      },
      stoppedBy: 'software',
      undefended: [
        {
          kind: 'breach',
          without: lacking('portal-after-translation'),
          breached: [{ principal: 'qemu-vm1', owner: 'qemu-vm2' }],
          seen: { result: 'accepted', faults: [], portals: 2 },
        },
      ],
    },
  ];
}

function beforeTranslation({ defences = {}, ...others }: Switches): Switches {
  return { ...others, defences: { ...defences, 'pasid-translation': false } };
}

export const FORGED_PASIDS: readonly Attack[] = [
  {
    id: '8.1a',
    title: 'a PASID forged by a process in the source of ENQCMD',
    run: inEnqcmd,
    defended: {
      seen: { result: 'sigsegv' },
      budget: { attack: { ...FREE, exceptions: { '#GP': 1 } }, benign: FREE },
    },
    stoppedBy: 'hardware',
    because: 'the processor puts IA32_PASID there; reserved bits of the source are #GP',
  },
  ...PROFILES.flatMap(guestKernelAttacks),
  {
    id: '8.1c',
    title: 'a PASID in a descriptor for a dedicated queue',
    run: inDedicatedDescriptor,
    defended: {
      seen: { status: STATUS.success, isOwnPasid: true },
      budget: { attack: FREE, benign: FREE },
    },
    stoppedBy: 'hardware',
    because: 'the device takes the one in WQCFG',
  },
  {
    id: '8.1d',
    title: 'another VM’s PASID in virtual WQCFG',
    run: inVirtualWqcfg,
    defended: {
      seen: { error: COMMAND_ERROR.wqPasid },
      // Each register that the guest touches: two commands, three of configuration space, one of WQCFG.
      budget: { attack: { ...FREE, exits: { eptMisconfiguration: 8 } }, benign: FREE },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'breach',
        without: lacking('gpasid-ownership'),
        breached: [{ principal: 'qemu-vm1', owner: 'qemu-vm2' }],
        seen: { error: 0 },
      },
    ],
  },
];
