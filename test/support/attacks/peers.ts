/** 8.6: a function that reaches its neighbour's registers past the IOMMU. PCIe Base 6.12. */
import { EBUSY } from '../../../src-main/linux/errno.ts';
import { parseBdf } from '../../../src-main/linux/pci/pci-scan.ts';
import type { DeviceConfig } from '../../../src-main/sim/index.ts';
import { bootLab } from '../linux-machine.ts';
import { assignFunction, networkCard, ownerOf } from './assigned-functions.ts';
import { lacking, type Attack, type Outcome, type Switches } from './attack.ts';
import { faultsOf } from './faults.ts';
import { mount } from './mount.ts';
import { rawRequest } from './raw-requests.ts';
import { FREE } from './toll.ts';

const ATTACKER = '6c:00.0';
const VICTIM = '6c:00.1';
const BAR0 = 0x10;
const BYTES = 8;
/** SSS.2: the request went up, to tables in which nobody has mapped the address. */
const NOT_PRESENT = 0x79;

/** Two functions of one device that have Access Control Services. */
function twoFunctions(): readonly DeviceConfig[] {
  const capabilities = [{ kind: 'acs', offset: 0x100 }];
  return [
    networkCard(ATTACKER, { capabilities, isMultiFunction: true }),
    networkCard(VICTIM, { capabilities }),
  ];
}

/** A function writes into its neighbour's BAR, and reads what is there. */
function reachPeer(without: Switches): Outcome {
  const lab = bootLab({ devices: twoFunctions(), ...without });
  const claims = [ATTACKER, VICTIM].map((bdf) => assignFunction(lab, bdf));
  const read4 = (at: number): number => lab.hw.configRead(parseBdf(VICTIM), at, 4);
  const bar = read4(BAR0 + 4) * 2 ** 32 + ((read4(BAR0) & ~0xf) >>> 0);
  return mount(lab, {
    attack: () => {
      const faults = faultsOf(lab);
      const port = lab.machine.fabric.portOf(parseBdf(ATTACKER));
      const request = rawRequest(bar, BYTES);
      if (claims.every((result) => result === 0)) {
        port.write(request, new Uint8Array(BYTES).fill(0xee), 0);
        port.read(request, new Uint8Array(BYTES), 0);
        lab.kernel.core.settle();
      }
      return {
        claims,
        stored: lab.hw.mmioRead(bar, BYTES),
        faults: faults(),
        pastTheUnit: lab.rows('pcie.peer-access.delivered').length,
      };
    },
    // The victim's own CPU at the registers.
    benign: () => {
      lab.hw.mmioWrite(bar, 4, 7n);
      const isStored = lab.hw.mmioRead(bar, 4) === 7n;
      lab.hw.mmioWrite(bar, 4, 0n);
      return isStored;
    },
  });
}

export const PEERS: readonly Attack[] = [
  {
    id: '8.6',
    title: 'registers of the other function of a device',
    run: reachPeer,
    defended: {
      seen: { claims: [0, 0], stored: 0n, faults: [NOT_PRESENT, NOT_PRESENT], pastTheUnit: 0 },
      budget: { attack: { ...FREE, interrupts: { dmar0: 1 } }, benign: FREE },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'held',
        without: lacking('acs-redirect'),
        seen: { claims: [0, -EBUSY], stored: 0n, faults: [], pastTheUnit: 0 },
      },
      {
        kind: 'breach',
        without: lacking('acs-redirect', 'acs-groups'),
        breached: [{ principal: ownerOf(ATTACKER), owner: ownerOf(VICTIM) }],
        seen: { claims: [0, 0], stored: 0xeeee_eeee_eeee_eeeen, faults: [], pastTheUnit: 2 },
      },
    ],
  },
];
