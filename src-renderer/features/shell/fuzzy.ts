/** How well a typed query fits a title: 0 when not at all, more for earlier and tighter matches. */
export function fuzzyScore(query: string, title: string): number {
  const wanted = query.trim().toLowerCase();
  const text = title.toLowerCase();
  if (wanted === '') return 1;
  const whole = text.indexOf(wanted);
  if (whole === 0) return 1_000;
  if (whole > 0) return 800 - Math.min(whole, 200);
  const words = wanted.split(/\s+/);
  if (words.every((word) => text.includes(word))) return 500;
  return subsequenceScore(wanted.replaceAll(/\s+/g, ''), text);
}

function subsequenceScore(letters: string, text: string): number {
  let at = -1;
  let gaps = 0;
  for (const letter of letters) {
    const next = text.indexOf(letter, at + 1);
    if (next < 0) return 0;
    gaps += next - at - 1;
    at = next;
  }
  return Math.max(1, 200 - gaps);
}
