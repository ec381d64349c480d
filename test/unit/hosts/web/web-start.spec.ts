import { describe, expect, it } from 'vitest';
import { hasDisplay, windowArguments } from '../../../../src-main/hosts/web/app-window.ts';
import { findChromium } from '../../../../src-main/hosts/web/find-browser.ts';
import { parseWebArguments } from '../../../../src-main/hosts/web/web-arguments.ts';

describe('parseWebArguments', () => {
  it('takes a free port and opens a window by default', () => {
    expect(parseWebArguments([])).toEqual({ port: 0, isOpening: true, isHelp: false });
  });

  it('reads every option', () => {
    expect(parseWebArguments(['--port', '8080', '--no-open', '--web', '-h'])).toEqual({
      port: 8080,
      isOpening: false,
      isHelp: true,
    });
  });

  it.each([
    ['--port', 'x'],
    ['--port', '65536'],
    ['--port=-1'],
    ['--port', ''],
    ['--prot', '1'],
    ['file'],
  ])('refuses %j %j', (...argv) => {
    expect(() => parseWebArguments(argv)).toThrow();
  });
});

describe('findChromium', () => {
  const search = (platform: NodeJS.Platform, env: Record<string, string>, ...files: string[]) =>
    findChromium({ platform, env, exists: (file) => files.includes(file) });

  it('obeys SIOV_LAB_CHROMIUM, and finds nothing else when that is wrong', () => {
    const env = { SIOV_LAB_CHROMIUM: '/opt/c/chrome', PATH: '/usr/bin' };
    expect(search('linux', env, '/opt/c/chrome', '/usr/bin/chromium')).toBe('/opt/c/chrome');
    expect(search('linux', env, '/usr/bin/chromium')).toBeNull();
  });

  it('searches PATH, Chromium before others', () => {
    const env = { PATH: '/usr/local/bin:/usr/bin' };
    const chrome = '/usr/local/bin/google-chrome';
    expect(search('linux', env, '/usr/bin/chromium', chrome)).toBe('/usr/bin/chromium');
    expect(search('linux', env, chrome)).toBe(chrome);
    expect(search('linux', {})).toBeNull();
  });

  it('knows the places of other systems', () => {
    const mac = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
    expect(search('darwin', {}, mac)).toBe(mac);
    const edge = String.raw`C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe`;
    const env = { 'PROGRAMFILES(X86)': String.raw`C:\Program Files (x86)` };
    expect(search('win32', env, edge)).toBe(edge);
  });
});

describe('app window', () => {
  it('needs a display on Linux only', () => {
    expect(hasDisplay('linux', {})).toBe(false);
    expect(hasDisplay('linux', { DISPLAY: '' })).toBe(false);
    expect(hasDisplay('linux', { DISPLAY: ':0' })).toBe(true);
    expect(hasDisplay('linux', { WAYLAND_DISPLAY: 'wayland-0' })).toBe(true);
    expect(hasDisplay('darwin', {})).toBe(true);
    expect(hasDisplay('win32', {})).toBe(true);
  });

  it('keeps the browser sandbox unless it cannot run with it', () => {
    const url = 'http://127.0.0.1:1/?t=x';
    expect(windowArguments(url, '/home/lea/profile', false)).toContain(`--app=${url}`);
    expect(windowArguments(url, '/home/lea/profile', false)).not.toContain('--no-sandbox');
    expect(windowArguments(url, '/root/profile', true)).toContain('--no-sandbox');
  });
});
