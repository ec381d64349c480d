/** 8.10: input of guests that the VDCM, in the host's kernel, has to survive. DSA 3.0 section 7.5. */
import { EFAULT } from '../../../src-main/linux/errno.ts';
import { COMMAND, COMMAND_ERROR } from '../../../src-main/spec/dsa/commands.ts';
import { BAR } from '../linux-idxd.ts';
import { lacking, type Attack, type Outcome, type Switches } from './attack.ts';
import { copiesMapped, twoVdevs } from './mediated-clients.ts';
import { mount } from './mount.ts';
import { FREE } from './toll.ts';
import { commandOf, copiesInVm, twoVms } from './virtual-machines.ts';

const UNPAID = { attack: FREE, benign: FREE };
const GENSTS = 0x90;

/** Registers of a VDEV with a width that no instruction has. */
function oddWidth(without: Switches): Outcome {
  const { lab, victim, attacker } = twoVdevs(without);
  return mount(lab, {
    attack: () => {
      const bytes = new Uint8Array(7);
      const result = attacker.user.write(attacker.fd, BAR.registers, GENSTS, bytes);
      const warnings = lab.rows('linux.warning.printed').map((r) => String(r.values['text']));
      return { result, bugs: warnings.filter((text) => text.startsWith('BUG: KASAN')).length };
    },
    benign: () => copiesMapped(lab, victim),
  });
}

/** Disable WQ for a queue that the VDEV has not, but the device. */
function foreignQueueIndex(without: Switches): Outcome {
  const { lab, victim, attacker } = twoVms(without);
  return mount(lab, {
    attack: () => ({ error: commandOf(attacker, COMMAND.disableWq, 0b10) }),
    benign: () => copiesInVm(victim),
  });
}

export const HOSTILE_INPUT: readonly Attack[] = [
  {
    id: '8.10',
    title: 'register accesses of odd widths',
    run: oddWidth,
    defended: { seen: { result: -EFAULT, bugs: 0 }, budget: UNPAID },
    stoppedBy: 'software',
    undefended: [
      { kind: 'corruption', without: lacking('mmio-size-check'), seen: { result: 7, bugs: 1 } },
    ],
  },
  {
    id: '8.10',
    title: 'a queue index out of range in a virtual command',
    run: foreignQueueIndex,
    defended: {
      seen: { error: COMMAND_ERROR.invalidWq },
      // The command, and its status.
      budget: { attack: { ...FREE, exits: { eptMisconfiguration: 2 } }, benign: FREE },
    },
    stoppedBy: 'software',
    undefended: [{ kind: 'denial', without: lacking('queue-index-check'), seen: { error: 0 } }],
  },
];
