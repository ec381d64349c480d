import { describe, expect, it } from 'vitest';
import { EXTENDED_CAPABILITY_ID } from '../../../../../src-main/spec/pcie/capability-id.ts';
import { COMMAND } from '../../../../../src-main/spec/dsa/commands.ts';
import { GroupConfig } from '../../../../../src-main/spec/dsa/group-config.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { WqConfig } from '../../../../../src-main/spec/dsa/wq-config.ts';
import { EventQueue } from '../../../../../src-main/sim/core/event-queue.ts';
import { StateHash } from '../../../../../src-main/sim/core/hash.ts';
import { Trace } from '../../../../../src-main/sim/core/trace.ts';
import type { DsaSriovConfig } from '../../../../../src-main/sim/devices/dsa/config.ts';
import { createDsaDevice } from '../../../../../src-main/sim/devices/dsa/dsa-device.ts';
import {
  SriovDsa,
  type DsaVirtualFunction,
} from '../../../../../src-main/sim/devices/dsa/sriov-dsa.ts';
import type { FunctionHost, PcieFunction } from '../../../../../src-main/sim/pcie/ports.ts';
import { RECORD, descriptor } from '../../../../support/dsa-driver.ts';
import { FakeUpstreamPort } from '../../../../support/fake-upstream-port.ts';

const PF = 0x6a08;
const SRIOV = 0x280;
const BYTES = 0x4_0000;

class FakeHost implements FunctionHost {
  readonly functions = new Map<number, PcieFunction>();
  readonly ports = new Map<number, FakeUpstreamPort>();
  moved = 0;

  portOf(rid: number): FakeUpstreamPort {
    const port = this.ports.get(rid) ?? new FakeUpstreamPort(BYTES, rid);
    this.ports.set(rid, port);
    return port;
  }

  find(rid: number): PcieFunction | undefined {
    return this.functions.get(rid);
  }

  add(rid: number, device: PcieFunction): void {
    this.functions.set(rid, device);
  }

  remove(rid: number): void {
    this.functions.delete(rid);
  }

  barsMoved(): void {
    this.moved++;
  }
}

interface Setup {
  readonly host: FakeHost;
  readonly queue: EventQueue;
  readonly trace: Trace;
  readonly pf: SriovDsa;
}

function build(sriov: DsaSriovConfig = {}, taken: readonly number[] = []): Setup {
  const trace = new Trace({ mode: 'store' });
  const queue = new EventQueue(trace);
  const host = new FakeHost();
  const pf = createDsaDevice({
    name: 'dsa0',
    config: { sriov },
    port: host.portOf(PF),
    queue,
    trace,
    functions: host,
  });
  if (!(pf instanceof SriovDsa)) {
    throw new Error('Not the SR-IOV form');
  }
  taken.forEach((rid) => {
    host.add(rid, pf);
  });
  return { host, queue, trace, pf };
}

function enable({ pf }: Setup, count: number): readonly DsaVirtualFunction[] {
  pf.configWrite(SRIOV + 0x10, 2, count);
  pf.configWrite(SRIOV + 0x24, 4, 0x4000_0000);
  pf.configWrite(SRIOV + 0x2c, 4, 0x5000_0000);
  pf.configWrite(SRIOV + 0x08, 2, 0b1001);
  return pf.virtualFunctions;
}

function command({ queue }: Setup, vf: DsaVirtualFunction, code: number, operand = 0): number {
  vf.mmioWrite(0, 0xa0, 4, BigInt((code << 20) | operand));
  while (vf.mmioRead(0, 0xa8, 4) >> 31n === 1n && queue.runNext(Number.POSITIVE_INFINITY));
  return Number(vf.mmioRead(0, 0xa8, 4) & 0xffn);
}

/** Sets a virtual function up like any other device. */
function setUp(setup: Setup, vf: DsaVirtualFunction): void {
  vf.configWrite(0x04, 2, 0b100);
  const offsets = vf.mmioRead(0, 0x60, 8);
  const table = (index: number): number =>
    Number((offsets >> BigInt(index * 16)) & 0xffffn) * 0x100;
  const write = (at: number, words: Uint32Array): void => {
    words.forEach((word, i) => {
      vf.mmioWrite(0, at + 4 * i, 4, BigInt(word));
    });
  };
  write(table(0), GroupConfig.encode({ wqs: 1n, engines: 1n, readBuffersAllowed: 12 }));
  write(
    table(1),
    WqConfig.encode({
      size: 16,
      mode: 1,
      priority: 1,
      maxTransferShift: 20,
      maxBatchShift: 5,
    }).subarray(0, 8),
  );
  expect(command(setup, vf, COMMAND.enableDevice)).toBe(0);
  expect(command(setup, vf, COMMAND.enableWq)).toBe(0);
}

