/** Widths of texts as they will be drawn, so that columns fit what stands in them. An estimate where nothing can be drawn. */

const FONT_PX = 12;
/** Advance of a character at 12 px where no canvas can tell. */
const MONO_PX = 7.25;
const TEXT_PX = 6.3;
/** Chinese characters are as wide as they are high. */
const WIDE_CHARACTERS = /[\u2e80-\u9fff\uff00-\uffef]/gu;

const context = document.createElement('canvas').getContext('2d');
const known = new Map<string, number>();
const MAX_KNOWN = 20_000;

function family(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function estimate(text: string, isMono: boolean): number {
  const wide = text.match(WIDE_CHARACTERS)?.length ?? 0;
  return wide * FONT_PX + (text.length - wide) * (isMono ? MONO_PX : TEXT_PX);
}

function measure(text: string, isMono: boolean): number {
  if (context === null) return estimate(text, isMono);
  const font = family(isMono ? '--font-mono' : '--font-text');
  if (font === '') return estimate(text, isMono);
  context.font = `${String(FONT_PX)}px ${font}`;
  return context.measureText(text).width;
}

export function textWidth(text: string, isMono: boolean): number {
  const key = `${isMono ? 'm' : 't'}${text}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size > MAX_KNOWN) known.clear();
  const width = measure(text, isMono);
  known.set(key, width);
  return width;
}
