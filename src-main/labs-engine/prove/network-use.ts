/** What in a lab would reach beyond this machine. Links of the guide are looked at where links are. */
import { issue, type LabIssue } from '../lab-issue.ts';
import type { LabPackage } from '../package/lab-package.ts';

const REMOTE_IMPORT = /(?:from|import)\s*\(?\s*['"](https?:[^'"]*)['"]/;
const NETWORK_CALL = /(?<![\w.$])(fetch|XMLHttpRequest|WebSocket|EventSource)\s*\(/;

export function networkIssues(lab: LabPackage): readonly LabIssue[] {
  return lab.scripts.flatMap(({ path, solution }) =>
    solution.text.split('\n').flatMap((line, index) => {
      const code = line.replace(/^\s*(\/\/|\*).*$/, '');
      const found = REMOTE_IMPORT.exec(code)?.[1] ?? NETWORK_CALL.exec(code)?.[1];
      if (found === undefined) return [];
      const place = `${path}:${String(solution.fileLines[index] ?? index + 1)}`;
      return [issue('needs-network', place, `${found} is not on this machine`)];
    }),
  );
}
