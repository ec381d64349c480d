import { describe, expect, it } from 'vitest';
import { EFAULT, EINVAL } from '../../../../src-main/linux/errno.ts';
import { GENCAP, OPCAP, WQCAP } from '../../../../src-main/spec/dsa/capability-registers.ts';
import { COMMAND, COMMAND_ERROR as E } from '../../../../src-main/spec/dsa/commands.ts';
import { SWERROR } from '../../../../src-main/spec/dsa/general-registers.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import { VFIO_FLAGS as F } from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  BAR,
  becomeMaster,
  bootIdxd,
  bytesOfWords,
  closeVdev,
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
  type IdxdOptions,
  type OpenVdev,
} from '../../../support/linux-idxd.ts';

const DWQ = { mode: 'dedicated', type: 'mdev' } as const;
const SWQ = { mode: 'shared', type: 'mdev' } as const;
const COMMAND_REGISTER = 4;
const STATUS_REGISTER = 6;
const GENSTS = 0x90;
const WQCFG = 0x500;
const MODE_WORD = 8;

interface Opened extends OpenVdev {
  readonly lab: IdxdLab;
}

function opened(type: 'dwq' | 'swq', options: IdxdOptions = {}): Opened {
  const lab = bootIdxd({ wqs: [type === 'dwq' ? DWQ : SWQ], ...options });
  const vdev = createVdev(lab, `dsa-1${type}-v1`);
  return { lab, ...openVdev(lab, vdev) };
}

function config(open: OpenVdev, offset: number, bytes: number): number {
  return open.user.readValue(open.fd, BAR.config, offset, bytes);
}

function setConfig(open: OpenVdev, offset: number, bytes: number, value: number): number {
  return open.user.writeValue(open.fd, BAR.config, offset, bytes, value);
}

function register(open: OpenVdev, offset: number): number {
  return open.user.readValue(open.fd, BAR.registers, offset, 4);
}

function setRegister(open: OpenVdev, offset: number, value: number): number {
  return open.user.writeValue(open.fd, BAR.registers, offset, 4, value);
}

function softwareError(open: OpenVdev): ReturnType<typeof SWERROR.decode> {
  const words = Uint32Array.from({ length: 8 }, (_, i) => register(open, SWERROR.offset + i * 4));
  return SWERROR.decode(words);
}

/** Virtual WQCFG with a PASID of the guest. */
function setGuestPasid(open: OpenVdev, pasid: number, priv = 0): void {
  const mode = 1 | (pasid << 8) | (1 << 28) | (priv << 29);
  setRegister(open, WQCFG + MODE_WORD, mode >>> 0);
}

/** The guest's driver switches ATS, PASID and PRI on. */
function enableFeatures(open: OpenVdev): void {
  setConfig(open, 0x106, 2, 0x8000);
  setConfig(open, 0x126, 2, 0x5);
  setConfig(open, 0x114, 2, 0x1);
}

/** A host domain for a guest PASID, as a VMM with a page table for it attaches it. */
function attachGuestPasid(open: Opened, guestPasid: number): number {
  const { user, fd } = open;
  const iommufd = open.others[0] ?? -1;
  const devid = open.lab.kernel.iommufd.attachments.binding(
    open.lab.kernel.vfio.devices.find((v) => v.isCdevOpen) ?? never(),
  )?.device.id;
  const ioas = user.ioas(iommufd);
  const { rc, id } = user.hwpt(iommufd, devid ?? -1, ioas, { flags: 8 });
  expect(rc).toBe(0);
  return user.attach(fd, id, guestPasid).rc;
}

function never(): never {
  throw new Error('No open VFIO device');
}

