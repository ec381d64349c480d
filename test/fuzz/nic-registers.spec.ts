/** Any register traffic: nothing throws, the state can always be saved and put back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkProperty } from '../support/check-property.ts';
import { NicDriver } from '../support/nic-driver.ts';

type Access =
  | {
      readonly kind: 'config';
      readonly at: number;
      readonly bytes: 1 | 2 | 4;
      readonly value: number;
    }
  | {
      readonly kind: 'mmio';
      readonly bar: number;
      readonly at: number;
      readonly bytes: 1 | 2 | 4 | 8;
      readonly value: bigint;
    }
  | { readonly kind: 'run'; readonly ns: number }
  | { readonly kind: 'wire'; readonly frame: Uint8Array };

const INTERESTING = fc.oneof(
  fc.nat({ max: 0xffff_ffff }),
  fc.constantFrom(0, 1, 3, 0xffff_ffff, 0x8000_0001, 0xfee0_0000),
);
const access: fc.Arbitrary<Access> = fc.oneof(
  fc.record({
    kind: fc.constant('config' as const),
    at: fc.oneof(
      fc.nat({ max: 0xfff }),
      fc.constantFrom(0x04, 0x82, 0x168, 0x170, 0x226, 0x236, 0x48),
    ),
    bytes: fc.constantFrom(1 as const, 2 as const, 4 as const),
    value: INTERESTING,
  }),
  fc.record({
    kind: fc.constant('mmio' as const),
    bar: fc.constantFrom(0, 2),
    at: fc.oneof(
      fc.nat({ max: 0x2_0000 }),
      fc.nat({ max: 0x1ff }).map((n) => 0x1_0000 + n * 4),
      fc.nat({ max: 6 }).map((n) => n * 4),
    ),
    bytes: fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const),
    value: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), INTERESTING.map(BigInt)),
  }),
  fc.record({ kind: fc.constant('run' as const), ns: fc.nat({ max: 10_000 }) }),
  fc.record({ kind: fc.constant('wire' as const), frame: fc.uint8Array({ maxLength: 100 }) }),
);

function apply(nic: NicDriver, a: Access): void {
  const { device } = nic;
  switch (a.kind) {
    case 'config':
      device.configWrite(a.at, a.bytes, a.value);
      device.configRead(a.at, a.bytes);
      break;
    case 'mmio':
      device.mmioWrite(a.bar, a.at, a.bytes, BigInt.asUintN(8 * a.bytes, a.value));
      device.mmioRead(a.bar, a.at, a.bytes);
      break;
    case 'run':
      nic.run(a.ns);
      break;
    default:
      device.receiveFromWire(a.frame);
  }
}

describe('register traffic of any kind', () => {
  it('never throws and never breaks the saved state', () => {
    checkProperty(
      fc.property(fc.array(access, { maxLength: 150 }), (accesses) => {
        const nic = new NicDriver({
          config: { queuePairs: 8, wire: 'reflect', sriov: { totalVfs: 4 } },
          memoryBytes: 2 ** 20,
        });
        nic.setUpFunction();
        nic.setUpPair(0, { pasid: 1 });
        for (const a of accesses) {
          apply(nic, a);
          for (const vf of [...nic.host.functions.values()]) {
            vf.configWrite(0x04, 2, 4);
            vf.mmioWrite(0, 0, 4, 3n);
          }
        }
        const state = nic.device.snapshot();
        nic.device.restore(structuredClone(state));
        expect(nic.device.snapshot()).toEqual(state);
      }),
    );
  });
});
