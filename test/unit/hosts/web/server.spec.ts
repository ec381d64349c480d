import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startMachineWorker } from '../../../../src-main/hosts/machine/machine-link.ts';
import { createMachineSupervisor } from '../../../../src-main/hosts/machine/machine-supervisor.ts';
import { silentLog } from '../../../../src-main/hosts/log/log.ts';
import type { WebHost } from '../../../../src-main/hosts/web/server.ts';
import { startWebHost } from '../../../../src-main/hosts/web/server.ts';
import { labApi } from '../../../../src-main/protocol/lab-api.ts';
import { createRpcClient } from '../../../../src-main/protocol/rpc-client.ts';
import { channelOverSocket } from '../../../../src-main/protocol/web-socket-channel.ts';

const machineEntry = new URL('../machine/support/fake-machine.ts', import.meta.url);
const folders = { home: '', labs: '', sandboxModule: '', version: '0.0.0' };
const TAB = 'tab-00000001';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

describe('web host', () => {
  let folder = '';
  let host: WebHost;
  let cookie = '';

  const get = (
    target: string,
    headers: Record<string, string> = {},
    method = 'GET',
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: host.port, path: target, method, headers };
      const sent = request(options, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
      });
      sent.on('error', reject).end();
    });
  const withCookie = (target: string, headers: Record<string, string> = {}): Promise<Answer> =>
    get(target, { cookie, ...headers });
  const enter = async (url: string): Promise<Answer> => {
    const { pathname, search } = new URL(url);
    return get(pathname + search);
  };
  const socketStatus = (target: string, headers: Record<string, string>): Promise<number> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${host.port}${target}`, { headers });
      socket.on('error', () => {});
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
      socket.on('open', () => {
        socket.close();
        resolve(101);
      });
    });
  const origin = (): string => `http://127.0.0.1:${host.port}`;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'siov-web-'));
    const renderer = path.join(folder, 'renderer');
    await mkdir(path.join(renderer, 'assets'), { recursive: true });
    await writeFile(path.join(renderer, 'index.html'), '<!doctype html><title>Lab</title>');
    await writeFile(path.join(renderer, 'assets/index-Abc12_-x.js'), 'export {};');
    await writeFile(path.join(renderer, '.env'), 'hidden');
    await writeFile(path.join(folder, 'secret.txt'), 'secret');
    host = await startWebHost({
      renderer,
      log: silentLog,
      startMachine: () =>
        createMachineSupervisor({
          log: silentLog,
          start: (listener) => startMachineWorker(machineEntry, folders, listener),
        }),
    });
    const entered = await enter(host.url);
    cookie = entered.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  });

  afterAll(async () => {
    await host.close();
    await rm(folder, { recursive: true });
  });

  it('trades the token for a cookie and leaves the address bar clean', async () => {
    const { status, headers } = await enter(host.url);
    expect(status).toBe(303);
    expect(headers.location).toBe('/');
    expect(headers['set-cookie']?.[0]).toMatch(
      /^siov-lab-\d+=[\w-]{32}; Path=\/; HttpOnly; SameSite=Strict$/,
    );
  });

  it('accepts a ticket once', async () => {
    const url = host.createTicketUrl();
    expect((await enter(url)).status).toBe(303);
    expect((await enter(url)).status).toBe(403);
  });

  it.each(['/?t=', '/?t=wrong', `/?t=${'A'.repeat(32)}`])(
    'refuses the token of %s',
    async (url) => {
      const answer = await get(url);
      expect(answer.status).toBe(403);
      expect(answer.headers['set-cookie']).toBeUndefined();
    },
  );

  it('serves the page with the strict policy', async () => {
    const { status, headers, body } = await withCookie('/');
    expect(status).toBe(200);
    expect(body).toContain('<title>Lab</title>');
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
      'referrer-policy': 'no-referrer',
    });
    const policy = headers['content-security-policy'];
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toContain('unsafe-eval');
  });

  it('lets hashed assets be cached for good', async () => {
    const { headers } = await withCookie('/assets/index-Abc12_-x.js');
    expect(headers['content-type']).toBe('text/javascript; charset=utf-8');
    expect(headers['cache-control']).toContain('immutable');
  });

  it('answers HEAD without a body', async () => {
    const { status, body, headers } = await get('/', { cookie }, 'HEAD');
    expect([status, body, headers['content-length']]).toEqual([200, '', '33']);
  });

  it.each(['/', '/index.html', '/assets/index-Abc12_-x.js'])(
    'refuses %s without the cookie',
    async (target) => {
      const answer = await get(target);
      expect(answer.status).toBe(403);
      expect(answer.headers['content-security-policy']).toBeDefined();
    },
  );

  it('refuses a wrong cookie', async () => {
    const wrong = cookie.replace(/=.*/, `=${'A'.repeat(32)}`);
    expect((await get('/', { cookie: wrong })).status).toBe(403);
  });

  it.each(['evil.example', 'localhost.evil.example:80', '127.0.0.1', '10.0.0.1:80'])(
    'refuses the host name %s with 421, cookie or not',
    async (name) => {
      expect((await withCookie('/', { host: name })).status).toBe(421);
      expect((await get(`/${new URL(host.url).search}`, { host: name })).status).toBe(421);
    },
  );

  it('serves localhost as well', async () => {
    expect((await withCookie('/', { host: `localhost:${host.port}` })).status).toBe(200);
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'])('refuses %s', async (method) => {
    expect((await get('/', { cookie }, method)).status).toBe(405);
  });

  it.each([
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/assets/../../secret.txt',
    String.raw`/..\secret.txt`,
    '/%5c..%5csecret.txt',
    '//secret.txt',
    '/.env',
    '/assets/',
    '/assets',
    '/index.html%00.txt',
    '/%E0%A4%A',
    '/missing.js',
  ])('gives nothing for %s', async (target) => {
    const { status, body } = await withCookie(target);
    expect(status).toBe(404);
    expect(body).not.toContain('secret');
  });

  it('speaks LabApi with a page of its own', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${host.port}/rpc?tab=${TAB}`, {
      headers: { cookie, origin: origin() },
    });
    const client = createRpcClient(labApi, channelOverSocket(socket));
    expect((await client.call('run.state', {})).state).toBe('running');
    client.dispose();
  });

  it.each([
    ['a foreign origin', { origin: 'http://evil.example' }, 403],
    ['another port', { origin: 'http://127.0.0.1:1' }, 403],
    ['a null origin', { origin: 'null' }, 403],
    ['another host', { host: 'evil.example' }, 421],
    ['a wrong cookie', { cookie: 'siov-lab=1' }, 403],
  ])('refuses a socket with %s', async (_name, wrong, status) => {
    const headers = { cookie, origin: origin(), ...wrong };
    expect(await socketStatus(`/rpc?tab=${TAB}`, headers)).toBe(status);
  });

  it('refuses a socket without origin or with a bad tab id', async () => {
    expect(await socketStatus(`/rpc?tab=${TAB}`, { cookie })).toBe(403);
    expect(await socketStatus('/rpc', { cookie, origin: origin() })).toBe(400);
    expect(await socketStatus('/rpc?tab=../../x', { cookie, origin: origin() })).toBe(400);
    expect(await socketStatus('/other', { cookie, origin: origin() })).toBe(404);
  });

  it('closes a socket that does not speak the protocol, and stays up', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${host.port}/rpc?tab=tab-garbage`, {
      headers: { cookie, origin: origin() },
    });
    const code = await new Promise((resolve) => {
      socket.on('open', () => socket.send('not json'));
      socket.on('close', resolve);
    });
    expect(code).toBe(1007);
    expect((await withCookie('/')).status).toBe(200);
  });

  it('survives a frame beyond the limit', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${host.port}/rpc?tab=tab-too-large`, {
      headers: { cookie, origin: origin() },
    });
    socket.on('error', () => {});
    const closed = new Promise((resolve) => {
      socket.on('open', () => socket.send(new Uint8Array((8 << 20) + 1)));
      socket.on('close', resolve);
    });
    await closed;
    expect((await withCookie('/')).status).toBe(200);
  });
});