describe('row 35: virtual configuration space', () => {
  it('answers the sizing of both BARs and keeps the addresses that the guest writes', () => {
    const open = opened('dwq');
    for (const at of [0x10, 0x18]) {
      expect(config(open, at, 4)).toBe(0xc);
      setConfig(open, at, 4, 0xffff_ffff);
      setConfig(open, at + 4, 4, 0xffff_ffff);
      expect(config(open, at, 4)).toBe(0xffff_e00c);
      expect(config(open, at + 4, 4)).toBe(0xffff_ffff);
      setConfig(open, at, 4, 0xfe00_1234);
      expect(config(open, at, 4)).toBe(0xfe00_000c);
    }
    expect([0x14, 0x1c, 0x20, 0x24].map((at) => config(open, at, 4) >= 0)).not.toContain(false);
  });

  it('keeps identity read-only and takes only the command bits that exist', () => {
    const open = opened('dwq');
    setConfig(open, 0, 4, 0);
    expect(config(open, 0, 4)).toBe(0x0b25_8086);
    expect(config(open, 8, 4) >>> 8).toBe(0x08_8000);
    expect(config(open, 0x2c, 4)).toBe(0x2010_8086);
    setConfig(open, COMMAND_REGISTER, 2, 0xffff);
    expect(config(open, COMMAND_REGISTER, 2)).toBe(0x0146);
    setConfig(open, 0x3c, 1, 11);
    expect(config(open, 0x3c, 1)).toBe(11);
  });

  it('has a status register whose error bits are cleared by writing 1', () => {
    const open = opened('dwq');
    expect(config(open, STATUS_REGISTER, 2)).toBe(0x0010);
    setConfig(open, STATUS_REGISTER, 2, 0xffff);
    expect(config(open, STATUS_REGISTER, 2)).toBe(0x0010);
  });

  it('lists MSI-X and PCI Express, then ATS, PRI and PASID, and hides Scalable IOV', () => {
    const open = opened('dwq');
    const standard: number[] = [];
    for (let at = config(open, 0x34, 1); at !== 0; at = config(open, at + 1, 1)) {
      standard.push(config(open, at, 1));
    }
    const extended: number[] = [];
    for (let at = 0x100; at !== 0; at = config(open, at, 4) >>> 20) {
      extended.push(config(open, at, 2));
    }
    expect(standard).toEqual([0x11, 0x10]);
    expect(extended).toEqual([0x0f, 0x13, 0x1b]);
    expect(config(open, 0x42, 2)).toBe(1);
    expect(config(open, 0x44, 4)).toBe(0x600);
    expect(config(open, 0x48, 4)).toBe(0x700);
    expect(config(open, 0x50, 4)).toBe(0x0092_0010);
    expect(config(open, 0x104, 2)).toBe(0x0061);
    expect(config(open, 0x116, 2)).toBe(0x8100);
    expect(config(open, 0x118, 4)).toBe(1);
    expect(config(open, 0x124, 2)).toBe(0x1404);
    expect(config(open, 0x130, 2)).toBe(0x23);
    expect(config(open, 0x144, 4)).toBe(0);
  });

  it('refuses accesses of more than 4 bytes and misaligned ones', () => {
    const open = opened('dwq');
    expect(setConfig(open, 0x10, 8, 0)).toBe(-EFAULT);
    expect(setConfig(open, 0x11, 2, 0)).toBe(-EFAULT);
    expect(setConfig(open, 0x10, 2, 0)).toBe(2);
  });

  it('halts with software error 51h when bus mastering goes while the device is enabled', () => {
    const open = opened('dwq');
    becomeMaster(open);
    setRegister(open, 0x88, 3);
    const eventfd = open.lab.kernel.calls.eventfd(open.user.process);
    open.user.setIrqs(open.fd, F.VFIO_PCI_MSIX_IRQ_INDEX, EVENTFD, {}, [eventfd]);
    setConfig(open, COMMAND_REGISTER, 2, 0x2);
    expect(register(open, GENSTS)).toBe(0);
    becomeMaster(open);
    expect(vdevCommand(open, COMMAND.enableDevice).error).toBe(E.success);
    setConfig(open, COMMAND_REGISTER, 2, 0x2);
    expect(register(open, GENSTS)).toBe(0b0111);
    expect(softwareError(open)).toMatchObject({ valid: 1, code: 0x51 });
    expect(register(open, 0x98)).toBe(0b1_0001);
    expect(eventfdTotal(open, eventfd)).toBe(2);
    expect(vdevCommand(open, COMMAND.enableDevice).error).toBe(E.halted);
    setConfig(open, 0x58, 2, 0x8000);
    expect(register(open, GENSTS)).toBe(0);
  });
});

