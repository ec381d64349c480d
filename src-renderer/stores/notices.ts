import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import { AppError } from '../../src-main/protocol/app-error.ts';
import { isConnectionLost } from '../api/lab-client.ts';
import { translate } from '../i18n/index.ts';

export interface NoticeAction {
  readonly label: string;
  readonly run: () => void;
}

export interface Notice {
  readonly id: number;
  readonly tone: 'info' | 'good' | 'warning' | 'fault';
  readonly title: string;
  readonly text: string;
  readonly action?: NoticeAction;
  /** Stays until the learner closes it. */
  readonly isSticky: boolean;
}

type NoticeDraft = Omit<Notice, 'id' | 'isSticky' | 'text'> & { readonly text?: string };

const MAX_NOTICES = 4;

/** Short messages about what the program did or could not do. */
export const useNoticesStore = defineStore('notices', () => {
  const notices = shallowRef<readonly Notice[]>([]);
  let lastId = 0;

  function add(draft: NoticeDraft): number {
    lastId += 1;
    const text = draft.text ?? '';
    const notice = { ...draft, text, id: lastId, isSticky: draft.tone === 'fault' };
    const others = notices.value.filter(
      (other) => other.title !== draft.title || other.text !== text,
    );
    notices.value = [...others, notice].slice(-MAX_NOTICES);
    return lastId;
  }

  /** A rejected command as a readable notice. A lost connection has its own banner. */
  function addError(title: string, error: unknown): void {
    if (isConnectionLost(error)) return;
    const message = error instanceof Error ? error.message : String(error);
    const hint = error instanceof AppError ? error.hint : undefined;
    add({ tone: 'fault', title, text: hint === undefined ? message : `${message}. ${hint}` });
  }

  function remove(id: number): void {
    notices.value = notices.value.filter((notice) => notice.id !== id);
  }

  /** For errors that no caller handles: bugs of this program. */
  function addBug(error: unknown): void {
    addError(translate('notice.bug'), error);
  }

  function reset(): void {
    notices.value = [];
  }

  return { notices, add, addError, addBug, remove, reset };
});
