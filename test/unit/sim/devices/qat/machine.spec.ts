/** The accelerator in a whole machine: a replica computes the same results again. */
import { describe, expect, it } from 'vitest';
import { nodeCrypto } from '../../../../../src-main/hosts/crypto/node-crypto.ts';
import { Machine, Recorder, Replica } from '../../../../../src-main/sim/index.ts';
import {
  QatContentHeader,
  QatCryptoParameters,
  QatRequest,
} from '../../../../../src-main/spec/qat/messages.ts';
import { bytesOf } from '../../../../support/qat-driver.ts';

const RID = 0x6b00;
const RINGS = 0x20_0000;
const DATA = 0x21_0000;
const DIGEST = 0x21_1000;
const CONTENT = 0x21_2000;
/** SHA-256 of "abc", first eight bytes. */
const EXPECTED = 0xeacf_018f_bf16_78ban;

function build(): Recorder {
  const machine = new Machine({
    config: {
      name: 'qat',
      seed: 1,
      kernelProfile: 'iommufd',
      memory: { bytes: 64 * 2 ** 20 },
      cpus: 1,
      iommu: { profile: 'lab' },
      devices: [{ kind: 'qat', name: 'qat0', bdf: '6b:00.0', options: { ringPairs: 2 } }],
    },
    trace: { mode: 'store' },
    crypto: nodeCrypto,
  });
  return new Recorder(machine);
}

function hashAbc(hw: Recorder): void {
  const bar = hw.configRead(RID, 0x14, 4) * 2 ** 32 + ((hw.configRead(RID, 0x10, 4) & ~0xf) >>> 0);
  const set = (offset: number, value: number): void =>
    hw.mmioWrite(bar + 0x10_0000 + offset, 4, BigInt(value));
  hw.configWrite(RID, 0x04, 2, 6);
  hw.memoryWrite(DATA, new TextEncoder().encode('abc'));
  hw.memoryWrite(CONTENT, bytesOf(QatContentHeader.encode({ hashAlgorithm: 4 })));
  const request = QatRequest.encode({
    valid: 1,
    service: 4,
    command: 1,
    contentDescriptor: BigInt(CONTENT),
    contentQuads: 1,
    source: BigInt(DATA),
    length: 3,
  });
  hw.memoryWrite(RINGS, bytesOf(request));
  const parameters = QatCryptoParameters.encode({ digest: BigInt(DIGEST), digestBytes: 32 });
  hw.memoryWrite(RINGS + 64, bytesOf(parameters));
  set(0x1000, 6);
  set(0x1004, 4);
  set(0x1040, RINGS);
  set(0x1044, RINGS + 0x1000);
  set(0x19c, 3);
  set(0x100, 128);
  hw.advance(100_000);
}

describe('the accelerator of a machine', () => {
  it('hashes through the remapping unit, and its replica does so too', () => {
    const hw = build();
    hashAbc(hw);
    expect(hw.memoryRead64(DIGEST)).toBe(EXPECTED);
    const replica = new Replica(hw);
    expect(replica.machine.memory.read64(DIGEST)).toBe(0n);
    replica.seek(hw.machine.trace.head);
    expect(replica.machine.memory.read64(DIGEST)).toBe(EXPECTED);
    expect(replica.machine.snapshot().devices).toEqual(hw.machine.snapshot().devices);
  });
});
