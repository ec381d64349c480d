import nodeFs, { readFileSync } from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { writeAtomically } from '../storage/atomic-write.ts';

const FILE = 'window.json';

const BoundsSchema = v.object({
  x: v.pipe(v.number(), v.safeInteger()),
  y: v.pipe(v.number(), v.safeInteger()),
  width: v.pipe(v.number(), v.safeInteger(), v.minValue(400), v.maxValue(20_000)),
  height: v.pipe(v.number(), v.safeInteger(), v.minValue(300), v.maxValue(20_000)),
  isMaximized: v.boolean(),
});

export type WindowBounds = v.InferOutput<typeof BoundsSchema>;

interface Area {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** How much of a window must be on some display for the user to be able to grab it. */
const GRABBABLE_PX = 64;

/** The bounds of last time, or null when there are none or no display shows them any more. */
export function loadBounds(home: string, displays: readonly Area[]): WindowBounds | null {
  let stored: unknown;
  try {
    stored = JSON.parse(readFileSync(path.join(home, FILE), 'utf8'));
  } catch {
    return null;
  }
  const parsed = v.safeParse(BoundsSchema, stored);
  if (!parsed.success) return null;
  return displays.some((area) => isGrabbable(parsed.output, area)) ? parsed.output : null;
}

export function saveBounds(home: string, bounds: WindowBounds): void {
  try {
    writeAtomically(
      nodeFs,
      { file: path.join(home, FILE), temporaryFolder: path.join(home, 'tmp') },
      JSON.stringify(bounds),
    );
  } catch {
    // The window opens at its default place next time; nothing of the learner's is lost.
  }
}

function isGrabbable(bounds: Area, area: Area): boolean {
  const overlapX =
    Math.min(bounds.x + bounds.width, area.x + area.width) - Math.max(bounds.x, area.x);
  const isTitleVisible = bounds.y >= area.y && bounds.y + GRABBABLE_PX <= area.y + area.height;
  return overlapX >= GRABBABLE_PX && isTitleVisible;
}
