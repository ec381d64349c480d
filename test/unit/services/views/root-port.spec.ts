/** A device below a root port, in the picture of the machine and in its configuration space. */
import { describe, expect, it } from 'vitest';
import { formatRid, ridRef } from '../../../../src-main/services/views/sections.ts';
import { makeView } from '../../../../src-main/services/views/views.ts';
import { parseBdf } from '../../../../src-main/linux/pci/pci-scan.ts';
import { bootLab, plainDevice } from '../../../support/linux-machine.ts';

const PORT = '6b:00.0';
const BELOW = '6d:00.0';

describe('a root port', () => {
  const { machine } = bootLab({
    devices: [
      { kind: 'root-port', name: 'slot', bdf: PORT, options: { secondaryBus: 0x6d } },
      plainDevice(BELOW),
    ],
  });
  const context = { machine, trace: machine.trace, at: machine.trace.head };

  it('has what is plugged in inside it, and leads to the remapping unit', () => {
    const [section] = makeView('topology', { ...context, params: {} }).sections;
    if (section?.kind !== 'topology') throw new Error('no picture');
    const nodeOf = (bdf: string) =>
      section.nodes.find((node) => node.subtitle === formatRid(parseBdf(bdf)));
    expect(nodeOf(BELOW)?.parent).toBe(nodeOf(PORT)?.id);
    const toUnit = section.edges.filter(({ to }) => to === 'iommu').map(({ from }) => from);
    expect(toUnit).toContain(nodeOf(PORT)?.id);
    expect(toUnit).not.toContain(nodeOf(BELOW)?.id);
  });

  it.each([
    [PORT, 'Buses', '0x6b, 0x6d'],
    [BELOW, 'Subsystem', '0000:0000'],
  ])('shows the header of its type: %s, %s', (bdf, key, value) => {
    const params = { rid: ridRef(parseBdf(bdf)) };
    const header = makeView('pci-config', { ...context, params }).sections.find(
      ({ id }) => id === 'header',
    );
    if (header?.kind !== 'keyvalue') throw new Error('no header');
    expect(header.rows.find((row) => row.key === key)?.value).toBe(value);
  });
});
