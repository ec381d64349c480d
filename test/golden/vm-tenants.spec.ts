/**
 * 64 VMs on one shared queue of one accelerator. Each submits by ENQCMDS under the same PASID of its own, which the CPU
 * translates; one Requester ID and one context entry serve all of them.
 */
import { describe, expect, it } from 'vitest';
import { STATUS } from '../../src-main/spec/dsa/status-codes.ts';
import { goldenLines } from '../support/golden-lines.ts';
import {
  bootGuest,
  bootIdxdVms,
  enableGuestDevice,
  enableGuestQueue,
  listenToCompletions,
  plugVdev,
  prepareCopy,
  type IdxdGuest,
  type IdxdVmLab,
} from '../support/vm-idxd.ts';
import { dsaDevice } from '../support/linux-idxd.ts';

const TENANTS = 64;
const GUEST_PASID = 1;
const VALID = 2n ** 31n;
const IA32_PASID = 0xd93;
const LIMITED_PORTAL = 0x1000;
const MIB = 2 ** 20;
const MANY = 2 ** 30;
/** 64 kernels boot. */
const LONG_MS = 120_000;

interface Tenant extends IdxdGuest {
  readonly completions: ReturnType<typeof listenToCompletions>;
  readonly portal: number;
}

function tenant(lab: IdxdVmLab, n: number): Tenant {
  const guest = bootGuest(plugVdev(lab, 'dsa-1swq-v1', n));
  const completions = listenToCompletions(guest);
  enableGuestDevice(guest);
  enableGuestQueue(guest);
  const { vm, host } = guest;
  vm.qemu.vm.setPasid(GUEST_PASID, host.pasids.default);
  vm.port.writeMsr(0, IA32_PASID, VALID | BigInt(GUEST_PASID));
  const portal = guest.guest.pci.pci_resource_start(guest.dev, 2) + LIMITED_PORTAL;
  return { ...guest, completions, portal };
}

describe('64 VMs on one accelerator', () => {
  it(
    'move their data as recorded, each under its own PASID, with no exit on the way',
    async () => {
      const lab = bootIdxdVms({
        // Nobody looks back at this run.
        recorder: { recordsPerKeyframe: MANY, stimuliPerKeyframe: MANY },
        memory: { bytes: 4096 * MIB },
        cpus: 5,
        devices: [dsaDevice({ wqs: 1 })],
        wqs: [{ mode: 'shared', type: 'mdev', size: 128, threshold: 127 }],
      });
      const tenants = Array.from({ length: TENANTS }, (_, n) => tenant(lab, n + 1));
      const pasids = tenants.map(({ host }) => host.pasids.default);
      expect(new Set(pasids).size).toBe(TENANTS);
      expect([lab.idxd.ims?.used, lab.idxd.wqs[0]?.clients]).toEqual([TENANTS, TENANTS]);
      const handles = tenants.map(({ completions }) => completions.handle);
      expect(new Set(handles).size).toBe(TENANTS);

      const copies = tenants.map((t, n) =>
        prepareCopy(t, `secret of tenant ${n}`, {
          handle: t.completions.handle,
          pasid: GUEST_PASID,
        }),
      );
      // Running another VM on the same CPU is an exit of the one before; the submission itself is none.
      const from = lab.machine.trace.head;
      tenants.forEach(({ vm, portal, guest }, n) => {
        vm.port.memoryRead64(0x1000);
        const words = copies[n]?.words ?? new Uint32Array(16);
        const exits = vm.exitsDuring(() => {
          expect(vm.port.enqcmds(0, portal, words)).toBe('accepted');
          guest.core.advance(50_000);
        });
        expect(exits).toEqual({});
      });
      tenants.forEach((t, n) => {
        t.guest.core.settle();
        expect([copies[n]?.status(), copies[n]?.result(), t.completions.count()]).toEqual([
          STATUS.success,
          `secret of tenant ${n}`,
          1,
        ]);
      });
      const rows = lab.rowsFrom(from);
      const enqueued = rows.filter((row) => row.kind === 'dsa.descriptor.enqueued');
      expect(enqueued.map((row) => row.values['pasid'])).toEqual(pasids);
      expect(rows.filter((row) => row.kind === 'iommu.fault.recorded')).toEqual([]);
      const contexts = lab.rows('linux.context-entry.written').map((row) => row.values['address']);
      expect(new Set(contexts).size).toBe(1);
      await expect(`${goldenLines(rows).join('\n')}\n`).toMatchFileSnapshot(
        './vm-tenants.golden.jsonl',
      );

      tenants.forEach(({ vm }) => vm.kill());
      expect([lab.idxd.ims?.used, lab.kernel.userPages.pinnedPages]).toEqual([0, 0]);
      const table = lab.kernel.iommu.driver?.info(lab.dev)?.pasidTable;
      expect(pasids.filter((pasid) => table?.read(pasid).P === 1)).toEqual([]);
      expect(lab.idxd.wqs[0]?.read().state).toBe(1);
    },
    LONG_MS,
  );
});