const EVENTFD = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;

function eventfdTotal(open: Opened, fd: number): number {
  const state = open.user.process.files.get(fd)?.state() as { total: number } | undefined;
  return state?.total ?? -1;
}

describe('row 36: virtual capabilities', () => {
  it('are a subset of the physical ones, without configuration support and IMS', () => {
    for (const profile of ['v1', 'v2'] as const) {
      const open = opened('dwq', { dsa: { profile } });
      const { capabilities } = open.lab.idxd;
      const words = (at: number, count: number): Uint32Array =>
        Uint32Array.from({ length: count }, (_, i) => register(open, at + i * 4));
      const gencap = GENCAP.decode(words(GENCAP.offset, 2));
      const physical = capabilities.gencap;
      for (const [name, value] of Object.entries(gencap)) {
        if (name !== 'commandCapabilities') {
          expect(value, name).toBeLessThanOrEqual(physical[name as keyof typeof physical]);
        }
      }
      expect(gencap).toMatchObject({ configuration: 0, imsBlocks: 0, commandCapabilities: 1 });
      const opcap = OPCAP.decode(words(OPCAP.offset, 8)).operations;
      expect(opcap & ~capabilities.opcap).toBe(0n);
      expect(opcap).toBeGreaterThan(0n);
      expect(WQCAP.decode(words(WQCAP.offset, 2))).toMatchObject({
        totalSize: 16,
        count: 1,
        shared: 0,
        dedicated: 1,
      });
      expect(register(open, 0xb0) & 0x6000).toBe(0x6000);
    }
  });

  it('refuses MMIO writes that are too large, misaligned or outside', () => {
    const open = opened('dwq');
    const write = (offset: number, bytes: number): number =>
      open.user.writeValue(open.fd, BAR.registers, offset, bytes, 1);
    expect(write(0x88, 8)).toBe(-EFAULT);
    expect(write(0x8a, 4)).toBe(-EFAULT);
    expect(write(0x88, 3)).toBe(-EFAULT);
    expect(write(0x1ffe, 4)).toBe(-EINVAL);
    expect(write(0x88, 4)).toBe(4);
  });

  it('shows which fields of WQCFG belong to the owner of the queue', () => {
    const dwq = opened('dwq');
    setRegister(dwq, WQCFG, 99);
    setRegister(dwq, WQCFG + MODE_WORD, 0xffff_ffff);
    expect(register(dwq, WQCFG)).toBe(16);
    // Mode, PASID, PASID enable, priv; the priority is the host's.
    expect(register(dwq, WQCFG + MODE_WORD)).toBe((0x3fff_ff00 | 0xa0 | 1) >>> 0);
    const swq = opened('swq');
    const before = register(swq, WQCFG + MODE_WORD);
    setRegister(swq, WQCFG + MODE_WORD, 0xffff_ffff);
    expect(register(swq, WQCFG + MODE_WORD)).toBe(before);
  });
});

