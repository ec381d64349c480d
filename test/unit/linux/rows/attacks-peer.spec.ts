/** Row 71, attack 8.6: a function that reaches its neighbour's registers past the IOMMU. PCIe 6.12; siov-stack 8.6. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { EBUSY } from '../../../../src-main/linux/errno.ts';
import { parseBdf } from '../../../../src-main/linux/pci/pci-scan.ts';
import {
  ADDRESS_TYPE,
  type DeviceConfig,
  type MachineConfig,
} from '../../../../src-main/sim/index.ts';
import {
  VFIO_CONTAINER_IOCTLS as C,
  VFIO_EXTENSIONS as E,
  VFIO_GROUP_IOCTLS as G,
} from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import { breachesOf } from '../../../support/isolation-breaches.ts';
import { VfioUser } from '../../../support/linux-vfio.ts';
import { bootLab, type Lab } from '../../../support/linux-machine.ts';

type Defences = NonNullable<MachineConfig['defences']>;

const ATTACKER = '6c:00.0';
const VICTIM = '6c:00.1';
const BAR0 = 0x10;
const BYTES = 8;
const GUEST_RAM = 0x10_0000;
const PAGE = 4096;
/** The request goes up, to tables in which nobody has mapped the address. */
const NOT_PRESENT = 0x79;

function ownerOf(bdf: string): string {
  return `owner of ${bdf}`;
}

function twoFunctions(): readonly DeviceConfig[] {
  const capabilities = [{ kind: 'acs', offset: 0x100 }];
  const options = { vendorId: 0x8086, deviceId: 0x1111, classCode: 0x020000, capabilities };
  return [
    {
      kind: 'plain',
      name: 'evil',
      bdf: ATTACKER,
      options: { ...options, isMultiFunction: true },
    },
    { kind: 'plain', name: 'good', bdf: VICTIM, options },
  ];
}

interface Scene {
  readonly lab: Lab;
  /** What each owner's claim of its function came to. */
  readonly claims: readonly number[];
}

/** Two VMMs, each with one function of the same device. */
function assign(defences: Defences): Scene {
  const lab = bootLab({ devices: twoFunctions(), defences });
  const claims = [ATTACKER, VICTIM].map((bdf) => {
    const dev = defined(lab.kernel.pci.deviceAt(parseBdf(bdf)), bdf);
    expect(lab.kernel.pci.bind(dev, lab.kernel.vfioPci)).toBe(0);
    lab.kernel.pci.pci_set_master(dev);
    const user = new VfioUser(lab.kernel, ownerOf(bdf));
    const group = user.open(user.groupOf(dev.name));
    if (group < 0) return group;
    const container = user.open('/dev/vfio/vfio');
    const joined = user.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, container);
    if (joined < 0) return joined;
    expect(user.ioctl(container, C.VFIO_SET_IOMMU, E.VFIO_TYPE1v2_IOMMU)).toBe(0);
    return user.mapDma(container, user.memory(1), GUEST_RAM, PAGE);
  });
  return { lab, claims };
}

function victimBar({ lab }: Scene): number {
  const read = (at: number): number => lab.hw.configRead(parseBdf(VICTIM), at, 4);
  return read(BAR0 + 4) * 2 ** 32 + ((read(BAR0) & ~0xf) >>> 0);
}

/** The attacker writes to the victim's BAR, and reads it: what the victim has then, and what the attacker got. */
function attack(scene: Scene): { readonly stored: bigint; readonly read: Uint8Array } {
  const { machine } = scene.lab;
  const address = victimBar(scene);
  const port = machine.fabric.portOf(parseBdf(ATTACKER));
  const request = {
    pasid: -1,
    isPrivileged: false,
    isExecute: false,
    addressType: ADDRESS_TYPE.untranslated,
    high: Math.floor(address / 2 ** 32),
    low: address % 2 ** 32,
    bytes: BYTES,
    trafficClass: 0,
  };
  port.write(request, new Uint8Array(BYTES).fill(0xee), 0);
  const read = new Uint8Array(BYTES);
  port.read(request, read, 0);
  return { stored: scene.lab.hw.mmioRead(address, 8), read };
}

const refusals = (lab: Lab): unknown[] =>
  lab.rows('iommu.request.blocked').map((r) => r.values['reason']);

describe('row 71: 8.6, peers without access control', () => {
  it('send their requests up, where the tables of the attacker do not know the address', () => {
    const scene = assign({});
    expect(scene.claims).toEqual([0, 0]);
    expect(attack(scene)).toEqual({ stored: 0n, read: new Uint8Array(BYTES) });
    expect(refusals(scene.lab)).toEqual([NOT_PRESENT, NOT_PRESENT]);
    expect(scene.lab.rows('pcie.peer-access.delivered')).toEqual([]);
    expect(breachesOf(scene.lab)).toEqual([]);
    // The victim's own CPU still reaches it.
    scene.lab.hw.mmioWrite(victimBar(scene), 4, 7n);
    expect(scene.lab.hw.mmioRead(victimBar(scene), 4)).toBe(7n);
  });

  it('are one group when nobody turns redirection on, and have one owner', () => {
    const scene = assign({ 'acs-redirect': false });
    expect(scene.claims).toEqual([0, -EBUSY]);
    const groups = [ATTACKER, VICTIM].map((bdf) => {
      const dev = defined(scene.lab.kernel.pci.deviceAt(parseBdf(bdf)), bdf);
      return scene.lab.kernel.iommu.iommu_group_get(dev)?.id;
    });
    expect(new Set(groups).size).toBe(1);
  });

  it('reach each other past the IOMMU when the group is split all the same', () => {
    const scene = assign({ 'acs-redirect': false, 'acs-groups': false });
    expect(scene.claims).toEqual([0, 0]);
    expect(attack(scene)).toEqual({
      stored: 0xeeee_eeee_eeee_eeeen,
      read: new Uint8Array(BYTES).fill(0xee),
    });
    expect(refusals(scene.lab)).toEqual([]);
    expect(breachesOf(scene.lab)).toEqual([
      {
        principal: ownerOf(ATTACKER),
        page: victimBar(scene),
        owner: ownerOf(VICTIM),
      },
    ]);
    expect(
      scene.lab
        .rows('pcie.peer-access.delivered')
        .map(({ values }) => [values['write'], values['peer']]),
    ).toEqual([
      [1, parseBdf(VICTIM)],
      [0, parseBdf(VICTIM)],
    ]);
  });
});
