/** Row 71, attacks 8.9 and 8.10: one client that costs the others the service, and a guest that feeds the VDCM bad input. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { INVALID_IOASID } from '../../../../src-main/linux/iommu/ioasid.ts';
import type { DefenceName } from '../../../../src-main/sim/index.ts';
import { COMMAND, COMMAND_ERROR } from '../../../../src-main/spec/dsa/commands.ts';
import { SWERROR } from '../../../../src-main/spec/dsa/general-registers.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import { Vm } from '../../../../src-main/vmm/vm.ts';
import {
  BAR,
  bootIdxd,
  createVdev,
  GUEST_RAM,
  mapPortal,
  moveWords,
  openVdev,
  startVdev,
  statusAt,
  vdevCommand,
  wqAt,
  type IdxdLab,
  type OpenVdev,
} from '../../../support/linux-idxd.ts';
import {
  anonymous,
  bootSva,
  lazyMove,
  openApp,
  PAGE,
  pageRequest,
  statusOf,
  type SvaApp,
} from '../../../support/linux-sva.ts';
import { bootVsva } from '../../../support/linux-vsva.ts';

/** One defence, there or not. */
const only = (name: DefenceName, isDefended: boolean) => ({ defences: { [name]: isDefended } });

describe('row 71: 8.9a, a shared queue that one client keeps full', () => {
  function attack(isDefended: boolean) {
    const lab = bootSva({ size: 8, threshold: 6 }, only('limited-portal', isDefended));
    const flooder = openApp(lab, 'flooder');
    for (let n = 0; n < 32; n++) {
      const words = lazyMove(flooder, { to: flooder.memory + 2 * PAGE, bytes: 2 * PAGE });
      lab.kernel.instructions.enqcmd(flooder.process, flooder.portal, words);
    }
    const own = lazyMove(flooder, { at: 5 });
    own[0] = flooder.process.mm.pasid ?? 0;
    const kernel = lab.hw.enqcmds(0, wqAt(lab, 0).portal('unlimitedMsix'), own);
    lab.kernel.core.advance(100_000_000);
    return { kernel, flooder: statusOf(flooder), own: statusOf(flooder, 5) };
  }

  it('has room for the kernel above the threshold of the limited portal', () => {
    expect(attack(true)).toEqual({
      kernel: 'accepted',
      flooder: STATUS.success,
      own: STATUS.success,
    });
  });

  it('has none when processes have the unlimited portal', () => {
    expect(attack(false)).toEqual({ kernel: 'retry', flooder: STATUS.success, own: 0 });
  });
});

describe('row 71: 8.9b, long transfers on a queue with a limit', () => {
  function attack(isDefended: boolean) {
    const lab = bootIdxd({
      wqs: [{ mode: 'shared', type: 'user', enable: false }],
      ...only('queue-limits', isDefended),
    });
    const { name } = wqAt(lab, 0);
    const limit = `bus/dsa/devices/${name}/max_transfer_size`;
    expect(lab.sysfsWrite(limit, String(16 * PAGE))).toBeGreaterThan(0);
    expect(lab.sysfsWrite('bus/dsa/drivers/dsa/bind', name)).toBeGreaterThan(0);
    const [attacker, neighbour] = [openApp(lab, 'attacker', 0), openApp(lab, 'neighbour', 1)];
    const { instructions, core } = lab.kernel;
    const source = anonymous(lab, attacker.process, 64, true);
    const target = anonymous(lab, attacker.process, 64, true);
    const submit = (app: SvaApp, words: Uint32Array): void => {
      words[1] = ((words[1] ?? 0) & ~2) >>> 0;
      expect(instructions.enqcmd(app.process, app.portal, words)).toBe('accepted');
    };
    for (let n = 0; n < 8; n++) {
      submit(attacker, lazyMove(attacker, { from: source, to: target, bytes: 64 * PAGE, at: n }));
    }
    const { records } = neighbour;
    const start = core.nowNs;
    submit(neighbour, lazyMove(neighbour, { from: records, to: records + 0x800, at: 4 }));
    expect(core.waitFor(() => statusOf(neighbour, 4) !== 0, 100_000_000)).toBe(true);
    const ns = core.nowNs - start;
    core.advance(100_000_000);
    return { ns, attacker: statusOf(attacker), neighbour: statusOf(neighbour, 4) };
  }

  it('are refused with 13h, and cost every neighbour when the limit is not in WQCFG', () => {
    const [defended, undefended] = [attack(true), attack(false)];
    expect(defended.attacker).toBe(STATUS.transferSize);
    expect(undefended.attacker).toBe(STATUS.success);
    expect([defended.neighbour, undefended.neighbour]).toEqual([STATUS.success, STATUS.success]);
    expect(undefended.ns).toBeGreaterThan(defended.ns * 2);
  });
});

