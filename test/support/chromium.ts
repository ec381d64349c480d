import { chromium } from 'playwright-core';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { findChromium } from '../../src-main/hosts/web/find-browser.ts';

const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--font-render-hinting=none',
];

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** The installed browser, headless. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === null) {
    throw new Error('Expected Chromium or Chrome, found none; set SIOV_LAB_CHROMIUM to its path');
  }
  // Chromium refuses to run as root with its sandbox.
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args: [...FLAGS, ...sandbox] });
}

export interface LabPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /**
   * What went wrong so far, one sentence each: requests that would leave this machine, uncaught errors,
   * console errors, violations of the content policy. A test expects an empty list.
   */
  readonly problems: readonly string[];
}

/** Opens `url` in a fresh profile; every request that would leave this machine is stopped and noted. */
export async function openLabPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<LabPage> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    colorScheme: 'light',
    reducedMotion: 'reduce',
    ...options,
  });
  const problems: string[] = [];
  await context.route('**/*', async (route) => {
    const target = new URL(route.request().url());
    const isLocal = LOOPBACK.has(target.hostname) || ['data:', 'blob:'].includes(target.protocol);
    if (isLocal) {
      await route.continue();
      return;
    }
    problems.push(`Request to ${target.href}`);
    await route.abort();
  });
  // The policy's own reports come as console errors; the event adds what was blocked.
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`Policy ${event.violatedDirective} blocked ${event.blockedURI}`);
    });
  });
  const page = await context.newPage();
  page.on('websocket', (socket) => {
    const { hostname } = new URL(socket.url());
    if (!LOOPBACK.has(hostname)) problems.push(`WebSocket to ${socket.url()}`);
  });
  page.on('pageerror', (error) => problems.push(`Uncaught ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`Console: ${message.text()}`);
  });
  await page.goto(url);
  return { page, context, problems };
}

export type Theme = 'light' | 'dark' | 'contrast';

/** Changes what the system asks for, and waits until the page looks that way. */
export async function showTheme(page: Page, theme: Theme): Promise<void> {
  await page.emulateMedia({
    colorScheme: theme === 'light' ? 'light' : 'dark',
    contrast: theme === 'contrast' ? 'more' : 'no-preference',
  });
  await page.locator(`html[data-theme="${theme}"]`).waitFor();
}
