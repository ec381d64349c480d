/** 8.5: interrupts that are somebody else's, or too many. VT-d 5.10 chapter 5; DSA 3.0 section 3.7. */
import { defined, invariant } from '../../../src-main/bits/invariant.ts';
import { COMMAND } from '../../../src-main/spec/dsa/commands.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import { remappableMessage } from '../../../src-main/spec/vtd/interrupt-message.ts';
import { bootIdxd, closeVdev, DSA_BDF, dsaDevice, GUEST_RAM, type IdxdLab } from '../linux-idxd.ts';
import { bootSva, openApp, PAGE } from '../linux-sva.ts';
import {
  bootGuest,
  bootIdxdVms,
  enableGuestDevice,
  enableGuestQueue,
  listenToCompletions,
  plugVdev,
  prepareCopy,
} from '../vm-idxd.ts';
import { lacking, type Attack, type Outcome, type Switches } from './attack.ts';
import { faultsOf, recordedFaultsOf } from './faults.ts';
import { mount } from './mount.ts';
import { copiesOwn } from './native-clients.ts';
import { rawRequest } from './raw-requests.ts';
import {
  copyWithInterrupt,
  openTenant,
  openTenantWithVectors,
  raisesItsOwn,
  vectorOf,
} from './vdev-tenants.ts';
import { INTERRUPT_WINDOW, NOBODY, unexpectedOf } from './unexpected-interrupts.ts';
import { FREE, type Toll } from './toll.ts';

const OTHER_BDF = '6b:01.0';
const MDEV_SHARED = { mode: 'shared', type: 'mdev' } as const;
const VECTOR = 0x77;
const MSIX_TABLE = 0x2000;
const COMMAND_REGISTER = 0xa0;
const REQUEST_INTERRUPT = 0x8000_0000;

/** SSS.2 */
const SECOND_STAGE_NOT_PRESENT = 0x79;
/** SGN.8.1 */
const INTO_INTERRUPT_RANGE = 0x87;
const COMPATIBILITY_BLOCKED = 0x25;
const SOURCE_REFUSED = 0x26;

/** The handle of another VM's vector. */
function foreignHandle(without: Switches): Outcome {
  const lab = bootIdxd({ wqs: [MDEV_SHARED], ...without });
  const [attacker, victim] = [openTenantWithVectors(lab, 1), openTenantWithVectors(lab, 2)];
  return mount(lab, {
    attack: () => {
      const before = victim.interrupts();
      const status = copyWithInterrupt(lab, attacker, victim.handle);
      return { status, stray: victim.interrupts() - before };
    },
    benign: () => raisesItsOwn(lab, victim),
  });
}

/** The interrupt entry of a VM that is gone, whose PASID the next one has; then a third VM gets the entry. */
function staleEntry(without: Switches): Outcome {
  const lab = bootIdxd({ wqs: [MDEV_SHARED], ...without });
  const bystander = openTenantWithVectors(lab, 1);
  const first = openTenantWithVectors(lab, 2);
  return mount(lab, {
    attack: () => {
      closeVdev(first.open);
      const second = openTenant(lab, 3);
      invariant(second.pasid === first.pasid, 'The PASID has its next owner');
      const status = copyWithInterrupt(lab, second, first.handle);
      const third = openTenantWithVectors(lab, 4);
      invariant(third.handle === first.handle, 'The entry has its next owner');
      lab.kernel.core.settle();
      return { status, stray: third.interrupts() };
    },
    benign: () => raisesItsOwn(lab, bystander),
  });
}

/** Writes with a PASID to the interrupt window, and through a table that leads there. */
function writeWithPasid(without: Switches): Outcome {
  const lab = bootSva({}, without);
  const { kernel, dev, machine } = lab;
  const app = openApp(lab, 'app');
  const domain = kernel.iommu.iommu_paging_domain_alloc(dev);
  invariant(typeof domain !== 'number', 'There is a domain');
  const pasid = kernel.iommu.iommu_alloc_global_pasid(dev);
  kernel.iommu.iommu_attach_device_pasid(domain, dev, pasid);
  kernel.iommu.iommu_map(domain, GUEST_RAM, INTERRUPT_WINDOW, PAGE, 3);
  return mount(lab, {
    attack: () => {
      const [faults, unexpected] = [faultsOf(lab), unexpectedOf(lab)];
      const data = new Uint8Array([VECTOR, 0, 0, 0]);
      for (const address of [INTERRUPT_WINDOW, GUEST_RAM]) {
        machine.fabric.portOf(dev.rid).write(rawRequest(address, 4, { pasid }), data, 0);
      }
      kernel.core.settle();
      return { faults: faults(), unexpected: unexpected() };
    },
    benign: () => copiesOwn(lab, app),
  });
}