describe('row 71: 8.9c, page requests that fill the queue', () => {
  const ENTRIES = 2048;

  function attack(isDefended: boolean) {
    const lab = bootSva({}, only('page-request-overflow', isDefended));
    const [flooder, quiet] = [openApp(lab, 'flooder', 0), openApp(lab, 'quiet', 1)];
    for (let n = 0; n <= ENTRIES; n++) {
      pageRequest(lab, lab.dev.rid, { pasid: flooder.process.mm.pasid ?? 0, low: 0x1000_0000 });
    }
    lab.kernel.core.advance(1_000_000);
    quiet.process.mm.write(quiet.memory, new Uint8Array([1]));
    const before = lab.rows('iommu.page-request.answered-by-unit').length;
    lab.kernel.instructions.enqcmd(quiet.process, quiet.portal, lazyMove(quiet));
    lab.kernel.core.advance(20_000_000);
    return {
      status: statusOf(quiet),
      isLogged: lab
        .rows('linux.warning.printed')
        .some((r) => r.values['text'] === 'DMAR: page request overflow on dmar0'),
      hasLost: lab.rows('iommu.page-request.answered-by-unit').length > before,
    };
  }

  it('overflow once, which is logged; a neighbour’s page fault is served after it', () => {
    expect(attack(true)).toEqual({ status: STATUS.success, isLogged: true, hasLost: false });
  });

  it('cost everybody else their page faults when nobody clears the overflow', () => {
    const { status, isLogged, hasLost } = attack(false);
    expect([isLogged, hasLost]).toEqual([false, true]);
    expect(status).not.toBe(STATUS.success);
  });
});

describe('row 71: 8.9d, PASIDs that one VM takes', () => {
  const MAX = 20;
  const QUOTA = 8;

  it.each([true, false])('with a quota that is kept, %s: the same is left for others', (isKept) => {
    const lab = bootVsva('kvmforum2019', ['shared'], only('pasid-quota', isKept));
    const { ioasids } = lab.kernel;
    const [flooder, other] = ['flooder', 'other'].map((name) => {
      const viommu = { pasidQuota: QUOTA };
      const vm = new Vm(lab.kvm, { name, memoryBytes: 40 * 2 ** 20, vcpus: 1, viommu });
      const set = defined(ioasids.ioasid_find_mm_set(vm.qemu.process.mm) ?? undefined, 'Set');
      return () => ioasids.ioasid_alloc(set, 1, MAX);
    });
    let taken = 0;
    while (flooder?.() !== INVALID_IOASID) {
      taken += 1;
    }
    expect(taken <= QUOTA).toBe(isKept);
    expect(other?.() !== INVALID_IOASID).toBe(isKept);
  });
});

/** Two VMMs with a dedicated queue each, both started. */
function twoVdevs(name: DefenceName, isDefended: boolean) {
  const lab = bootIdxd({
    wqs: [
      { mode: 'dedicated', type: 'mdev' },
      { mode: 'dedicated', type: 'mdev' },
    ],
    ...only(name, isDefended),
  });
  const [attacker, victim] = ['attacker', 'victim'].map((owner, i) => {
    const open = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1', i + 1), owner);
    startVdev(open);
    return open;
  });
  return {
    lab,
    attacker: defined(attacker, 'Attacker'),
    victim: defined(victim, 'Victim'),
  };
}

