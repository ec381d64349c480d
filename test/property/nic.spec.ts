/** Packets are neither lost nor made: what was sent arrived, left through the wire, or was counted as dropped. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkProperty } from '../support/check-property.ts';
import { frameOf, macOf, NicDriver } from '../support/nic-driver.ts';

const PAIRS = 4;
const RING = 8;

type Step =
  | { readonly kind: 'send'; readonly from: number; readonly to: number; readonly length: number }
  | { readonly kind: 'post'; readonly pair: number }
  | { readonly kind: 'run'; readonly ns: number };

const pair = fc.nat({ max: PAIRS - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      from: pair,
      to: fc.nat({ max: PAIRS }),
      length: fc.integer({ min: 46, max: 1400 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('post' as const), pair }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('run' as const), ns: fc.nat({ max: 3_000 }) }),
  },
);

interface Ledger {
  sent: number;
  arrived: number;
  readonly seen: Set<string>;
}

function start(): NicDriver {
  const nic = new NicDriver({ config: { queuePairs: PAIRS }, memoryBytes: 4 * 2 ** 20 });
  nic.setUpFunction();
  for (let i = 0; i < PAIRS; i++) {
    nic.setUpPair(i, { pasid: i + 1, ringSize: RING, posted: 3 });
  }
  return nic;
}

function freeTransmitSlots(nic: NicDriver, index: number): number {
  const { tx } = nic.device.inspect.queuePair(index);
  return RING - 1 - ((tx.tail - tx.head + RING) % RING);
}

function freeReceiveSlots(nic: NicDriver, index: number): number {
  const { rx } = nic.device.inspect.queuePair(index);
  return RING - 1 - ((rx.tail - rx.head + RING) % RING);
}

function apply(nic: NicDriver, ledger: Ledger, action: Step): void {
  switch (action.kind) {
    case 'send':
      if (freeTransmitSlots(nic, action.from) > 0) {
        nic.send(
          action.from,
          frameOf(macOf(action.to), macOf(action.from), action.length, ledger.sent++),
        );
      }
      break;
    case 'post':
      collect(nic, ledger);
      nic.post(action.pair, freeReceiveSlots(nic, action.pair));
      break;
    default:
      nic.run(action.ns);
  }
}

function collect(nic: NicDriver, ledger: Ledger): void {
  for (let i = 0; i < PAIRS; i++) {
    for (const { bytes } of nic.receive(i)) {
      ledger.arrived++;
      ledger.seen.add(`${i}:${Buffer.from(bytes).toString('hex')}`);
    }
  }
}

function total(
  nic: NicDriver,
  counter: 'txPackets' | 'txDropped' | 'rxPackets' | 'rxNoDescriptor' | 'rxDropped',
): number {
  let sum = 0;
  for (let i = 0; i < PAIRS; i++) {
    sum += nic.device.inspect.queuePair(i).counters[counter];
  }
  return sum;
}

describe('the switch', () => {
  it('neither loses nor duplicates a packet without counting it', () => {
    checkProperty(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const nic = start();
        const ledger: Ledger = { sent: 0, arrived: 0, seen: new Set() };
        for (const action of steps) {
          apply(nic, ledger, action);
        }
        nic.run();
        collect(nic, ledger);
        const toWire = nic.device.inspect
          .packets()
          .filter((p) => p.outcomes.some((o) => o.to === -1)).length;
        expect(total(nic, 'txPackets')).toBe(ledger.sent);
        expect(total(nic, 'rxPackets')).toBe(ledger.arrived);
        expect(
          ledger.arrived +
            toWire +
            total(nic, 'txDropped') +
            total(nic, 'rxNoDescriptor') +
            total(nic, 'rxDropped'),
        ).toBe(ledger.sent);
        expect(ledger.seen.size).toBe(ledger.arrived);
        expect(nic.queue.size).toBe(0);
      }),
    );
  });

  it('goes on from a snapshot exactly as it would have', () => {
    checkProperty(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(step, { maxLength: 20 }), (a, b) => {
        const nic = start();
        const ledger: Ledger = { sent: 0, arrived: 0, seen: new Set() };
        for (const action of a) {
          apply(nic, ledger, action);
        }
        const saved = structuredClone({
          device: nic.device.snapshot(),
          queue: nic.queue.snapshot(),
          memory: nic.port.memory,
        });
        const replay = (): unknown => {
          const copy = { sent: ledger.sent, arrived: 0, seen: new Set<string>() };
          for (const action of b.filter((s) => s.kind === 'run')) {
            apply(nic, copy, action);
          }
          nic.run();
          const { packets, ...state } = nic.device.snapshot();
          return { state, frames: packets.packets.map((p) => [p.number, p.from, p.outcomes]) };
        };
        const first = replay();
        nic.device.restore(saved.device);
        nic.queue.restore(saved.queue);
        nic.port.memory.set(saved.memory);
        expect(nic.device.snapshot()).toEqual(saved.device);
        expect(replay()).toEqual(first);
      }),
    );
  });
});
