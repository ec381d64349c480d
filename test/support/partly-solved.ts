/** A script as it stands when a learner has done some of its regions and not yet the others. */
const SOLUTION = /^\s*\/\/ #region solution (\S+)/;
const STARTER = /^\s*\/\/ #region starter/;
const END = /^\s*\/\/ #endregion/;

/** `source` is the file of the lab, with its markers. */
export function partlySolved(source: string, done: ReadonlySet<string>): string {
  let region: string | undefined;
  let isInStarter = false;
  const lines: string[] = [];
  for (const line of source.split('\n')) {
    const opened = SOLUTION.exec(line)?.[1];
    if (opened !== undefined) {
      region = opened;
    } else if (STARTER.test(line)) {
      isInStarter = true;
    } else if (END.test(line) && region !== undefined) {
      region = isInStarter ? region : undefined;
      isInStarter = false;
    } else if (region === undefined || done.has(region) !== isInStarter) {
      lines.push(line);
    }
  }
  return lines.join('\n');
}
