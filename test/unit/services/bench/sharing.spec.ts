/** Sharing one adapter both ways on real machines: costs, proof by packets, limits. */
import { describe, expect, it } from 'vitest';
import {
  findLimit,
  measureSharing,
  runSharing,
} from '../../../../src-main/services/bench/sharing.ts';
import {
  DEFAULT_SHARING,
  type SharingSettings,
} from '../../../../src-main/services/bench/sharing-machine.ts';

const SMALL: SharingSettings = {
  ...DEFAULT_SHARING,
  queuePairs: 24,
  totalVfs: 16,
  cpus: 2,
  memoryBytes: 128 * 2 ** 20,
};

describe('five tenants', () => {
  it('by SR-IOV are functions with configuration space, context entries and BARs', () => {
    expect(measureSharing('sriov', 5, SMALL)).toMatchObject({
      functions: 5,
      configSpaceBytes: 5 * 4096,
      contextEntries: 5,
      pasidEntries: 5,
      vectors: 5,
      barBytes: 5 * 16_384,
      packetsDelivered: 5,
      disturbedByOneMore: 5,
    });
  });

  it('by Scalable IOV are PASID entries, IMS entries and pages of one function', () => {
    expect(measureSharing('siov', 5, SMALL)).toMatchObject({
      functions: 0,
      configSpaceBytes: 0,
      contextEntries: 0,
      pasidEntries: 5,
      pasidTableBytes: 0,
      vectors: 5,
      barBytes: 5 * 4096,
      hostSetup: { configReads: 0, configWrites: 0 },
      packetsDelivered: 5,
      disturbedByOneMore: 0,
    });
  });

  it('drive their queues with the same accesses either way', () => {
    const costs = [measureSharing('sriov', 5, SMALL), measureSharing('siov', 5, SMALL)];
    expect(costs[0]?.tenantSetup).toEqual(costs[1]?.tenantSetup);
    expect(costs[0]?.hostSetup.configWrites).toBeGreaterThan(10);
  });
});

describe('the limit', () => {
  it.each([
    ['TotalVFs', 'sriov', {}, 16],
    ['queue pairs', 'siov', {}, 24],
    [
      'Requester IDs on the buses of the port',
      'sriov',
      { queuePairs: 300, totalVfs: 300, extraBuses: 0, cpus: 4 },
      0xff - 7,
    ],
    ['IMS entries', 'siov', { queuePairs: 300, imsEntries: 256, cpus: 4 }, 256],
    ['CPU vectors', 'siov', { queuePairs: 300, cpus: 1 }, undefined],
  ] as const)('is %s for %s', (stoppedBy, technology, settings, maxTenants) => {
    const limit = findLimit(technology, { ...SMALL, ...settings });
    expect(limit.stoppedBy).toBe(stoppedBy);
    expect(limit.maxTenants).toBe(maxTenants ?? limit.maxTenants);
    expect(limit.maxTenants).toBeGreaterThan(0);
  });
});

describe('the report', () => {
  it('leaves out what cannot exist and is the same every time', () => {
    const report = runSharing([1, 20], SMALL);
    expect(report.tenants.map((t) => [t.n, t.sriov === null, t.siov === null])).toEqual([
      [1, false, false],
      [20, true, false],
    ]);
    expect(report.limits.siov.maxTenants).toBeGreaterThan(report.limits.sriov.maxTenants);
    expect(runSharing([1, 20], SMALL)).toEqual(report);
  });
});
