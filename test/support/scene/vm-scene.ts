/** A VM with a VDEV on the shared queue: memory slots, exits, a descriptor from inside, an interrupt posted to its vCPU. */
import { defined } from '../../../src-main/bits/invariant.ts';
import { IS_ERR } from '../../../src-main/linux/errno.ts';
import { COMMAND } from '../../../src-main/spec/dsa/commands.ts';
import { Kvm } from '../../../src-main/vmm/kvm/kvm.ts';
import { Vm } from '../../../src-main/vmm/vm.ts';
import { createVdev, moveWords, type IdxdHost } from '../linux-idxd.ts';

const MIB = 2 ** 20;
const CMD = 0xa0;
const CMDSTATUS = 0xa8;
const IA32_PASID = 0xd93;
const VALID = 2n ** 31n;
const GUEST_PASID = 101;
const PRIVILEGED = 2 ** 31;

export function vmScene(host: IdxdHost): Vm {
  const vdev = createVdev(host, 'dsa-1swq-v1', 2);
  const vm = new Vm(new Kvm(host.kernel), { name: 'vm0', memoryBytes: 40 * MIB, vcpus: 1 });
  const plugged = vm.plug(vdev.uuid);
  if (IS_ERR(plugged)) throw new Error(`plug: ${plugged}`);
  const guest = vm.boot();
  const dev = defined(guest.pci.deviceAt(plugged.rid), 'The VDEV in the guest');
  guest.pci.pci_enable_device(dev);
  guest.pci.pci_set_master(dev);
  guest.msix.pci_alloc_irq_vectors(dev, 2, 2);
  for (const entry of [0, 1]) {
    guest.irqs.request_irq(guest.msix.pci_irq_vector(dev, entry), () => undefined, `dsa-${entry}`);
  }
  const bar0 = guest.pci.pci_resource_start(dev, 0);
  const portals = guest.pci.pci_resource_start(dev, 2);
  const command = (code: number, operand = 0): number => {
    guest.io.writel(((code << 20) | operand) >>> 0, bar0 + CMD);
    return (guest.io.readl(bar0 + CMDSTATUS) >>> 8) & 0xffff;
  };
  command(COMMAND.enableDevice);
  command(COMMAND.enableWq);
  const handle = command(COMMAND.requestInterruptHandle, 1);
  const page = guest.pages.alloc(2, { owner: 'copy' });
  vm.qemu.vm.setPasid(GUEST_PASID, vdev.pasids.default);
  vm.port.writeMsr(0, IA32_PASID, VALID | BigInt(GUEST_PASID));
  const words = moveWords({
    from: page,
    to: page + 4096,
    bytes: 32,
    record: page + 64,
    handle,
    pasid: GUEST_PASID,
  });
  // The guest's kernel asks for the interrupt: user descriptors may not (GENCFG).
  words[0] = ((words[0] ?? 0) | PRIVILEGED) >>> 0;
  const answer = vm.port.enqcmds(0, portals + 0x1000, words);
  if (answer !== 'accepted') throw new Error(`ENQCMDS in the guest: ${answer}`);
  guest.core.advance(1_000_000);
  return vm;
}