describe('row 37: virtual administrative commands', () => {
  it('enable the device once, with bus mastering, and only with features that belong together', () => {
    const open = opened('dwq');
    expect(vdevCommand(open, COMMAND.enableDevice).error).toBe(E.busMasterOff);
    becomeMaster(open);
    setConfig(open, 0x126, 2, 1);
    expect(vdevCommand(open, COMMAND.enableDevice).error).toBe(E.configuration);
    setConfig(open, 0x106, 2, 0x8000);
    expect(vdevCommand(open, COMMAND.enableDevice).error).toBe(E.success);
    expect(vdevCommand(open, COMMAND.enableDevice).error).toBe(E.deviceNotDisabled);
    expect(register(open, GENSTS) & 3).toBe(1);
  });

  it('check queue commands in the order of the architecture', () => {
    const open = opened('dwq');
    becomeMaster(open);
    expect(vdevCommand(open, COMMAND.enableWq).error).toBe(E.deviceNotEnabled);
    vdevCommand(open, COMMAND.enableDevice);
    expect(vdevCommand(open, COMMAND.enableWq, 1).error).toBe(E.invalidWq);
    setRegister(open, WQCFG + MODE_WORD, 0);
    expect(vdevCommand(open, COMMAND.enableWq).error).toBe(E.wqMode);
    setGuestPasid(open, 5);
    expect(vdevCommand(open, COMMAND.enableWq).error).toBe(E.wqPasid);
    setRegister(open, WQCFG + MODE_WORD, 1);
    expect(vdevCommand(open, COMMAND.disableWq, 1).error).toBe(E.wqNotEnabled);
    expect(vdevCommand(open, COMMAND.enableWq).error).toBe(E.success);
    expect(vdevCommand(open, COMMAND.enableWq).error).toBe(E.wqNotDisabled);
    expect(vdevCommand(open, COMMAND.drainWq, 2).error).toBe(E.invalidWq);
    for (const code of [COMMAND.drainWq, COMMAND.abortWq, COMMAND.drainAll, COMMAND.abortAll]) {
      expect(vdevCommand(open, code, code < 8 ? 0 : 1).error).toBe(E.success);
    }
    expect(vdevCommand(open, COMMAND.disableWq, 1).error).toBe(E.success);
    expect(wqAt(open.lab, 0).read().state).toBe(0);
    expect(vdevCommand(open, COMMAND.resetWq, 1).error).toBe(E.success);
    expect(vdevCommand(open, COMMAND.disableDevice).error).toBe(E.success);
    expect(vdevCommand(open, COMMAND.disableDevice).error).toBe(E.disableDeviceNotEnabled);
  });

  it('give the entry behind a vector as its handle, and refuse vector 0, IMS and what does not exist', () => {
    const open = opened('dwq');
    const handle = (operand: number): { error: number; result: number } =>
      vdevCommand(open, COMMAND.requestInterruptHandle, operand);
    expect(handle(1).error).toBe(E.noInterruptHandle);
    const fds = [0, 1].map(() => open.lab.kernel.calls.eventfd(open.user.process));
    open.user.setIrqs(open.fd, F.VFIO_PCI_MSIX_IRQ_INDEX, EVENTFD, {}, fds);
    expect(handle(0).error).toBe(E.interruptIndex);
    expect(handle(2).error).toBe(E.interruptIndex);
    expect(handle(0x1_0001).error).toBe(E.noInterruptHandle);
    expect(handle(1)).toEqual({ error: E.success, result: 0 });
    const release = (operand: number): number =>
      vdevCommand(open, COMMAND.releaseInterruptHandle, operand).error;
    expect(release(1)).toBe(E.success);
    expect(release(7)).toBe(E.interruptIndex);
  });

  it('hand out the handles that the device gave, where handles are no indexes', () => {
    const open = opened('dwq', { dsa: { profile: 'v2', interruptHandles: 64 } });
    const fds = [0, 1].map(() => open.lab.kernel.calls.eventfd(open.user.process));
    open.user.setIrqs(open.fd, F.VFIO_PCI_MSIX_IRQ_INDEX, EVENTFD, {}, fds);
    const { error, result } = vdevCommand(open, COMMAND.requestInterruptHandle, 1);
    expect(error).toBe(E.success);
    const requested = open.lab.rows('linux.idxd.command-given').at(-1);
    expect(requested?.values['command']).toBe('Request Interrupt Handle');
    expect(open.lab.idxd.registers.words(0xa8, 1)[0]).toBe(result << 8);
  });

  it('refuse what CMDCAP does not report', () => {
    const open = opened('dwq', { dsa: { profile: 'v2' } });
    expect(vdevCommand(open, COMMAND.requestIdptHandle).error).toBe(E.unsupported);
    expect(vdevCommand(open, 0).error).toBe(E.unsupported);
  });

  it('signal vector 0 on request', () => {
    const open = opened('dwq');
    becomeMaster(open);
    const fd = open.lab.kernel.calls.eventfd(open.user.process);
    open.user.setIrqs(open.fd, F.VFIO_PCI_MSIX_IRQ_INDEX, EVENTFD, {}, [fd]);
    setRegister(open, 0xa0, ((COMMAND.enableDevice << 20) | 0x8000_0000) >>> 0);
    expect(register(open, 0x98)).toBe(2);
    expect(eventfdTotal(open, fd)).toBe(1);
    setRegister(open, 0x98, 2);
    expect(register(open, 0x98)).toBe(0);
  });
});

