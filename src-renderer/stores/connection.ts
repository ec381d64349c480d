import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import { useLabClient } from '../api/client-context.ts';
import type { ConnectionStatus } from '../api/lab-client.ts';

interface StorageProblem {
  readonly message: string;
  readonly hint: string;
}

/** Whether the engine can be reached, and whether it can store. */
export const useConnectionStore = defineStore('connection', () => {
  const client = useLabClient();
  const status = shallowRef<ConnectionStatus>(client.connection);
  const storageProblem = shallowRef<StorageProblem | null>(null);
  const restartMessage = shallowRef<string | null>(null);

  const isOpen = computed(() => status.value.state === 'open');
  const isLost = computed(() => status.value.state === 'lost');

  function reset(): void {
    status.value = client.connection;
    storageProblem.value = null;
    restartMessage.value = null;
  }

  return {
    status,
    storageProblem,
    restartMessage,
    isOpen,
    isLost,
    reconnect: () => client.reconnect(),
    reset,
  };
});
