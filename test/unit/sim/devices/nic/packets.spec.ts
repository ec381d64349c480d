/** Packets between queue pairs: rings, steering, drops, faults. */
import { describe, expect, it } from 'vitest';
import { STOP, VERDICT, WIRE } from '../../../../../src-main/spec/nic/verdicts.ts';
import { BROADCAST_MAC, frameOf, macOf, NicDriver } from '../../../../support/nic-driver.ts';

function twoPairs(config = {}): NicDriver {
  const nic = new NicDriver({ config: { queuePairs: 4, ...config } });
  nic.setUpFunction();
  nic.setUpPair(0, { pasid: 10 });
  nic.setUpPair(1, { pasid: 11 });
  return nic;
}

function outcomesOf(
  nic: NicDriver,
): readonly (readonly [from: number, to: number, verdict: number])[] {
  return nic.device.inspect
    .packets()
    .flatMap((p) => p.outcomes.map((o) => [p.from, o.to, o.verdict] as const));
}

describe('a packet between two queue pairs', () => {
  it('arrives with its bytes, and both descriptors are handed back', () => {
    const nic = twoPairs();
    const frame = frameOf(macOf(1), macOf(0), 100, 5);
    const slot = nic.send(0, frame);
    nic.run();
    expect(nic.receive(1)).toEqual([{ bytes: frame, isError: false, isEnd: true }]);
    expect(nic.txStatus(0, slot)).toBe(0xf);
    expect(nic.doorbell(0, 'TX_HEAD')).toBe(1);
    expect(nic.doorbell(1, 'RX_HEAD')).toBe(1);
    expect(nic.context(0, 'COUNT_TX_BYTES')).toBe(114n);
    expect(nic.context(1, 'COUNT_RX_PACKETS')).toBe(1n);
  });

  it.each([true, false])('is read and written in the PASID of each queue pair (ATS: %s)', (ats) => {
    const nic = new NicDriver({ config: { queuePairs: 2 } });
    nic.setUpFunction({ ats });
    nic.setUpPair(0, { pasid: 10 });
    nic.setUpPair(1, { pasid: 11 });
    nic.port.isRecording = true;
    nic.send(0, frameOf(macOf(1), macOf(0)));
    nic.run();
    const asked = ats
      ? nic.port.translations.map((t) => [t.low < nic.memoryOf(1) ? 0 : 1, t.pasid] as const)
      : nic.port.accesses.map((a) => [a.address < nic.memoryOf(1) ? 0 : 1, a.pasid] as const);
    expect(new Set(asked.filter(([pair]) => pair === 0).map(([, pasid]) => pasid))).toEqual(
      new Set([10]),
    );
    expect(new Set(asked.filter(([pair]) => pair === 1).map(([, pasid]) => pasid))).toEqual(
      new Set([11]),
    );
    const types = new Set(nic.port.accesses.map((a) => [a.addressType, a.pasid < 0].join()));
    expect(types).toEqual(new Set([ats ? '2,true' : '0,false']));
  });

  it('is collected from several pieces', () => {
    const nic = twoPairs();
    const frame = frameOf(macOf(1), macOf(0), 900, 2);
    nic.send(0, frame, { pieces: 4 });
    nic.run();
    expect(nic.receive(1).map((f) => f.bytes)).toEqual([frame]);
    expect(nic.doorbell(0, 'TX_HEAD')).toBe(4);
  });

  it('waits while its last piece is not released', () => {
    const nic = twoPairs();
    const frame = frameOf(macOf(1), macOf(0), 200);
    nic.send(0, frame, { pieces: 2, isBell: false });
    nic.setDoorbell(0, 'TX_TAIL', 1);
    nic.run();
    expect(nic.receive(1)).toEqual([]);
    nic.setDoorbell(0, 'TX_TAIL', 2);
    nic.run();
    expect(nic.receive(1)).toHaveLength(1);
  });

  it('takes several buffers when it is longer than one', () => {
    const nic = twoPairs();
    nic.setUpPair(2, { pasid: 12, bufferBytes: 256 });
    const frame = frameOf(macOf(2), macOf(0), 600, 9);
    nic.send(0, frame);
    nic.run();
    const pieces = nic.receive(2);
    expect(pieces.map((p) => p.isEnd)).toEqual([false, false, true]);
    expect(pieces.flatMap((p) => [...p.bytes])).toEqual([...frame]);
  });

  it('reaches every other pair and the wire when it is a broadcast', () => {
    const nic = twoPairs();
    nic.setUpPair(2, { pasid: 12 });
    nic.send(0, frameOf(BROADCAST_MAC, macOf(0)));
    nic.run();
    expect(nic.receive(0)).toEqual([]);
    expect(nic.receive(1)).toHaveLength(1);
    expect(nic.receive(2)).toHaveLength(1);
    expect(outcomesOf(nic)).toEqual([
      [0, 1, VERDICT.delivered],
      [0, 2, VERDICT.delivered],
      [0, WIRE, VERDICT.sentToWire],
    ]);
  });

  it('follows a learned address', () => {
    const nic = twoPairs();
    const own = '02:aa:00:00:00:77';
    nic.send(1, frameOf(macOf(0), own));
    nic.run();
    nic.send(0, frameOf(own, macOf(0)));
    nic.run();
    expect(nic.receive(1)).toHaveLength(1);
    expect(nic.device.inspect.learned().map((l) => l.queue)).toEqual([1]);
  });

  it('writes the head back for software that polls one word', () => {
    const nic = new NicDriver({ config: { queuePairs: 2 } });
    nic.setUpFunction();
    nic.setUpPair(0, { pasid: 1, headWriteBack: 0x1001 });
    nic.send(0, frameOf(macOf(9), macOf(0)));
    nic.send(0, frameOf(macOf(9), macOf(0)));
    nic.run();
    expect(nic.port.memory[0x1000]).toBe(2);
  });

  it('comes back from a reflecting wire', () => {
    const nic = twoPairs({ wire: 'reflect' });
    nic.send(0, frameOf('02:00:00:00:99:99', macOf(0), 60, 3));
    nic.run();
    expect(nic.receive(0).map((f) => [...f.bytes])).toEqual([
      [...frameOf(macOf(0), '02:00:00:00:99:99', 60, 3)],
    ]);
  });
});