/** Gives a command whose completion interrupt is entry 0 of the accelerator's MSI-X table. */
function interruptFrom(lab: IdxdLab, index: number): void {
  const { base } = defined(lab.kernel.idxd.devices[index], `dsa${index}`).registers;
  const command = BigInt(((COMMAND.drainAll << 20) | REQUEST_INTERRUPT) >>> 0);
  lab.hw.mmioWrite(base + COMMAND_REGISTER, 4, command);
  lab.kernel.core.advance(100_000);
}

/** Handler of entry 0, which is honest work: how often it ran. */
function firstEntry(lab: IdxdLab) {
  const own = defined(lab.kernel.irqs.desc(lab.dev.msix_irqs[0] ?? -1), 'Interrupt');
  return { handle: own.handle, count: () => own.count };
}

function interruptsItself(lab: IdxdLab): boolean {
  const { count } = firstEntry(lab);
  const before = count();
  interruptFrom(lab, 0);
  return count() === before + 1;
}

/** A message in the compatibility format, forged by a write without PASID or sent as an interrupt. */
function compatibilityMessage(without: Switches, way: 'write' | 'interrupt'): Outcome {
  const { params, ...others } = without;
  const lab = bootIdxd({ ...others, params: { modules: ['idxd'], ...params } });
  return mount(lab, {
    attack: () => {
      const [faults, unexpected] = [recordedFaultsOf(lab), unexpectedOf(lab)];
      const port = lab.machine.fabric.portOf(lab.dev.rid);
      if (way === 'write') {
        port.write(rawRequest(INTERRUPT_WINDOW, 4), new Uint8Array([VECTOR, 0, 0, 0]), 0);
      } else {
        port.interrupt(0, INTERRUPT_WINDOW, VECTOR);
      }
      lab.kernel.core.settle();
      return { faults: faults(), unexpected: unexpected() };
    },
    benign: () => interruptsItself(lab),
  });
}

/** A remappable message with the handle of another function, put into one's own MSI-X table. */
function foreignRemappingHandle(without: Switches): Outcome {
  const lab = bootIdxd({
    devices: [dsaDevice({}, DSA_BDF), dsaDevice({}, OTHER_BDF)],
    ...without,
  });
  const evil = defined(lab.kernel.idxd.devices[1], 'dsa1').registers.base;
  const victim = firstEntry(lab);
  return mount(lab, {
    attack: () => {
      const [faults, before] = [recordedFaultsOf(lab), victim.count()];
      const { address } = remappableMessage(victim.handle);
      lab.hw.mmioWrite(evil + MSIX_TABLE, 4, BigInt(address));
      lab.hw.mmioWrite(evil + MSIX_TABLE + 8, 4, 0n);
      interruptFrom(lab, 1);
      return { faults: faults(), handled: victim.count() - before };
    },
    benign: () => interruptsItself(lab),
  });
}

const STORM = 12;

/** A guest asks for an interrupt with every descriptor. */
function storm(without: Switches): Outcome {
  const lab = bootIdxdVms({ wqs: [{ mode: 'dedicated', type: 'mdev' }], ...without });
  const device = bootGuest(plugVdev(lab, 'dsa-1dwq-v1', 1));
  enableGuestDevice(device);
  enableGuestQueue(device);
  const completions = listenToCompletions(device);
  const { guest, wq } = device;
  const copies = (n: number, options: { readonly handle?: number }): readonly number[] =>
    Array.from({ length: n }, () => {
      const copy = prepareCopy(device, 'storm', options);
      guest.io.iosubmit_cmds512(wq.portal('unlimitedMsix'), copy.words);
      guest.core.advance(100_000);
      return copy.status();
    });
  return mount(lab, {
    attack: () => {
      const before = completions.count();
      const statuses = copies(STORM, { handle: completions.handle });
      return { statuses: [...new Set(statuses)], inGuest: completions.count() - before };
    },
    benign: () => copies(1, {})[0] === STATUS.success,
  });
}

