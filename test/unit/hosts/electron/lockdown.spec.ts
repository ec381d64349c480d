import type { App, Session } from 'electron';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { FakeElectron } from './support/fake-electron.ts';
import { FakeSession, FakeWebContents } from './support/fake-electron.ts';

const electron = await vi.hoisted(async (): Promise<FakeElectron> => {
  const { createFakeElectron } = await import('./support/fake-electron.ts');
  return createFakeElectron();
});
vi.mock('electron', () => electron);
const { lockDownContents, lockDownSession } =
  await import('../../../../src-main/hosts/electron/lockdown.ts');

const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
const PAGE = 'app://lab/index.html';

describe('lockdown of contents', () => {
  let contents: FakeWebContents;
  const fire = (name: string, details: Readonly<Record<string, unknown>> = {}) => {
    const event = { preventDefault: vi.fn(), ...details };
    contents.emit(name, event);
    return event.preventDefault;
  };

  beforeEach(() => {
    electron.app.removeAllListeners();
    lockDownContents(electron.app as unknown as App, log);
    contents = new FakeWebContents();
    electron.app.emit('web-contents-created', {}, contents);
  });

  it.each(['https://evil.example/', 'file:///etc/passwd', PAGE])(
    'denies a navigation to %s',
    (url) => {
      expect(fire('will-navigate', { url })).toHaveBeenCalled();
    },
  );

  it('denies a navigation of an inner frame', () => {
    expect(fire('will-frame-navigate', { url: PAGE, isMainFrame: false })).toHaveBeenCalled();
  });

  it.each(['will-redirect', 'will-attach-webview'])('denies %s', (name) => {
    expect(fire(name)).toHaveBeenCalled();
  });

  it.each(['https://evil.example/', PAGE, 'about:blank'])('opens no window for %s', (url) => {
    expect(contents.openHandler?.({ url })).toEqual({ action: 'deny' });
  });
});

describe('lockdown of the session', () => {
  const ourPage = { getURL: () => PAGE };
  const elsewhere = { getURL: () => 'https://evil.example/' };
  let session: FakeSession;
  const ask = (contents: { getURL(): string }, permission: string): boolean => {
    const decide = vi.fn();
    (session.permissionRequest as (...args: unknown[]) => void)(contents, permission, decide);
    return decide.mock.calls[0]?.[0] as boolean;
  };
  const check = (permission: string, origin: string): boolean =>
    (session.permissionCheck as (...args: unknown[]) => boolean)(null, permission, origin);

  beforeEach(() => {
    session = new FakeSession();
    lockDownSession(session as unknown as Session, log);
  });

  it.each([
    'media',
    'geolocation',
    'notifications',
    'clipboard-read',
    'fullscreen',
    'openExternal',
  ])('denies our own page the permission %s', (permission) => {
    expect(ask(ourPage, permission)).toBe(false);
    expect(check(permission, 'app://lab')).toBe(false);
  });

  it('lets our page put text on the clipboard, and no other page', () => {
    expect(ask(ourPage, 'clipboard-sanitized-write')).toBe(true);
    expect(check('clipboard-sanitized-write', 'app://lab')).toBe(true);
    expect(ask(elsewhere, 'clipboard-sanitized-write')).toBe(false);
    expect(check('clipboard-sanitized-write', 'https://evil.example')).toBe(false);
  });

  it('denies devices', () => {
    expect((session.devicePermission as () => boolean)()).toBe(false);
  });

  it('denies downloads', () => {
    const event = { preventDefault: vi.fn() };
    session.emit('will-download', event);
    expect(event.preventDefault).toHaveBeenCalled();
  });
});
