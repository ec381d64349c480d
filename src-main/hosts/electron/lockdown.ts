import type { App, Session, WebContents } from 'electron';
import type { Log } from '../log/log.ts';
import { isPageUrl } from './page-scheme.ts';

/** What the page may ask for: to put text on the clipboard when the user copies something. */
const ALLOWED_PERMISSIONS: readonly string[] = ['clipboard-sanitized-write'];

/** Denies everything a page could do beyond showing itself. */
export function lockDownSession(session: Session, log: Log): void {
  session.setPermissionRequestHandler((contents, permission, decide) => {
    const isAllowed = ALLOWED_PERMISSIONS.includes(permission) && isPageUrl(contents.getURL());
    if (!isAllowed) log.warn(`Denied the permission ${permission}`);
    decide(isAllowed);
  });
  session.setPermissionCheckHandler(
    (_contents, permission, origin) =>
      ALLOWED_PERMISSIONS.includes(permission) && isPageUrl(origin),
  );
  session.setDevicePermissionHandler(() => false);
  session.on('will-download', (event) => {
    event.preventDefault();
    log.warn('Denied a download');
  });
}

export function lockDownContents(app: App, log: Log): void {
  app.on('web-contents-created', (_event, contents) => lockDown(contents, log));
}

function lockDown(contents: WebContents, log: Log): void {
  contents.on('will-navigate', (event) => {
    event.preventDefault();
    log.warn(`Denied a navigation to ${event.url}`);
  });
  contents.on('will-frame-navigate', (event) => {
    if (event.isMainFrame) return;
    event.preventDefault();
    log.warn(`Denied a frame's navigation to ${event.url}`);
  });
  contents.on('will-redirect', (event) => event.preventDefault());
  contents.on('will-attach-webview', (event) => event.preventDefault());
  contents.setWindowOpenHandler(({ url }) => {
    log.warn(`Denied a window for ${url}`);
    return { action: 'deny' };
  });
}
