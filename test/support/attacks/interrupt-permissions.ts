/** 8.1d: another VM's PASID in the virtual MSI-X permission table. DSA 3.0 section 7.5.3. */
import { VDEV } from '../../../src-main/linux/idxd/vdcm/places.ts';
import { MsixPermission } from '../../../src-main/spec/dsa/interrupt-entries.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import { BAR, bootIdxd } from '../linux-idxd.ts';
import { lacking, type Attack, type Outcome, type Switches } from './attack.ts';
import { PROFILES, type Profile } from './guest-clients.ts';
import { mount } from './mount.ts';
import { FREE } from './toll.ts';
import {
  copyWithInterrupt,
  openTenantWithVectors,
  raisesItsOwn,
  vectorOf,
} from './vdev-tenants.ts';

/** Numbers of their VDEVs. */
const VICTIM = 1;
const ATTACKER = 2;

/** The attacker gives its entry to the victim, so that the victim's descriptors can raise the attacker's vector. */
function foreignPermission(profile: Profile, without: Switches): Outcome {
  const lab = bootIdxd({ profile, wqs: [{ mode: 'shared', type: 'mdev' }], ...without });
  const [victim, attacker] = [
    openTenantWithVectors(lab, VICTIM),
    openTenantWithVectors(lab, ATTACKER),
  ];
  return mount(lab, {
    attack: () => {
      const [permission = 0] = MsixPermission.encode({ pasidEnable: 1, pasid: victim.pasid });
      const { user, fd } = attacker.open;
      const at = VDEV.msixPermissions + MsixPermission.bytes;
      user.writeValue(fd, BAR.registers, at, 4, permission);
      return {
        status: copyWithInterrupt(lab, victim, attacker.handle),
        interrupts: attacker.interrupts(),
        own: copyWithInterrupt(lab, attacker, attacker.handle),
      };
    },
    benign: () => raisesItsOwn(lab, victim),
  });
}

export const INTERRUPT_PERMISSIONS: readonly Attack[] = PROFILES.map((profile) => ({
  id: '8.1d',
  title: `another VM’s PASID in virtual MSIXPERM (${profile})`,
  run: (without) => foreignPermission(profile, without),
  defended: {
    seen: { status: STATUS.interruptHandle, interrupts: 0, own: STATUS.success },
    budget: {
      attack: { ...FREE, interrupts: { 'dsa0-misc': 1, [vectorOf(ATTACKER)]: 1 } },
      benign: { ...FREE, interrupts: { [vectorOf(VICTIM)]: 1 } },
    },
  },
  stoppedBy: 'software',
  undefended: [
    {
      kind: 'interrupt',
      raised: [{ principal: `vm${VICTIM}`, owner: `vm${ATTACKER}` }],
      without: lacking('gpasid-ownership'),
      // The victim's descriptors pass with the attacker's handle; the attacker's own do not any more.
      seen: { status: STATUS.success, interrupts: 1, own: STATUS.interruptHandle },
    },
  ],
}));
