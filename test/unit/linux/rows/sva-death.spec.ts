import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../../src-main/sim/index.ts';
import { breachesOf } from '../../../support/isolation-breaches.ts';
import { wqAt, type IdxdLab } from '../../../support/linux-idxd.ts';
import { anonymous, bootSva, lazyMove, openApp, PAGE } from '../../../support/linux-sva.ts';

const DEATHS = 100;
const PAGES = 8;
/** Longer than the work of one process takes. */
const SPAN_NS = 30_000;

/** A process with work in the device dies after this time; who gets its pages finds them untouched. */
function death(lab: IdxdLab, n: number, afterNs: number): boolean {
  const { kernel } = lab;
  const { instructions, processes, core } = kernel;
  const app = openApp(lab, `app${n}`, n % 2);
  const source = anonymous(lab, app.process, PAGES, true);
  const destination = anonymous(lab, app.process, PAGES, n % 3 !== 0);
  for (let at = 0; at < 4; at++) {
    const plan = { from: source, to: destination, bytes: PAGES * PAGE, at };
    const words = lazyMove(app, plan);
    if (wqAt(lab, 0).isDedicated) {
      instructions.movdir64b(app.process, app.portal, words);
    } else {
      instructions.enqcmd(app.process, app.portal, words);
    }
  }
  core.advance(afterNs);
  processes.exit(app.process);
  const heir = processes.create(`heir${n}`);
  const inherited = anonymous(lab, heir, 2 * PAGES, true);
  const pattern = new Uint8Array(2 * PAGES * PAGE).fill(0xa5);
  heir.mm.write(inherited, pattern);
  core.advance(2 * SPAN_NS);
  const kept = heir.mm.read(inherited, pattern.length);
  processes.exit(heir);
  return typeof kept !== 'number' && kept.every((byte) => byte === 0xa5);
}

describe('row 53: death at any instant', () => {
  it.each(['shared', 'dedicated'] as const)(
    'of a process with work in a %s queue breaches nothing, leaks nothing, and leaves no fault',
    (mode) => {
      const lab = bootSva({ mode });
      const random = new SeededRandom(53);
      // Tables of PASIDs and of nothing else stay once they were needed.
      death(lab, DEATHS, SPAN_NS);
      const pasids = lab.kernel.pasids.inUse;
      const bytes = lab.kernel.pages.bytesInUse;
      const results = Array.from({ length: DEATHS }, (_, n) =>
        death(lab, n, random.below(SPAN_NS)),
      );
      expect(results.every(Boolean)).toBe(true);
      expect(breachesOf(lab)).toEqual([]);
      expect(lab.rows('iommu.fault.recorded')).toEqual([]);
      expect(lab.kernel.pasids.inUse).toBe(pasids);
      expect(lab.kernel.pages.bytesInUse).toBe(bytes);
      // Some died before their work was done, some after.
      const kinds = ['dsa.descriptor.completed', 'dsa.descriptor.failed'];
      expect(kinds.map((kind) => lab.rows(kind).length > 0)).toEqual([true, true]);
    },
  );
});
