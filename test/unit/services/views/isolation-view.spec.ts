/** The isolation pane after an attack on a machine without the defence against it. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TableSection, ViewModel } from '../../../../src-main/protocol/views.ts';
import { translateView } from '../../../../src-main/services/views/translate-view.ts';
import { makeView } from '../../../../src-main/services/views/views.ts';
import { Replica } from '../../../../src-main/sim/index.ts';
import { COMMAND } from '../../../../src-main/spec/dsa/commands.ts';
import { bootIdxd, type IdxdLab } from '../../../support/linux-idxd.ts';
import { bootSva, lazyMove, openApp, PAGE, anonymous } from '../../../support/linux-sva.ts';

/** The device keeps the translation of a page that mallory gives back; alice gets the page. */
function staleTranslation(): IdxdLab {
  const lab = bootSva({}, { defences: { 'device-tlb-flush': false, 'iotlb-flush': false } });
  const [mallory, alice] = [openApp(lab, 'mallory', 0), openApp(lab, 'alice', 1)];
  const [page, source] = [0, 0].map(() => {
    const address = anonymous(lab, mallory.process, 1, true);
    mallory.process.mm.write(address, new Uint8Array([1]));
    return address;
  }) as [number, number];
  const move = (at: number): void => {
    const words = lazyMove(mallory, { from: source, to: page, at });
    lab.kernel.instructions.enqcmd(mallory.process, mallory.portal, words);
    lab.kernel.core.advance(10_000_000);
  };
  move(0);
  lab.kernel.calls.munmap(mallory.process, page, PAGE);
  anonymous(lab, alice.process, 1, true);
  move(1);
  return lab;
}

function show({ machine }: IdxdLab, at = machine.trace.head): ViewModel {
  return makeView('isolation', { machine, trace: machine.trace, at, params: {} });
}

function tableOf(model: ViewModel, id: string): TableSection {
  const found = model.sections.find((s) => s.kind === 'table' && s.id === id);
  if (found?.kind !== 'table') throw new Error(`no table ${id}`);
  return found;
}

function textsOf(table: TableSection): readonly (readonly string[])[] {
  return table.rows.map(({ cells }) => cells.map((c) => (typeof c === 'string' ? c : c.text)));
}

describe('the isolation pane', () => {
  let lab: IdxdLab;

  beforeAll(() => {
    lab = staleTranslation();
  });

  it('says who touched whose page, when, and links to the event', () => {
    const [record] = lab.rows('isolation.page.breached');
    const table = tableOf(show(lab), 'breaches');
    const rows = textsOf(table);
    const [, , principal, access, , owner, rid] = rows.at(-1) ?? [];
    expect([principal, access, owner, rid]).toEqual(['mallory', 'write', 'alice', '6a:01.0']);
    expect(table.rows.at(-1)?.refs?.event).toBe(record?.seq);
    expect(JSON.stringify(table.rows.at(-1)?.detail)).toContain('translated already');
    expect(table.rows.length).toBe(lab.rows('isolation.page.breached').length);
  });

  it('marks the address space whose request it was, and no other', () => {
    const rows = textsOf(tableOf(show(lab), 'reach'));
    const states = rows.map((row) => [row[0], row[5]]);
    expect(states).toContainEqual(['mallory', 'breached']);
    expect(states.filter(([, state]) => state === 'breached')).toHaveLength(1);
  });

  it('shows none before it happened', () => {
    const [first] = lab.rows('isolation.page.breached');
    const seq = first?.seq ?? 0;
    const replica = new Replica(lab.hw);
    replica.seek(seq);
    const before = makeView('isolation', {
      machine: replica.machine,
      trace: lab.machine.trace,
      at: seq,
      params: {},
    });
    expect(tableOf(before, 'breaches').rows).toEqual([]);
    expect(tableOf(before, 'breaches').empty).toContain('take a defence away');
    expect(textsOf(tableOf(before, 'reach')).map((row) => row[5])).not.toContain('breached');
  });

  it('is in Chinese too', () => {
    const model = translateView(show(lab), 'zh-CN');
    expect(model.subtitle).toContain('次越界');
    const table = tableOf(model, 'breaches');
    expect(table.title).toBe('越界');
    expect(textsOf(table).at(-1)?.[3]).toBe('写');
    expect(JSON.stringify(table.rows.at(-1)?.detail)).not.toContain('translated already');
  });

  it('says that nobody watches where the oracle is off', () => {
    const blind = bootSva({}, { hasIsolationOracle: false });
    expect(tableOf(show(blind), 'breaches').empty).toContain('does not watch');
  });
});

/** Entry 0 of the accelerator's MSI-X table names a vector of its own choice, and a command raises it. */
function forgedMessage(): IdxdLab {
  const lab = bootIdxd({ params: { modules: ['idxd'], interrupt_remapping: false } });
  const { base } = lab.idxd.registers;
  lab.hw.mmioWrite(base + 0x2000, 4, 0xfee0_0000n);
  lab.hw.mmioWrite(base + 0x2008, 4, 0x77n);
  lab.hw.mmioWrite(base + 0xa0, 4, BigInt((COMMAND.drainAll * 2 ** 20 + 2 ** 31) >>> 0));
  lab.kernel.core.advance(100_000);
  return lab;
}

describe('vectors in the isolation pane', () => {
  let lab: IdxdLab;

  beforeAll(() => {
    lab = forgedMessage();
  });

  it('are there with who made them come, whose they are and which way they came', () => {
    const [record] = lab.rows('isolation.interrupt.breached');
    const model = show(lab);
    const table = tableOf(model, 'interrupt-breaches');
    expect(textsOf(table).map((row) => row.slice(2))).toEqual([
      [
        'kernel (driver of 6a:01.0)',
        'interrupt table',
        '0x77',
        'nobody (a free vector)',
        'CPU',
        '6a:01.0',
      ],
    ]);
    expect(table.rows[0]?.refs?.event).toBe(record?.seq);
    expect(JSON.stringify(table.rows[0]?.detail)).toContain('checks no source');
    expect(model.subtitle).toContain(' 1 breaches');
    expect(tableOf(model, 'breaches').rows).toEqual([]);
  });

  it('are in Chinese too', () => {
    const table = tableOf(translateView(show(lab), 'zh-CN'), 'interrupt-breaches');
    expect(table.title).toBe('中断越界');
    expect(textsOf(table)[0]?.slice(3)).toEqual([
      '中断表',
      '0x77',
      '无人（空闲向量）',
      'CPU',
      '6a:01.0',
    ]);
    expect(JSON.stringify(table.rows[0]?.detail)).not.toContain('checks no source');
  });

  it('are none before they came', () => {
    const [record] = lab.rows('isolation.interrupt.breached');
    const before = tableOf(show(lab, record?.seq ?? 0), 'interrupt-breaches');
    expect(before.rows).toEqual([]);
    expect(before.empty).toContain('No vector has arrived');
    const blind = bootSva({}, { hasIsolationOracle: false });
    expect(tableOf(show(blind), 'interrupt-breaches').empty).toContain('does not watch');
  });
});
