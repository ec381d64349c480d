import { describe, expect, it } from 'vitest';
import { reportsOf } from '../../../support/linux-script.ts';
import { REUSED_PAGE } from '../../../support/reused-page.ts';
import { vdevMachine } from '../../../support/vdev-script.ts';

/** The first accelerator sends a message with a vector of its own choice. */
const FORGED_MESSAGE = `
import { pci_devices, pci_resource_start } from 'linux/pci';
import { mmio_write, advance } from 'hw';
import { breaches, interrupt_breaches, report } from 'lab/oracle';
const bar = pci_resource_start(pci_devices()[0]!, 0);
report('before', interrupt_breaches().length);
mmio_write(bar + 0x2000, 4, 0xfee00000);
mmio_write(bar + 0x2008, 4, 0x77);
mmio_write(bar + 0xa0, 4, 0x80300000);
advance(100_000);
const found = interrupt_breaches();
report('after', found.length);
for (const { principal, owner, rid, vector, arrival, path } of found)
  report('breach', [principal, owner, rid.toString(16), vector, arrival, path].join('; '));
report('pages', breaches().length);
`;

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

describe('interrupt breaches of lab/oracle', () => {
  const machine = (interrupt_remapping: boolean) => ({
    ...vdevMachine(),
    params: { modules: ['idxd'], interrupt_remapping },
  });

  it('name who raised whose vector, and how', () => {
    expect(reportsOf(FORGED_MESSAGE, machine(false))).toEqual({
      before: 0,
      after: 1,
      breach: 'kernel (driver of 6a:01.0); nobody (a free vector); 6a08; 119; CPU; interrupt table',
      pages: 0,
    });
  });

  it('are none where interrupts are remapped', () => {
    expect(reportsOf(FORGED_MESSAGE, machine(true))).toEqual({ before: 0, after: 0, pages: 0 });
  });
});
