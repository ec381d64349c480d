/** One open lab: guide, files, declarations, checks. */
import type { CheckResult, LabView } from '../../../src-main/protocol/lab-api.ts';

const DRIVER = `import { iommu_alloc_global_pasid, iommu_attach_device_pasid } from 'linux/iommu';
import { pci_find_device } from 'linux/pci';

// The host driver of the accelerator. Give the ADI an address space of its own.
const dev = pci_find_device(0x8086, 0x0b25);
const domain = dev.allocDomain();

const pasid = iommu_alloc_global_pasid(dev); // ?
const rc = iommu_attach_device_pasid(domain, dev, pasid); // ?
if (rc < 0) throw new Error('attach failed: ' + rc);

for (let index = 0; index < 3; index += 1) {
  const iova = 0x4000_0000 + index * 0x1000;
  domain.map(iova, 0x1_2345_6000 + index * 0x1000, 0x1000);
  console.log('mapped', iova.toString(16));
}

dev.adi(0).setPasid(pasid);
dev.adi(0).enable();
`;

const GUEST = `import { submit, wait } from 'linux/idxd';

// Given: moves one page through the queue of the VDEV.
const descriptor = { opcode: 3, source: 0x4000_0000, destination: 0x4000_1000, size: 4096 };
submit(descriptor);
console.log('status', wait(descriptor).status);
`;

const IOMMU_TYPES = `export interface PciDevice {
  /** Allocates a paging domain for this device. */
  allocDomain(): Domain;
  adi(index: number): Adi;
}
export interface Adi { setPasid(pasid: number): void; enable(): void }
export interface Domain { map(iova: number, physical: number, size: number): number }
/** Allocates a PASID that is unique in the system. Negative errno on failure. */
export declare function iommu_alloc_global_pasid(dev: PciDevice): number;
/** Attaches a domain to one PASID of a device. */
export declare function iommu_attach_device_pasid(domain: Domain, dev: PciDevice, pasid: number): number;
`;

const PCI_TYPES = `import type { PciDevice } from 'linux/iommu';
/** The first function with this vendor and device ID. */
export declare function pci_find_device(vendor: number, device: number): PciDevice;
`;

const IDXD_TYPES = `export interface Descriptor { opcode: number; source: number; destination: number; size: number }
export declare function submit(descriptor: Descriptor): void;
export declare function wait(descriptor: Descriptor): { status: number };
`;

const CONSOLE_TYPES = `declare module 'lab/console' {}
declare const console: { log(...values: unknown[]): void };
`;

export const FAKE_CHECKS: readonly CheckResult[] = [
  {
    id: 'pasid-allocated',
    step: 'allocate',
    status: 'notRun',
    kind: 'essential',
    title: 'A PASID is allocated for the ADI',
    message: '',
  },
  {
    id: 'entry-present',
    step: 'attach',
    status: 'notRun',
    kind: 'essential',
    title: 'The PASID table entry is present and second-stage',
    message: '',
  },
  {
    id: 'own-memory',
    step: 'attach',
    status: 'notRun',
    kind: 'essential',
    title: 'Both VDEVs reach their own memory',
    message: '',
  },
  {
    id: 'detach-faults',
    step: 'detach',
    status: 'notRun',
    kind: 'actionable',
    title: 'After detaching, a request faults with 59h',
    message: '',
  },
];

/** The same checks after a run of the starter. */
export const FAKE_RESULTS: readonly CheckResult[] = [
  {
    id: 'pasid-allocated',
    step: 'allocate',
    status: 'pass',
    kind: 'essential',
    title: 'A PASID is allocated for the ADI',
    message: 'PASID 0x11 belongs to ADI 0.',
  },
  {
    id: 'entry-present',
    step: 'attach',
    status: 'pass',
    kind: 'essential',
    title: 'The PASID table entry is present and second-stage',
    message: 'PGTT is second-stage, DID is 0x21.',
  },
  {
    id: 'own-memory',
    step: 'attach',
    status: 'fail',
    kind: 'essential',
    title: 'Both VDEVs reach their own memory',
    message:
      'The IOTLB still held the translation of the earlier domain: the second VDEV read memory of the first.',
    expected: '0x0000000123457000',
    actual: '0x0000000123456000',
    at: {
      event: 412,
      object: 'dmar0 IOTLB',
      field: 'HPA',
      link: { view: 'iotlb', params: { pasid: 0x11 }, label: 'Show the IOTLB' },
      script: { path: 'driver.ts', line: 9 },
    },
    evidence: [398, 412],
    next: 'hint-flush-1',
  },
  {
    id: 'detach-faults',
    step: 'detach',
    status: 'error',
    kind: 'actionable',
    title: 'After detaching, a request faults with 59h',
    message: 'The run ended before the device was detached.',
  },
];

