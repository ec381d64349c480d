import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { EventfdFile } from '../../../../src-main/linux/core/eventfd.ts';
import { EINVAL, ENOMSG } from '../../../../src-main/linux/errno.ts';
import {
  MIGRATION_STATE as S,
  migrationWay,
  type MigrationState,
} from '../../../../src-main/linux/vfio/migration-state.ts';
import { COMMAND } from '../../../../src-main/spec/dsa/commands.ts';
import { PORTAL_PAGE } from '../../../../src-main/spec/dsa/portals.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import {
  VFIO_DEVICE_IOCTLS as D,
  VFIO_FLAGS as F,
} from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import { VfioDeviceFeatureMigration } from '../../../../src-main/spec/vfio/vfio-structures.ts';
import { decodeBytes } from '../../../../src-main/linux/core/user-argument.ts';
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
  type IdxdLab,
  type OpenVdev,
  type WqPlan,
} from '../../../support/linux-idxd.ts';
import {
  feature,
  migrate,
  readAll,
  setState,
  stateOf,
  trapped,
  writeTo,
} from '../../../support/vdev-migration.ts';

const PAGE = 4096;
const INTCAUSE = 0x98;
const HANDLES_REVOKED = 2 ** 31;
const EVENTFD = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;
const DWQ: WqPlan = { mode: 'dedicated', type: 'mdev', size: 16 };
const SWQ: WqPlan = { mode: 'shared', type: 'mdev', size: 16 };

function boot(wqs: readonly WqPlan[], type: 'dwq' | 'swq'): { lab: IdxdLab; sides: OpenVdev[] } {
  const lab = bootIdxd({ wqs });
  const sides = ['source', 'destination'].map((name, i) =>
    openVdev(lab, createVdev(lab, `dsa-1${type}-v1`, i + 1), name),
  );
  return { lab, sides };
}

function pair(wqs: readonly WqPlan[], type: 'dwq' | 'swq'): [IdxdLab, OpenVdev, OpenVdev] {
  const { lab, sides } = boot(wqs, type);
  return [lab, defined(sides[0], 'Source'), defined(sides[1], 'Destination')];
}

function move(at: number, extra: { readonly handle?: number; readonly bytes?: number } = {}) {
  return moveWords({
    from: GUEST_RAM,
    to: GUEST_RAM + 4 * PAGE,
    bytes: extra.bytes ?? 64,
    record: GUEST_RAM + 0x9000 + at * 64,
    ...(extra.handle === undefined ? {} : { handle: extra.handle }),
  });
}

function recordOf(open: OpenVdev, at: number): number {
  return statusAt(open, 0x9000 + at * 64);
}

