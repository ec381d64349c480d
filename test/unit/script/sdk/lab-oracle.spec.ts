import { describe, expect, it } from 'vitest';
import { reportsOf } from '../../../support/linux-script.ts';
import { REUSED_PAGE } from '../../../support/reused-page.ts';
import { vdevMachine } from '../../../support/vdev-script.ts';

const UNDEFENDED = { 'sva-invalidate': false };

describe('breaches of lab/oracle', () => {
  it('names who reached whose page, and how', () => {
    expect(reportsOf(REUSED_PAGE, { ...vdevMachine(), defences: UNDEFENDED })).toEqual({
      before: 0,
      after: 1,
      breach: 'kernel (domain1) write neighbour 6a08 true',
    });
  });

  it('has none where translations go with their pages', () => {
    expect(reportsOf(REUSED_PAGE, vdevMachine())).toEqual({ before: 0, after: 0 });
  });

  it('has none where the machine does not watch', () => {
    const options = { ...vdevMachine(), defences: UNDEFENDED, hasIsolationOracle: false };
    expect(reportsOf(REUSED_PAGE, options)).toEqual({ before: 0, after: 0 });
  });
});
