/**
 * The MSI-X table and pending bits that a guest sees, kept by the VMM in place of the device's (QEMU's hw/pci/msix.c and
 * hw/vfio/pci.c). Each vector has an eventfd that the device's driver signals. An unmasked vector's eventfd goes to KVM
 * (irqfd), which may connect it with the device interrupt; a masked one is heard by the VMM, which sets the pending bit.
 */
import { VECTOR_MASKED } from '../../spec/events/vmm.ts';
import { MsiXTableEntry } from '../../spec/pcie/msi-x.ts';
import { VFIO_FLAGS as F } from '../../spec/vfio/ioctl-numbers.ts';
import { EventfdFile } from '../../linux/core/eventfd.ts';
import { defined } from '../../bits/invariant.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { Process } from '../../linux/mm/process.ts';
import type { KvmVm } from '../kvm/kvm-vm.ts';
import type { VfioDeviceFd } from './vfio-requests.ts';

const ENTRY_WORDS = MsiXTableEntry.words;
const CONTROL_WORD = 3;

interface Vector {
  readonly words: Uint32Array;
  isPending: boolean;
  eventfd: EventfdFile | null;
  /** Stops the VMM from listening; null while KVM has the eventfd. */
  stopListening: (() => void) | null;
}

export interface MsixParts {
  readonly kernel: Kernel;
  readonly process: Process;
  readonly vm: KvmVm;
  readonly device: VfioDeviceFd;
  readonly name: string;
  readonly vectors: number;
}

export class MsixEmulation {
  readonly #parts: MsixParts;
  readonly #vectors: readonly Vector[];
  #isEnabled = false;
  #isFunctionMasked = false;

  constructor(parts: MsixParts) {
    this.#parts = parts;
    this.#vectors = Array.from({ length: parts.vectors }, () => ({
      words: MsiXTableEntry.encode({ MASK: 1 }),
      isPending: false,
      eventfd: null,
      stopListening: null,
    }));
  }

  get tableBytes(): number {
    return this.#vectors.length * MsiXTableEntry.bytes;
  }

  get pendingBytes(): number {
    return Math.ceil(this.#vectors.length / 64) * 8;
  }

  get isEnabled(): boolean {
    return this.#isEnabled;
  }

  isPending(vector: number): boolean {
    return this.#vectors[vector]?.isPending === true;
  }

  readTable(offset: number): number {
    const vector = this.#vectors[Math.floor(offset / MsiXTableEntry.bytes)];
    return vector?.words[(offset >>> 2) % ENTRY_WORDS] ?? 0;
  }

  writeTable(offset: number, value: number): void {
    const index = Math.floor(offset / MsiXTableEntry.bytes);
    const vector = this.#vectors[index];
    if (vector === undefined) {
      return;
    }
    const word = (offset >>> 2) % ENTRY_WORDS;
    vector.words[word] = word === CONTROL_WORD ? value & 1 : value >>> 0;
    this.#refresh(index);
  }

  /** Pending bits of 32 vectors. */
  readPending(offset: number): number {
    const first = offset * 8;
    return this.#vectors
      .slice(first, first + 32)
      .reduce((bits, { isPending }, i) => (isPending ? (bits | (1 << i)) >>> 0 : bits), 0);
  }

  /** The guest wrote the control register of the capability. */
  setControl(isEnabled: boolean, isFunctionMasked: boolean): void {
    this.#isFunctionMasked = isFunctionMasked;
    if (isEnabled !== this.#isEnabled) {
      this.#isEnabled = isEnabled;
      if (isEnabled) {
        this.#enable();
      } else {
        this.#disable();
        return;
      }
    }
    this.#vectors.forEach((_, i) => this.#refresh(i));
  }

  reset(): void {
    this.setControl(false, false);
    for (const vector of this.#vectors) {
      vector.words.set(MsiXTableEntry.encode({ MASK: 1 }));
      vector.isPending = false;
    }
  }

  /** One eventfd a vector, all installed with one request: the index cannot grow later (NORESIZE). */
  #enable(): void {
    const { kernel, process, device } = this.#parts;
    const fds = this.#vectors.map((vector, i) => {
      const fd = kernel.calls.eventfd(process);
      const file = process.files.get(fd);
      vector.eventfd = file instanceof EventfdFile ? file : null;
      this.#listen(i);
      return fd;
    });
    device.setEventfds(F.VFIO_PCI_MSIX_IRQ_INDEX, 0, fds);
  }

  #disable(): void {
    const { kernel, process, vm, device } = this.#parts;
    device.disableIrqs(F.VFIO_PCI_MSIX_IRQ_INDEX);
    for (const vector of this.#vectors) {
      const { eventfd } = vector;
      vector.stopListening?.();
      vector.stopListening = null;
      vector.eventfd = null;
      if (eventfd === null) {
        continue;
      }
      vm.deassignIrqfd(eventfd);
      const fd = process.files.entries().find(([, file]) => file === eventfd)?.[0];
      if (fd !== undefined) {
        kernel.calls.close(process, fd);
      }
    }
  }

  /** Brings the eventfd of a vector to whom it belongs now. */
  #refresh(index: number): void {
    const vector = defined(this.#vectors[index], `MSI-X vector ${index}`);
    const { eventfd } = vector;
    if (!this.#isEnabled || eventfd === null) {
      return;
    }
    const { vm } = this.#parts;
    const { ADDR, DATA, MASK } = MsiXTableEntry.decode(vector.words);
    if (MASK === 1 || this.#isFunctionMasked) {
      vm.deassignIrqfd(eventfd);
      this.#listen(index);
      return;
    }
    if (vm.irqfds.has(eventfd)) {
      vm.updateIrqfd(eventfd, ADDR, DATA);
    } else {
      vector.stopListening?.();
      vector.stopListening = null;
      vm.assignIrqfd(eventfd, ADDR, DATA);
    }
    if (vector.isPending) {
      vector.isPending = false;
      vm.signalMsi(ADDR, DATA);
    }
  }

  #listen(index: number): void {
    const vector = defined(this.#vectors[index], `MSI-X vector ${index}`);
    if (vector.eventfd === null || vector.stopListening !== null) {
      return;
    }
    vector.stopListening = vector.eventfd.listen((count) => {
      if (count > 0) {
        vector.isPending = true;
        const { kernel, vm, name } = this.#parts;
        kernel.core.hw.emit(VECTOR_MASKED, vm.vm, name, index);
      }
    });
  }
}
