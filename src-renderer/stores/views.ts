import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import type { ViewParams } from '../../src-main/protocol/views.ts';

/** Which object each view pane shows, by pane id. */
export const useViewsStore = defineStore('views', () => {
  const params = shallowRef<Readonly<Record<string, ViewParams>>>({});

  function paramsOf(paneId: string): ViewParams {
    return params.value[paneId] ?? {};
  }

  function setParams(paneId: string, next: ViewParams): void {
    params.value = { ...params.value, [paneId]: next };
  }

  function reset(): void {
    params.value = {};
  }

  return { params, paramsOf, setParams, reset };
});
