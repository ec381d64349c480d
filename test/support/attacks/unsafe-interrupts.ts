/** 8.11: isolation that the administrator takes away. Linux drivers/vfio/vfio_iommu_type1.c. */
import { EPERM } from '../../../src-main/linux/errno.ts';
import { parseBdf } from '../../../src-main/linux/pci/pci-scan.ts';
import { dsaDevice } from '../linux-idxd.ts';
import { bootSva, openApp } from '../linux-sva.ts';
import { assignFunction, networkCard, ownerOf } from './assigned-functions.ts';
import type { Attack, Outcome, Switches } from './attack.ts';
import { mount } from './mount.ts';
import { copiesOwn } from './native-clients.ts';
import { INTERRUPT_WINDOW, NOBODY, unexpectedOf } from './unexpected-interrupts.ts';
import { FREE } from './toll.ts';

const CARD = '6c:00.0';
const VECTOR = 0x77;

/** A host without interrupt remapping: a VM that gets a function can have it send any message. */
function assignWithoutRemapping({ params, ...others }: Switches): Outcome {
  const lab = bootSva(
    {},
    {
      devices: [dsaDevice(), networkCard(CARD)],
      ...others,
      params: { modules: ['idxd'], interrupt_remapping: false, ...params },
    },
  );
  const app = openApp(lab, 'app');
  return mount(lab, {
    attack: () => {
      const unexpected = unexpectedOf(lab);
      const claim = assignFunction(lab, CARD);
      if (claim === 0) {
        lab.machine.fabric.portOf(parseBdf(CARD)).interrupt(0, INTERRUPT_WINDOW, VECTOR);
        lab.kernel.core.settle();
      }
      return { claim, unexpected: unexpected() };
    },
    benign: () => copiesOwn(lab, app),
  });
}

export const UNSAFE_INTERRUPTS: readonly Attack[] = [
  {
    id: '8.11',
    title: 'interrupts that nobody checks',
    run: assignWithoutRemapping,
    defended: {
      seen: { claim: -EPERM, unexpected: [] },
      budget: { attack: FREE, benign: FREE },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'interrupt',
        raised: [{ principal: ownerOf(CARD), owner: NOBODY }],
        without: { params: { allow_unsafe_interrupts: true } },
        seen: { claim: 0, unexpected: [VECTOR] },
      },
    ],
  },
];
