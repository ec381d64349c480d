import { protocol } from 'electron';
import type { Session } from 'electron';
import { readPageFile } from '../page/page-files.ts';
import { PAGE_HEADERS } from '../page/page-policy.ts';

/**
 * The page comes from a scheme of its own: `file:` has no origin that a content policy or a module
 * worker could refer to.
 */
const SCHEME = 'app';
const HOST = 'lab';
export const PAGE_URL = `${SCHEME}://${HOST}/index.html`;

/** Must run before the app is ready. */
export function registerPageScheme(): void {
  protocol.registerSchemesAsPrivileged([
    {
      scheme: SCHEME,
      privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true },
    },
  ]);
}

export function isPageUrl(url: string): boolean {
  try {
    const { protocol: scheme, host } = new URL(url);
    return scheme === `${SCHEME}:` && host === HOST;
  } catch {
    return false;
  }
}

export function servePage(session: Session, renderer: string): void {
  session.protocol.handle(SCHEME, (request) => answer(request, renderer));
  // The page needs nothing from elsewhere, so nothing may go elsewhere.
  session.webRequest.onBeforeRequest(({ url }, decide) => {
    const isOwn = isPageUrl(url) || url.startsWith('devtools:') || url.startsWith('data:');
    decide({ cancel: !isOwn && !url.startsWith('blob:app:') });
  });
}

async function answer(request: Request, renderer: string): Promise<Response> {
  if (request.method !== 'GET' || !isPageUrl(request.url)) return refusal(405);
  const file = await readPageFile(renderer, new URL(request.url).pathname);
  if (file === null) return refusal(404);
  return new Response(file.body, {
    headers: { ...PAGE_HEADERS, 'Content-Type': file.type, 'Cache-Control': file.cacheControl },
  });
}

function refusal(status: number): Response {
  return new Response(null, { status, headers: { ...PAGE_HEADERS } });
}
