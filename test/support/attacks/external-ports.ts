/** 8.4: what is plugged in below a root port, with addresses that it calls translated. PCIe Base section 6.12.1.1. */
import { defined, invariant } from '../../../src-main/bits/invariant.ts';
import { parseBdf } from '../../../src-main/linux/pci/pci-scan.ts';
import { ADDRESS_TYPE, COMPLETION, type DeviceConfig } from '../../../src-main/sim/index.ts';
import { createTranslationCompletion } from '../../../src-main/sim/pcie/ports.ts';
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

const EVIL = '6d:00.0';
const SLOT: DeviceConfig = {
  kind: 'root-port',
  name: 'slot',
  bdf: '6c:00.0',
  isExternal: true,
  options: { secondaryBus: 0x6d },
};
const { translated, translationRequest } = ADDRESS_TYPE;
const BYTES = 8;
/** SCT.5: DTE=0 */
const NO_DEVICE_TLB = 0x44;
/** SSS.2: a second-stage entry is not present. */
const NOT_PRESENT = 0x79;

/** It asks for a translation too, reads and writes a page of a process by its host physical address. */
function inventedAddress(without: Switches): Outcome {
  const evil = networkCard(EVIL, { capabilities: SIOV_CAPABILITIES });
  const lab = bootSva({}, { devices: [dsaDevice(), SLOT, evil], ...without });
  const victim = openApp(lab, 'victim');
  const address = filledPage(lab, victim);
  const target = defined(victim.process.mm.table.translate(address), 'Page');
  invariant(assignFunction(lab, EVIL) === 0, 'The function is assigned');
  return mount(lab, {
    attack: () => {
      const faults = faultsOf(lab);
      const port = lab.machine.fabric.portOf(parseBdf(EVIL));
      const request = rawRequest(target, BYTES, { addressType: translated });
      const completion = createTranslationCompletion();
      port.translate({ ...request, isNoWrite: false }, completion);
      const read = port.read(request, new Uint8Array(BYTES), 0);
      port.write(request, new Uint8Array(BYTES).fill(0xee), 0);
      lab.kernel.core.settle();
      return {
        translation: completion.status,
        read,
        violations: lab.rows('pcie.acs.violated').map((r) => r.values['type']),
        faults: faults(),
        has: victim.process.mm.read(address, 1),
      };
    },
    benign: () => copiesOwn(lab, victim),
  });
}

const STOPPED = {
  translation: COMPLETION.completerAbort,
  read: COMPLETION.completerAbort,
  violations: [translationRequest, translated, translated],
  faults: [],
  has: new Uint8Array([1]),
};

export const EXTERNAL_PORTS: readonly Attack[] = [
  {
    id: '8.4',
    title: 'translated requests from below an external port',
    run: inventedAddress,
    defended: { seen: STOPPED, budget: { attack: FREE, benign: FREE } },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'held',
        without: lacking('acs-translation-blocking'),
        // The function has no ATS, and the unit says so.
        seen: {
          translation: COMPLETION.unsupportedRequest,
          read: COMPLETION.unsupportedRequest,
          violations: [],
          faults: [NO_DEVICE_TLB, NO_DEVICE_TLB, NO_DEVICE_TLB],
          has: new Uint8Array([1]),
        },
      },
      { kind: 'held', without: lacking('ats-only-trusted'), seen: STOPPED },
      {
        kind: 'breach',
        without: lacking('acs-translation-blocking', 'ats-only-trusted'),
        breached: [{ principal: ownerOf(EVIL), owner: 'victim' }],
        seen: {
          translation: COMPLETION.success,
          read: COMPLETION.success,
          violations: [],
          // The question is answered: nobody mapped that address for the function.
          faults: [NOT_PRESENT],
          has: new Uint8Array([0xee]),
        },
      },
    ],
  },
];
