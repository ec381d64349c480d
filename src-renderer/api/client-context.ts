import { inject, type App, type InjectionKey } from 'vue';
import type { LabClient } from './lab-client.ts';

const LAB_CLIENT: InjectionKey<LabClient> = Symbol('LabClient');

export function provideLabClient(app: App, client: LabClient): void {
  app.provide(LAB_CLIENT, client);
}

/** The client of this application; works in components and in stores. */
export function useLabClient(): LabClient {
  const client = inject(LAB_CLIENT);
  if (client === undefined) throw new Error('Expected provideLabClient() before any store is used');
  return client;
}