describe('row 38: a second command', () => {
  it('while one is active is dropped and reported as software error 52h', () => {
    const open = opened('dwq');
    const { lab } = open;
    startVdev(open);
    const portal = mapPortal(open, 0);
    const bytes = 0x8000;
    const words = moveWords({ from: GUEST_RAM, to: GUEST_RAM + bytes, bytes, record: GUEST_RAM });
    lab.kernel.instructions.movdir64b(open.user.process, portal, words);
    // Another virtual CPU, while the first one waits for the drain.
    lab.kernel.core.timers.schedule(lab.kernel.core.nowNs + 300, () => {
      setRegister(open, 0xa0, (COMMAND.resetDevice << 20) >>> 0);
    });
    expect(vdevCommand(open, COMMAND.drainWq, 1).error).toBe(E.success);
    expect(softwareError(open)).toMatchObject({ valid: 1, code: 0x52 });
    expect(register(open, GENSTS) & 3).toBe(1);
  });
});

describe('row 39: PASID of a dedicated queue', () => {
  it('is the default one without a guest PASID, and for guest PASID 0', () => {
    const open = opened('dwq');
    startVdev(open);
    const wq = wqAt(open.lab, 0);
    const vdev = open.lab.kernel.idxd.vdcm.vdevs[0];
    expect(vdev?.pasids.default).toBeGreaterThan(0);
    expect(wq.read()).toMatchObject({
      pasid: vdev?.pasids.default,
      pasidEnable: 1,
      priv: 1,
      state: 1,
    });
    vdevCommand(open, COMMAND.disableWq, 1);
    expect(wq.read()).toMatchObject({ pasid: 0, pasidEnable: 0, state: 0 });
  });

  it('is the host PASID that the VMM attached for a guest PASID', () => {
    const open = opened('dwq');
    enableFeatures(open);
    becomeMaster(open);
    vdevCommand(open, COMMAND.enableDevice);
    const iommufd = open.others[0] ?? -1;
    expect(iommufd).toBeGreaterThan(0);
    // The queue's default address space must be able to have PASIDs next to it.
    open.user.detach(open.fd);
    expect(attachGuestPasid(open, 101)).toBe(0);
    setGuestPasid(open, 101);
    expect(vdevCommand(open, COMMAND.enableWq).error).toBe(E.success);
    const host = wqAt(open.lab, 0).read().pasid;
    expect(host).not.toBe(101);
    expect(open.lab.kernel.core.published(`pasid/${host}`)).toBeDefined();
    expect(wqAt(open.lab, 0).read()).toMatchObject({ pasidEnable: 1, priv: 0 });
  });

  it('follows the set of the address space in the 2019 profile, with a reference while it is used', () => {
    const open = opened('dwq', { profile: 'kvmforum2019' });
    const { ioasids } = open.lab.kernel;
    const set = ioasids.ioasid_alloc_set(open.user.process.mm, 16);
    if (typeof set === 'number') {
      throw new Error('No set');
    }
    const host = ioasids.ioasid_alloc(set, 200, 300);
    ioasids.ioasid_attach_spid(host, 101);
    enableFeatures(open);
    becomeMaster(open);
    vdevCommand(open, COMMAND.enableDevice);
    setGuestPasid(open, 101);
    expect(vdevCommand(open, COMMAND.enableWq).error).toBe(E.success);
    expect(wqAt(open.lab, 0).read().pasid).toBe(host);
    expect(ioasids.referencesOf(host)).toBe(2);
    ioasids.ioasid_free(set, host);
    expect(wqAt(open.lab, 0).read()).toMatchObject({ state: 0, pasid: 0 });
    expect(ioasids.referencesOf(host)).toBe(0);
  });

  it('is refused for a number that is not the guest’s own', () => {
    for (const profile of ['iommufd', 'kvmforum2019'] as const) {
      const open = opened('dwq', { profile });
      enableFeatures(open);
      becomeMaster(open);
      vdevCommand(open, COMMAND.enableDevice);
      setGuestPasid(open, 1);
      expect(vdevCommand(open, COMMAND.enableWq).error).toBe(E.wqPasid);
      expect(wqAt(open.lab, 0).read().state).toBe(0);
    }
  });

  it('goes to hardware as the guest wrote it where the ownership check is taken away', () => {
    const open = opened('dwq', { defences: { 'gpasid-ownership': false } });
    enableFeatures(open);
    becomeMaster(open);
    vdevCommand(open, COMMAND.enableDevice);
    setGuestPasid(open, 1);
    expect(vdevCommand(open, COMMAND.enableWq).error).toBe(E.success);
    expect(wqAt(open.lab, 0).read().pasid).toBe(1);
  });
});

