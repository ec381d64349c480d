/**
 * The machine as a guest has it: a `HardwarePort` over one VM, on which a guest kernel runs unchanged.
 *
 * Memory goes through the EPT; registers that the VMM emulates, configuration space and intercepted MSRs exit; pages of
 * devices that are mapped do not. ENQCMD carries the host PASID that the CPU finds in KVM's tables. Interrupts come from
 * the virtual APIC. Accesses to the legacy configuration space are two I/O instructions (CF8h, CFCh) as Linux makes them,
 * extended ones are memory accesses.
 *
 * Not modelled: the guest's own page tables (addresses here are guest-physical), nested virtualization, device emulation
 * other than VFIO devices.
 */
import { defined } from '../bits/invariant.ts';
import { MSR_INDEX } from '../spec/cpu/msr.ts';
import { EXIT_REASON, type ExitReason } from '../spec/cpu/vm-exit.ts';
import type { EventKind } from '../spec/events/event.ts';
import { ACCESS_TRAPPED, ACCESS_UNASSIGNED, PASID_MISS_HANDLED } from '../spec/events/vmm.ts';
import { EAGAIN } from '../linux/errno.ts';
import {
  actingAs,
  type EnqcmdResult,
  type EptWalk,
  type HardwarePort,
  type MachineConfig,
  type PlainData,
} from '../sim/index.ts';
import { GuestIsolation } from './guest-isolation.ts';
import { trapExit } from './trap-exit.ts';
import type { Kvm } from './kvm/kvm.ts';
import type { KvmVcpu } from './kvm/kvm-vcpu.ts';
import type { Qemu } from './qemu/qemu.ts';
import type { VfioPciDevice } from './qemu/vfio-pci.ts';
import type { Viommu } from './viommu/viommu.ts';

type Bytes = 1 | 2 | 4 | 8;

const LEGACY_CONFIG_BYTES = 0x100;
const PASID_MASK = 0xf_ffffn;
const PASID_VALID = 1n << 31n;
const ICR_MSR = 0x830;
const SLOT_BYTES = 64;

function allOnes(bytes: number): bigint {
  return (1n << BigInt(bytes * 8)) - 1n;
}

/** One access that the VMM emulated. */
interface TrappedAccess {
  readonly region: string;
  readonly offset: number;
  readonly bytes: number;
  readonly value: bigint;
  readonly isWrite: boolean;
}

export interface VmMachinePortParts {
  readonly kvm: Kvm;
  readonly qemu: Qemu;
  readonly config: MachineConfig;
  /** Host PASID for a guest PASID that the CPU could not translate; undefined is a mistake of the guest. */
  readonly onPasidMiss: (guestPasid: number) => number | undefined;
}

export class VmMachinePort implements HardwarePort {
  readonly config: MachineConfig;
  readonly isolation: GuestIsolation | undefined;
  #parts: VmMachinePortParts;
  readonly #hw: HardwarePort;
  #vcpus: readonly KvmVcpu[];

  constructor(parts: VmMachinePortParts) {
    this.#parts = parts;
    this.config = parts.config;
    this.#hw = parts.kvm.kernel.core.hw;
    this.#vcpus = parts.qemu.vm.vcpus;
    const { qemu } = parts;
    const { isolation } = this.#hw;
    this.isolation =
      isolation === undefined
        ? undefined
        : new GuestIsolation(isolation, qemu.process.mm.name, qemu.name);
  }

  get nowNs(): number {
    return this.#hw.nowNs;
  }

