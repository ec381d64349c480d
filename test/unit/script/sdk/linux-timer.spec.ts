import { describe, expect, it } from 'vitest';
import { reportsOf, runScript } from '../../../support/linux-script.ts';
import { vdevMachine } from '../../../support/vdev-script.ts';

const IMPORTS = `
import { advance, now } from 'hw';
import { report } from 'lab/oracle';
import { HZ, jiffies, mod_timer, msecs_to_jiffies, timer_delete, timer_pending, timer_setup } from 'linux/timer';
const MS = 1_000_000;
const log: string[] = [];
`;

describe('linux/timer', () => {
  it('runs once at its tick, in the order of time', () => {
    const reports = reportsOf(`${IMPORTS}
const at = (name: string) => timer_setup((timer) => log.push(name + ' ' + (jiffies() - begin) + ' ' + (timer.expires - begin)));
const begin = jiffies();
const [late, soon] = [at('late'), at('soon')];
report('fresh', timer_pending(late));
mod_timer(late, begin + 20);
mod_timer(soon, begin + 5);
advance(19 * MS);
report('waits', timer_pending(late));
advance(30 * MS);
report('log', log.join());
report('over', timer_pending(late));
`);
    expect(reports).toEqual({ fresh: false, waits: true, log: 'soon 5 5,late 20 20', over: false });
  });

  it('can be moved and stopped, and says whether it was waiting', () => {
    const reports = reportsOf(`${IMPORTS}
const begin = jiffies();
const moved = timer_setup(() => log.push('moved ' + (jiffies() - begin)));
const stopped = timer_setup(() => log.push('stopped'));
report('results', [mod_timer(moved, begin + 5), mod_timer(moved, begin + 8), mod_timer(stopped, begin + 5),
  timer_delete(stopped), timer_delete(stopped)].join());
advance(10 * MS);
report('log', log.join());
report('after', timer_delete(moved));
`);
    expect(reports).toEqual({ results: '0,1,0,1,0', log: 'moved 8', after: 0 });
  });

  it('takes a tick that has passed for the next one, so that time goes on', () => {
    const reports = reportsOf(`${IMPORTS}
const timer = timer_setup((own) => {
  log.push(String(now() % MS));
  mod_timer(own, 0);
});
mod_timer(timer, jiffies());
advance(4 * MS);
report('runs', log.length);
report('off the tick', log.filter((text) => text !== '0').length);
report('ticks', [HZ, msecs_to_jiffies(0), msecs_to_jiffies(100)].join());
`);
    expect(reports).toEqual({ runs: 4, 'off the tick': 0, ticks: '1000,0,100' });
  });

  it('belongs to the kernel that made it', () => {
    const reports = reportsOf(
      `${IMPORTS}
import { boot, run_in, start_vm } from 'lab/vm';
import { pci_devices } from 'linux/pci';
const vm = start_vm('vm0');
boot(vm);
const inGuest = run_in(vm, () => timer_setup(() => report('guest devices', pci_devices().length)));
const onHost = timer_setup(() => report('host devices', pci_devices().length));
mod_timer(onHost, jiffies() + 1);
mod_timer(inGuest, jiffies() + 1);
run_in(vm, () => advance(3 * MS));
advance(3 * MS);
`,
      vdevMachine(),
    );
    expect(reports).toEqual({ 'guest devices': 0, 'host devices': 1 });
  });

  it('ends with the script, at an error or when the statements are used up', () => {
    const failed = runScript(`${IMPORTS}
mod_timer(timer_setup(() => { throw new Error('from the timer'); }), jiffies() + 1);
advance(2 * MS);
report('reached', true);
`);
    expect(failed.outcome).toMatchObject({
      kind: 'failed',
      error: { line: 8, message: 'Error: from the timer' },
    });
    expect(failed.reports).toEqual({});
    const endless = runScript(
      `${IMPORTS}
mod_timer(timer_setup(() => { for (;;) {} }), jiffies() + 1);
advance(2 * MS);
report('reached', true);
`,
      {},
      {},
      { statements: 1000 },
    );
    expect(endless.outcome).toMatchObject({ kind: 'stopped', reason: 'statement-budget' });
    expect(endless.reports).toEqual({});
  });

  it('refuses what is no timer and what is no time', () => {
    const refusal = (call: string): string =>
      JSON.stringify(runScript(`${IMPORTS}${call}`).outcome);
    expect(refusal('mod_timer(timer_setup(() => {}), -1);')).toContain('expires');
    expect(refusal('mod_timer({ expires: 1 }, 1);')).toContain('struct timer_list');
    expect(refusal('timer_setup(5 as never);')).toContain('callback');
  });
});
