import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GRANT_SIZE, StatementMeter } from '../../../src-main/script/statement-meter.ts';

/** Guest counters, run like the hooks run them. */
class Guest {
  readonly counters: number[];
  readonly meter: StatementMeter;
  readonly limit: number;
  /** Statements really begun. */
  begun = 0;
  asked = 0;

  constructor(functionCount: number, limit: number) {
    this.counters = Array.from({ length: functionCount }, () => 0);
    this.limit = limit;
    this.meter = new StatementMeter({
      functionCount,
      collect: () => {
        const left = this.counters.reduce((sum, counter) => sum + Math.max(0, counter), 0);
        this.counters.fill(0);
        return left;
      },
    });
  }

  /** False when the statement is one too many. */
  run(functionIndex: number): boolean {
    const counter = this.counters[functionIndex] ?? 0;
    this.counters[functionIndex] = counter - 1;
    if (counter <= 0) {
      this.asked += 1;
      this.meter.enter(functionIndex);
      if (this.meter.isBeyond(this.limit)) return false;
      this.counters[functionIndex] = this.meter.grant(functionIndex, this.limit);
    }
    this.begun += 1;
    return true;
  }
}

describe('a statement meter', () => {
  it('counts exactly and stops to the statement, whatever runs in whatever order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 0, max: 300 }),
        fc.array(fc.nat(7), { maxLength: 400 }),
        (functionCount, limit, order) => {
          const guest = new Guest(functionCount, limit);
          let isOver = false;
          for (const index of order) {
            isOver = !guest.run(index % functionCount);
            if (isOver) break;
          }
          expect(isOver).toBe(order.length > limit);
          expect(guest.begun).toBe(Math.min(order.length, limit));
          guest.meter.settle();
          expect(guest.meter.executed).toBe(guest.begun + (isOver ? 1 : 0));
        },
      ),
    );
  });

  it('asks seldom', () => {
    const guest = new Guest(1, 1_000_000);
    for (let i = 0; i < 17_000; i++) guest.run(0);
    expect(guest.asked).toBe(17_000 / (GRANT_SIZE + 1));
  });

  it('asks at every statement after settling', () => {
    const guest = new Guest(2, 1_000);
    guest.run(0);
    guest.run(1);
    guest.meter.settle();
    const { asked } = guest;
    guest.run(0);
    guest.run(1);
    expect(guest.asked).toBe(asked + 2);
  });
});
