/** Virtual functions in a whole machine: the address map and keyframes follow them. */
import { describe, expect, it } from 'vitest';
import { Machine, MachineHardware, type MachineConfig } from '../../../../../src-main/sim/index.ts';
import { enableVfs, SRIOV, SRIOV_AT } from '../../../../support/vf-registers.ts';

const RID = 0x3b00;
const BASE = 0x2100_0000_0000;
const CONFIG: MachineConfig = {
  name: 'vf',
  seed: 1,
  kernelProfile: 'iommufd',
  memory: { bytes: 64 * 2 ** 20 },
  cpus: 1,
  iommu: { profile: 'lab' },
  devices: [
    {
      kind: 'nic',
      name: 'nic0',
      bdf: '3b:00.0',
      options: { queuePairs: 8, sriov: { totalVfs: 8 } },
    },
  ],
};

function machine(): { readonly machine: Machine; readonly hw: MachineHardware } {
  const built = new Machine({ config: CONFIG, trace: { mode: 'store' } });
  return { machine: built, hw: new MachineHardware(built) };
}

describe('virtual functions of a machine', () => {
  it('answer to configuration and memory accesses as soon as they are enabled', () => {
    const { machine: m, hw } = machine();
    expect(hw.configRead(RID + 8, 0x34, 1)).toBe(0xff);
    expect(hw.mmioRead(BASE, 4)).toBe(0xffff_ffffn);
    enableVfs(m.fabric.find(RID) as never, 2, BASE);
    expect(hw.configRead(RID + 8, 0x34, 1)).toBe(0x40);
    hw.mmioWrite(BASE + 0x4000 + 0x1000 + 0x14, 4, 9n);
    expect(hw.mmioRead(BASE + 0x4000 + 0x1000 + 0x14, 4)).toBe(9n);
    hw.configWrite(RID, SRIOV_AT + SRIOV.control, 2, 0);
    expect(hw.configRead(RID + 8, 0, 4)).toBe(0xffff_ffff);
    expect(hw.mmioRead(BASE + 0x5014, 4)).toBe(0xffff_ffffn);
  });

  it('are part of the machine state, kept by their physical function', () => {
    const { machine: m, hw } = machine();
    const empty = m.snapshot();
    enableVfs(m.fabric.find(RID) as never, 3, BASE);
    hw.mmioWrite(BASE + 0x1014, 4, 7n);
    const hash = m.stateHash();
    const full = m.snapshot();
    expect(Object.keys(full.devices)).toEqual(['nic0']);
    m.restore(empty);
    expect(m.fabric.functions().size).toBe(1);
    m.restore(full);
    expect(m.fabric.functions().size).toBe(4);
    expect(m.stateHash()).toBe(hash);
    expect(hw.mmioRead(BASE + 0x1014, 4)).toBe(7n);
  });

  it('can be taken over by another machine of the same configuration', () => {
    const { machine: m } = machine();
    enableVfs(m.fabric.find(RID) as never, 2, BASE);
    const other = new Machine({ config: CONFIG, trace: { mode: 'count' }, store: m.memory.store });
    other.restore(m.snapshot());
    expect([...other.fabric.functions().keys()]).toEqual([RID, RID + 8, RID + 9]);
    expect(other.snapshot().devices).toEqual(m.snapshot().devices);
  });
});
