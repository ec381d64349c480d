/**
 * A virtual accelerator leaves a busy shared queue for another one, record by record: its submissions begin to wait, only
 * its own PASID is drained, what waited runs on the other side, and the neighbour never notices.
 */
import { describe, expect, it } from 'vitest';
import { defined } from '../../src-main/bits/invariant.ts';
import { PORTAL_PAGE } from '../../src-main/spec/dsa/portals.ts';
import { STATUS } from '../../src-main/spec/dsa/status-codes.ts';
import { MIGRATION_STATE as S } from '../../src-main/linux/vfio/migration-state.ts';
import {
  bootIdxd,
  createVdev,
  GUEST_RAM,
  moveWords,
  openVdev,
  statusAt,
  type OpenVdev,
} from '../support/linux-idxd.ts';
import { migrate, setState, trapped } from '../support/vdev-migration.ts';

const PAGE = 4096;
const RECORDS = 0x9000;
const NEIGHBOURS = 12;

function move(at: number, bytes: number, pasid = 0): Uint32Array {
  return moveWords({
    from: GUEST_RAM,
    to: GUEST_RAM + 4 * PAGE,
    bytes,
    record: GUEST_RAM + RECORDS + at * 64,
    pasid,
  });
}

function statuses(open: OpenVdev, count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => statusAt(open, RECORDS + at * 64));
}

function scene() {
  const lab = bootIdxd({
    wqs: [
      { mode: 'shared', type: 'mdev', size: 32 },
      { mode: 'shared', type: 'mdev', size: 32 },
    ],
  });
  // New devices go to the queue with the fewest: the third is beside the first.
  const [source, destination, neighbour] = ['source', 'destination', 'neighbour'].map((name, i) =>
    openVdev(lab, createVdev(lab, 'dsa-1swq-v1', i + 1), name),
  );
  const vdevs = lab.kernel.idxd.vdcm.vdevs;
  const submit = (index: number, words: Uint32Array): void => {
    const { wq, pasids } = defined(vdevs[index], 'VDEV');
    words[0] = pasids.default;
    lab.hw.enqcmds(0, lab.idxd.portalAddress(wq.id, PORTAL_PAGE.unlimitedIms), words);
  };
  const from = lab.machine.trace.head;
  submit(0, move(0, 2 * PAGE));
  for (let at = 0; at < NEIGHBOURS; at++) {
    submit(2, move(at, 4 * PAGE));
  }
  const leaving = defined(source, 'Source');
  const arriving = defined(destination, 'Destination');
  setState(leaving, S.PRE_COPY);
  trapped(leaving, move(1, 64));
  trapped(leaving, move(2, 64));
  migrate(leaving, arriving);
  lab.kernel.core.advance(10_000_000);
  const rows = lab.rows().filter((row) => row.seq >= from);
  const pasids = vdevs.map((v) => v.pasids.default);
  const queues = vdevs.map((v) => v.wq.id);
  return {
    lab,
    source: leaving,
    neighbour: defined(neighbour, 'Neighbour'),
    destination: arriving,
    rows,
    pasids,
    queues,
  };
}

describe('migration of a busy shared queue', () => {
  it('loses and doubles nothing, and is the recorded one', async () => {
    const { source, neighbour, destination, rows, pasids, queues } = scene();
    expect(statuses(destination, 3)).toEqual([STATUS.success, STATUS.success, STATUS.success]);
    expect(statuses(source, 3)).toEqual([STATUS.success, 0, 0]);
    expect(new Set(statuses(neighbour, NEIGHBOURS))).toEqual(new Set([STATUS.success]));
    const [mine, other, theirs] = pasids;
    const completed = rows
      .filter((r) => r.kind === 'dsa.descriptor.completed')
      .map((r) => r.values['pasid']);
    const count = (pasid: number | undefined): number =>
      completed.filter((p) => p === pasid).length;
    expect([mine, theirs, other].map(count)).toEqual([1, NEIGHBOURS, 2]);
    const commands = rows
      .filter((r) => r.kind === 'linux.idxd.command-given')
      .map((r) => [r.values['command'], r.values['operand']]);
    // Each side drains its own PASID alone, though both queues are shared.
    expect(new Set(commands.map(([name]) => name))).toEqual(new Set(['Drain PASID']));
    expect(new Set(commands.map(([, pasid]) => pasid))).toEqual(new Set([mine, other]));
    expect(queues).toEqual([0, 1, 0]);
    const lines = rows.map(({ source: from, kind }) => JSON.stringify({ source: from, kind }));
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('./migration-shared.golden.jsonl');
  });

  it('is the same twice, record for record', () => {
    const text = (): string =>
      JSON.stringify(scene().rows, (_, value: unknown) =>
        typeof value === 'bigint' ? value.toString(16) : value,
      );
    expect(text()).toBe(text());
  });
});
