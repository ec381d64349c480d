import { describe, expect, it } from 'vitest';
import { OPCODE, OPERATIONS, findOperation } from '../../../../../src-main/spec/dsa/operations.ts';
import {
  decodeCompletionRecord,
  decodeDescriptor,
} from '../../../../../src-main/sim/devices/dsa/decode.ts';
import {
  DEDICATED,
  DsaDriver,
  RECORD,
  SHARED,
  descriptor,
} from '../../../../support/dsa-driver.ts';

const MOVE = descriptor(
  OPCODE.memoryMove,
  { pasid: 5, source: 0x1_0000n, destination: 0x2_0000n, size: 8192, recordAddress: 0x3000n },
  RECORD,
);

describe('decoding', () => {
  it('names the fields of an operation', () => {
    const decoded = decodeDescriptor(MOVE);
    expect(decoded).toMatchObject({ operation: 3, title: 'Memory Move' });
    expect(decoded.values).toMatchObject({
      pasid: 5,
      source: 0x1_0000n,
      destination: 0x2_0000n,
      size: 8192,
      requestRecord: 1,
    });
    const size = decoded.rows.find((row) => row.name === 'size');
    expect(size).toMatchObject({ bits: '[287:256]', value: '8192', isReserved: false });
  });

  it('marks reserved fields that are not zero', () => {
    const words = MOVE.slice();
    words[15] = 1;
    expect(decodeDescriptor(words).rows.filter((row) => row.isViolated)).toHaveLength(1);
  });

  it('falls back to the common part for unknown operations', () => {
    const decoded = decodeDescriptor(descriptor(0x3f, {}));
    expect(decoded.title).toBe('Operation 63');
    expect(decoded.values).toHaveProperty('address1');
  });

  it.each(OPERATIONS.map((o) => [o.title, o.code]))('round-trips %s', (_, code) => {
    const { descriptor: structure } = findOperation(code) ?? { descriptor: undefined };
    const random = Uint32Array.from({ length: 16 }, (__, i) => Math.imul(i + 1, 0x9e37_79b1) >>> 0);
    const values = structure?.decode(random) ?? {};
    const words = structure?.encode(values) ?? new Uint32Array();
    expect(structure?.decode(words)).toEqual(values);
    expect(structure?.violations(words, { has: () => true, width: () => 64 })).toEqual([]);
  });

  it('tells what a completion record says', () => {
    const record = decodeCompletionRecord(
      [0x0082_8003, 4096, 0x5000, 0, 0, 0, 0, 0],
      OPCODE.memoryMove,
    );
    expect(record).toMatchObject({
      status: 3,
      values: { write: 0, result: 0x80, operand: 1, bytesCompleted: 4096, faultAddress: 0x5000n },
    });
    expect(record.text?.title).toBe('page fault');
    expect(decodeCompletionRecord(new Uint32Array(8), OPCODE.crc).text).toBeUndefined();
  });
});

describe('inspection', () => {
  it('shows queues, groups, engines and portals', () => {
    const driver = new DsaDriver().setUp([DEDICATED, SHARED]);
    const { inspect } = driver.device;
    expect(inspect.wqs().map((wq) => [wq.index, wq.state, wq.group, wq.size])).toEqual([
      [0, 1, 0, 16],
      [1, 1, 0, 16],
      ...[2, 3, 4, 5, 6, 7].map((i) => [i, 0, -1, 0]),
    ]);
    expect(inspect.groups()[0]).toMatchObject({
      wqs: [0, 1],
      engines: [0, 1, 2, 3],
      config: { readBuffersAllowed: 96 },
    });
    expect(inspect.engines()).toHaveLength(4);
    expect(inspect.portals()).toHaveLength(32);
    expect(inspect.portals()[7]).toEqual({ wq: 1, page: 3, title: 'limited IMS', offset: 0x7000 });
    expect(inspect.deviceState).toBe(1);
    expect(inspect.msix()).toHaveLength(9);
    expect(inspect.imsCount).toBe(2048);
    expect(inspect.imsInUse()).toEqual([]);
    expect(inspect.configRegisters.get('PASID_CONTROL', 'ENABLE')).toBe(1);
    expect(inspect.registers.get('GENSTS', 'state')).toBe(1);
  });

  it('shows what waits, what runs and what is done', () => {
    const driver = new DsaDriver().setUp([DEDICATED, SHARED]);
    const { inspect } = driver.device;
    driver.submit(1, MOVE);
    expect(inspect.queued(1)).toMatchObject([{ pasid: 5, portal: 0, isPrivileged: false }]);
    expect(decodeDescriptor(inspect.queued(1)[0]?.words ?? []).title).toBe('Memory Move');
    driver.queue.runNext(Number.POSITIVE_INFINITY);
    expect(inspect.queued(1)).toEqual([]);
    expect(inspect.running()).toMatchObject([
      { wq: 1, pasid: 5, memberIndex: -1, bytesDone: 0, state: 'running' },
    ]);
    driver.run();
    expect(inspect.running()).toEqual([]);
    expect(inspect.completed()).toMatchObject([
      { number: 0, wq: 1, status: 1, isRecordWritten: true, memberIndex: -1 },
    ]);
    expect(inspect.completed()[0]?.endedNs).toBeGreaterThan(inspect.completed()[0]?.startedNs ?? 0);
  });

  it('keeps the last 256 descriptors', () => {
    const driver = new DsaDriver({ trace: { mode: 'off' } }).setUp();
    for (let i = 0; i < 300; i++) {
      driver.submit(0, descriptor(OPCODE.noop));
      driver.run();
    }
    const numbers = driver.device.inspect.completed().map((c) => c.number);
    expect([numbers.length, numbers[0], numbers.at(-1)]).toEqual([256, 44, 299]);
  });
});

describe('more work queues than silicon has', () => {
  it('work by the simulator extension', () => {
    const driver = new DsaDriver({ config: { wqs: 1024, totalWqSize: 4096 } });
    driver.setUpFunction();
    expect(driver.read(0x20) >>> 28).toBe(4);
    const wq = {
      size: 4,
      threshold: 4,
      priority: 1,
      maxTransferShift: 21,
      maxBatchShift: 5,
      ...DEDICATED,
    };
    for (let group = 0; group < 4; group++) {
      driver.writeGroup(group, {
        wqs: 0b1n,
        engines: 1n << BigInt(group),
        window: group,
        readBuffersAllowed: 24,
        readBuffersReserved: 24,
      });
      driver.writeWq(group * 256, { ...wq, pasid: group + 1 });
    }
    expect(driver.command(1).error).toBe(0);
    expect(driver.command(6, 0, 3 << 25).error).toBe(0);
    driver.port.isRecording = true;
    driver.submit(768, MOVE);
    driver.run();
    expect(driver.bytes(0x3000, 1)[0]).toBe(1);
    expect(driver.port.translations.every((t) => t.pasid === 4)).toBe(true);
    // Disable WQ: bitmap of sixteen, upper index bits beside it.
    expect(driver.command(7, 1, 3 << 25).error).toBe(0);
    expect(driver.readWq(768).state).toBe(0);
    driver.submit(768, MOVE);
    expect(driver.records('dsa.portal.ignored')).toHaveLength(1);
  });

  it('do not change the encodings of ordinary devices', () => {
    const driver = new DsaDriver({ config: { wqs: 255, totalWqSize: 2048 } }).setUp();
    expect(driver.read(0x20)).toBe(((255 << 16) | 2048) >>> 0);
    expect(driver.command(6, 0, 1 << 25).error).toBe(0x04);
  });
});
