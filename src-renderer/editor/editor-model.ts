/** What the editor component is given; plain data, so that containers need not know Monaco. */
export interface EditorFile {
  readonly path: string;
  readonly text: string;
  readonly isReadOnly: boolean;
  /** Increases when the text was replaced from outside. */
  readonly externalVersion: number;
}

export interface EditorBreakpoint {
  readonly path: string;
  readonly line: number;
  readonly stopLine?: number | null;
}

export interface EditorMarks {
  readonly breakpoints: readonly EditorBreakpoint[];
  /** The line about to run, or the line that the selected instant of the past belongs to. */
  readonly position: {
    readonly path: string;
    readonly line: number;
    readonly isPast: boolean;
  } | null;
  /** Values of `// ?` probes at the selected instant. */
  readonly probes: readonly {
    readonly path: string;
    readonly line: number;
    readonly text: string;
  }[];
  /** The line behind the selected object. */
  readonly selection: { readonly path: string; readonly line: number } | null;
  readonly problems: readonly {
    readonly path: string;
    readonly line: number;
    readonly column: number;
    readonly message: string;
  }[];
  readonly locals: readonly { readonly name: string; readonly value: string }[];
}

export interface EditorTexts {
  readonly label: string;
  readonly readOnly: string;
  readonly toggleBreakpoint: string;
  readonly noStatement: string;
}
