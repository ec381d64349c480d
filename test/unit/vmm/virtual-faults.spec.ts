/** What a guest's own tables refuse is recorded in the guest's unit, with the guest's numbers. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../src-main/bits/invariant.ts';
import { MAP } from '../../../src-main/linux/mm/mm.ts';
import { FLAG } from '../../../src-main/spec/dsa/descriptor.ts';
import { FSTS_REG } from '../../../src-main/spec/vtd/registers/fault.ts';
import { IQT_REG } from '../../../src-main/spec/vtd/registers/invalidation-queue.ts';
import { wqAt } from '../../support/linux-idxd.ts';
import {
  bootVsva,
  guestMove,
  openGuestApp,
  startGuest,
  type VsvaApp,
  type VsvaGuest,
  type VsvaLab,
} from '../../support/linux-vsva.ts';

const NO_WRITE_PERMISSION = 0x85;
const READ = 1;
const FECTL = 0x38;
const IM = 2n ** 31n;
const RECORDS = 8;

/** A queue that asks for no translations ahead: what it may not do, the unit refuses and records. */
function boot(profile: 'kvmforum2019' | 'iommufd'): VsvaLab {
  const lab = bootVsva(profile, ['shared']);
  const { name } = wqAt(lab, 0);
  for (const [path, text] of [
    ['drivers/dsa/unbind', name],
    [`devices/${name}/block_on_fault`, '0'],
    [`devices/${name}/ats_disable`, '1'],
    ['drivers/dsa/bind', name],
  ] as const) {
    expect(lab.sysfsWrite(`bus/dsa/${path}`, text)).toBeGreaterThan(0);
  }
  return lab;
}

/** A move onto a page that the guest's process may only read. */
function refused(own: VsvaGuest, app: VsvaApp): number {
  const { calls, instructions, core } = own.guest;
  const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.POPULATE;
  const to = calls.mmap(app.process, { length: 4096, prot: READ, flags, fd: -1, offset: 0 });
  app.process.mm.write(app.memory, Uint8Array.of(1));
  const words = guestMove(app, { to });
  words[1] = ((words[1] ?? 0) & ~FLAG.blockOnFault) >>> 0;
  expect(instructions.enqcmd(app.process, app.portal, words)).toBe('accepted');
  core.advance(200_000);
  return to;
}

function statusOf({ viommu }: VsvaGuest): ReturnType<typeof FSTS_REG.decode> {
  return FSTS_REG.decode(Uint32Array.of(Number(viommu.read(FSTS_REG.offset, 4))));
}

function logged(lab: VsvaLab, text: string): number {
  return lab.rows('linux.fault.logged').filter((r) => String(r.values['text']).includes(text))
    .length;
}

describe('faults of a guest’s first stage', () => {
  it('reach the guest’s log with its own numbers, and its driver clears them', () => {
    const lab = boot('kvmforum2019');
    const own = startGuest(lab, 1, 'shared');
    const app = openGuestApp(own, 'app');
    const page = refused(own, app);
    const [recorded] = lab.rows('vmm.viommu.fault-recorded');
    expect(recorded?.values).toMatchObject({
      reason: NO_WRITE_PERMISSION,
      rid: own.dev.rid,
      pasid: app.process.mm.pasid,
      address: BigInt(page),
    });
    own.guest.core.settle();
    expect(statusOf(own)).toMatchObject({ PPF: 0, PFO: 0 });
    const { pasid } = app.process.mm;
    expect(logged(lab, `PASID 0x${(pasid ?? 0).toString(16)}] Request device [00:03.0]`)).toBe(1);
  });

  it('wait in its registers while it masks the event, and overflow there alone', () => {
    const lab = boot('kvmforum2019');
    const [own, other] = [1, 2].map((n) => startGuest(lab, n, 'shared'));
    const mine = defined(own, 'Guest');
    const app = openGuestApp(mine, 'app');
    mine.viommu.write(FECTL, 4, IM);
    for (let n = 0; n <= RECORDS; n++) {
      refused(mine, app);
    }
    expect(statusOf(mine)).toMatchObject({ PPF: 1, PFO: 1, FRI: 0 });
    expect(lab.rows('vmm.viommu.fault-recorded')).toHaveLength(RECORDS);
    expect(lab.rows('vmm.viommu.fault-lost')).toHaveLength(1);
    expect(statusOf(defined(other, 'Other'))).toMatchObject({ PPF: 0, PFO: 0 });
    // The message that was held back goes out, and the guest's driver empties the log.
    mine.viommu.write(FECTL, 4, 0n);
    mine.guest.core.settle();
    expect(statusOf(mine)).toMatchObject({ PPF: 0, PFO: 0 });
  });

  it('stay in the host’s log under iommufd, which has no queue for them on VT-d', () => {
    const lab = boot('iommufd');
    const own = startGuest(lab, 1, 'shared');
    const app = openGuestApp(own, 'app');
    refused(own, app);
    expect(logged(lab, 'No write permission')).toBe(1);
    expect(lab.rows('vmm.viommu.fault-recorded')).toEqual([]);
  });
});

describe('a guest’s invalidation queue that stops', () => {
  it.each(['kvmforum2019', 'iommufd'] as const)('is an error of its own status: %s', (profile) => {
    const lab = bootVsva(profile, ['shared']);
    const { viommu } = startGuest(lab, 1, 'shared');
    viommu.write(FECTL, 4, IM);
    viommu.write(IQT_REG.offset, 8, 0x7_fff0n);
    expect(FSTS_REG.decode([Number(viommu.read(FSTS_REG.offset, 4))])).toMatchObject({ IQE: 1 });
    // Held back by the mask, and no longer due once software cleared its cause.
    expect(viommu.read(FECTL, 4) & (1n << 30n)).not.toBe(0n);
    viommu.write(IQT_REG.offset, 8, viommu.read(0x80, 8));
    viommu.write(FSTS_REG.offset, 4, 0x10n);
    expect(viommu.read(FECTL, 4) & (1n << 30n)).toBe(0n);
  });
});
