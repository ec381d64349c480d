import { mount, type VueWrapper } from '@vue/test-utils';
import { createPinia, setActivePinia, type Pinia } from 'pinia';
import { createApp, type App, type Component } from 'vue';
import { provideLabClient } from '../../../../src-renderer/api/client-context.ts';
import { i18n } from '../../../../src-renderer/i18n/index.ts';
import { FakeLabClient, type FakeOptions } from '../../../support/fake-lab-client.ts';

export interface TestBed {
  readonly client: FakeLabClient;
  readonly pinia: Pinia;
  readonly app: App;
}

/** Stores with a fake engine behind them. Storage and language start fresh. */
export function createTestBed(options: FakeOptions = {}): TestBed {
  localStorage.clear();
  sessionStorage.clear();
  history.replaceState(null, '', '/');
  i18n.global.locale.value = 'en';
  const client = new FakeLabClient(options);
  const app = createApp({ render: () => null });
  const pinia = createPinia();
  app.use(pinia);
  app.use(i18n);
  provideLabClient(app, client);
  setActivePinia(pinia);
  return { client, pinia, app };
}

type RenderOptions = NonNullable<Parameters<typeof mount>[1]>;

/** Mounts a component with the stores and texts of a test bed. */
export function render(
  component: Component,
  bed: TestBed,
  options: RenderOptions = {},
): VueWrapper {
  const provider = {
    install: (app: App): void => provideLabClient(app, bed.client),
  };
  return mount(component, {
    attachTo: document.body,
    ...options,
    global: { ...options.global, plugins: [bed.pinia, i18n, provider] },
  });
}

export async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
}
