/** 8.1d: another VM's PASID in the virtual MSI-X permission table. DSA 3.0 section 7.5.3. */
import { defined, invariant } from '../../../src-main/bits/invariant.ts';
import type { EventfdFile } from '../../../src-main/linux/core/eventfd.ts';
import { VDEV } from '../../../src-main/linux/idxd/vdcm/places.ts';
import { COMMAND } from '../../../src-main/spec/dsa/commands.ts';
import { MsixPermission } from '../../../src-main/spec/dsa/interrupt-entries.ts';
import { PORTAL_PAGE } from '../../../src-main/spec/dsa/portals.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import { VFIO_FLAGS as F } from '../../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  BAR,
  becomeMaster,
  bootIdxd,
  createVdev,
  GUEST_RAM,
  moveWords,
  openVdev,
  statusAt,
  uuidOf,
  vdevCommand,
  type IdxdLab,
  type OpenVdev,
} from '../linux-idxd.ts';
import { PAGE } from '../linux-sva.ts';
import { lacking, type Attack, type Outcome, type Switches } from './attack.ts';
import { PROFILES, type Profile } from './guest-clients.ts';
import { mount } from './mount.ts';
import { FREE } from './toll.ts';

const EVENTFD = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;
const RECORD = 0x2000;
const SPAN_NS = 1_000_000;
/** Numbers of their VDEVs. */
const VICTIM = 1;
const ATTACKER = 2;

interface Tenant {
  readonly open: OpenVdev;
  /** Host PASID of its address space. */
  readonly pasid: number;
  /** What its descriptors name for vector 1. */
  readonly handle: number;
  interrupts(): number;
}

/** A VDEV on the shared queue, with an eventfd for each vector. */
function tenant(lab: IdxdLab, n: number): Tenant {
  const vdev = createVdev(lab, 'dsa-1swq-v1', n);
  const open = openVdev(lab, vdev, `vm${n}`);
  becomeMaster(open);
  const { user, fd } = open;
  const fds = [0, 1].map(() => lab.kernel.calls.eventfd(user.process));
  const set = user.setIrqs(fd, F.VFIO_PCI_MSIX_IRQ_INDEX, EVENTFD, {}, fds);
  invariant(set === 0, 'Vectors are installed');
  const file = user.process.files.get(defined(fds[1], 'eventfd')) as EventfdFile;
  return {
    open,
    pasid: vdev.pasids.default,
    handle: vdevCommand(open, COMMAND.requestInterruptHandle, 1).result,
    interrupts: () => file.total,
  };
}

/** Status of a tenant's copy that asks for the interrupt behind a handle. */
function copyWithInterrupt(lab: IdxdLab, { open, pasid }: Tenant, handle: number): number {
  open.user.process.mm.write(open.memory + RECORD, new Uint8Array(32));
  const words = moveWords({
    from: GUEST_RAM,
    to: GUEST_RAM + PAGE,
    bytes: 64,
    record: GUEST_RAM + RECORD,
    handle,
  });
  // Interrupts are for the guest's kernel to ask for.
  words[0] = (0x8000_0000 | pasid) >>> 0;
  lab.hw.enqcmds(0, lab.idxd.portalAddress(0, PORTAL_PAGE.limitedIms), words);
  lab.kernel.core.advance(SPAN_NS);
  return statusAt(open, RECORD);
}

/** The attacker gives its entry to the victim, so that the victim's descriptors can raise the attacker's vector. */
function foreignPermission(profile: Profile, without: Switches): Outcome {
  const lab = bootIdxd({ profile, wqs: [{ mode: 'shared', type: 'mdev' }], ...without });
  const [victim, attacker] = [tenant(lab, VICTIM), tenant(lab, ATTACKER)];
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
    benign: () => {
      const before = victim.interrupts();
      const status = copyWithInterrupt(lab, victim, victim.handle);
      return status === STATUS.success && victim.interrupts() === before + 1;
    },
  });
}

/** What the host's kernel calls the interrupt behind vector 1. */
function vectorOf(n: number): string {
  return `vdev ${uuidOf(n)}[1]`;
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
      without: lacking('gpasid-ownership'),
      // The victim's descriptors pass with the attacker's handle; the attacker's own do not any more.
      seen: { status: STATUS.success, interrupts: 1, own: STATUS.interruptHandle },
    },
  ],
}));
