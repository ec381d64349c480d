/** Row 71, attack 8.2b: ring pairs that share a page of the device. Scalable IOV section 3.1; siov-stack 8.2b. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { EINVAL } from '../../../../src-main/linux/errno.ts';
import { EXIT_REASON } from '../../../../src-main/spec/cpu/vm-exit.ts';
import { BANK_BYTES, SMALLEST_BANK_BYTES } from '../../../../src-main/spec/qat/registers.ts';
import { createAndOpen } from '../../../support/linux-siov.ts';
import { bootQatVms, QatGuest, type QatVmLab } from '../../../support/vm-qat.ts';

/** Two banks of two halves in a page. */
const PACKED = 0x800;
const PROFILES = ['kvmforum2019', 'iommufd'] as const;

type Profile = (typeof PROFILES)[number];

function boot(profile: Profile, bankBytes: number): QatVmLab {
  return bootQatVms({ profile, device: { ringPairs: 8, bankBytes } });
}

const sha256 = (text: string): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(text).digest());

describe.each(PROFILES)('row 71: 8.2b, two ADIs in one page (%s)', (profile) => {
  it('cannot be mapped by their users: the region offers nothing and mmap is EINVAL', () => {
    const lab = boot(profile, PACKED);
    const open = createAndOpen(lab, 'vqat_sym', 1);
    const { flags } = open.user.regionInfo(open.fd, 0).values;
    // VFIO_REGION_INFO_FLAG_MMAP
    expect(flags & 4).toBe(0);
    expect(open.user.mmap(open.fd, 0)).toBe(-EINVAL);
  });

  it('work in the slow path like others in the fast one, for one exit a doorbell', () => {
    const packed = new QatGuest(boot(profile, PACKED), 1);
    const parted = new QatGuest(boot(profile, BANK_BYTES), 1);
    const exits = [packed, parted].map((guest) => {
      guest.start();
      expect(guest.hash('warm')).toEqual(sha256('warm'));
      return guest.vm.exitsDuring(() => {
        expect(guest.hash('abc')).toEqual(sha256('abc'));
      });
    });
    expect(exits).toEqual([{ [EXIT_REASON.eptMisconfiguration]: 1 }, {}]);
    expect(parted.plugged.mappedAreas).toHaveLength(1);
  });
});

describe('banks of every size', () => {
  const sizes = [BANK_BYTES, 0x1000, PACKED, SMALLEST_BANK_BYTES];

  it.each(sizes)('%i bytes: the driver finds the layout, also with one ring pair', (bankBytes) => {
    for (const ringPairs of [1, 2, 8]) {
      const lab = bootQatVms({ device: { ringPairs, bankBytes } });
      const [qat] = lab.kernel.qat.devices;
      expect(qat?.bankBytes).toBe(bankBytes);
      expect(qat?.pairs.every((pair) => pair.isPageItsOwn)).toBe(bankBytes === BANK_BYTES);
    }
  });

  it.each(sizes)('%i bytes: a guest works', (bankBytes) => {
    const lab = bootQatVms({ device: { ringPairs: 8, bankBytes } });
    const guest = new QatGuest(lab, 1);
    guest.start();
    expect(guest.hash('abc')).toEqual(sha256('abc'));
  });
});
