/** Suggestions for misspelt names in lab packages. */
import { closestMatch } from '../script/script-problem.ts';

/** `Did you mean x?`, undefined when nothing is close enough to be what was meant. */
export function didYouMean(word: string, known: Iterable<string>): string | undefined {
  const name = closestMatch(word, known);
  return name === undefined ? undefined : `Did you mean ${name}?`;
}
