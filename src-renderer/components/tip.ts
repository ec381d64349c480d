/** `v-tip`: a tooltip for pointer and keyboard. One floating element serves the whole window. */
import { shallowRef, type Directive, type ShallowRef } from 'vue';

export interface TipTarget {
  readonly element: HTMLElement;
  readonly text: string;
  readonly shortcut: string | undefined;
}

export interface TipContent {
  readonly text: string;
  readonly shortcut?: string | undefined;
}

type TipValue = string | TipContent | undefined | null;

const SHOW_DELAY_MS = 350;
const HIDE_DELAY_MS = 80;
export const TIP_ID = 'app-tooltip';

/** What the tooltip layer shows now. */
export const shownTip: ShallowRef<TipTarget | null> = shallowRef(null);

const texts = new WeakMap<HTMLElement, TipContent>();
let showTimer: ReturnType<typeof setTimeout> | undefined;
let hideTimer: ReturnType<typeof setTimeout> | undefined;

function show(element: HTMLElement): void {
  const content = texts.get(element);
  if (content === undefined || !element.isConnected) return;
  clearTimeout(hideTimer);
  shownTip.value = { element, text: content.text, shortcut: content.shortcut };
  element.setAttribute('aria-describedby', TIP_ID);
}

export function hideTip(): void {
  clearTimeout(showTimer);
  clearTimeout(hideTimer);
  shownTip.value?.element.removeAttribute('aria-describedby');
  shownTip.value = null;
}

/** The pointer may move onto the tooltip without losing it. */
export function keepTip(): void {
  clearTimeout(hideTimer);
}

export function scheduleHide(): void {
  clearTimeout(showTimer);
  clearTimeout(hideTimer);
  hideTimer = setTimeout(hideTip, HIDE_DELAY_MS);
}

function onPointerEnter(event: Event): void {
  const { currentTarget } = event;
  if (!(currentTarget instanceof HTMLElement)) return;
  clearTimeout(showTimer);
  const delay = shownTip.value === null ? SHOW_DELAY_MS : 0;
  showTimer = setTimeout(() => show(currentTarget), delay);
}

function onFocus(event: Event): void {
  const { currentTarget } = event;
  if (!(currentTarget instanceof HTMLElement)) return;
  if (currentTarget.matches(':focus-visible')) show(currentTarget);
}

function setContent(element: HTMLElement, value: TipValue): void {
  const content = typeof value === 'string' ? { text: value } : value;
  if (content === undefined || content === null || content.text === '') texts.delete(element);
  else texts.set(element, content);
  if (shownTip.value?.element !== element) return;
  if (texts.has(element)) show(element);
  else hideTip();
}

export const vTip: Directive<HTMLElement, TipValue> = {
  mounted(element, { value }) {
    setContent(element, value);
    element.addEventListener('pointerenter', onPointerEnter);
    element.addEventListener('pointerleave', scheduleHide);
    element.addEventListener('focus', onFocus);
    element.addEventListener('blur', hideTip);
    element.addEventListener('pointerdown', hideTip);
  },
  updated(element, { value }) {
    setContent(element, value);
  },
  beforeUnmount(element) {
    texts.delete(element);
    if (shownTip.value?.element === element) hideTip();
  },
};
