/**
 * The catalogues against the tests: every fault reason in every request class, every descriptor of the queue and every kind
 * of trace record of the unit is produced. A new row in a catalogue fails here until a scenario brings it about.
 */
import { describe, expect, it } from 'vitest';
import '../../../../src-main/sim/iommu/unit.ts';
import { eventCatalogue } from '../../../../src-main/spec/events/event.ts';
import { DESCRIPTOR_TYPE } from '../../../../src-main/spec/vtd/descriptors/queue-descriptor.ts';
import { REQUEST_CLASSES } from '../../../../src-main/spec/vtd/fault-reasons/fault-reason.ts';
import { allFaultReasons, faultReason } from '../../../../src-main/spec/vtd/faults.ts';
import { EVENT_STORIES } from '../../../support/iommu-event-stories.ts';
import { FAULT_SCENARIOS } from '../../../support/iommu-fault-scenarios.ts';
import {
  INTERRUPT_SCENARIOS,
  interruptUnit,
  sendInterrupt,
} from '../../../support/iommu-interrupt-scenarios.ts';
import { SID } from '../../../support/interrupt-bench.ts';
import { UR } from '../../../support/iommu-setup.ts';
import { QUEUE_SCENARIOS } from '../../../support/iommu-queue-scenarios.ts';
import { kindsOf } from '../../../support/trace-records.ts';

/** 29h is about requests that are no interrupts: `fault-recording.spec.ts` produces it. */
const NOT_AN_INTERRUPT = 'IR.29';

describe('fault reasons', () => {
  it('of requests are produced for every class that can meet them', () => {
    const produced = new Set(
      FAULT_SCENARIOS.flatMap(({ mnemonic, classes }) => {
        const { responses } = faultReason(mnemonic);
        const met = classes ?? REQUEST_CLASSES.filter((c) => responses[c] !== null);
        return met.map((c) => `${mnemonic} ${c}`);
      }),
    );
    const catalogued = allFaultReasons()
      .filter((reason) => reason.subject === 'request')
      .flatMap((reason) =>
        REQUEST_CLASSES.filter((c) => reason.responses[c] !== null).map(
          (c) => `${reason.mnemonic} ${c}`,
        ),
      );
    expect(catalogued.filter((row) => !produced.has(row))).toEqual([]);
    expect([...produced].filter((row) => !catalogued.includes(row))).toEqual([]);
  });

  it('of interrupts are produced', () => {
    const produced = new Set<string>(INTERRUPT_SCENARIOS.map((s) => s.mnemonic));
    const catalogued = allFaultReasons()
      .filter((reason) => reason.subject === 'interrupt')
      .map((reason) => reason.mnemonic);
    expect(catalogued.filter((m) => !produced.has(m))).toEqual([NOT_AN_INTERRUPT]);
  });

  it.each(INTERRUPT_SCENARIOS)('interrupt fault $mnemonic is recorded', (scenario) => {
    const bench = interruptUnit(scenario);
    const reason = faultReason(scenario.mnemonic);
    expect(sendInterrupt(bench, scenario)).toBe(UR);
    const index = reason.information === 'interrupt-index' ? (scenario.message ? 0x1ff : 4) : 0;
    expect(bench.records()).toHaveLength(1);
    expect(bench.recordAt(0)).toMatchObject({
      FR: reason.code,
      SID,
      FI: BigInt(index) << 48n,
      PP: 0,
    });
    expect(bench.messages).toEqual([]);
  });

  it('without damage an interrupt is delivered', () => {
    const bench = interruptUnit();
    expect(sendInterrupt(bench)).toBe(0);
    expect(bench.messages).toEqual([{ address: 0xfee0_3000n, data: 0x4041 }]);
  });
});

describe('descriptors of the invalidation queue', () => {
  it('are all tested', () => {
    expect(QUEUE_SCENARIOS.map((s) => s.type).sort()).toEqual(Object.keys(DESCRIPTOR_TYPE).sort());
  });
});

describe('trace records of the unit', () => {
  it.each(EVENT_STORIES)('$title', ({ kinds, tell }) => {
    const told = new Set(kindsOf(tell()));
    expect(kinds.filter((kind) => !told.has(kind))).toEqual([]);
  });

  it('are all produced by some story', () => {
    const told = new Set(EVENT_STORIES.flatMap((story) => story.kinds));
    const catalogued = eventCatalogue()
      .map((event) => event.kind)
      .filter((kind) => kind.startsWith('iommu.'));
    expect(catalogued.length).toBeGreaterThan(40);
    expect(catalogued.filter((kind) => !told.has(kind))).toEqual([]);
  });
});