describe('a packet that cannot be delivered', () => {
  it('is dropped with a counter when no descriptor is free', () => {
    const nic = twoPairs();
    nic.setUpPair(2, { pasid: 12, posted: 1 });
    nic.send(0, frameOf(macOf(2), macOf(0)));
    nic.send(0, frameOf(macOf(2), macOf(0)));
    nic.run();
    expect(nic.receive(2)).toHaveLength(1);
    expect(nic.context(2, 'COUNT_RX_NO_DESCRIPTOR')).toBe(1n);
    expect(outcomesOf(nic).at(-1)).toEqual([0, 2, VERDICT.noDescriptor]);
  });

  it('is dropped when the sender does not own its source address', () => {
    const nic = twoPairs();
    nic.setContext(0, 'Q_CONTROL', 3 | 8);
    nic.send(0, frameOf(macOf(1), macOf(1)));
    nic.run();
    expect(nic.receive(1)).toEqual([]);
    expect(nic.context(0, 'COUNT_TX_DROPPED')).toBe(1n);
  });

  it.each([
    ['shorter than a header', 10, VERDICT.badLength],
    ['longer than the port takes', 1800, VERDICT.badLength],
  ])('is dropped when it is %s', (_, bytes, verdict) => {
    const nic = twoPairs({ maxFrame: 1518 });
    nic.send(0, frameOf(macOf(1), macOf(0), 2000).subarray(0, bytes));
    nic.run();
    expect(outcomesOf(nic)).toEqual([[0, 0, verdict]]);
  });

  it('is dropped when nobody has the address and it came from the wire', () => {
    const nic = twoPairs();
    nic.device.receiveFromWire(frameOf('02:00:00:00:99:99', '02:00:00:00:99:98'));
    nic.device.receiveFromWire(new Uint8Array(5));
    expect(outcomesOf(nic)).toEqual([
      [WIRE, WIRE, VERDICT.unknownDestination],
      [WIRE, WIRE, VERDICT.badLength],
    ]);
  });
});

