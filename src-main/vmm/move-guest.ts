/**
 * The VMM's share of a live migration (QEMU's migration/): memory, virtual CPUs, the virtual IOMMU and what the VMM keeps of
 * each device go over, and the guest's kernel goes on in the other VM. What a device itself holds is its driver's to move.
 *
 * Not modelled: rounds of dirty pages and their time, interrupts that wait while the CPUs stand still (the guest takes them
 * before), another host: both VMs are on the same one.
 */
import { invariant } from '../bits/invariant.ts';
import { GCMD_REG, GSTS_REG, RTADDR_REG } from '../spec/vtd/registers/global-command.ts';
import { memoryRegions } from '../sim/index.ts';
import type { Viommu } from './viommu/viommu.ts';
import type { Vm } from './vm.ts';

const PAGE_BYTES = 4096;
const CHUNK_BYTES = 2 ** 21;

/** Why the guest of one VM cannot go on in another, as a sentence; undefined when it can. */
export function moveProblem(from: Vm, to: Vm): string | undefined {
  const shapeOf = ({ qemu }: Vm): string =>
    [
      `${qemu.memoryBytes} bytes of memory`,
      `${qemu.vm.vcpus.length} CPUs`,
      qemu.viommu === null ? 'no IOMMU' : 'an IOMMU',
      `devices at ${qemu.devices.map(({ rid }) => rid).join(', ') || 'no place'}`,
    ].join(', ');
  if (from.guest === null) {
    return `No kernel runs in ${from.name}`;
  }
  if (to.guest !== null) {
    return `${to.name} has booted already`;
  }
  const [there, here] = [from, to].map(shapeOf);
  return there === here ? undefined : `${from.name} has ${there}, and ${to.name} has ${here}`;
}

/** Both VMs have the same shape, and nothing has run in `to`. Its devices are in the state RESUMING. */
export function moveGuest(from: Vm, to: Vm): void {
  const problem = moveProblem(from, to);
  invariant(problem === undefined, problem ?? '');
  from.guest?.core.settle();
  copyMemory(from, to);
  to.qemu.vm.vcpus.forEach((vcpu, i) => {
    const old = from.qemu.vm.vcpus[i];
    vcpu.pasidMsr = old?.pasidMsr ?? 0n;
    old?.msrs.forEach((value, index) => vcpu.msrs.set(index, value));
  });
  // Units before devices: an entry of an interrupt store is bound to a PASID that has to be there (MIG_PRI_IOMMU).
  if (from.qemu.viommu !== null && to.qemu.viommu !== null) {
    loadUnit(from.qemu.viommu, to.qemu.viommu);
  }
  for (const device of to.qemu.devices) {
    const old = from.qemu.deviceAt(device.rid);
    if (old !== undefined) {
      device.load(old);
    }
  }
  to.adopt(from);
}

/** Memory that nobody has used is zero on both sides. */
function copyMemory(from: Vm, to: Vm): void {
  for (const { base, bytes } of memoryRegions(from.qemu.memoryBytes)) {
    for (let at = base; at < base + bytes; at += CHUNK_BYTES) {
      const chunk = from.port.memoryRead(at, CHUNK_BYTES);
      const words = new Uint32Array(chunk.buffer, chunk.byteOffset, CHUNK_BYTES / 4);
      for (let page = 0; page < CHUNK_BYTES; page += PAGE_BYTES) {
        if (!isZero(words, page / 4)) {
          to.port.memoryWrite(at + page, chunk.subarray(page, page + PAGE_BYTES));
        }
      }
    }
  }
}

function isZero(words: Uint32Array, at: number): boolean {
  for (let i = at; i < at + PAGE_BYTES / 4; i++) {
    if (words[i] !== 0) {
      return false;
    }
  }
  return true;
}

/** The commands of the guest are given once more, so that the host nests its tables; then the registers are what they were. */
function loadUnit(from: Viommu, to: Viommu): void {
  const { TES, QIES, RTPS } = GSTS_REG.decode(
    from.registers.wordsOf(from.registers.register(GSTS_REG.name)),
  );
  const give = (command: Parameters<typeof GCMD_REG.encode>[0]): void => {
    to.write(GCMD_REG.offset, 4, BigInt(GCMD_REG.encode(command)[0] ?? 0));
  };
  if (RTPS === 1) {
    to.write(RTADDR_REG.offset, 8, from.read(RTADDR_REG.offset, 8));
    give({ SRTP: 1 });
  }
  give({ QIE: QIES, TE: TES });
  to.restore(from.registers.snapshot());
}
