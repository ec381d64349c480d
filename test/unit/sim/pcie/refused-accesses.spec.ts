/** Accesses that go nowhere are told: by CPUs, by functions to each other, by functions that may not send. */
import { describe, expect, it } from 'vitest';
import { Fabric } from '../../../../src-main/sim/pcie/fabric.ts';
import { COMPLETION, createMemoryRequest } from '../../../../src-main/sim/pcie/ports.ts';
import {
  ACCESS_UNCLAIMED,
  BUS_MASTER_DISABLED,
  PEER_ACCESS_REFUSED,
} from '../../../../src-main/spec/events/platform.ts';
import { HOLE, IommuBench } from '../../../support/iommu-bench.ts';
import { bootLab } from '../../../support/linux-machine.ts';
import { QatDriver } from '../../../support/qat-driver.ts';
import { lastOf } from '../../../support/trace-records.ts';

const COMMAND = 0x04;
const MEMORY_SPACE_ALONE = 2;

describe('an access to nothing', () => {
  it('of a CPU is lost', () => {
    const { machine, hw } = bootLab();
    const nowhere = 0xf000_0000;
    hw.mmioWrite(nowhere, 4, 1n);
    expect(hw.mmioRead(nowhere, 4)).toBe(0xffff_ffffn);
    expect(lastOf(machine.trace, ACCESS_UNCLAIMED).values).toEqual({
      address: BigInt(nowhere),
      write: 1,
    });
  });

  it.each(['read', 'write'] as const)('of a function is refused: %s', (access) => {
    const bench = new IommuBench({ traceMode: 'store' });
    const fabric = new Fabric(bench.memory, bench.trace);
    fabric.connect(bench.unit);
    const request = { ...createMemoryRequest(), bytes: 8, low: HOLE };
    const status = fabric.portOf(0x0318)[access](request, new Uint8Array(8), 0);
    expect(status).toBe(COMPLETION.unsupportedRequest);
    expect(lastOf(bench.trace, PEER_ACCESS_REFUSED).values).toEqual({
      rid: 0x0318,
      address: BigInt(HOLE),
    });
  });

  it('of a function that is no bus master is not sent', () => {
    const driver = new QatDriver({ ringPairs: 2 });
    driver.setUpPair(0, 10);
    driver.device.configWrite(COMMAND, 2, MEMORY_SPACE_ALONE);
    driver.submit(0, { service: 0 });
    driver.run();
    expect(lastOf(driver.trace, BUS_MASTER_DISABLED).values).toEqual({ rid: driver.port.rid });
  });
});