export function fakeLab(id: string, seed: number, profile: LabView['profile']): LabView {
  return {
    id,
    title: 'PASID-granular isolation',
    summary:
      'Give an ADI its own address space and prove that two VDEVs with one IOVA reach different memory.',
    profiles: ['kvmforum2019', 'iommufd'],
    profile,
    seed,
    layout: 'translation',
    focus: { path: 'driver.ts', line: 8 },
    steps: [
      {
        id: 'allocate',
        title: 'Allocate a PASID',
        blocks: [
          {
            kind: 'markdown',
            text: 'An [ADI](term:adi) shares the Requester ID of its device. What keeps its DMA apart is the [PASID](term:pasid) on every request.\n\nOpen the [PASID tables](view:pasid-table?rid=6a:01.0) and follow the three levels:\n\n1. the **context entry** of `6a:01.0` points to a PASID directory,\n2. the directory entry points to a PASID table,\n3. the PASID table entry decides how addresses are translated.\n\nThe call you need returns a number, or a negative errno:\n\n```ts\nconst pasid = iommu_alloc_global_pasid(dev);\nif (pasid < 0) throw new Error(`no PASID: ${pasid}`);\n```\n\nThe line to change is [driver.ts:8](script:driver.ts:8).',
          },
          {
            kind: 'predict',
            id: 'predict-pgtt',
            field: 'PGTT',
            question: 'Which `PGTT` will the new [PASID table entry](term:pasid) have?',
            options: ['first-stage', 'second-stage', 'nested', 'pass-through'],
          },
          {
            kind: 'spec',
            source: 'VT-d 5.10, section 9.6 Scalable-Mode PASID Table Entry',
            text: 'The entry is 64 bytes. `PGTT` selects the translation; `P` makes the entry valid.',
          },
          { kind: 'check', checkId: 'pasid-allocated' },
          {
            kind: 'hint',
            id: 'hint-alloc-1',
            level: 1,
            text: 'Look at what the function returns when it fails.',
          },
          {
            kind: 'hint',
            id: 'hint-alloc-2',
            level: 2,
            text: 'PASID 0 is reserved for requests without PASID.',
          },
        ],
      },
      {
        id: 'attach',
        title: 'Attach the domain',
        blocks: [
          {
            kind: 'markdown',
            text: 'Attach the domain to the PASID **before** the ADI is enabled. Then look at the [last recorded fault](event:last(iommu.fault.recorded)) and the [IOTLB](view:iotlb).\n\n| order | result |\n|---|---|\n| attach, then enable | works |\n| enable, then attach | fault 59h |',
          },
          {
            kind: 'why',
            text: 'The entry is cached by the IOMMU: whoever changes a present entry must invalidate.',
          },
          { kind: 'check', checkId: 'entry-present' },
          { kind: 'check', checkId: 'own-memory' },
          {
            kind: 'hint',
            id: 'hint-flush-1',
            level: 1,
            text: 'Which cache still knows the old answer? Compare its tags.',
          },
          {
            kind: 'hint',
            id: 'hint-flush-2',
            level: 2,
            text: 'A PASID-selective invalidation of the IOTLB is enough.',
          },
          {
            kind: 'hint',
            id: 'hint-flush-3',
            level: 3,
            text: 'Call `iommu_iotlb_sync` after the map.',
          },
        ],
      },
      {
        id: 'detach',
        title: 'Detach and look at the fault',
        blocks: [
          {
            kind: 'note',
            text: 'Detaching while the queue runs is allowed. The device must not break.',
          },
          { kind: 'check', checkId: 'detach-faults' },
        ],
      },
    ],
    files: [
      { path: 'driver.ts', role: 'edit', actor: 'host-driver', text: DRIVER, isStarter: true },
      {
        path: 'vdcm.ts',
        role: 'edit',
        actor: 'vdcm',
        text: '// Composes the VDEV.\nexport {};\n',
        isStarter: true,
      },
      { path: 'guest.ts', role: 'read', actor: 'guest-driver', text: GUEST, isStarter: true },
    ],
    checks: FAKE_CHECKS,
    types: [
      { path: 'linux/iommu', text: IOMMU_TYPES },
      { path: 'linux/pci', text: PCI_TYPES },
      { path: 'linux/idxd', text: IDXD_TYPES },
      { path: 'lab/console', text: CONSOLE_TYPES },
    ],
    nextLabId: '080-work-queues-by-hand',
  };
}