function submit(lab: IdxdLab, open: OpenVdev, record: number): void {
  const words = moveWords({ from: GUEST_RAM, to: GUEST_RAM + PAGE, bytes: 64, record });
  lab.kernel.instructions.movdir64b(open.user.process, mapPortal(open, 0), words);
  lab.kernel.core.advance(1_000_000);
}

function works(lab: IdxdLab, open: OpenVdev): boolean {
  submit(lab, open, GUEST_RAM + 0x3000);
  return statusAt(open, 0x3000) === STATUS.success;
}

describe('row 71: 8.9e, errors that hide the errors of others', () => {
  /** Where no completion record can be, so that the error goes to the register. */
  const BAD_RECORD = GUEST_RAM + 0x2008;

  const errorOf = ({ user, fd }: OpenVdev): ReturnType<typeof SWERROR.decode> =>
    SWERROR.decode(
      Uint32Array.from({ length: 8 }, (_, i) =>
        user.readValue(fd, BAR.registers, SWERROR.offset + i * 4, 4),
      ),
    );

  function attack(isDefended: boolean) {
    const { lab, attacker, victim } = twoVdevs('software-error-clear', isDefended);
    submit(lab, attacker, BAD_RECORD);
    submit(lab, attacker, BAD_RECORD);
    submit(lab, victim, BAD_RECORD);
    const [own, other] = [errorOf(attacker), errorOf(victim)];
    return {
      own: [own.valid, own.overflow],
      other: [other.valid, other.overflow, other.code],
      works: works(lab, victim),
    };
  }

  it('overflow in the attacker’s own register; the victim is told of its own', () => {
    expect(attack(true)).toEqual({
      own: [1, 1],
      other: [1, 0, STATUS.recordAlignment],
      works: true,
    });
  });

  it('leave the victim without its error while the physical register is full', () => {
    expect(attack(false)).toEqual({ own: [1, 0], other: [0, 0, 0], works: true });
  });
});

describe('row 71: 8.10, a queue index beyond the VDEV’s own', () => {
  function attack(isDefended: boolean) {
    const { lab, attacker, victim } = twoVdevs('queue-index-check', isDefended);
    const { error } = vdevCommand(attacker, COMMAND.disableWq, 0b10);
    return { error, works: works(lab, victim) };
  }

  it('is refused, and the queue of the victim runs on', () => {
    expect(attack(true)).toEqual({ error: COMMAND_ERROR.invalidWq, works: true });
  });

  it('stops the victim’s queue when it is taken as an index of the device', () => {
    expect(attack(false)).toEqual({ error: 0, works: false });
  });
});

describe('row 71: 8.10, sizes of BARs', () => {
  it('are told by the all-ones dance of any width, and nothing else is changed', () => {
    const { lab, attacker, victim } = twoVdevs('mmio-size-check', true);
    const { user, fd } = attacker;
    const read = (at: number): number => user.readValue(fd, BAR.config, at, 4) >>> 0;
    const before = [0x10, 0x14, 0x18, 0x1c].map(read);
    user.writeValue(fd, BAR.config, 0x10, 4, 0xffff_ffff);
    const mask = (read(0x10) & ~0xf) >>> 0;
    // A power of two, however much of the register was written.
    const size = (~mask + 1) >>> 0;
    expect(size & (size - 1)).toBe(0);
    for (const [i, value] of before.entries()) {
      user.writeValue(fd, BAR.config, 0x10 + i * 4, 4, value);
    }
    expect([0x10, 0x14, 0x18, 0x1c].map(read)).toEqual(before);
    expect(lab.rows('linux.warning.printed')).toEqual([]);
    expect(works(lab, attacker) && works(lab, victim)).toBe(true);
  });
});
