/**
 * The window with sample data instead of an engine: `vite test/support/fake-app` to work on its looks. Not part of any
 * build of the product.
 */
import { startApp } from '../../../src-renderer/start-app.ts';
import { FakeLabClient } from '../fake-lab-client.ts';

const query = new URLSearchParams(location.search);
const client = new FakeLabClient({
  delayMs: Number(query.get('delay') ?? 2),
  events: Number(query.get('events') ?? 2_000),
  tickMs: Number(query.get('tick') ?? 0),
});
Object.assign(window, { fakeLabClient: client });
startApp(client, '#app');