describe('a DMA fault', () => {
  it('on receive marks the descriptor and stops only that ring', () => {
    const nic = twoPairs();
    nic.port.unmap(11, nic.rxBuffer(1, 0));
    nic.send(0, frameOf(macOf(1), macOf(0)));
    nic.run();
    expect(nic.receive(1).map((f) => f.isError)).toEqual([true]);
    const view = nic.device.inspect.queuePair(1);
    expect([view.rx.stop, view.tx.stop]).toEqual([STOP.bufferWrite, STOP.none]);
    expect(outcomesOf(nic)).toEqual([[0, 1, VERDICT.bufferFault]]);
    nic.send(1, frameOf(macOf(0), macOf(1)));
    nic.run();
    expect(nic.receive(0)).toHaveLength(1);
  });

  it('on transmit data marks the descriptor with the error bit', () => {
    const nic = twoPairs();
    const frame = frameOf(macOf(1), macOf(0));
    nic.port.unmap(10, nic.txBuffer(0, 0));
    nic.send(0, frame);
    nic.run();
    expect(nic.txStatus(0, 0)).toBe(0x1f);
    expect(nic.device.inspect.queuePair(0).tx.stop).toBe(STOP.dataRead);
    expect(Number(nic.context(0, 'Q_STATUS'))).toBe(2 | (STOP.dataRead << 8));
    expect(nic.receive(1)).toEqual([]);
  });

  it('shows in the status register when a read was refused', () => {
    const nic = twoPairs();
    nic.port.breakPage(nic.txBuffer(0, 0));
    nic.send(0, frameOf(macOf(1), macOf(0)));
    nic.run();
    expect(nic.device.configRead(0x06, 2)).toBe(0x2010);
  });

  it('on a descriptor stops the ring until it is enabled again', () => {
    const nic = twoPairs();
    nic.port.unmap(10, nic.memoryOf(0));
    nic.send(0, frameOf(macOf(1), macOf(0)));
    nic.run();
    expect(nic.device.inspect.queuePair(0).tx.stop).toBe(STOP.descriptorRead);
    nic.port.map(10, nic.memoryOf(0));
    nic.setContext(0, 'Q_CONTROL', 0);
    nic.setUpPair(0, { pasid: 10 });
    nic.send(0, frameOf(macOf(1), macOf(0)));
    nic.run();
    expect(nic.receive(1)).toHaveLength(1);
  });

  it('without ATS loses a posted write unseen', () => {
    const nic = new NicDriver({ config: { queuePairs: 2 } });
    nic.setUpFunction({ ats: false });
    nic.setUpPair(0, { pasid: 10 });
    nic.setUpPair(1, { pasid: 11 });
    nic.port.breakPage(nic.rxBuffer(1, 0));
    nic.send(0, frameOf(macOf(1), macOf(0)));
    nic.run();
    expect(nic.receive(1).map((f) => f.isError)).toEqual([false]);
    expect(nic.context(1, 'COUNT_FAULTS')).toBe(0n);
  });

  it.each([
    [
      'a tail outside the ring',
      (nic: NicDriver) => nic.setDoorbell(0, 'TX_TAIL', 500),
      STOP.badTail,
    ],
    [
      'a descriptor of an unknown type',
      (nic: NicDriver) => {
        nic.port.memory[nic.memoryOf(0) + 8] = 7;
        nic.setDoorbell(0, 'TX_TAIL', 1);
      },
      STOP.badDescriptor,
    ],
  ])('is not needed: %s stops the ring as well', (_, mistake, stop) => {
    const nic = twoPairs();
    mistake(nic);
    nic.run();
    expect(nic.device.inspect.queuePair(0).tx.stop).toBe(stop);
  });
});