describe('row 40: a shared queue', () => {
  function two(options: IdxdOptions = {}): { lab: IdxdLab; a: OpenVdev; b: OpenVdev } {
    const lab = bootIdxd({ wqs: [SWQ], ...options });
    const a = openVdev(lab, createVdev(lab, 'dsa-1swq-v1', 1), 'a');
    const b = openVdev(lab, createVdev(lab, 'dsa-1swq-v1', 2), 'b');
    for (const open of [a, b]) {
      enableFeatures(open);
      startVdev(open);
    }
    return { lab, a, b };
  }

  it('is not touched when a guest enables, disables or resets its part of it', () => {
    const { lab, a, b } = two();
    const before = wqAt(lab, 0).read();
    const commands = (): readonly unknown[] =>
      lab.rows('linux.idxd.command-given').map((r) => r.values['command']);
    const given = commands().length;
    vdevCommand(a, COMMAND.disableWq, 1);
    vdevCommand(a, COMMAND.enableWq);
    vdevCommand(a, COMMAND.resetDevice);
    expect(wqAt(lab, 0).read()).toEqual(before);
    const own = commands().slice(given);
    expect(new Set(own)).toEqual(new Set(['Drain PASID']));
    expect(register(b, GENSTS) & 3).toBe(1);
    expect(register(a, GENSTS) & 3).toBe(0);
  });

  it('needs the PASID capability of the guest', () => {
    const lab = bootIdxd({ wqs: [SWQ] });
    const open = openVdev(lab, createVdev(lab, 'dsa-1swq-v1'));
    becomeMaster(open);
    vdevCommand(open, COMMAND.enableDevice);
    expect(vdevCommand(open, COMMAND.enableWq).error).toBe(E.wqPasid);
  });

  it('is drained as a whole at the reset of one guest where that defence is taken away', () => {
    const { lab, a } = two({ defences: { 'swq-drain-by-pasid': false } });
    vdevCommand(a, COMMAND.resetDevice);
    const last = lab.rows('linux.idxd.command-given').at(-1);
    expect(last?.values['command']).toBe('Drain WQ');
  });
});

