/** Rows 71 and 21: stores to a portal that is trapped, by whoever has the VDEV open. Attacks 8.1d and 8.10 come this way. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { EINVAL } from '../../../../src-main/linux/errno.ts';
import {
  BAR,
  bootIdxd,
  bytesOfWords,
  createVdev,
  GUEST_RAM,
  moveWords,
  openVdev,
} from '../../../support/linux-idxd.ts';

const PROFILES = ['kvmforum2019', 'iommufd'] as const;
const PAGE = 4096;

describe.each(PROFILES)('the slow path of a shared queue (%s)', (profile) => {
  function twoTenants(isDefended: boolean) {
    const lab = bootIdxd({
      profile,
      wqs: [{ mode: 'shared', type: 'mdev' }],
      defences: { 'copy-once': isDefended },
    });
    const [first, second] = [1, 2].map((n) => {
      const vdev = createVdev(lab, 'dsa-1swq-v1', n);
      return { vdev, open: openVdev(lab, vdev, `vm${n}`) };
    });
    return { first: defined(first, 'First'), second: defined(second, 'Second') };
  }

  const bytesFor = (pasid: number): Uint8Array =>
    bytesOfWords(
      moveWords({
        from: GUEST_RAM,
        to: GUEST_RAM + PAGE,
        bytes: 64,
        record: GUEST_RAM + 2 * PAGE,
        pasid,
      }),
    );

  it('refuses a PASID of somebody else with EINVAL, and takes the default one', () => {
    const { first, second } = twoTenants(true);
    const { user, fd } = second.open;
    const foreign = bytesFor(first.vdev.pasids.default);
    expect(user.write(fd, BAR.portals, 0, foreign)).toBe(-EINVAL);
    expect(user.write(fd, BAR.portals, 0, bytesFor(0))).toBe(64);
  });

  it.each([true, false])('forgets a slot that is whole, copied %s', (isDefended) => {
    const { first } = twoTenants(isDefended);
    const { user, fd } = first.open;
    const bytes = bytesFor(0);
    expect(user.write(fd, BAR.portals, 0, bytes.subarray(0, 32))).toBe(32);
    expect(first.vdev.portal.stagedSlots).toBe(1);
    expect(user.write(fd, BAR.portals, 32, bytes.subarray(32))).toBe(32);
    expect(first.vdev.portal.stagedSlots).toBe(0);
  });
});