describe('row 68: states of a migration', () => {
  const ways: readonly (readonly [MigrationState, MigrationState, readonly MigrationState[]])[] = [
    [S.RUNNING, S.STOP, [S.RUNNING_P2P, S.STOP]],
    [S.RUNNING, S.STOP_COPY, [S.RUNNING_P2P, S.STOP, S.STOP_COPY]],
    [S.RUNNING, S.RESUMING, [S.RUNNING_P2P, S.STOP, S.RESUMING]],
    [S.RUNNING, S.PRE_COPY, [S.PRE_COPY]],
    [S.RUNNING, S.PRE_COPY_P2P, [S.RUNNING_P2P, S.PRE_COPY_P2P]],
    [S.PRE_COPY, S.STOP_COPY, [S.PRE_COPY_P2P, S.STOP_COPY]],
    [S.PRE_COPY, S.STOP, [S.RUNNING, S.RUNNING_P2P, S.STOP]],
    [S.PRE_COPY_P2P, S.RUNNING, [S.RUNNING_P2P, S.RUNNING]],
    [S.STOP_COPY, S.RUNNING, [S.STOP, S.RUNNING_P2P, S.RUNNING]],
    [S.STOP_COPY, S.RESUMING, [S.STOP, S.RESUMING]],
    [S.RESUMING, S.RUNNING, [S.STOP, S.RUNNING_P2P, S.RUNNING]],
    [S.RESUMING, S.STOP_COPY, [S.STOP, S.STOP_COPY]],
    [S.RUNNING_P2P, S.PRE_COPY, [S.RUNNING, S.PRE_COPY]],
    [S.RUNNING, S.RUNNING, []],
  ];

  it.each(ways)('lead from %i to %i over the shortest way past saving states', (from, to, way) => {
    expect(migrationWay(from, to)).toEqual(way);
  });

  it('know arcs that do not exist', () => {
    for (const to of [S.PRE_COPY, S.PRE_COPY_P2P]) {
      expect(migrationWay(S.STOP_COPY, to)).toBeUndefined();
    }
    const all = Object.values(S);
    expect(all.filter((to) => migrationWay(S.ERROR, to) !== undefined)).toEqual([]);
    expect(all.filter((from) => migrationWay(from, S.ERROR) !== undefined)).toEqual([]);
  });

  it('are seen by user space; what is forbidden changes nothing, and only a reset leaves ERROR', () => {
    const [, source, destination] = pair([DWQ, DWQ], 'dwq');
    const flags = F.VFIO_DEVICE_FEATURE_GET | F.VFIO_DEVICE_FEATURE_MIGRATION;
    const { rc, data } = feature(source, flags, new Uint8Array(8));
    expect(rc).toBe(0);
    expect(decodeBytes(VfioDeviceFeatureMigration, data).flags).toBe(7n);
    expect(stateOf(source)).toBe(S.RUNNING);
    expect(setState(source, S.STOP_COPY).fd).toBeGreaterThan(0);
    expect(setState(source, S.PRE_COPY).rc).toBe(-EINVAL);
    expect(setState(source, 99 as MigrationState).rc).toBe(-EINVAL);
    expect(stateOf(source)).toBe(S.STOP_COPY);
    const resuming = setState(destination, S.RESUMING);
    // A header alone is no state.
    const header = readHeader(source);
    expect(writeTo(destination, resuming.fd, header)).toBe(header.length);
    expect(setState(destination, S.RUNNING).rc).toBe(-EINVAL);
    expect(stateOf(destination)).toBe(S.ERROR);
    expect(setState(destination, S.RUNNING).rc).toBe(-EINVAL);
    expect(destination.user.ioctl(destination.fd, D.VFIO_DEVICE_RESET)).toBe(0);
    expect(stateOf(destination)).toBe(S.RUNNING);
  });

  /** What PRE_COPY gives: the header; the device runs again afterwards. */
  function readHeader(open: OpenVdev): Uint8Array {
    setState(open, S.RUNNING);
    const { bytes, end } = readAll(open, setState(open, S.PRE_COPY).fd);
    expect(end).toBe(-ENOMSG);
    setState(open, S.RUNNING);
    return bytes;
  }
});

