/** Virtual functions of the NIC-class function: how they come, what they are, how they go. */
import { describe, expect, it } from 'vitest';
import { vfPlaces } from '../../../../../src-main/sim/devices/nic/places.ts';
import type { NicConfig } from '../../../../../src-main/sim/devices/nic/config.ts';
import type { VirtualFunction } from '../../../../../src-main/sim/devices/sriov/virtual-function.ts';
import { SRIOV_WRITE_IGNORED, VF_UNREACHABLE } from '../../../../../src-main/spec/events/sriov.ts';
import { frameOf, macNumber, macOf, NicDriver } from '../../../../support/nic-driver.ts';
import { enableVfs, SRIOV, SRIOV_AT } from '../../../../support/vf-registers.ts';

const PF_RID = 0x6a08;
const BASE = 0x40_0000_0000;

function withVfs(count: number, sriov: NonNullable<NicConfig['sriov']> = {}): NicDriver {
  const nic = new NicDriver({ config: { queuePairs: 8, sriov: { totalVfs: 8, ...sriov } } });
  nic.setUpFunction();
  enableVfs(nic.device, count);
  return nic;
}

function vf(nic: NicDriver, rid: number): VirtualFunction {
  return nic.host.functions.get(rid) as VirtualFunction;
}

function events(nic: NicDriver, kind: number): number {
  let found = 0;
  for (let seq = nic.trace.tail; seq < nic.trace.head; seq++) {
    found += nic.trace.read(seq)?.kind === kind ? 1 : 0;
  }
  return found;
}

describe('enabling virtual functions', () => {
  it('creates them at first offset and stride', () => {
    const nic = withVfs(3, { firstOffset: 16, stride: 2 });
    expect([...nic.host.functions.keys()]).toEqual([PF_RID + 16, PF_RID + 18, PF_RID + 20]);
    expect(vf(nic, PF_RID + 18).name).toBe('nic0-vf1');
  });

  it('shows a configuration space without identity and BARs', () => {
    const nic = withVfs(1);
    const first = vf(nic, PF_RID + 8);
    expect(first.configRead(0, 4)).toBe(0xffff_ffff);
    first.configWrite(0x10, 4, 0xffff_ffff);
    expect(first.configRead(0x10, 4)).toBe(0);
    first.configWrite(0x04, 2, 0xffff);
    expect(first.configRead(0x04, 2)).toBe(4);
    expect(nic.device.configRead(SRIOV_AT + 0x1a, 2)).toBe(0x1889);
  });

  it('slices the window by aperture, which the system page size can widen', () => {
    const nic = withVfs(2);
    const { barBytes } = vfPlaces(1);
    expect(vf(nic, PF_RID + 9).barAddress(0)).toBe(BASE + barBytes);
    nic.device.configWrite(SRIOV_AT + SRIOV.control, 2, 0);
    nic.device.configWrite(SRIOV_AT + SRIOV.pageSize, 4, 0x10);
    enableVfs(nic.device, 2);
    expect(vf(nic, PF_RID + 9).barAddress(0)).toBe(BASE + 0x1_0000);
  });

  it('tells the aperture to software that asks with all ones', () => {
    const nic = withVfs(0);
    nic.device.configWrite(SRIOV_AT + SRIOV.bar0, 4, 0xffff_ffff);
    expect(nic.device.configRead(SRIOV_AT + SRIOV.bar0, 4)).toBe(0xffff_c00c);
    nic.device.configWrite(SRIOV_AT + SRIOV.bar0 + 8, 4, 0xffff_ffff);
    expect(nic.device.configRead(SRIOV_AT + SRIOV.bar0 + 8, 4)).toBe(0);
  });

  it('drops the bits of an address that a larger page size takes away', () => {
    const nic = withVfs(0);
    nic.device.configWrite(SRIOV_AT + SRIOV.bar0, 4, 0x4000_4000);
    expect(nic.device.configRead(SRIOV_AT + SRIOV.bar0, 4)).toBe(0x4000_400c);
    nic.device.configWrite(SRIOV_AT + SRIOV.control, 2, 0);
    nic.device.configWrite(SRIOV_AT + SRIOV.pageSize, 4, 0x10);
    expect(nic.device.configRead(SRIOV_AT + SRIOV.bar0, 4)).toBe(0x4000_000c);
  });

  it('answers at no address while their memory space is off', () => {
    const nic = withVfs(1);
    nic.device.configWrite(SRIOV_AT + SRIOV.control, 2, 1);
    expect(vf(nic, PF_RID + 8).barAddress(0)).toBe(0);
  });

  it('keeps their number and page size until they are gone', () => {
    const nic = withVfs(2);
    nic.device.configWrite(SRIOV_AT + SRIOV.numVfs, 2, 5);
    nic.device.configWrite(SRIOV_AT + SRIOV.pageSize, 4, 0x10);
    expect(nic.device.configRead(SRIOV_AT + SRIOV.numVfs, 2)).toBe(2);
    expect(nic.device.configRead(SRIOV_AT + SRIOV.pageSize, 4)).toBe(1);
    expect(events(nic, SRIOV_WRITE_IGNORED.id)).toBe(2);
  });

  it('takes no more than TotalVFs', () => {
    const nic = withVfs(9);
    expect(nic.device.configRead(SRIOV_AT + SRIOV.numVfs, 2)).toBe(0);
    expect(nic.host.functions.size).toBe(0);
  });

  it.each([
    ['above the last bus of the port', { firstOffset: 0xf6 }, undefined, 2],
    ['with a further bus', { firstOffset: 0xf6, subordinateBus: 0x6b }, undefined, 4],
    ['where another function is', {}, PF_RID + 9, 3],
  ])('leaves out Requester IDs %s', (_, sriov, taken, expected) => {
    const nic = new NicDriver({ config: { queuePairs: 8, sriov } });
    nic.setUpFunction();
    if (taken !== undefined) {
      nic.host.add(taken, nic.device);
    }
    enableVfs(nic.device, 4);
    const vfs = [...nic.host.functions.values()].filter((f) => f.isVirtual === true);
    expect(vfs).toHaveLength(expected);
    expect(events(nic, VF_UNREACHABLE.id)).toBe(4 - expected);
  });
});

