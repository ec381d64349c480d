/** The web host: the built page over HTTP and LabApi over a WebSocket, for this machine only. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { TAB_PARAM, WEB_SOCKET_PATH } from '../../protocol/bridge.ts';
import { channelOverSocket } from '../../protocol/web-socket-channel.ts';
import type { Log } from '../log/log.ts';
import type { MachineSupervisor } from '../machine/machine-supervisor.ts';
import { readPageFile } from '../page/page-files.ts';
import { PAGE_HEADERS } from '../page/page-policy.ts';
import type { Access } from './access.ts';
import { createAccess } from './access.ts';
import type { Sessions } from './sessions.ts';
import { createSessions } from './sessions.ts';

const LOOPBACK = '127.0.0.1';
const TOKEN_PARAM = 't';
const TAB_ID = /^[\w-]{8,64}$/;
const MAX_MESSAGE_BYTES = 8 << 20;
/** RFC 6455 registry: try again later. */
const CLOSE_NO_ROOM = 1013;
/** RFC 6455 section 7.4.1: the server goes away. */
const CLOSE_GOING_AWAY = 1001;

/** Serves pages in place of the built ones; for development. */
export type PageServer = (request: IncomingMessage, response: ServerResponse) => void;

export interface WebHostOptions {
  /** Folder of the built page. */
  readonly renderer: string;
  readonly startMachine: () => MachineSupervisor;
  readonly log: Log;
  /** 0 takes a free one. */
  readonly port?: number;
  /** Fixed instead of random, so that a development page survives a restart of the host. */
  readonly token?: string | undefined;
  readonly createPageServer?: (server: Server) => Promise<PageServer>;
}

export interface WebHost {
  readonly port: number;
  /** Opens the lab in any browser of this machine as long as the host runs. */
  readonly url: string;
  /** The same, for one use within a minute. */
  createTicketUrl(): string;
  close(): Promise<void>;
}

export async function startWebHost(options: WebHostOptions): Promise<WebHost> {
  const { log, startMachine } = options;
  const server = createServer();
  const pageServer = await options.createPageServer?.(server);
  const port = await listen(server, options.port ?? 0);
  const access = createAccess({ port, token: options.token });
  const sessions = createSessions({ startMachine, log });
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  });

  server.on('request', (request, response) => {
    answer(request, response, { access, renderer: options.renderer, pageServer }).catch(
      (error: unknown) => {
        log.error(`Request failed: ${error instanceof Error ? error.stack : String(error)}`);
        refuse(response, 500, 'The host failed; its log says why');
      },
    );
  });
  server.on('upgrade', (request, socket, head) => {
    const { pathname } = urlOf(request);
    if (pathname !== WEB_SOCKET_PATH) {
      if (pageServer === undefined) endUpgrade(socket, 404);
      return;
    }
    upgrade(request, socket, head, { access, sessions, sockets });
  });

  const origin = `http://${LOOPBACK}:${port}`;
  return {
    port,
    url: `${origin}/?${TOKEN_PARAM}=${access.token}`,
    createTicketUrl: () => `${origin}/?${TOKEN_PARAM}=${access.issueTicket()}`,
    close: async () => {
      for (const socket of sockets.clients) socket.close(CLOSE_GOING_AWAY);
      server.close();
      await sessions.dispose();
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
    },
  };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** The request's own words are never trusted beyond path and query. */
function urlOf(request: IncomingMessage): URL {
  try {
    return new URL(`http://${LOOPBACK}${request.url ?? '/'}`);
  } catch {
    return new URL(`http://${LOOPBACK}/invalid`);
  }
}

interface PageContext {
  readonly access: Access;
  readonly renderer: string;
  readonly pageServer: PageServer | undefined;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { access, renderer, pageServer }: PageContext,
): Promise<void> {
  for (const [name, value] of Object.entries(PAGE_HEADERS)) response.setHeader(name, value);
  if (!access.isExpectedHost(request.headers.host)) {
    refuse(response, 421, 'This address is not served here');
    return;
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    refuse(response, 405, 'Only GET and HEAD are answered');
    return;
  }
  const url = urlOf(request);
  const token = url.searchParams.get(TOKEN_PARAM);
  if (url.pathname === '/' && token !== null) {
    enter(response, access.redeem(token));
    return;
  }
  if (!access.hasCookie(request.headers.cookie)) {
    refuse(response, 403, 'Open the address that the lab printed when it started');
    return;
  }
  if (pageServer !== undefined) {
    pageServer(request, response);
    return;
  }
  const file = await readPageFile(renderer, url.pathname);
  if (file === null) {
    refuse(response, 404, 'There is no such page');
    return;
  }
  response.writeHead(200, {
    'Content-Type': file.type,
    'Content-Length': file.body.length,
    'Cache-Control': file.cacheControl,
  });
  response.end(request.method === 'HEAD' ? undefined : file.body);
}

/** Trades a token for the cookie and takes it out of the address bar. */
function enter(response: ServerResponse, cookie: string | null): void {
  if (cookie === null) {
    refuse(response, 403, 'This address is no longer valid; start the lab again or copy it whole');
    return;
  }
  response.writeHead(303, { Location: '/', 'Set-Cookie': cookie, 'Cache-Control': 'no-store' });
  response.end();
}

function refuse(response: ServerResponse, status: number, reason: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-store',
  });
  response.end(`${reason}\n`);
}

interface SocketContext {
  readonly access: Access;
  readonly sessions: Sessions;
  readonly sockets: WebSocketServer;
}

function upgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { access, sessions, sockets }: SocketContext,
): void {
  const { host, origin, cookie } = request.headers;
  const tab = urlOf(request).searchParams.get(TAB_PARAM) ?? '';
  if (!access.isExpectedHost(host)) endUpgrade(socket, 421);
  else if (!access.isExpectedOrigin(origin, host) || !access.hasCookie(cookie)) {
    endUpgrade(socket, 403);
  } else if (!TAB_ID.test(tab)) endUpgrade(socket, 400);
  else {
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      // Without a listener, a broken frame would end the process.
      webSocket.on('error', () => webSocket.terminate());
      void sessions.attach(tab, channelOverSocket(webSocket)).then((isAttached) => {
        if (!isAttached) webSocket.close(CLOSE_NO_ROOM, 'Too many windows are open');
      });
    });
  }
}

function endUpgrade(socket: Duplex, status: number): void {
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
