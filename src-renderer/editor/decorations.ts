/** Marks in the text: breakpoints, the current line, probe values, the selected line. */
import type { editor } from 'monaco-editor/editor';
import type { EditorMarks } from './editor-model.ts';
import { monaco } from './monaco-setup.ts';

const MAX_PROBE_CHARS = 160;

function wholeLine(
  line: number,
  options: editor.IModelDecorationOptions,
): editor.IModelDeltaDecoration {
  return { range: new monaco.Range(line, 1, line, 1), options };
}

function positionGlyph(marks: EditorMarks): string {
  return marks.position?.isPast === true ? 'lab-past-glyph' : 'lab-current-glyph';
}

export function breakpointDecorations(
  marks: EditorMarks,
  path: string,
  noStatement: string,
): editor.IModelDeltaDecoration[] {
  return marks.breakpoints
    .filter((point) => point.path === path)
    .map((point) => {
      const isVoid = point.stopLine === null;
      const line = point.stopLine ?? point.line;
      const look = isVoid ? 'lab-breakpoint is-void' : 'lab-breakpoint';
      // The margin shows one glyph a line: a stop at a breakpoint is both.
      const isHere = marks.position?.path === path && marks.position.line === line;
      return wholeLine(line, {
        glyphMarginClassName: isHere ? `${look} ${positionGlyph(marks)}` : look,
        stickiness: monaco.editor.TrackedRangeStickiness.NeverGrowsWhenTypingAtEdges,
        ...(isVoid && { glyphMarginHoverMessage: { value: noStatement } }),
      });
    });
}

function probeDecorations(
  marks: EditorMarks,
  model: editor.ITextModel,
  path: string,
): editor.IModelDeltaDecoration[] {
  return marks.probes
    .filter((probe) => probe.path === path && probe.line <= model.getLineCount())
    .map((probe) => {
      const column = model.getLineMaxColumn(probe.line);
      const [firstLine = ''] = probe.text.split('\n');
      const shown = firstLine.slice(0, MAX_PROBE_CHARS);
      return {
        range: new monaco.Range(probe.line, column, probe.line, column),
        options: {
          showIfCollapsed: true,
          after: { content: `  ${shown}`, inlineClassName: 'lab-probe' },
          hoverMessage: { value: `\`\`\`\n${probe.text}\n\`\`\`` },
        },
      };
    });
}

export function stateDecorations(
  marks: EditorMarks,
  model: editor.ITextModel,
  path: string,
): editor.IModelDeltaDecoration[] {
  const found = probeDecorations(marks, model, path);
  if (marks.selection?.path === path) {
    found.push(
      wholeLine(marks.selection.line, { isWholeLine: true, className: 'lab-selected-line' }),
    );
  }
  if (marks.position?.path === path) {
    const line = marks.position.isPast ? 'lab-past-line' : 'lab-current-line';
    // Two marks: one for a whole line would repeat the arrow where the line wraps.
    found.push(
      wholeLine(marks.position.line, { isWholeLine: true, className: line }),
      wholeLine(marks.position.line, { glyphMarginClassName: positionGlyph(marks) }),
    );
  }
  return found;
}

export function problemMarkers(marks: EditorMarks, path: string): editor.IMarkerData[] {
  return marks.problems
    .filter((problem) => problem.path === path)
    .map((problem) => ({
      severity: monaco.MarkerSeverity.Error,
      message: problem.message,
      startLineNumber: problem.line,
      startColumn: problem.column,
      endLineNumber: problem.line,
      endColumn: problem.column + 1,
    }));
}
