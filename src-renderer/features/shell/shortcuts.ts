/** Keys that work everywhere in the window. They are caught before the editor sees them. */
export type ShortcutId =
  | 'run'
  | 'stop'
  | 'step-over'
  | 'step-back'
  | 'step-into'
  | 'step-out'
  | 'palette'
  | 'save'
  | 'next-pane'
  | 'previous-pane';

interface Chord {
  readonly id: ShortcutId;
  readonly key: string;
  readonly hasShift: boolean;
  /** Control, or Command on a Mac. */
  readonly hasMod: boolean;
}

const CHORDS: readonly Chord[] = [
  { id: 'run', key: 'F5', hasShift: false, hasMod: false },
  { id: 'stop', key: 'F5', hasShift: true, hasMod: false },
  { id: 'step-over', key: 'F10', hasShift: false, hasMod: false },
  { id: 'step-back', key: 'F10', hasShift: true, hasMod: false },
  { id: 'step-into', key: 'F11', hasShift: false, hasMod: false },
  { id: 'step-out', key: 'F11', hasShift: true, hasMod: false },
  { id: 'next-pane', key: 'F6', hasShift: false, hasMod: false },
  { id: 'previous-pane', key: 'F6', hasShift: true, hasMod: false },
  { id: 'palette', key: 'k', hasShift: false, hasMod: true },
  { id: 'save', key: 's', hasShift: false, hasMod: true },
];

export function matchShortcut(event: KeyboardEvent): ShortcutId | null {
  if (event.altKey) return null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const hasMod = event.ctrlKey || event.metaKey;
  const chord = CHORDS.find(
    (entry) => entry.key === key && entry.hasShift === event.shiftKey && entry.hasMod === hasMod,
  );
  return chord?.id ?? null;
}

const IS_MAC = /mac/i.test(navigator.userAgent);

/** As printed on keys: `Shift+F5`, `Ctrl+K`, `⌘K`. */
export function shortcutText(id: ShortcutId): string {
  const chord = CHORDS.find((entry) => entry.id === id);
  if (chord === undefined) return '';
  const key = chord.key.toUpperCase();
  if (IS_MAC) return `${chord.hasShift ? '⇧' : ''}${chord.hasMod ? '⌘' : ''}${key}`;
  return [chord.hasMod ? 'Ctrl' : '', chord.hasShift ? 'Shift' : '', key]
    .filter((part) => part !== '')
    .join('+');
}
