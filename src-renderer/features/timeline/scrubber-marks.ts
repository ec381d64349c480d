/** Marks of a timeline, at most one for each few pixels: the worst tone of a place wins. */
import type { TimelineState } from '../../../src-main/protocol/lab-api.ts';

export type MarkTone = TimelineState['marks'][number]['tone'];

export interface PlacedMark {
  readonly x: number;
  readonly tone: MarkTone;
  readonly event: number;
  readonly title: string;
  readonly count: number;
}

const SLOT_PX = 6;
const WEIGHT: Readonly<Record<MarkTone, number>> = { fault: 2, warning: 1, good: 0 };

export function placeMarks(state: TimelineState, widthPx: number): readonly PlacedMark[] {
  const span = Math.max(1, state.head - state.tail);
  const slots = new Map<number, PlacedMark>();
  for (const mark of state.marks) {
    if (mark.event < state.tail || mark.event >= state.head) continue;
    const x = ((mark.event + 1 - state.tail) / span) * widthPx;
    const slot = Math.round(x / SLOT_PX);
    const known = slots.get(slot);
    if (known === undefined) {
      slots.set(slot, { x, tone: mark.tone, event: mark.event, title: mark.title, count: 1 });
      continue;
    }
    const isWorse = WEIGHT[mark.tone] > WEIGHT[known.tone];
    const shown = isWorse ? { x, tone: mark.tone, event: mark.event, title: mark.title } : {};
    slots.set(slot, { ...known, ...shown, count: known.count + 1 });
  }
  return [...slots.values()];
}

/** The nearest mark before or after an instant, null when there is none. */
export function neighbourMark(
  state: TimelineState,
  at: number,
  direction: 'back' | 'forward',
): number | null {
  const events = state.marks.map((mark) => mark.event).sort((a, b) => a - b);
  const hit =
    direction === 'forward'
      ? events.find((event) => event + 1 > at)
      : events.findLast((event) => event + 1 < at);
  return hit ?? null;
}