describe('row 41: a portal that is not mapped', () => {
  it('puts 64 bytes of a slot together and submits when the last one is there', () => {
    const open = opened('dwq');
    startVdev(open);
    const { lab, user, fd } = open;
    user.process.mm.write(open.memory, new Uint8Array([1, 2, 3, 4]));
    const bytes = bytesOfWords(
      moveWords({
        from: GUEST_RAM,
        to: GUEST_RAM + 0x1000,
        bytes: 4,
        record: GUEST_RAM + 0x2000,
      }),
    );
    for (let at = 56; at >= 0; at -= 8) {
      expect(lab.rows('dsa.descriptor.enqueued')).toHaveLength(0);
      expect(
        lab.kernel.calls.pwrite(
          user.process,
          fd,
          bytes.subarray(at, at + 8),
          BAR.portals * 2 ** 40 + 0x40 + at,
        ),
      ).toBe(8);
    }
    expect(lab.rows('dsa.descriptor.enqueued')).toHaveLength(1);
    lab.kernel.core.advance(100_000);
    expect(statusAt(open, 0x2000)).toBe(STATUS.success);
    expect(user.process.mm.read(open.memory + 0x1000, 4)).toEqual(new Uint8Array([1, 2, 3, 4]));
  });

  it('gives the descriptor of a shared queue the host PASID of its guest', () => {
    const open = opened('swq');
    enableFeatures(open);
    startVdev(open);
    const { lab, user, fd } = open;
    const own = lab.kernel.idxd.vdcm.vdevs[0]?.pasids.default ?? -1;
    const plan = { from: GUEST_RAM, to: GUEST_RAM + 64, bytes: 8, record: GUEST_RAM + 0x2000 };
    const at = BAR.portals * 2 ** 40;
    const send = (pasid: number): number =>
      lab.kernel.calls.pwrite(user.process, fd, bytesOfWords(moveWords({ ...plan, pasid })), at);
    expect(send(0)).toBe(64);
    expect(lab.rows('dsa.descriptor.enqueued').at(-1)?.values).toMatchObject({
      pasid: own,
      portal: 2,
    });
    // The system's PASID is no guest's.
    expect(send(1)).toBe(-EINVAL);
    expect(lab.rows('dsa.descriptor.enqueued')).toHaveLength(1);
  });

  it('reads as all ones', () => {
    const open = opened('dwq');
    expect(open.user.read(open.fd, BAR.portals, 0x800, 16)).toEqual(new Uint8Array(16).fill(0xff));
  });
});

describe('row 42: the fast path', () => {
  it('is not seen by the VDCM', () => {
    const open = opened('dwq');
    startVdev(open);
    const portal = mapPortal(open, 0);
    const accesses = (): number => open.lab.rows('linux.vdev.accessed').length;
    const before = accesses();
    for (let i = 0; i < 8; i++) {
      const record = GUEST_RAM + 0x4000 + i * 64;
      const words = moveWords({ from: GUEST_RAM, to: GUEST_RAM + 0x1000, bytes: 64, record });
      open.lab.kernel.instructions.movdir64b(open.user.process, portal + i * 64, words);
    }
    open.lab.kernel.core.advance(200_000);
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((i) => statusAt(open, 0x4000 + i * 64))).toEqual(
      Array(8).fill(STATUS.success),
    );
    expect(accesses()).toBe(before);
  });
});

describe('row 43: residue', () => {
  it('of a closed VDEV is none: the next opener finds it as it was created', () => {
    for (const profile of ['iommufd', 'kvmforum2019'] as const) {
      const lab = bootIdxd({ profile, wqs: [DWQ] });
      const vdev = createVdev(lab, 'dsa-1dwq-v1');
      const image = (open: OpenVdev): readonly unknown[] => [
        open.user.read(open.fd, BAR.config, 0, 0x150),
        open.user.read(open.fd, BAR.registers, 0, 0x708),
      ];
      const first = openVdev(lab, vdev, 'first');
      const pristine = image(first);
      startVdev(first);
      setRegister(first, 0x300, 0xabcd_e00c);
      setRegister(first, 0x600, 0xfee0_1000);
      first.user.write(first.fd, BAR.portals, 0, new Uint8Array(32).fill(0x5a));
      expect(image(first)).not.toEqual(pristine);
      closeVdev(first);
      expect(wqAt(lab, 0).read()).toMatchObject({ state: 0, pasid: 0, priv: 0 });
      expect(lab.kernel.core.publishedKeys('ims/')).toEqual([]);
      const second = openVdev(lab, vdev, 'second');
      expect(image(second)).toEqual(pristine);
      // Half a descriptor of the first one does not complete here.
      second.user.write(second.fd, BAR.portals, 32, new Uint8Array(32).fill(0x5a));
      expect(lab.rows('cpu.block-write.issued')).toHaveLength(0);
    }
  });

  it('is there where the reset at close is taken away', () => {
    const lab = bootIdxd({ wqs: [DWQ], defences: { 'reset-on-close': false } });
    const vdev = createVdev(lab, 'dsa-1dwq-v1');
    const first = openVdev(lab, vdev, 'first');
    setRegister(first, 0x600, 0xfee0_1000);
    closeVdev(first);
    const second = openVdev(lab, vdev, 'second');
    expect(register(second, 0x600)).toBe(0xfee0_1000);
  });
});
