import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Session } from 'electron';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CONTENT_SECURITY_POLICY } from '../../../../src-main/hosts/page/page-policy.ts';
import type { FakeElectron } from './support/fake-electron.ts';
import { FakeSession } from './support/fake-electron.ts';

const electron = await vi.hoisted(async (): Promise<FakeElectron> => {
  const { createFakeElectron } = await import('./support/fake-electron.ts');
  return createFakeElectron();
});
vi.mock('electron', () => electron);
const { PAGE_URL, isPageUrl, registerPageScheme, servePage } =
  await import('../../../../src-main/hosts/electron/page-scheme.ts');

describe('page scheme', () => {
  const session = new FakeSession();
  let folder = '';
  const get = (url: string, method = 'GET'): Promise<Response> =>
    session.schemes.get('app')!(new Request(url, { method }));
  const isCancelled = (url: string): boolean => {
    const decide = vi.fn();
    (session.beforeRequest as (...args: unknown[]) => void)({ url }, decide);
    return (decide.mock.calls[0]?.[0] as { cancel: boolean }).cancel;
  };

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'siov-scheme-'));
    await writeFile(path.join(folder, 'index.html'), '<!doctype html>');
    await writeFile(path.join(folder, 'worker.js'), 'export {};');
    servePage(session as unknown as Session, folder);
  });

  afterAll(() => rm(folder, { recursive: true }));

  it('is standard and secure, so that it has an origin', () => {
    registerPageScheme();
    expect(electron.protocol.registerSchemesAsPrivileged).toHaveBeenCalledWith([
      {
        scheme: 'app',
        privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true },
      },
    ]);
  });

  it('serves the page with the policy of the web host', async () => {
    const response = await get(PAGE_URL);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toBe(CONTENT_SECURITY_POLICY);
    expect(response.headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await response.text()).toBe('<!doctype html>');
  });

  it('serves scripts with a type that module workers accept', async () => {
    const response = await get('app://lab/worker.js');
    expect(response.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
  });

  it.each([
    ['app://lab/%2e%2e/%2e%2e/etc/passwd', 'GET', 404],
    ['app://lab/..%2f..%2fetc/passwd', 'GET', 404],
    ['app://lab/missing.js', 'GET', 404],
    ['app://other/index.html', 'GET', 405],
    [PAGE_URL, 'POST', 405],
  ])('refuses %s %s with %i', async (url, method, status) => {
    const response = await get(url, method);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-security-policy')).toBe(CONTENT_SECURITY_POLICY);
  });

  it.each([
    'https://example.com/',
    'http://127.0.0.1:8080/',
    'wss://example.com/',
    'file:///etc/passwd',
    'ftp://example.com/',
    'app://other/x.js',
  ])('lets no request go to %s', (url) => {
    expect(isCancelled(url)).toBe(true);
  });

  it.each([
    PAGE_URL,
    'app://lab/assets/x.js',
    'data:image/png;base64,AA==',
    'devtools://devtools/x',
  ])('lets a request go to %s', (url) => {
    expect(isCancelled(url)).toBe(false);
  });

  it.each(['', 'lab', 'app://', 'app:lab', 'APP://lab.example/', 'app://lab:80/'])(
    '%j is not the page',
    (url) => {
      expect(isPageUrl(url)).toBe(false);
    },
  );
});