describe('row 68: the saved state', () => {
  it('becomes another device: registers, configuration, and descriptors that were written while it was paused', () => {
    const [lab, source, destination] = pair([DWQ, DWQ], 'dwq');
    startVdev(source);
    source.user.writeValue(source.fd, BAR.config, 0x3c, 1, 0x5b);
    source.user.process.mm.write(source.memory, new Uint8Array([0x42]));
    const portal = mapPortal(source, 0);
    lab.kernel.instructions.movdir64b(source.user.process, portal, move(0));
    setState(source, S.PRE_COPY);
    // The page is gone: the guest's stores trap, and wait.
    expect(source.user.process.mm.table.translate(portal)).toBeUndefined();
    const enqueued = lab.rows('dsa.descriptor.enqueued').length;
    trapped(source, move(1));
    trapped(source, move(2));
    expect(lab.rows('dsa.descriptor.enqueued')).toHaveLength(enqueued);
    migrate(source, destination);
    lab.kernel.core.advance(1_000_000);
    expect([0, 1, 2].map((at) => recordOf(destination, at))).toEqual([
      STATUS.success,
      STATUS.success,
      STATUS.success,
    ]);
    expect([1, 2].map((at) => recordOf(source, at))).toEqual([0, 0]);
    const copied = destination.user.process.mm.read(destination.memory + 4 * PAGE, 1);
    expect(copied).toEqual(new Uint8Array([0x42]));
    const seen = (open: OpenVdev): unknown => [
      ...Array.from({ length: 0x30 }, (_, i) =>
        open.user.readValue(open.fd, BAR.registers, i * 4, 4),
      ),
      open.user.readValue(open.fd, BAR.config, 0x3c, 1),
      open.user.readValue(open.fd, BAR.config, 0x04, 2),
    ];
    expect(seen(destination)).toEqual(seen(source));
    // It works on: the fast path too.
    lab.kernel.instructions.movdir64b(destination.user.process, mapPortal(destination, 0), move(3));
    lab.kernel.core.advance(1_000_000);
    expect(recordOf(destination, 3)).toBe(STATUS.success);
  });

  it('takes no more descriptors than the queue has room for', () => {
    const [lab, source, destination] = pair([{ ...DWQ, size: 4 }, DWQ], 'dwq');
    startVdev(source);
    setState(source, S.PRE_COPY);
    for (let at = 0; at < 6; at++) {
      trapped(source, move(at));
    }
    migrate(source, destination);
    lab.kernel.core.advance(1_000_000);
    const done = Array.from({ length: 6 }, (_, at) => recordOf(destination, at));
    expect(done).toEqual([1, 1, 1, 1, 0, 0]);
  });

  it('can be given up: the source runs on as if nothing had been', () => {
    const [lab, source] = pair([DWQ, DWQ], 'dwq');
    startVdev(source);
    const portal = mapPortal(source, 0);
    setState(source, S.PRE_COPY);
    trapped(source, move(0));
    expect(setState(source, S.RUNNING).rc).toBe(0);
    lab.kernel.instructions.movdir64b(source.user.process, portal, move(1));
    lab.kernel.core.advance(1_000_000);
    expect([0, 1].map((at) => recordOf(source, at))).toEqual([STATUS.success, STATUS.success]);
  });
});

describe('row 68: interrupt handles', () => {
  function withVectors(lab: IdxdLab, open: OpenVdev): readonly EventfdFile[] {
    const fds = [1, 2].map(() => lab.kernel.calls.eventfd(open.user.process));
    expect(open.user.setIrqs(open.fd, F.VFIO_PCI_MSIX_IRQ_INDEX, EVENTFD, {}, fds)).toBe(0);
    return fds.map((fd) => {
      const file = open.user.process.files.get(fd);
      return defined(file instanceof EventfdFile ? file : undefined, 'Eventfd');
    });
  }

  it('of the other side are revoked: cause, vector 0, 19h for the old one, and a new one for the asking', () => {
    const [lab, source, destination] = pair([DWQ, DWQ], 'dwq');
    withVectors(lab, source);
    startVdev(source);
    const old = vdevCommand(source, COMMAND.requestInterruptHandle, 1).result;
    const files = withVectors(lab, destination);
    const signals: number[] = [];
    files[0]?.listen((count) => signals.push(count));
    migrate(source, destination);
    const cause = destination.user.readValue(destination.fd, BAR.registers, INTCAUSE, 4) >>> 0;
    expect(cause & HANDLES_REVOKED).not.toBe(0);
    expect(signals).toHaveLength(1);
    const portal = mapPortal(destination, 0);
    lab.kernel.instructions.movdir64b(destination.user.process, portal, move(0, { handle: old }));
    lab.kernel.core.advance(1_000_000);
    expect(recordOf(destination, 0)).toBe(STATUS.interruptHandle);
    const fresh = vdevCommand(destination, COMMAND.requestInterruptHandle, 1).result;
    expect(fresh).not.toBe(old);
    lab.kernel.instructions.movdir64b(destination.user.process, portal, move(1, { handle: fresh }));
    lab.kernel.core.advance(1_000_000);
    expect(recordOf(destination, 1)).toBe(STATUS.success);
    expect(files[1]?.total).toBe(1);
  });

  it('stay where nothing was handed out', () => {
    const [, source, destination] = pair([DWQ, DWQ], 'dwq');
    startVdev(source);
    migrate(source, destination);
    const cause = destination.user.readValue(destination.fd, BAR.registers, INTCAUSE, 4) >>> 0;
    expect(cause).toBe(0);
  });
});

