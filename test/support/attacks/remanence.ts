/** 8.8: what the former owner of a mediated device left behind. DSA 3.0 section 7.5; VFIO mdev close. */
import {
  BAR,
  becomeMaster,
  bootIdxd,
  closeVdev,
  createVdev,
  openVdev,
  startVdev,
} from '../linux-idxd.ts';
import { lacking, type Attack, type Outcome, type Switches } from './attack.ts';
import { copiesMapped } from './mediated-clients.ts';
import { mount } from './mount.ts';
import { FREE } from './toll.ts';

const CANARY = 0xa5;
const INTERRUPT_LINE = 0x3c;
const COMMAND_REGISTER = 4;
const BUS_MASTER = 4;
/** GENCTRL: both interrupts of vector 0 are enabled. */
const GENCTRL = 0x88;
const BOTH = 3;

/** A VM writes canaries into registers and configuration space of its VDEV; the next VM that opens it looks for them. */
function canaries(without: Switches): Outcome {
  const dedicated = { mode: 'dedicated', type: 'mdev' } as const;
  const lab = bootIdxd({ wqs: [dedicated, dedicated], ...without });
  const bystander = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1', 1), 'bystander');
  startVdev(bystander);
  const vdev = createVdev(lab, 'dsa-1dwq-v1', 2);
  const first = openVdev(lab, vdev, 'first');
  return mount(lab, {
    attack: () => {
      becomeMaster(first);
      first.user.writeValue(first.fd, BAR.config, INTERRUPT_LINE, 1, CANARY);
      first.user.writeValue(first.fd, BAR.registers, GENCTRL, 4, BOTH);
      closeVdev(first);
      const second = openVdev(lab, vdev, 'second');
      const { user, fd } = second;
      const command = user.readValue(fd, BAR.config, COMMAND_REGISTER, 2);
      return {
        line: user.readValue(fd, BAR.config, INTERRUPT_LINE, 1),
        control: user.readValue(fd, BAR.registers, GENCTRL, 4),
        isBusMaster: (command & BUS_MASTER) !== 0,
      };
    },
    benign: () => copiesMapped(lab, bystander),
  });
}

export const REMANENCE: readonly Attack[] = [
  {
    id: '8.8',
    title: 'what the former owner left behind',
    run: canaries,
    defended: {
      seen: { line: 0, control: 0, isBusMaster: false },
      budget: { attack: FREE, benign: FREE },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'remanence',
        without: lacking('reset-on-close'),
        seen: { line: CANARY, control: BOTH, isBusMaster: true },
      },
    ],
  },
];
