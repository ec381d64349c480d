const REQUIRED_MAJOR = 24;

/** Scripts silently fall back to the system's Node when the npm package `node` has no binary. */
export function setup(): void {
  const found = process.versions.node;
  if (Number.parseInt(found, 10) >= REQUIRED_MAJOR) return;
  throw new Error(
    `Expected Node ${REQUIRED_MAJOR} or newer, found ${found}. Run \`npm ci\`, then \`npm test\``,
  );
}
