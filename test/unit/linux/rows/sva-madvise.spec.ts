import { describe, expect, it } from 'vitest';
import { EINVAL, ENOMEM } from '../../../../src-main/linux/errno.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import {
  anonymous,
  bootSva,
  lazyMove,
  openApp,
  PAGE,
  statusOf,
} from '../../../support/linux-sva.ts';

describe('row 52: memory that a process gives back with madvise', () => {
  it('leaves the caches of the device at once, comes back empty, and is then asked for again', () => {
    const lab = bootSva();
    const { kernel } = lab;
    const app = openApp(lab, 'app');
    const { process, memory } = app;
    const move = (at: number): void => {
      kernel.instructions.enqcmd(process, app.portal, lazyMove(app, { at }));
      kernel.core.advance(1_000_000);
      expect(statusOf(app, at)).toBe(STATUS.success);
    };
    process.mm.write(memory, new Uint8Array(64).fill(0x42));
    move(0);
    expect(process.mm.read(memory + PAGE, 64)).toEqual(new Uint8Array(64).fill(0x42));
    const bytes = kernel.pages.bytesInUse;
    const asked = lab.rows('iommu.page-group-response.sent').length;
    expect(kernel.calls.madvise(process, memory, 2 * PAGE)).toBe(0);
    expect(kernel.pages.bytesInUse).toBeLessThan(bytes);
    const heir = kernel.processes.create('heir');
    const inherited = anonymous(lab, heir, 2, true);
    heir.mm.write(inherited, new Uint8Array(2 * PAGE).fill(0xa5));
    move(1);
    expect(process.mm.read(memory + PAGE, 64)).toEqual(new Uint8Array(64));
    expect(lab.rows('iommu.page-group-response.sent').length).toBeGreaterThan(asked);
    expect(heir.mm.read(inherited, 2 * PAGE)).toEqual(new Uint8Array(2 * PAGE).fill(0xa5));
  });

  it('is whole pages of private memory: holes are ENOMEM, a portal and parts of pages EINVAL', () => {
    const lab = bootSva();
    const { process, memory, portal } = openApp(lab, 'app');
    const { calls } = lab.kernel;
    expect(calls.madvise(process, memory, PAGE / 2)).toBe(-EINVAL);
    expect(calls.madvise(process, memory + 1, PAGE)).toBe(-EINVAL);
    expect(calls.madvise(process, portal, PAGE)).toBe(-EINVAL);
    expect(calls.madvise(process, 0, PAGE)).toBe(-ENOMEM);
    expect(calls.madvise(process, memory, 0)).toBe(0);
  });
});
