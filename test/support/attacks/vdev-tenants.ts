/** VMMs that share a queue by mediated devices, each with an eventfd for every vector of its own. */
import { defined, invariant } from '../../../src-main/bits/invariant.ts';
import type { EventfdFile } from '../../../src-main/linux/core/eventfd.ts';
import { onBehalfOf } from '../../../src-main/sim/index.ts';
import { COMMAND } from '../../../src-main/spec/dsa/commands.ts';
import { PORTAL_PAGE } from '../../../src-main/spec/dsa/portals.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import { VFIO_FLAGS as F } from '../../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  becomeMaster,
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

const EVENTFD = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;
const RECORD = 0x2000;
const SPAN_NS = 1_000_000;

export interface VdevTenant {
  readonly open: OpenVdev;
  /** Host PASID of its address space. */
  readonly pasid: number;
}

export interface VdevTenantWithVectors extends VdevTenant {
  /** What its descriptors name for vector 1. */
  readonly handle: number;
  interrupts(): number;
}

/** A VDEV on the shared queue; the VMM is called after its number. */
export function openTenant(lab: IdxdLab, n: number): VdevTenant {
  const vdev = createVdev(lab, 'dsa-1swq-v1', n);
  const open = openVdev(lab, vdev, `vm${n}`);
  becomeMaster(open);
  return { open, pasid: vdev.pasids.default };
}

/** With an eventfd for each vector. */
export function openTenantWithVectors(lab: IdxdLab, n: number): VdevTenantWithVectors {
  const tenant = openTenant(lab, n);
  const { user, fd } = tenant.open;
  const fds = [0, 1].map(() => lab.kernel.calls.eventfd(user.process));
  const set = user.setIrqs(fd, F.VFIO_PCI_MSIX_IRQ_INDEX, EVENTFD, {}, fds);
  invariant(set === 0, 'Vectors are installed');
  const file = user.process.files.get(defined(fds[1], 'eventfd')) as EventfdFile;
  return {
    ...tenant,
    handle: vdevCommand(tenant.open, COMMAND.requestInterruptHandle, 1).result,
    interrupts: () => file.total,
  };
}

/** Status of a tenant's copy that asks for the interrupt behind a handle. */
export function copyWithInterrupt(
  lab: IdxdLab,
  { open, pasid }: VdevTenant,
  handle: number,
): number {
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
  onBehalfOf(lab.hw.isolation, open.user.process.mm.name, () => {
    lab.hw.enqcmds(0, lab.idxd.portalAddress(0, PORTAL_PAGE.limitedIms), words);
  });
  lab.kernel.core.advance(SPAN_NS);
  return statusAt(open, RECORD);
}

/** One copy, one interrupt. */
export function raisesItsOwn(lab: IdxdLab, tenant: VdevTenantWithVectors): boolean {
  const before = tenant.interrupts();
  const status = copyWithInterrupt(lab, tenant, tenant.handle);
  return status === STATUS.success && tenant.interrupts() === before + 1;
}

/** What the host's kernel calls the interrupt behind vector 1. */
export function vectorOf(n: number): string {
  return `vdev ${uuidOf(n)}[1]`;
}
