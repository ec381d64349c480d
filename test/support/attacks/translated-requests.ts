/** 8.4: a function that says of its addresses that the unit has translated them. VT-d 5.10 section 4.2.3. */
import { defined, invariant } from '../../../src-main/bits/invariant.ts';
import { parseBdf } from '../../../src-main/linux/pci/pci-scan.ts';
import { ADDRESS_TYPE, COMPLETION } from '../../../src-main/sim/index.ts';
import { dsaDevice } from '../linux-idxd.ts';
import { SIOV_CAPABILITIES } from '../linux-machine.ts';
import { bootSva, openApp } from '../linux-sva.ts';
import { assignFunction, networkCard, ownerOf } from './assigned-functions.ts';
import { lacking, type Attack, type Outcome, type Switches } from './attack.ts';
import { faultsOf } from './faults.ts';
import { mount } from './mount.ts';
import { copiesOwn, filledPage } from './native-clients.ts';
import { rawRequest } from './raw-requests.ts';
import { FREE } from './toll.ts';

const EVIL = '6b:00.0';
const PLUGGED_IN = {
  ...networkCard(EVIL, { capabilities: SIOV_CAPABILITIES }),
  isExternal: true,
};
const BYTES = 8;
/** SCT.5: DTE=0 */
const NO_DEVICE_TLB = 0x44;

/** A function in an external slot, which a VMM has, reads and writes a page of a process by its host physical address. */
function inventedAddress(without: Switches): Outcome {
  const lab = bootSva({}, { devices: [dsaDevice(), PLUGGED_IN], ...without });
  const { kernel, machine } = lab;
  const victim = openApp(lab, 'victim');
  const address = filledPage(lab, victim);
  const target = defined(victim.process.mm.table.translate(address), 'Page');
  invariant(assignFunction(lab, EVIL) === 0, 'The function is assigned');
  return mount(lab, {
    attack: () => {
      const faults = faultsOf(lab);
      const port = machine.fabric.portOf(parseBdf(EVIL));
      const request = rawRequest(target, BYTES, { addressType: ADDRESS_TYPE.translated });
      const read = port.read(request, new Uint8Array(BYTES), 0);
      port.write(request, new Uint8Array(BYTES).fill(0xee), 0);
      kernel.core.settle();
      return { read, faults: faults(), has: victim.process.mm.read(address, 1) };
    },
    benign: () => copiesOwn(lab, victim),
  });
}

export const TRANSLATED_REQUESTS: readonly Attack[] = [
  {
    id: '8.4',
    title: 'translated requests with invented addresses',
    run: inventedAddress,
    defended: {
      seen: {
        read: COMPLETION.unsupportedRequest,
        faults: [NO_DEVICE_TLB, NO_DEVICE_TLB],
        has: new Uint8Array([1]),
      },
      budget: { attack: { ...FREE, interrupts: { dmar0: 1 } }, benign: FREE },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'breach',
        without: lacking('ats-only-trusted'),
        breached: [{ principal: ownerOf(EVIL), owner: 'victim' }],
        seen: { read: COMPLETION.success, faults: [], has: new Uint8Array([0xee]) },
      },
    ],
  },
];
