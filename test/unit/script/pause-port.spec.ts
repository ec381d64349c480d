import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { ControlWord } from '../../../src-main/script/control-word.ts';
import { createBlockingPausePort } from '../../../src-main/script/pause-port.ts';
import type { ResumeCommand } from '../../../src-main/script/pause-port.ts';
import { scriptLab } from '../../support/script-lab.ts';

describe('a control word', () => {
  it('carries requests between two views of its buffer', () => {
    const here = new ControlWord();
    const there = new ControlWord(here.buffer);
    there.requestPause();
    expect([here.takePauseRequest(), here.takePauseRequest()]).toEqual([true, false]);
    expect(here.isStopRequested).toBe(false);
    there.requestStop();
    expect(here.isStopRequested).toBe(true);
    here.clear();
    expect(there.isStopRequested).toBe(false);
  });

  it('rings once per request, and does not sleep through a ring', () => {
    const word = new ControlWord();
    const seen = word.rings;
    word.ring();
    expect(word.rings).toBe(seen + 1);
    word.sleep(seen, 60_000);
  });
});

describe('a blocking pause port', () => {
  it('handles messages until one says how to go on', () => {
    const control = new ControlWord();
    const inbox: (ResumeCommand | 'look')[] = ['look', 'look', { kind: 'step', by: 'over' }];
    const looked: string[] = [];
    const port = createBlockingPausePort({
      control,
      pollMilliseconds: 1,
      onPaused: ({ line }) => looked.push(`paused at ${String(line)}`),
      pump: (inspect) => {
        const message = inbox.shift();
        if (message === undefined) return { kind: 'resume' };
        if (message !== 'look') return message;
        looked.push(inspect.evaluate('a').text);
        return undefined;
      },
    });
    const lab = scriptLab('const a = 4\nlet b = a\nb = 2', {
      breakpoints: [{ path: 'a.ts', line: 2 }],
      ports: { pause: port, control },
    });
    expect(lab.run()).toEqual({ kind: 'finished' });
    expect(looked).toEqual(['paused at 2', '4', '4', 'paused at 3']);
  });

  it('ends its script on a stop request', () => {
    const control = new ControlWord();
    const port = createBlockingPausePort({
      control,
      pollMilliseconds: 1,
      pump: () => {
        control.requestStop();
        return undefined;
      },
    });
    const lab = scriptLab('try {\n  f()\n} finally {\n  console.log(1)\n}', {
      pauseAtStatement: 1,
      ports: { pause: port, control },
    });
    expect(lab.run()).toMatchObject({ kind: 'stopped', reason: 'stop' });
    expect(lab.texts()).toEqual([]);
  });
});

describe('a script in a worker thread', () => {
  it('pauses and stops at the request of the main thread, while it runs and while it is paused', async () => {
    const control = new ControlWord();
    const worker = new Worker(new URL('../../support/script-worker.ts', import.meta.url), {
      workerData: { control: control.buffer, source: 'let n = 0\nfor (;;) {\n  n = n + 1\n}' },
    });
    try {
      expect((await once(worker, 'message'))[0]).toBe('running');
      control.requestPause();
      expect((await once(worker, 'message'))[0]).toMatchObject({
        reason: 'pause',
        isCounting: true,
      });
      worker.postMessage({ kind: 'resume' });
      control.ring();
      expect((await once(worker, 'message'))[0]).toBe('resumed');
      control.requestPause();
      expect((await once(worker, 'message'))[0]).toMatchObject({ reason: 'pause' });
      control.requestStop();
      expect((await once(worker, 'message'))[0]).toMatchObject({
        kind: 'stopped',
        reason: 'stop',
        at: { path: 'a.ts' },
      });
    } finally {
      await worker.terminate();
    }
  });
});
