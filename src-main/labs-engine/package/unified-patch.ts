/** Applies a unified diff to a text. Hunks may have moved, but their lines must be there word for word. */

interface Hunk {
  /** Line of the old text at which the hunk claims to begin. */
  readonly oldStart: number;
  readonly oldLines: readonly string[];
  readonly newLines: readonly string[];
}

export interface ParsedPatch {
  /** Path in the `+++` line, without the `b/` that git writes. */
  readonly path: string | undefined;
  /** Lines before the first `---`. */
  readonly preamble: readonly string[];
  readonly hunks: readonly Hunk[];
}

export type PatchResult = { readonly text: string } | { readonly problem: string };

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@/;

export function parsePatch(patch: string): ParsedPatch {
  const lines = patch.split('\n');
  const start = lines.findIndex((line) => line.startsWith('--- ') || HUNK.test(line));
  const preamble = start < 0 ? lines : lines.slice(0, start);
  const target = lines.find((line) => line.startsWith('+++ '));
  const path = target?.slice(4).replace(/\t.*$/, '').trim().replace(/^b\//, '');
  const hunks: Hunk[] = [];
  for (let at = Math.max(0, start); at < lines.length; at++) {
    const head = HUNK.exec(lines[at] ?? '');
    if (head === null) continue;
    const hunk = readHunk(lines, at + 1, head);
    hunks.push(hunk.hunk);
    at = hunk.next - 1;
  }
  return { path, preamble, hunks };
}

function readHunk(
  lines: readonly string[],
  from: number,
  head: readonly (string | undefined)[],
): { readonly hunk: Hunk; readonly next: number } {
  const oldCount = Number(head[2] ?? 1);
  const newCount = Number(head[3] ?? 1);
  const oldLines: string[] = [];
  const newLines: string[] = [];
  let at = from;
  while (at < lines.length && (oldLines.length < oldCount || newLines.length < newCount)) {
    const line = lines[at] ?? '';
    const text = line.slice(1);
    if (line.startsWith('-')) oldLines.push(text);
    else if (line.startsWith('+')) newLines.push(text);
    else if (!line.startsWith('\\')) {
      // Editors strip the blank of an empty context line.
      oldLines.push(text);
      newLines.push(text);
    }
    at += 1;
  }
  return { hunk: { oldStart: Number(head[1]), oldLines, newLines }, next: at };
}

export function applyPatch(text: string, patch: ParsedPatch): PatchResult {
  if (patch.hunks.length === 0) return { problem: 'The patch has no hunk' };
  let lines: readonly string[] = text.split('\n');
  let from = 0;
  for (const [index, hunk] of patch.hunks.entries()) {
    const at = placeOf(lines, hunk, from);
    if (at === undefined) {
      const lost = hunk.oldLines.find((line) => !lines.slice(from).includes(line));
      const shown =
        lost === undefined
          ? 'the lines are there, but not in this order'
          : `there is no line "${lost.trim()}"`;
      return { problem: `Hunk ${String(index + 1)} does not apply: ${shown}` };
    }
    lines = [...lines.slice(0, at), ...hunk.newLines, ...lines.slice(at + hunk.oldLines.length)];
    from = at + hunk.newLines.length;
  }
  return { text: lines.join('\n') };
}

/** The match nearest to the line that the hunk names. */
function placeOf(lines: readonly string[], hunk: Hunk, from: number): number | undefined {
  const wanted = hunk.oldStart - 1;
  let best: number | undefined;
  for (let at = from; at + hunk.oldLines.length <= lines.length; at++) {
    if (!hunk.oldLines.every((line, i) => lines[at + i] === line)) continue;
    if (best === undefined || Math.abs(at - wanted) < Math.abs(best - wanted)) best = at;
  }
  return best;
}
