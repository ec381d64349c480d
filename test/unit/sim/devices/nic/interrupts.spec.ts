/** Vectors and moderation of queue pairs, reset of one of them, capture files. */
import { describe, expect, it } from 'vitest';
import { toPcap } from '../../../../../src-main/sim/devices/nic/pcap.ts';
import { nicPlaces } from '../../../../../src-main/sim/devices/nic/places.ts';
import { frameOf, macOf, NicDriver } from '../../../../support/nic-driver.ts';

/** Queue pair 1 has IMS entry `entry`, unmasked, with a recognisable message. */
function withInterrupt(entry = 5): NicDriver {
  const nic = new NicDriver({ config: { queuePairs: 4, imsEntries: 256 } });
  nic.setUpFunction();
  const ims = nicPlaces(nic.device.settings).ims + entry * 16;
  nic.device.mmioWrite(0, ims, 4, 0xfee0_1000n);
  nic.device.mmioWrite(0, ims + 8, 4, BigInt(0x40 + entry));
  nic.device.mmioWrite(0, ims + 12, 4, 0n);
  nic.setUpPair(0, { pasid: 10 });
  nic.setUpPair(1, { pasid: 11, ims: entry });
  return nic;
}

function sendOne(nic: NicDriver): void {
  nic.send(0, frameOf(macOf(1), macOf(0)));
  nic.run(5_000);
}

describe('the vector of a queue pair', () => {
  it('is an IMS entry that the host programmed', () => {
    const nic = withInterrupt();
    nic.setDoorbell(1, 'DYN_CTL', 1);
    sendOne(nic);
    expect(nic.port.interrupts).toEqual([{ address: 0xfee0_1000, data: 0x45 }]);
    expect(nic.context(1, 'COUNT_INTERRUPTS')).toBe(1n);
  });

  it('waits until the guest enables it, and can be forgotten', () => {
    const nic = withInterrupt();
    sendOne(nic);
    expect(nic.port.interrupts).toEqual([]);
    nic.setDoorbell(1, 'DYN_CTL', 1);
    expect(nic.port.interrupts).toHaveLength(1);
    nic.setDoorbell(1, 'DYN_CTL', 0);
    sendOne(nic);
    nic.setDoorbell(1, 'DYN_CTL', 3);
    expect(nic.port.interrupts).toHaveLength(1);
  });

  it('can be triggered by software without touching the enable bit', () => {
    const nic = withInterrupt();
    nic.setDoorbell(1, 'DYN_CTL', 1);
    nic.setDoorbell(1, 'DYN_CTL', 0x8000_0004);
    expect(nic.port.interrupts).toHaveLength(1);
    expect(nic.doorbell(1, 'DYN_CTL')).toBe(1);
  });

  it('stays silent while bus mastering is off', () => {
    const nic = withInterrupt();
    nic.setDoorbell(1, 'DYN_CTL', 1);
    nic.device.configWrite(0x04, 2, 2);
    nic.setDoorbell(1, 'DYN_CTL', 5);
    expect(nic.port.interrupts).toEqual([]);
  });

  it('is a remembered MSI-X entry when the table masks it', () => {
    const nic = new NicDriver({ config: { queuePairs: 2 } });
    nic.setUpFunction();
    nic.setUpPair(0, { pasid: 1 });
    nic.setContext(0, 'Q_VECTOR', 0x8000_0003);
    nic.device.configWrite(0x82, 2, 0x8000);
    nic.setDoorbell(0, 'DYN_CTL', 5);
    const { msixTable, msixPba } = nicPlaces(nic.device.settings);
    expect(nic.device.mmioRead(0, msixPba, 4)).toBe(8n);
    nic.device.mmioWrite(0, msixTable + 3 * 16, 4, 0xfee0_0000n);
    nic.device.mmioWrite(0, msixTable + 3 * 16 + 12, 4, 0n);
    expect(nic.port.interrupts).toHaveLength(1);
  });
});

