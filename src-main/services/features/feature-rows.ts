/** The feature checklist: what a Scalable IOV host, its guests and its devices must show, one row a behaviour. */

export interface FeatureRow {
  readonly row: number;
  readonly title: string;
}

const TITLES: readonly string[] = [
  // Platform and devices
  'The function has PASID, ATS, PRI and the Scalable IOV DVSEC at any place; without the DVSEC no auxiliary domains',
  'A DVSEC of another vendor or id is passed over; its IMS bit decides whether interrupts can be stored',
  'One Requester ID has one context entry, and every VDEV a PASID entry',
  'A PASID splits into directory index and table slot, with a fault for each thing that is absent',
  'Requests of an ADI carry the Requester ID and a PASID: of WQCFG, or of the descriptor',
  'Four portal pages a work queue; the limited ones obey the threshold',
  'ENQCMD tells acceptance by ZF; MOVDIR64B to a shared queue vanishes',
  'An IMS entry holds message, mask and PASID; a descriptor with another PASID ends with status 19h',
  'Drain and abort, by queue and by PASID, end when nothing of theirs is in flight',
  'The reset of one ADI leaves its siblings bit for bit as they are',
  // mdev
  'The sysfs tree of types comes and goes with registration, and uevents tell',
  'create takes a UUID of 36 characters and refuses one in use under any parent',
  'available_instances counts dedicated, shared and pooled types, which can depend on each other',
  'The instance counter comes back on release, not when remove is written',
  'Removal of an open device asks its user at once and every ten seconds',
  'Callbacks come in the order of the era',
  'A failing create or open leaves no ADI, group or interrupt behind',
  'Unregistering a parent takes its devices along; a create in the meantime gets ENODEV',
  // VFIO and iommufd
  'VFIO answers its API version and exactly its extensions',
  'Container, group and device refuse every wrong order with the right error',
  'Regions lie at index << 40; sparse areas are two for a dedicated queue and one for a shared one',
  'Capability chains that do not fit tell the size they need',
  'mmap takes one shared page inside an area and nothing else',
  'SET_IRQS installs, replaces, removes, disables, fires and unwinds',
  'MAP and UNMAP differ by version and check overlap, interrupt window, slots and locked memory',
  'A late group gets the mappings replayed; another coherency gets a second domain',
  'Drivers pin pages of emulated devices, and give them back when asked',
  'The character device needs BIND, has one user, and excludes the group path',
  'ATTACH by Requester ID and by PASID; replaced without a gap, blocked after detach',
  'A page table that takes no PASIDs excludes PASID attachments, both ways',
  'Nested page tables need a nest parent and valid first-stage data',
  'Fault queues give whole records, take answers by cookie, and refuse what is left on detach',
  'HWPT_INVALIDATE says how many of its entries were carried out',
  'DMA of a group has one owner; kernel drivers and strangers keep it from others',
  // VDEV composition
  'Virtual configuration space: sizing, masks, capabilities, and the halt when bus mastering goes',
  'Virtual capabilities never exceed the physical ones; no configuration, no IMS',
  'Virtual administrative commands with their checks and codes',
  'A second command while one is active is a software error',
  'Enabling a dedicated queue takes the default PASID or the translated one, never a foreign one',
  'Enabling or resetting a VDEV on a shared queue does not touch the hardware queue',
  'A portal that is not mapped collects 64 bytes and submits once; reads give all ones',
  'No exit for a submission on the fast path, none for a posted interrupt',
  'A closed VDEV is as new: the next VM finds nothing of the last',
  // Interrupts
  'An IMS message is remapped, handled, signalled by eventfd and injected by irqfd',
  'The entry is posted while the bypass is registered, and remapped again after it',
  'Interrupts with a wrong source, index, entry or format are faults',
  'A masked virtual vector becomes pending; unmasking delivers it',
  // SVA
  'One PASID for a process on all devices; EOVERFLOW where it does not fit, ENOSPC when all are taken',
  'The first ENQCMD of a thread loads IA32_PASID once; children start without',
  'Page requests: layout, groups, stop markers, bad ones, unknown sources, overflow',
  'Page faults of devices end in success, invalid or failure, as the address space says',
  'munmap invalidates IOTLB, then device TLB, then waits, before a page is used again',
  'A process that exits with DMA in flight: faults silent, PASID kept until the end',
  'Draining page requests ends even after an overflow',
  'A device TLB that does not answer raises ITE, and the invalidation is repeated',
  // SVA in guests
  'Virtual command registers allocate and free PASIDs, in the encodings of both profiles',
  'Sets of PASIDs: quota, guest numbers of each VM, no look-up across sets',
  'References of a PASID: FREE_PENDING, and notifiers from CPU to device to IOMMU',
  'Binding a guest page table makes a nested entry; twice is EBUSY; unbinding drains',
  'A nested walk reads first-stage tables through the second stage, whose faults no guest sees',
  'PASID translation of a VM: hit, miss, reserved bits, isolation, clearing',
  'Types 7 and 8 of PASID invalidation are not mixed',
  'Invalidations are forwarded with the right granularity, and the guest waits for the host',
  'Page requests reach the guest, are answered or time out; its queue overflows alone',
  'Both profiles end in the same PASID entries',
  // Operations
  'Native queues: one opener when dedicated, own address space, limited portal, drained on close',
  'Processes on one shared queue cannot read each other, and are accounted by PASID',
  'Migration: states and forbidden arcs, saved image, revoked handles, drain by PASID alone',
  'A destination that can do more is accepted, one that can do less refused before the stop',
  'Priorities 6 and 2 dispatch 3 to 1; the threshold keeps room for the kernel',
  'Every attack has a defended and an undefended run, judged by the oracle',
  'Virtual functions beside assignable interfaces: what each creation costs',
  'Scalable IOV revision 2: device interfaces by stride, a context entry each',
  'The same script with the same seed gives the same trace',
];

export const FEATURE_ROWS: readonly FeatureRow[] = TITLES.map((title, i) => ({
  row: i + 1,
  title,
}));