/** Commands of the accelerator are its driver's. */
const driverOf = (bdf: string): string => `kernel (driver of ${bdf})`;
const ONE_FAULT: Toll = { ...FREE, interrupts: { dmar0: 1 } };
const ONE_EVENT: Toll = { ...FREE, interrupts: { 'dsa0-misc': 1 } };
/** Of a VMM that has no VM: its eventfd is signalled by a handler. */
const interruptOf = (n: number): Toll => ({ ...FREE, interrupts: { [vectorOf(n)]: 1 } });
const REMAPPING_OFF: Switches = { params: { interrupt_remapping: false } };

export const STRAY_INTERRUPTS: readonly Attack[] = [
  {
    id: '8.5a',
    title: 'the interrupt handle of another VM',
    run: foreignHandle,
    defended: {
      seen: { status: STATUS.interruptHandle, stray: 0 },
      // The kernel reads the software error.
      budget: { attack: ONE_EVENT, benign: interruptOf(2) },
    },
    stoppedBy: 'hardware',
    because: 'the device compares the entry’s PASID with the descriptor’s',
  },
  {
    id: '8.5b',
    title: 'a write with PASID to the interrupt window',
    run: writeWithPasid,
    defended: {
      seen: { faults: [SECOND_STAGE_NOT_PRESENT, INTO_INTERRUPT_RANGE], unexpected: [] },
      budget: { attack: ONE_FAULT, benign: FREE },
    },
    stoppedBy: 'hardware',
    because: 'a request with PASID is never an interrupt (VT-d 5.10 section 5.1.2)',
  },
  {
    id: '8.5b',
    title: 'a write without PASID to the interrupt window',
    run: (without) => compatibilityMessage(without, 'write'),
    defended: {
      seen: { faults: [COMPATIBILITY_BLOCKED], unexpected: [] },
      // Honest work here is an interrupt of the kernel's own.
      budget: { attack: ONE_FAULT, benign: ONE_EVENT },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'interrupt',
        without: REMAPPING_OFF,
        raised: [{ principal: driverOf(DSA_BDF), owner: NOBODY }],
        seen: { faults: [], unexpected: [VECTOR] },
      },
    ],
  },
  {
    id: '8.5c',
    title: 'a message in the compatibility format',
    run: (without) => compatibilityMessage(without, 'interrupt'),
    defended: {
      seen: { faults: [COMPATIBILITY_BLOCKED], unexpected: [] },
      // Honest work here is an interrupt of the kernel's own.
      budget: { attack: ONE_FAULT, benign: ONE_EVENT },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'interrupt',
        without: REMAPPING_OFF,
        raised: [{ principal: driverOf(DSA_BDF), owner: NOBODY }],
        seen: { faults: [], unexpected: [VECTOR] },
      },
    ],
  },
  {
    id: '8.5c',
    title: 'a remappable message with the handle of another function',
    run: foreignRemappingHandle,
    defended: {
      seen: { faults: [SOURCE_REFUSED], handled: 0 },
      // Honest work here is an interrupt of the kernel's own.
      budget: { attack: ONE_FAULT, benign: ONE_EVENT },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'interrupt',
        without: lacking('irte-source-check'),
        raised: [{ principal: driverOf(OTHER_BDF), owner: 'kernel (dsa0-misc)' }],
        seen: { faults: [], handled: 1 },
      },
    ],
  },
  {
    id: '8.5d',
    title: 'an interrupt entry of a VM that is gone',
    run: staleEntry,
    defended: {
      seen: { status: STATUS.interruptHandle, stray: 0 },
      budget: { attack: ONE_EVENT, benign: interruptOf(1) },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'interrupt',
        without: lacking('ims-pasid'),
        raised: [{ principal: 'vm3', owner: 'vm4' }],
        seen: { status: STATUS.success, stray: 1 },
      },
    ],
  },
  {
    id: '8.5e',
    title: 'an interrupt for every descriptor',
    run: storm,
    defended: {
      seen: { statuses: [STATUS.success], inGuest: STORM },
      budget: { attack: FREE, benign: FREE },
    },
    stoppedBy: 'software',
    undefended: [
      {
        kind: 'expense',
        without: lacking('posted-interrupts'),
        seen: { statuses: [STATUS.success], inGuest: STORM },
        attackCost: { ...FREE, interrupts: { [vectorOf(1)]: STORM } },
      },
    ],
  },
];
