import { spawn } from 'node:child_process';
import path from 'node:path';

export interface AppWindow {
  /** Settles when the user closes the window. */
  readonly closed: Promise<void>;
  close(): void;
}

/** Whether a window could be seen. */
export function hasDisplay(
  platform: NodeJS.Platform = process.platform,
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  if (platform === 'win32' || platform === 'darwin') return true;
  return [env['DISPLAY'], env['WAYLAND_DISPLAY']].some((name) => name !== undefined && name !== '');
}

export function windowArguments(url: string, profile: string, isRoot: boolean): string[] {
  return [
    `--app=${url}`,
    // A profile of its own: the window is a process of its own, whose end is the window's end.
    `--user-data-dir=${profile}`,
    '--no-first-run',
    '--no-default-browser-check',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    // Chromium refuses to run as root with its sandbox.
    ...(isRoot ? ['--no-sandbox'] : []),
  ];
}

/** Opens `url` in a Chromium-family browser as a window without address bar. */
export function openAppWindow(browser: string, url: string, home: string): AppWindow {
  const isRoot = process.getuid?.() === 0;
  const child = spawn(browser, windowArguments(url, path.join(home, 'browser'), isRoot), {
    stdio: 'ignore',
  });
  return {
    closed: new Promise((resolve) => {
      child.on('exit', () => resolve());
      child.on('error', () => resolve());
    }),
    close: () => void child.kill(),
  };
}
