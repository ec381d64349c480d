/** Where lab packages come from. Hosts give a folder, a bundle or a workshop file; the engine sees texts. */
export interface LabLibrary {
  /** Folder names of the labs, in alphabetical order. */
  labs(): readonly string[];
  /** Paths of a lab's files, relative to its folder, with `/`. */
  files(lab: string): readonly string[];
  readText(lab: string, path: string): string;
  /** A text that belongs to all labs, such as the glossary; null when there is none. */
  readCourseText(path: string): string | null;
}

/** Names that guides may use and that layers above the engine own. */
export interface LabVocabulary {
  /** Panes a `view:` link can open. */
  readonly views: readonly string[];
  /** Parameters a `view:` link can carry. */
  readonly viewParams: readonly string[];
}
