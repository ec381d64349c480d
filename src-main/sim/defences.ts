/**
 * The defences that a machine's configuration can take away, so that labs and tests see what each of them is for. All are on
 * by default. `attack` is the threat that it stops, named as in docs/isolation.md.
 *
 * What only hardware stops has no switch: a processor that overwrites the PASID in ENQCMD and a device that takes the PASID of a
 * dedicated queue from WQCFG (DSA 3.0 section 3.3), a request with PASID that is never an interrupt (VT-d 5.10 section 5.1.2).
 */

interface DefenceSpec {
  readonly title: string;
  readonly attack: string;
  /** What goes without it. */
  readonly without: string;
}

export const DEFENCES = {
  'pasid-translation': {
    title: 'PASID translation of ENQCMD in VMX',
    attack: 'a PASID forged by a guest’s kernel',
    without: 'The value of the guest goes out raw and reaches whatever space has that number.',
  },
  'portal-after-translation': {
    title: 'Portals of shared queues wait for PASID translation',
    attack: 'a portal mapped before translation is on',
    without: 'A guest submits while KVM has no translation table for it, with raw PASIDs.',
  },
  'gpasid-ownership': {
    title: 'The VDCM looks guest PASIDs up in the set of their VM',
    attack: 'another VM’s PASID in virtual WQCFG, MSIXPERM or a trapped store',
    without: 'A number of another VM is taken as a host PASID.',
  },
  'portal-offset-check': {
    title: 'mmap offsets lie in the VDEV’s own region',
    attack: 'another VM’s portal by offset',
    without: 'An offset beyond the region maps the portal of the next queue.',
  },
  'portal-area-check': {
    title: 'mmap offsets lie in pages that the VDEV offers',
    attack: 'another VM’s portal by offset',
    without: 'The unlimited portal of a shared queue can be mapped.',
  },
  'portal-granularity': {
    title: 'Pages that several ADIs share are trapped',
    attack: 'two ADIs in one page',
    without: 'The registers of the neighbour are mapped along, and its queue works on command.',
  },
  'mm-check': {
    title: 'A queue’s file works for the process that opened it',
    attack: 'a queue’s file passed to another process',
    without: 'The receiver submits with the PASID of its opener.',
  },
  'dont-copy': {
    title: 'Portal mappings are not inherited (VM_DONTCOPY)',
    attack: 'a portal in a child after fork',
    without: 'The child submits with the PASID of its parent.',
  },
  'dwq-exclusive': {
    title: 'A dedicated queue is opened once',
    attack: 'a second client of a dedicated queue',
    without: 'Two processes share the one PASID of the queue.',
  },
  'rawio-check': {
    title: 'Portals of first-generation parts need CAP_SYS_RAWIO',
    attack: 'direct submission to parts with INTEL-SA-01084',
    without: 'Anybody who may open the queue maps its portal.',
  },
  'iotlb-flush': {
    title: 'IOTLB invalidation before an unmapped page is freed',
    attack: 'a stale translation in the IOTLB',
    without: 'The unit goes on translating to the page’s next owner.',
  },
  'device-tlb-flush': {
    title: 'Device-TLB invalidation before an unmapped page is freed',
    attack: 'a stale translation in the device TLB',
    without: 'The device goes on reaching the page’s next owner.',
  },
  'sva-invalidate': {
    title: 'munmap tells the devices that share the address space',
    attack: 'munmap that tells no device',
    without: 'Neither TLB hears of it.',
  },
  'ats-only-trusted': {
    title: 'No ATS for functions in external slots',
    attack: 'translated requests with invented addresses',
    without: 'Whatever is plugged in reaches all of memory with addresses that nobody translated.',
  },
  'acs-translation-blocking': {
    title: 'External ports block requests with translated addresses',
    attack: 'translated requests with invented addresses',
    without: 'They get as far as the remapping unit, which believes a function that has ATS.',
  },
  'pasid-teardown-flush': {
    title: 'Caches forget a PASID whose entry is cleared',
    attack: 'a PASID used after its entry is gone',
    without: 'Cached entries go on translating for it.',
  },
  'page-request-drain': {
    title: 'Page requests of a PASID are drained when its entry is cleared',
    attack: 'page requests of a former owner',
    without: 'A request that is still queued is answered in the space of the next owner.',
  },
  'drain-before-free': {
    title: 'Work of a PASID is drained before the PASID is free',
    attack: 'a PASID used again before its work is drained',
    without: 'Late writes land in the memory of the next owner.',
  },
  'swq-drain-by-pasid': {
    title: 'A VDEV on a shared queue drains its own PASIDs only',
    attack: 'a reset that waits for strangers',
    without: 'The whole queue is drained: a neighbour decides how long a reset takes.',
  },
  'reset-on-close': {
    title: 'A VDEV is initialised again when it is closed',
    attack: 'what the former owner left behind',
    without: 'The next VM reads registers and inherits settings.',
  },
  'ims-pasid': {
    title: 'A freed interrupt entry loses its PASID',
    attack: 'an interrupt entry of a VM that is gone',
    without: 'The next owner of the PASID can raise the old vector.',
  },
  'mmio-size-check': {
    title: 'Register accesses have the widths of instructions',
    attack: 'register accesses of odd widths',
    without: 'The VDCM writes past its buffer in the host’s kernel.',
  },
  'limited-portal': {
    title: 'Processes get the limited portal of a shared queue',
    attack: 'a shared queue kept full by one client',
    without: 'A client fills the queue beyond its threshold, and the kernel finds no room.',
  },
  'queue-limits': {
    title: 'A queue takes transfers and batches up to its own limits',
    attack: 'engines kept busy by long work',
    without: 'The limits are those of the device, and neighbours wait for the longest transfer.',
  },
  'page-request-overflow': {
    title: 'An overflow of the page request queue is cleared',
    attack: 'page faults that fill the request queue',
    without: 'The unit drops the page requests of all devices from then on.',
  },
  'pasid-quota': {
    title: 'Each set of PASIDs has a quota',
    attack: 'PASIDs that one VM takes',
    without: 'One VM takes all that the platform has.',
  },
  'software-error-clear': {
    title: 'The host reads and clears the software error register each time',
    attack: 'bad descriptors that hide the errors of others',
    without: 'The first error stays, and later ones of anybody are lost.',
  },
  'irte-source-check': {
    title: 'An interrupt remapping entry names the function that may use it',
    attack: 'a remappable interrupt with another function’s handle',
    without: 'Any function raises the interrupts of all others.',
  },
  'posted-interrupts': {
    title: 'Interrupts of an assigned device are posted to its virtual CPU',
    attack: 'an interrupt for every descriptor',
    without: 'The host’s handler runs as often as a guest likes.',
  },
  'queue-index-check': {
    title: 'Commands of a VDEV name its own queue only',
    attack: 'a queue index out of range in a virtual command',
    without: 'The index is one of the physical device, and stops the queue of somebody else.',
  },
  'copy-once': {
    title: 'The VDCM checks and uses one copy of what a guest wrote',
    attack: 'a descriptor that changes while it is handled',
    without: 'Another CPU of the guest puts a foreign PASID in after the look-up.',
  },
  'acs-redirect': {
    title: 'Requests between functions of one device go up to the root complex',
    attack: 'peers without access control',
    without: 'The functions form one IOMMU group, which has one owner.',
  },
  'acs-groups': {
    title: 'Functions without access control share an IOMMU group',
    attack: 'peers without access control',
    without: 'The group is split by decree, and its functions reach each other past the IOMMU.',
  },
} as const satisfies Record<string, DefenceSpec>;

export type DefenceName = keyof typeof DEFENCES;

export const DEFENCE_NAMES = Object.keys(DEFENCES) as readonly DefenceName[];