describe('row 68: a shared queue', () => {
  it('is drained for the PASIDs of the VM that stops, and works on for the others', () => {
    const [lab, source, neighbour] = pair([{ ...SWQ, size: 32 }], 'swq');
    const [mine, theirs] = lab.kernel.idxd.vdcm.vdevs.map((v) => v.pasids.default);
    const portal = lab.idxd.portalAddress(0, PORTAL_PAGE.unlimitedIms);
    const submit = (pasid: number | undefined, at: number, bytes: number): void => {
      const words = move(at, { bytes });
      words[0] = pasid ?? 0;
      expect(lab.hw.enqcmds(0, portal, words)).toBe('accepted');
    };
    submit(mine, 0, 2 * PAGE);
    for (let at = 0; at < 20; at++) {
      submit(theirs, at, 4 * PAGE);
    }
    const from = lab.machine.trace.head;
    expect(setState(source, S.STOP).rc).toBe(0);
    const commands = lab
      .rows('linux.idxd.command-given')
      .filter((r) => r.seq >= from)
      .map((r) => [r.values['command'], r.values['operand']]);
    expect(commands).toEqual([['Drain PASID', mine]]);
    expect(recordOf(source, 0)).toBe(STATUS.success);
    const unfinished = Array.from({ length: 20 }, (_, at) => recordOf(neighbour, at));
    expect(unfinished).toContain(0);
    lab.kernel.core.advance(10_000_000);
    const finished = Array.from({ length: 20 }, (_, at) => recordOf(neighbour, at));
    expect(new Set(finished)).toEqual(new Set([STATUS.success]));
  });
});

describe('row 69: the other side', () => {
  function offer(wqs: readonly WqPlan[], types: readonly [string, string]): [number, OpenVdev] {
    const lab = bootIdxd({ wqs });
    const [source, destination] = types.map((type, i) =>
      openVdev(lab, createVdev(lab, `dsa-1${type}-v1`, i + 1), `side${i}`),
    );
    const from = defined(source, 'Source');
    const to = defined(destination, 'Destination');
    const { bytes, end } = readAll(from, setState(from, S.PRE_COPY).fd);
    expect(end).toBe(-ENOMSG);
    return [writeTo(to, setState(to, S.RESUMING).fd, bytes) - bytes.length, from];
  }

  it.each([
    ['as large a queue', 16],
    ['a larger queue', 32],
  ] as const)('may have %s', (_title, size) => {
    const [difference] = offer([DWQ, { ...DWQ, size }], ['dwq', 'dwq']);
    expect(difference).toBe(0);
  });

  it.each([
    ['a smaller queue', [DWQ, { ...DWQ, size: 8 }], ['dwq', 'dwq']],
    ['another kind of queue', [DWQ, SWQ], ['dwq', 'swq']],
  ] as const)('with %s is refused while the source still runs', (_title, wqs, types) => {
    const [difference, source] = offer(wqs, types);
    expect(difference).toBeLessThan(-1);
    expect(stateOf(source)).toBe(S.PRE_COPY);
    expect(setState(source, S.RUNNING).rc).toBe(0);
  });

  it('refuses what is no saved state', () => {
    const [, , destination] = pair([DWQ, DWQ], 'dwq');
    const { fd } = setState(destination, S.RESUMING);
    expect(writeTo(destination, fd, new Uint8Array(128))).toBe(-EINVAL);
    expect(writeTo(destination, fd, new Uint8Array(3))).toBe(-EINVAL);
  });
});
