import { createPinia } from 'pinia';
import { createApp } from 'vue';
import App from './App.vue';
import { provideLabClient } from './api/client-context.ts';
import type { LabClient } from './api/lab-client.ts';
import { i18n } from './i18n/index.ts';
import { useNoticesStore } from './stores/notices.ts';
import { useSettingsStore } from './stores/settings.ts';
import './styles/fonts.css';
import './styles/tokens.css';
import './styles/base.css';

/** Puts the window on the page, with the given way to the engine. */
export function startApp(client: LabClient, host: string): void {
  const app = createApp(App);
  app.use(createPinia());
  app.use(i18n);
  provideLabClient(app, client);
  // Theme and language apply before the first frame.
  app.runWithContext(() => useSettingsStore());
  const notices = app.runWithContext(() => useNoticesStore());
  window.addEventListener('unhandledrejection', (event) => notices.addBug(event.reason));
  app.mount(host);
}
