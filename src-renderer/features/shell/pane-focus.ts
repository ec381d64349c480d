/** F6: moves the focus from region to region, back to where it last was in each. */
const FOCUSABLE =
  'button:not([tabindex="-1"]), [href], input, select, textarea, [tabindex]:not([tabindex="-1"])';

const lastFocus = new WeakMap<HTMLElement, HTMLElement>();

function regions(): readonly HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>('[data-region]')].filter(
    (region) => region.getClientRects().length > 0,
  );
}

function regionOf(element: Element | null): HTMLElement | null {
  return element?.closest<HTMLElement>('[data-region]') ?? null;
}

export function rememberFocus(event: FocusEvent): void {
  if (!(event.target instanceof HTMLElement)) return;
  const region = regionOf(event.target);
  if (region !== null && region !== event.target) lastFocus.set(region, event.target);
}

export function focusRegion(region: HTMLElement): void {
  const last = lastFocus.get(region);
  const isThere = last !== undefined && region.contains(last) && last.getClientRects().length > 0;
  const first =
    region.querySelector<HTMLElement>('[data-focus-first]') ??
    region.querySelector<HTMLElement>(FOCUSABLE);
  const target = isThere ? last : (first ?? region);
  target.focus();
  // Some targets refuse the focus; the region itself never does.
  if (!region.contains(document.activeElement)) region.focus();
}

export function cycleRegions(by: 1 | -1): void {
  const all = regions();
  if (all.length === 0) return;
  const current = regionOf(document.activeElement);
  const at = current === null ? -1 : all.indexOf(current);
  const start = at < 0 && by < 0 ? 0 : at;
  const next = all[(start + by + all.length) % all.length];
  if (next !== undefined) focusRegion(next);
}