  /** The VM behind this port becomes that of the other one, and the other way round: a kernel on it changes its VM. */
  exchange(other: VmMachinePort): void {
    [this.#parts, other.#parts] = [other.#parts, this.#parts];
    [this.#vcpus, other.#vcpus] = [other.#vcpus, this.#vcpus];
    if (this.isolation !== undefined && other.isolation !== undefined) {
      this.isolation.exchange(other.isolation);
    }
  }

  // ---- memory --------------------------------------------------------------------------------------------------------

  memoryRead(address: number, bytes: number): Uint8Array {
    const out = new Uint8Array(bytes).fill(0xff);
    this.#eachPage(address, bytes, 'read', (host, at, size) => {
      out.set(this.#hw.memoryRead(host, size), at);
    });
    return out;
  }

  memoryWrite(address: number, bytes: Uint8Array): void {
    this.#eachPage(address, bytes.length, 'write', (host, at, size) => {
      this.#hw.memoryWrite(host, bytes.subarray(at, at + size));
    });
  }

  memoryRead64(address: number): bigint {
    let value = allOnes(8);
    this.#eachPage(address, 8, 'read', (host) => {
      value = this.#hw.memoryRead64(host);
    });
    return value;
  }

  memoryWrite64(address: number, value: bigint): void {
    this.#eachPage(address, 8, 'write', (host) => {
      this.#hw.memoryWrite64(host, value);
    });
  }

  // ---- registers -----------------------------------------------------------------------------------------------------

  mmioRead(address: number, bytes: Bytes): bigint {
    const vcpu = this.#run(0);
    const walk = this.#walk(vcpu, address, 'read');
    if (walk.kind === 'mapped') {
      return this.#hw.mmioRead(walk.address, bytes);
    }
    return this.#trap(vcpu, address, trapExit(walk), (reason) => {
      const unit = this.#unitAt(address);
      if (unit !== undefined) {
        const value = unit.read(address - unit.base, bytes);
        this.#accountUnit(unit, reason, { address, bytes, value, isWrite: false });
        return value;
      }
      const place = this.#parts.qemu.find(address);
      if (place === undefined) {
        this.#unassigned(address, false);
        return allOnes(bytes);
      }
      const value = place.device.mmioRead(place.bar, place.offset, bytes);
      this.#account(place.device, reason, {
        region: `BAR${place.bar}`,
        offset: place.offset,
        bytes,
        value,
        isWrite: false,
      });
      return value;
    });
  }

  mmioWrite(address: number, bytes: Bytes, value: bigint): void {
    const vcpu = this.#run(0);
    const walk = this.#walk(vcpu, address, 'write');
    if (walk.kind === 'mapped') {
      this.#submit(() => {
        this.#hw.mmioWrite(walk.address, bytes, value);
      });
      return;
    }
    this.#trap(vcpu, address, trapExit(walk), (reason) => {
      const unit = this.#unitAt(address);
      if (unit !== undefined) {
        this.#accountUnit(unit, reason, { address, bytes, value, isWrite: true });
        unit.write(address - unit.base, bytes, value);
        return;
      }
      const place = this.#parts.qemu.find(address);
      if (place === undefined) {
        this.#unassigned(address, true);
        return;
      }
      this.#account(place.device, reason, {
        region: `BAR${place.bar}`,
        offset: place.offset,
        bytes,
        value,
        isWrite: true,
      });
      place.device.mmioWrite(place.bar, place.offset, bytes, value);
    });
  }

  configRead(rid: number, offset: number, bytes: 1 | 2 | 4): number {
    return this.#trapConfig(rid, offset, (device, reason) => {
      const value = device?.configRead(offset, bytes) ?? Number(allOnes(bytes));
      if (device !== undefined) {
        this.#account(device, reason, {
          region: 'config',
          offset,
          bytes,
          value: BigInt(value),
          isWrite: false,
        });
      }
      return value;
    });
  }

  configWrite(rid: number, offset: number, bytes: 1 | 2 | 4, value: number): void {
    this.#trapConfig(rid, offset, (device, reason) => {
      if (device !== undefined) {
        this.#account(device, reason, {
          region: 'config',
          offset,
          bytes,
          value: BigInt(value >>> 0),
          isWrite: true,
        });
        device.configWrite(offset, bytes, value);
      }
    });
  }

  // ---- instructions --------------------------------------------------------------------------------------------------

  movdir64b(cpu: number, address: number, words: Uint32Array): void {
    const vcpu = this.#run(cpu);
    const walk = this.#walk(vcpu, address, 'write');
    if (walk.kind === 'mapped') {
      this.#submit(() => {
        this.#hw.movdir64b(vcpu.cpu, walk.address, words);
      });
      return;
    }
    this.#trapBlock(vcpu, address, trapExit(walk), words);
  }

  enqcmd(cpu: number, address: number, words: Uint32Array): EnqcmdResult {
    const vcpu = this.#run(cpu);
    const pasid = vcpu.pasidMsr;
    return this.#enqueue(vcpu, address, words, {
      send: (host) => this.#submit(() => this.#hw.enqcmd(vcpu.cpu, host, words)),
      // The command of a trapped store carries the guest's number: software translates it.
      isFaulty: (pasid & PASID_VALID) === 0n || (words[0] ?? 0) !== 0,
      first: Number(pasid & PASID_MASK),
    });
  }

  enqcmds(cpu: number, address: number, words: Uint32Array): EnqcmdResult {
    const vcpu = this.#run(cpu);
    const first = words[0] ?? 0;
    return this.#enqueue(vcpu, address, words, {
      send: (host) => this.#submit(() => this.#hw.enqcmds(vcpu.cpu, host, words)),
      isFaulty: (first & 0x7ff0_0000) !== 0,
      first,
    });
  }

  /**
   * What the device does because of such a store is done for the VM, and for the process that made it, whether the store
   * reached the portal or the VMM made another in its place.
   */
  #submit<T>(body: () => T): T {
    const { isolation } = this;
    return isolation === undefined ? body() : actingAs(this.#hw.isolation, isolation.actor, body);
  }

  readMsr(cpu: number, index: number): bigint {
    const vcpu = this.#vcpu(cpu);
    if (index === MSR_INDEX.IA32_PASID) {
      return vcpu.pasidMsr;
    }
    this.#run(cpu).exit(EXIT_REASON.rdmsr, index);
    vcpu.enter();
    return vcpu.msrs.get(index) ?? 0n;
  }

  writeMsr(cpu: number, index: number, value: bigint): void {
    const vcpu = this.#run(cpu);
    if (index === MSR_INDEX.IA32_PASID) {
      vcpu.pasidMsr = value;
      return;
    }
    vcpu.exit(EXIT_REASON.wrmsr, index);
    vcpu.msrs.set(index, value);
    if (index === ICR_MSR) {
      this.#vcpus[Number(value >> 32n)]?.inject(Number(value & 0xffn));
    }
    vcpu.enter();
  }

  // ---- time and interrupts -------------------------------------------------------------------------------------------

  advance(durationNs: number): void {
    const end = this.nowNs + Math.max(0, Math.round(durationNs));
    while (this.nowNs < end) {
      this.advanceToNextEvent(end - this.nowNs);
    }
  }

  /** The host's timers are events too, and its interrupts are handled before the guest goes on. */
  advanceToNextEvent(limitNs: number): boolean {
    const { core } = this.#parts.kvm.kernel;
    const hostLimit = Math.max(0, core.timers.nextDueNs - this.nowNs);
    const hasHappened = this.#hw.advanceToNextEvent(Math.min(limitNs, hostLimit));
    this.#parts.kvm.hostTurn();
    return hasHappened || hostLimit <= limitNs;
  }

  takeInterrupt(cpu: number): number {
    return this.#vcpu(cpu).takeInterrupt();
  }

  emit(
    kind: EventKind,
    source: string,
    ...values: readonly (number | bigint | string | boolean)[]
  ): number {
    return this.#hw.emit(kind, source, ...values);
  }

  within<T>(seq: number, body: () => T): T {
    return this.#hw.within(seq, body);
  }

  publish(key: string, value: PlainData | undefined): void {
    this.#hw.publish(key, value);
  }

  // ---- exits ---------------------------------------------------------------------------------------------------------

  #vcpu(cpu: number): KvmVcpu {
    return defined(this.#vcpus[cpu], `vCPU ${cpu} of ${this.#parts.qemu.name}`);
  }

  /** The guest executes something: its virtual CPU is in guest mode. */
  #run(cpu: number): KvmVcpu {
    const vcpu = this.#vcpu(cpu);
    vcpu.enter();
    return vcpu;
  }

  /** The EPT walk of an access. A page that the process of the VM has and the EPT has not costs one exit, in KVM alone. */
  #walk(vcpu: KvmVcpu, gpa: number, access: 'read' | 'write'): EptWalk {
    const { qemu } = this.#parts;
    const walk = qemu.vm.ept.walk(gpa, access);
    if (walk.kind !== 'violation' || !qemu.vm.slots.canFault(gpa)) {
      return walk;
    }
    const reason = trapExit(walk);
    vcpu.exit(reason, gpa);
    qemu.find(gpa)?.device.count(reason);
    const isFilled = qemu.vm.slots.fault(gpa);
    vcpu.enter();
    return isFilled ? qemu.vm.ept.walk(gpa, access) : walk;
  }

  /** One exit with what the VMM does about it, and the entry after it. */
  #trap<T>(vcpu: KvmVcpu, gpa: number, reason: ExitReason, handle: (reason: ExitReason) => T): T {
    vcpu.exit(reason, gpa);
    const { ept, slots } = this.#parts.qemu.vm;
    if (slots.at(gpa) === undefined) {
      ept.markEmulated(gpa);
    }
    const result = handle(reason);
    vcpu.enter();
    return result;
  }

  #trapConfig<T>(
    rid: number,
    offset: number,
    handle: (device: VfioPciDevice | undefined, reason: ExitReason) => T,
  ): T {
    const vcpu = this.#run(0);
    const device = this.#parts.qemu.deviceAt(rid);
    const reason =
      offset < LEGACY_CONFIG_BYTES ? EXIT_REASON.ioInstruction : EXIT_REASON.eptMisconfiguration;
    if (reason === EXIT_REASON.ioInstruction) {
      // The address goes to CF8h first.
      vcpu.exit(reason, 0xcf8);
      device?.count(reason);
      vcpu.enter();
    }
    vcpu.exit(reason, reason === EXIT_REASON.ioInstruction ? 0xcfc : offset);
    const result = handle(device, reason);
    vcpu.enter();
    return result;
  }

  #enqueue(
    vcpu: KvmVcpu,
    address: number,
    words: Uint32Array,
    how: {
      readonly send: (host: number) => EnqcmdResult;
      readonly isFaulty: boolean;
      readonly first: number;
    },
  ): EnqcmdResult {
    const walk = this.#walk(vcpu, address, 'write');
    if (walk.kind !== 'mapped') {
      if (how.isFaulty) {
        return 'fault';
      }
      const command = words.slice();
      command[0] = how.first;
      const result = this.#trapBlock(vcpu, address, trapExit(walk), command);
      return result === -EAGAIN ? 'retry' : 'accepted';
    }
    const result = how.send(walk.address);
    if (result !== 'fault' || vcpu.isInGuest) {
      return result;
    }
    return this.#fillPasid(vcpu) ? how.send(walk.address) : 'fault';
  }

  /** Exits 72 and 73. True when the instruction may be repeated. */
  #fillPasid(vcpu: KvmVcpu): boolean {
    vcpu.returned();
    const { qemu, onPasidMiss } = this.#parts;
    const guestPasid = vcpu.facts.lastExit?.qualification ?? 0;
    const hostPasid = onPasidMiss(guestPasid);
    const isFilled = hostPasid !== undefined && qemu.vm.setPasid(guestPasid, hostPasid) === 0;
    this.#hw.emit(PASID_MISS_HANDLED, qemu.name, guestPasid, isFilled);
    vcpu.enter();
    return isFilled;
  }

  /** A 64-byte store to a page that is not mapped arrives at the device as eight stores, in one exit. */
  #trapBlock(vcpu: KvmVcpu, address: number, reason: ExitReason, words: Uint32Array): number {
    return this.#trap(vcpu, address, reason, () => {
      const place = this.#parts.qemu.find(address);
      if (place === undefined) {
        this.#unassigned(address, true);
        return 0;
      }
      const { device, bar, offset } = place;
      const first = (BigInt(words[1] ?? 0) << 32n) | BigInt(words[0] ?? 0);
      this.#account(device, reason, {
        region: `BAR${bar}`,
        offset,
        bytes: SLOT_BYTES,
        value: first,
        isWrite: true,
      });
      return this.#submit(() => {
        let result = 0;
        for (let i = 0; i < SLOT_BYTES / 8; i++) {
          const value = (BigInt(words[i * 2 + 1] ?? 0) << 32n) | BigInt(words[i * 2] ?? 0);
          result = device.mmioWrite(bar, offset + i * 8, 8, value);
        }
        return result;
      });
    });
  }

  #account(device: VfioPciDevice, reason: ExitReason, access: TrappedAccess): void {
    device.count(reason);
    const { region, offset, bytes, value, isWrite } = access;
    const { name } = this.#parts.qemu;
    this.#hw.emit(ACCESS_TRAPPED, name, device.name, region, offset, bytes, isWrite, value, reason);
  }

  #unitAt(gpa: number): Viommu | undefined {
    const { viommu } = this.#parts.qemu;
    return viommu?.contains(gpa) === true ? viommu : undefined;
  }

  #accountUnit(
    unit: Viommu,
    reason: ExitReason,
    access: {
      readonly address: number;
      readonly bytes: number;
      readonly value: bigint;
      readonly isWrite: boolean;
    },
  ): void {
    const { address, bytes, value, isWrite } = access;
    const { name } = this.#parts.qemu;
    const offset = address - unit.base;
    this.#hw.emit(
      ACCESS_TRAPPED,
      name,
      unit.name,
      'registers',
      offset,
      bytes,
      isWrite,
      value,
      reason,
    );
  }

  #unassigned(gpa: number, isWrite: boolean): void {
    this.#hw.emit(ACCESS_UNASSIGNED, this.#parts.qemu.name, gpa, isWrite);
  }

  /** Pieces of a range that are contiguous in host memory. Pages without memory exit and are skipped. */
  #eachPage(
    address: number,
    bytes: number,
    access: 'read' | 'write',
    visit: (host: number, at: number, size: number) => void,
  ): void {
    const vcpu = this.#run(0);
    for (let done = 0; done < bytes;) {
      const gpa = address + done;
      const walk = this.#walk(vcpu, gpa, access);
      const page = walk.kind === 'mapped' ? walk.pageBytes : 4096;
      const size = Math.min(bytes - done, page - (gpa % page));
      if (walk.kind === 'mapped') {
        visit(walk.address, done, size);
      } else {
        this.#trap(vcpu, gpa, trapExit(walk), () => this.#unassigned(gpa, access === 'write'));
      }
      done += size;
    }
  }
}