describe('moderation', () => {
  it('makes one message of many causes within the interval', () => {
    const nic = withInterrupt();
    nic.setDoorbell(1, 'DYN_CTL', 1);
    nic.setDoorbell(1, 'ITR', 50);
    for (let i = 0; i < 10; i++) {
      nic.send(0, frameOf(macOf(1), macOf(0), 46, i));
    }
    nic.run(50_000);
    expect(nic.port.interrupts).toHaveLength(1);
    nic.run(100_000);
    expect(nic.port.interrupts).toHaveLength(2);
    expect(nic.receive(1)).toHaveLength(10);
  });

  it('sends one message a cause when the interval is 0', () => {
    const nic = withInterrupt();
    nic.setDoorbell(1, 'DYN_CTL', 1);
    for (let i = 0; i < 3; i++) {
      sendOne(nic);
    }
    expect(nic.port.interrupts).toHaveLength(3);
  });
});

describe('reset of one queue pair', () => {
  it('leaves its siblings bit-identical and keeps what the host assigned', () => {
    const nic = withInterrupt();
    nic.setUpPair(2, { pasid: 12 });
    nic.send(0, frameOf(macOf(1), macOf(0)));
    nic.send(2, frameOf(macOf(1), macOf(2)));
    nic.run(300);
    const before = nic.device.snapshot();
    nic.setContext(1, 'Q_RESET', 1);
    const after = nic.device.snapshot();
    expect(after.pairs.filter((_, i) => i !== 1)).toEqual(before.pairs.filter((_, i) => i !== 1));
    expect({ ...after, pairs: [] }).toEqual({ ...before, pairs: [] });
    expect(nic.context(1, 'Q_CONTROL')).toBe(0n);
    expect(nic.context(1, 'TX_BASE')).toBe(0n);
    expect(nic.context(1, 'Q_PASID')).toBe(0x8000_000bn);
    expect(nic.context(1, 'Q_VECTOR')).toBe(0x8001_0005n);
  });

  it('drops the packets it had not sent, and works again after a new set-up', () => {
    const nic = withInterrupt();
    nic.send(0, frameOf(macOf(1), macOf(0)));
    nic.setContext(0, 'Q_RESET', 1);
    nic.run();
    expect(nic.receive(1)).toEqual([]);
    nic.setUpPair(0);
    sendOne(nic);
    expect(nic.receive(1)).toHaveLength(1);
  });
});

describe('registers', () => {
  it('keep base and length while the ring is enabled', () => {
    const nic = withInterrupt();
    const base = nic.context(0, 'TX_BASE');
    nic.setContext(0, 'TX_BASE', 0x7000);
    nic.setContext(0, 'RX_LENGTH', 4);
    expect(nic.context(0, 'TX_BASE')).toBe(base);
    expect(nic.context(0, 'RX_LENGTH')).toBe(16n);
  });

  it('refuse accesses of other widths', () => {
    const nic = withInterrupt();
    expect(nic.device.mmioRead(2, 0, 2)).toBe(0xffffn);
    nic.device.mmioWrite(2, 6, 4, 1n);
    expect(nic.device.mmioRead(0, 0, 8)).toBe(0x2600_0100_0004n);
  });

  it('are gone after a function level reset', () => {
    const nic = withInterrupt();
    sendOne(nic);
    nic.device.configWrite(0x48, 2, 0x8000);
    expect(nic.device.inspect.inUse()).toEqual([]);
    expect(nic.device.inspect.packets()).toEqual([]);
    expect(nic.device.configRead(0x04, 2)).toBe(0);
  });
});

describe('a capture file', () => {
  it('holds every packet with its time', () => {
    const nic = withInterrupt();
    sendOne(nic);
    sendOne(nic);
    const packets = nic.device.inspect.packets();
    const file = toPcap(packets);
    const view = new DataView(file.buffer);
    expect(view.getUint32(0, true)).toBe(0xa1b2_3c4d);
    expect(view.getUint32(20, true)).toBe(1);
    expect(file.length).toBe(24 + 2 * (16 + 60));
    expect(view.getUint32(24 + 4, true)).toBe(packets[0]?.timeNs);
    expect([...file.subarray(40, 100)]).toEqual([...(packets[0]?.bytes ?? [])]);
  });

  it('starts from the last 256 packets', () => {
    const nic = withInterrupt();
    for (let i = 0; i < 300; i++) {
      nic.device.receiveFromWire(frameOf('02:00:00:00:99:99', macOf(0), 46, i));
    }
    const packets = nic.device.inspect.packets();
    expect([packets.length, packets[0]?.number, nic.device.inspect.packetTotal]).toEqual([
      256, 44, 300,
    ]);
  });
});