/** Gives the driver the way to queue pair 7 through virtual function 1. */
function reachThroughVf(nic: NicDriver): VirtualFunction {
  const first = vf(nic, PF_RID + 8);
  nic.setContext(7, 'MAC_ADDRESS', macNumber(macOf(7)) | (1n << 63n));
  first.configWrite(0x04, 2, 4);
  nic.setAccess(7, {
    device: first,
    contextBar: 0,
    contextAt: 0,
    doorbellBar: 0,
    doorbellAt: vfPlaces(1).doorbells,
  });
  return first;
}

describe('a virtual function', () => {
  it('sends and receives with its own Requester ID and without PASID', () => {
    const nic = withVfs(1);
    nic.setUpPair(0, { pasid: 10 });
    reachThroughVf(nic);
    const port = nic.host.ports.get(PF_RID + 8);
    Object.assign(port ?? {}, { isRecording: true });
    nic.setUpPair(7);
    nic.send(7, frameOf(macOf(0), macOf(7)));
    nic.send(0, frameOf(macOf(7), macOf(0)));
    nic.run();
    expect(nic.receive(0)).toHaveLength(1);
    expect(nic.receive(7)).toHaveLength(1);
    expect(new Set(port?.accesses.map((a) => a.pasid))).toEqual(new Set([-1]));
    expect(port?.accesses.length).toBeGreaterThan(4);
  });

  it('cannot write what only the host assigns', () => {
    const nic = withVfs(1);
    reachThroughVf(nic);
    const before = nic.context(7, 'MAC_ADDRESS');
    nic.setContext(7, 'MAC_ADDRESS', 0x1234);
    nic.setContext(7, 'Q_PASID', 0x8000_0001);
    expect(nic.context(7, 'MAC_ADDRESS')).toBe(before);
    expect(nic.context(7, 'Q_PASID')).toBe(0n);
  });

  it('takes its queue pair out of the reach of the physical function', () => {
    const nic = withVfs(1);
    expect(nic.device.mmioRead(2, 7 * 0x1000, 4)).toBe(0xffff_ffffn);
    nic.device.configWrite(SRIOV_AT + SRIOV.control, 2, 0);
    expect(nic.device.mmioRead(2, 7 * 0x1000, 4)).toBe(0n);
  });

  it('has its own MSI-X table', () => {
    const nic = withVfs(2);
    const first = reachThroughVf(nic);
    nic.setUpPair(7);
    nic.setContext(7, 'Q_VECTOR', 0x8000_0000);
    const { msixTable } = vfPlaces(1);
    first.mmioWrite(0, msixTable, 4, 0xfee0_0000n);
    first.mmioWrite(0, msixTable + 8, 4, 0x77n);
    first.mmioWrite(0, msixTable + 12, 4, 0n);
    first.configWrite(0x82, 2, 0x8000);
    nic.setDoorbell(7, 'DYN_CTL', 5);
    expect(nic.host.ports.get(PF_RID + 8)?.interrupts).toEqual([
      { address: 0xfee0_0000, data: 0x77 },
    ]);
    expect(nic.port.interrupts).toEqual([]);
  });

  it('is reset alone by its own FLR', () => {
    const nic = withVfs(2);
    const first = reachThroughVf(nic);
    nic.setUpPair(7);
    const other = vf(nic, PF_RID + 9).snapshot();
    const pairs = nic.device.snapshot().pairs.slice(0, 7);
    first.configWrite(0x48, 2, 0x8000);
    expect(nic.context(7, 'Q_CONTROL')).toBe(0n);
    expect(first.configRead(0x04, 2)).toBe(0);
    expect(vf(nic, PF_RID + 9).snapshot()).toEqual(other);
    expect(nic.device.snapshot().pairs.slice(0, 7)).toEqual(pairs);
  });

  it('disappears with the FLR of the physical function', () => {
    const nic = withVfs(3);
    nic.device.configWrite(0x48, 2, 0x8000);
    expect(nic.host.functions.size).toBe(0);
    expect(nic.device.configRead(SRIOV_AT + SRIOV.control, 2)).toBe(0);
  });

  it('comes back from a snapshot with its state', () => {
    const nic = withVfs(2);
    reachThroughVf(nic);
    nic.setUpPair(7);
    const state = nic.device.snapshot();
    nic.device.configWrite(SRIOV_AT + SRIOV.control, 2, 0);
    expect(nic.host.functions.size).toBe(0);
    nic.device.restore(structuredClone(state));
    expect(nic.device.snapshot()).toEqual(state);
    const again = vf(nic, PF_RID + 8);
    expect(again.configRead(0x04, 2)).toBe(4);
    nic.setAccess(7, { ...nic.access(7), device: again });
    expect(nic.context(7, 'Q_CONTROL')).toBe(3n);
  });

  it('goes again when an older snapshot did not have it', () => {
    const nic = withVfs(0);
    const state = nic.device.snapshot();
    nic.device.configWrite(SRIOV_AT + SRIOV.control, 2, 0);
    enableVfs(nic.device, 2);
    nic.device.restore(state);
    expect(nic.host.functions.size).toBe(0);
  });
});
