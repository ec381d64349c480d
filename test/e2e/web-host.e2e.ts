import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LabPage } from '../support/chromium.ts';
import { launchChromium, openLabPage } from '../support/chromium.ts';
import type { TestHost } from '../support/web-host.ts';
import { startTestHost } from '../support/web-host.ts';

describe('web host in a browser', () => {
  let host: TestHost;
  let browser: Browser;
  const ends: (() => Promise<void>)[] = [];
  let lab: LabPage;

  beforeAll(async () => {
    host = await startTestHost();
    ends.unshift(() => host.close());
    browser = await launchChromium();
    ends.unshift(() => browser.close());
    lab = await openLabPage(browser, host.url);
  });

  afterAll(async () => {
    for (const end of ends) await end();
  });

  it('shows the lab and leaves no token in the address bar', async () => {
    await lab.page.locator('#app > *').first().waitFor();
    expect(lab.page.url()).toBe(`${host.origin}/`);
    expect(await lab.page.title()).toContain('S-IOV Lab');
  });

  it('isolates the page', async () => {
    expect(await lab.page.evaluate(() => crossOriginIsolated)).toBe(true);
  });

  it('lets the page reach nothing else, and notices an attempt', async () => {
    const outcome = await lab.page.evaluate(async () => {
      try {
        await fetch('https://example.com/');
        return 'reached';
      } catch {
        return 'blocked';
      }
    });
    expect(outcome).toBe('blocked');
    await expect.poll(() => lab.problems.join()).toContain('connect-src');
  });

  it('runs no inline script', async () => {
    const ran = await lab.page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.inlineRan = true';
      document.body.append(script);
      return 'inlineRan' in window;
    });
    expect(ran).toBe(false);
  });

  it('answers the page over its socket', async () => {
    const answer = await lab.page.evaluate(
      () =>
        new Promise((resolve, reject) => {
          const socket = new WebSocket(`ws://${location.host}/rpc?tab=e2e-direct`);
          socket.onopen = () =>
            socket.send(JSON.stringify({ id: 1, method: 'app.info', params: {} }));
          socket.onerror = () => reject(new Error('Refused'));
          socket.onmessage = ({ data }) => {
            socket.close();
            resolve(JSON.parse(String(data)));
          };
        }),
    );
    expect(answer).toMatchObject({ id: 1, result: { apiVersion: 1 } });
  });

  it('shows nothing to a browser without the cookie', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const response = await page.goto(host.origin);
    expect(response?.status()).toBe(403);
    await context.close();
  });
});