const MOVE = descriptor(
  OPCODE.memoryMove,
  { source: 0x1000n, destination: 0x8000n, size: 64, recordAddress: 0x2000n },
  RECORD,
);

describe('SR-IOV form of the accelerator', () => {
  it('offers SR-IOV in place of Scalable IOV and IMS', () => {
    const { pf } = build();
    const ids: number[] = [];
    for (let at = 0x100; at !== 0; at = pf.configRead(at, 4) >>> 20) {
      ids.push(pf.configRead(at, 4) & 0xffff);
    }
    expect(ids).toContain(EXTENDED_CAPABILITY_ID.singleRootIov);
    expect(ids).not.toContain(EXTENDED_CAPABILITY_ID.designatedVendorSpecific);
    expect(Number(pf.mmioRead(0, 0x10, 4) >> 25n) & 0x3f).toBe(0);
    expect([
      pf.configRead(SRIOV + 0x0c, 2),
      pf.configRead(SRIOV + 0x0e, 2),
      pf.configRead(SRIOV + 0x1a, 2),
    ]).toEqual([8, 8, 0x0b25]);
  });

  it('creates virtual functions with Requester IDs and BAR slices of their own', () => {
    const setup = build();
    const vfs = enable(setup, 4);
    expect(vfs.map((vf) => vf.rid)).toEqual([PF + 1, PF + 2, PF + 3, PF + 4]);
    expect([...setup.host.functions.keys()]).toEqual([PF + 1, PF + 2, PF + 3, PF + 4]);
    expect(vfs.map((vf) => vf.barAddress(0))).toEqual([
      0x4000_0000, 0x4001_0000, 0x4002_0000, 0x4003_0000,
    ]);
    expect(vfs.map((vf) => vf.barAddress(2))).toEqual([
      0x5000_0000, 0x5000_4000, 0x5000_8000, 0x5000_c000,
    ]);
    expect(vfs[0]?.barBytes).toEqual([0x1_0000, 0, 0x4000, 0, 0, 0]);
    expect(
      vfs.every(
        (vf) => vf.isVirtual && vf.configRead(0, 4) === 0xffff_ffff && vf.configRead(0x10, 4) === 0,
      ),
    ).toBe(true);
    expect(setup.host.moved).toBeGreaterThan(0);
  });

  it('tells the size of a slice and follows the system page size', () => {
    const setup = build();
    setup.pf.configWrite(SRIOV + 0x2c, 4, 0xffff_ffff);
    expect(setup.pf.configRead(SRIOV + 0x2c, 4)).toBe(0xffff_c00c);
    setup.pf.configWrite(SRIOV + 0x20, 4, 0x10);
    expect(setup.pf.apertureBytes(2)).toBe(0x1_0000);
    setup.pf.configWrite(SRIOV + 0x34, 4, 0xffff_ffff);
    expect(setup.pf.configRead(SRIOV + 0x34, 4)).toBe(0);
  });

  it('lets numbers change only while no virtual function exists', () => {
    const setup = build();
    enable(setup, 2);
    setup.pf.configWrite(SRIOV + 0x10, 2, 4);
    expect(setup.pf.configRead(SRIOV + 0x10, 2)).toBe(2);
    setup.pf.configWrite(SRIOV + 0x08, 2, 0);
    expect(setup.host.functions.size).toBe(0);
    setup.pf.configWrite(SRIOV + 0x10, 2, 9);
    expect(setup.pf.configRead(SRIOV + 0x10, 2)).toBe(2);
    setup.pf.configWrite(SRIOV + 0x10, 2, 8);
    expect(setup.pf.configRead(SRIOV + 0x10, 2)).toBe(8);
  });

  it('cannot create functions whose Requester ID is taken or beyond the bus', () => {
    const setup = build({ stride: 0x60 }, [PF + 1]);
    expect(enable(setup, 4).map((vf) => vf.rid)).toEqual([PF + 1 + 0x60, PF + 1 + 0xc0]);
  });

  it('answers at no address while VF Memory Space Enable is 0', () => {
    const setup = build();
    const [vf] = enable(setup, 1);
    setup.pf.configWrite(SRIOV + 0x08, 2, 0b0001);
    expect(vf?.barAddress(0)).toBe(0);
  });

  it('moves data under the Requester ID of the virtual function, without PASID', () => {
    const setup = build();
    const vfs = enable(setup, 2);
    vfs.forEach((vf, i) => {
      setUp(setup, vf);
      const port = setup.host.portOf(vf.rid);
      port.memory.fill(i + 1, 0x1000, 0x1040);
      port.isRecording = true;
      expect(vf.blockWrite(2, 0, MOVE, 'posted')).toBe('accepted');
    });
    while (setup.queue.runNext(Number.POSITIVE_INFINITY));
    vfs.forEach((vf, i) => {
      const port = setup.host.portOf(vf.rid);
      expect(port.memory[0x8000]).toBe(i + 1);
      expect(port.memory[0x2000]).toBe(1);
      expect(port.accesses.every((a) => a.pasid === -1)).toBe(true);
    });
    expect(setup.host.portOf(PF).memory.every((b) => b === 0)).toBe(true);
  });

  it('has only dedicated queues: two virtual functions cannot share one', () => {
    const setup = build();
    const [vf] = enable(setup, 1);
    expect(Number(vf?.mmioRead(0, 0x24, 4) ?? 0n) & 0b1_0000_0000_0000_0000).toBe(0);
    expect((Number(vf?.mmioRead(0, 0x20, 8) ?? 0n) / 2 ** 49) & 1).toBe(1);
    expect(vf?.blockWrite(2, 0, MOVE, 'deferrable')).toBe('retry');
  });

  it('resets one virtual function without touching its sibling', () => {
    const setup = build();
    const [first, second] = enable(setup, 2) as [DsaVirtualFunction, DsaVirtualFunction];
    setUp(setup, first);
    setUp(setup, second);
    const before = new StateHash();
    before.value(second.snapshot());
    first.configWrite(0x48, 2, 0x8000);
    const after = new StateHash();
    after.value(second.snapshot());
    expect(after.digest()).toBe(before.digest());
    expect(first.inspect.deviceState).toBe(0);
    expect(second.inspect.deviceState).toBe(1);
    expect(setup.pf.virtualFunctions).toHaveLength(2);
  });

  it('loses all virtual functions with a reset of the physical one', () => {
    const setup = build();
    const [vf] = enable(setup, 2) as [DsaVirtualFunction];
    setUp(setup, vf);
    setup.pf.configWrite(0x48, 2, 0x8000);
    expect(setup.host.functions.size).toBe(0);
    expect(setup.pf.configRead(SRIOV + 0x08, 2)).toBe(0);
    expect(vf.inspect.deviceState).toBe(0);
  });

  it('lets all functions share the data path', () => {
    const setup = build();
    const vfs = enable(setup, 4);
    const big = descriptor(
      OPCODE.fill,
      { pattern: 1n, destination: 0x1_0000n, size: 0x1_0000, recordAddress: 0x2000n },
      RECORD,
    );
    vfs.forEach((vf) => {
      setUp(setup, vf);
    });
    const start = setup.queue.nowNs;
    vfs.forEach((vf) => vf.blockWrite(2, 0, big, 'posted'));
    while (setup.queue.runNext(Number.POSITIVE_INFINITY));
    expect((4 * 0x1_0000) / (setup.queue.nowNs - start)).toBeLessThan(33.4);
  });

  it('restores virtual functions and their state on a new machine', () => {
    const setup = build();
    const [vf] = enable(setup, 3) as [DsaVirtualFunction];
    setUp(setup, vf);
    vf.blockWrite(2, 0, MOVE, 'posted');
    const twin = build();
    twin.pf.restore(setup.pf.snapshot());
    twin.queue.restore(setup.queue.snapshot());
    expect(twin.pf.virtualFunctions.map((v) => v.rid)).toEqual([PF + 1, PF + 2, PF + 3]);
    while (twin.queue.runNext(Number.POSITIVE_INFINITY));
    expect(twin.host.portOf(PF + 1).memory[0x2000]).toBe(1);
    const empty = build();
    enable(empty, 5);
    empty.pf.restore(build().pf.snapshot());
    expect(empty.host.functions.size).toBe(0);
  });
});
