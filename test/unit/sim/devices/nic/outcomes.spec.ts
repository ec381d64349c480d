/** Every verdict on a packet and every reason to stop a ring, each by the shortest way to it. */
import { describe, expect, it } from 'vitest';
import {
  STOP,
  STOP_TITLES,
  VERDICT,
  VERDICT_TITLES,
  type StopReason,
  type Verdict,
} from '../../../../../src-main/spec/nic/verdicts.ts';
import { BROADCAST_MAC, frameOf, macOf, NicDriver } from '../../../../support/nic-driver.ts';

const ANTI_SPOOF = 8;
const BOTH_RINGS = 3;

function pairs(): NicDriver {
  const nic = new NicDriver({ config: { queuePairs: 3, maxFrame: 1518 } });
  nic.setUpFunction();
  nic.setUpPair(0, { pasid: 10 });
  nic.setUpPair(1, { pasid: 11 });
  return nic;
}

/** Sends a frame from pair 0, to pair 1 unless told otherwise. */
function send(nic: NicDriver, to = macOf(1), from = macOf(0), length = 46): NicDriver {
  nic.send(0, frameOf(to, from, length));
  nic.run();
  return nic;
}

/** What became of the last packet where it was meant to go. */
function lastVerdict(nic: NicDriver): Verdict | undefined {
  return nic.device.inspect.packets().at(-1)?.outcomes.at(-1)?.verdict;
}

const VERDICTS: Readonly<Record<Verdict, () => NicDriver>> = {
  [VERDICT.delivered]: () => send(pairs()),
  [VERDICT.sentToWire]: () => send(pairs(), BROADCAST_MAC),
  [VERDICT.noDescriptor]: () => {
    const nic = pairs();
    nic.setUpPair(2, { pasid: 12, posted: 0 });
    return send(nic, macOf(2));
  },
  [VERDICT.queueOff]: () => {
    const nic = pairs();
    nic.setContext(1, 'Q_CONTROL', 0);
    return send(nic);
  },
  [VERDICT.bufferFault]: () => {
    const nic = pairs();
    nic.port.unmap(11, nic.rxBuffer(1, 0));
    return send(nic);
  },
  [VERDICT.spoofedSource]: () => {
    const nic = pairs();
    nic.setContext(0, 'Q_CONTROL', BOTH_RINGS | ANTI_SPOOF);
    return send(nic, macOf(1), macOf(2));
  },
  [VERDICT.badLength]: () => send(pairs(), macOf(1), macOf(0), 1600),
  [VERDICT.unknownDestination]: () => {
    const nic = pairs();
    nic.device.receiveFromWire(frameOf(macOf(9), macOf(8)));
    return nic;
  },
  [VERDICT.sameQueue]: () => send(pairs(), macOf(0)),
};

/** Stop reason of the transmit ring of pair 0 and of the receive ring of pair 1. */
const STOPS: Readonly<Record<StopReason, () => readonly [transmit: number, receive: number]>> = {
  [STOP.none]: () => stopsOf(send(pairs())),
  [STOP.descriptorRead]: () => {
    const nic = pairs();
    nic.port.unmap(10, nic.memoryOf(0));
    return stopsOf(send(nic));
  },
  [STOP.dataRead]: () => {
    const nic = pairs();
    nic.port.unmap(10, nic.txBuffer(0, 0));
    return stopsOf(send(nic));
  },
  [STOP.bufferWrite]: () => {
    const nic = pairs();
    nic.port.unmap(11, nic.rxBuffer(1, 0));
    return stopsOf(send(nic));
  },
  [STOP.writeBack]: () => {
    const nic = pairs();
    nic.port.protect(10, nic.memoryOf(0), { canRead: true, canWrite: false });
    nic.port.protect(11, nic.memoryOf(1) + 0x1_0000, { canRead: true, canWrite: false });
    return stopsOf(send(nic));
  },
  [STOP.badDescriptor]: () => {
    const nic = pairs();
    nic.port.memory[nic.memoryOf(0) + 8] = 7;
    nic.setDoorbell(0, 'TX_TAIL', 1);
    nic.run();
    return stopsOf(nic);
  },
  [STOP.badTail]: () => {
    const nic = pairs();
    nic.setDoorbell(0, 'TX_TAIL', 500);
    nic.setDoorbell(1, 'RX_TAIL', 500);
    return stopsOf(nic);
  },
};

function stopsOf(nic: NicDriver): readonly [transmit: number, receive: number] {
  const { inspect } = nic.device;
  return [inspect.queuePair(0).tx.stop, inspect.queuePair(1).rx.stop];
}

/** Which of the two rings a reason is about. */
const STOPPED: Readonly<Record<StopReason, readonly [transmit: number, receive: number]>> = {
  [STOP.none]: [STOP.none, STOP.none],
  [STOP.descriptorRead]: [STOP.descriptorRead, STOP.none],
  [STOP.dataRead]: [STOP.dataRead, STOP.none],
  [STOP.bufferWrite]: [STOP.none, STOP.bufferWrite],
  [STOP.writeBack]: [STOP.writeBack, STOP.writeBack],
  [STOP.badDescriptor]: [STOP.badDescriptor, STOP.none],
  [STOP.badTail]: [STOP.badTail, STOP.badTail],
};

describe('verdicts', () => {
  it('have a title each', () => {
    expect(Object.keys(VERDICT_TITLES)).toEqual(Object.values(VERDICT).map(String));
  });

  it.each(Object.entries(VERDICT))('of a packet: %s', (_, verdict) => {
    expect(lastVerdict(VERDICTS[verdict]())).toBe(verdict);
  });
});

describe('stop reasons', () => {
  it('have a title each', () => {
    expect(Object.keys(STOP_TITLES)).toEqual(Object.values(STOP).map(String));
  });

  it.each(Object.entries(STOP))('of a ring: %s', (_, reason) => {
    expect(STOPS[reason]()).toEqual(STOPPED[reason]);
  });
});
