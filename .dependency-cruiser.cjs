/** The authority on who may import whom: what `build/checks/layers.cjs` does not allow is an error. */
const path = require('node:path');

const { layers, pathOf } = require('./build/checks/layers.cjs');

const escaped = (text) => text.replaceAll(/[/\\^$*+?.()|[\]{}]/g, String.raw`\$&`);

const allowed = Object.values(layers).flatMap((layer) => {
  const rules = [{ from: { path: layer.path }, to: { path: layer.uses.map(pathOf) } }];
  if (layer.packages !== undefined) {
    const names = layer.packages.map(escaped).join('|');
    rules.push({
      from: { path: layer.path },
      to: { path: `(^|/)node_modules/(@types/)?(${names})(/|$)` },
    });
  }
  if (layer.node === true) {
    rules.push({ from: { path: layer.path }, to: { dependencyTypes: ['core'] } });
  }
  return rules;
});

// Types of the bundler's own imports (`?worker`, `?url`).
allowed.push({
  from: { path: String.raw`^src-renderer/.*\.d\.ts$` },
  to: { path: '(^|/)node_modules/vite/' },
});
// Style sheets and assets beside the components that use them.
allowed.push({
  from: { path: '^src-renderer/' },
  to: { path: String.raw`\.(css|svg|png|woff2)$` },
});

module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Cycles make layers meaningless; break one with a port interface (ARCHITECTURE.md).',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unresolvable',
      comment: 'The import names nothing that exists.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: String.raw`\?(worker|url|asset|raw|modulePath)` },
    },
    {
      name: 'monaco-only-in-editor',
      comment: 'Only src-renderer/editor knows Monaco; others use its components.',
      severity: 'error',
      from: { path: '^src-renderer/', pathNot: '^src-renderer/editor/' },
      to: { path: '(^|/)node_modules/monaco-editor/' },
    },
    {
      name: 'ipc-main-only-in-gateway',
      comment: 'Nothing outside the preload script and the Electron host may see electron.',
      severity: 'error',
      from: { pathNot: '^src-main/(hosts/electron|preload)/' },
      to: { path: '(^|/)node_modules/electron/' },
    },
    {
      name: 'protocol-uses-types-of-spec-only',
      comment: 'protocol may name the types of bits and spec, never run their code.',
      severity: 'error',
      from: { path: '^src-main/protocol/' },
      to: { path: '^src-main/(bits|spec)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'labs-engine-uses-types-of-protocol-only',
      comment: 'The engine speaks the words of the boundary; services carry it across.',
      severity: 'error',
      from: { path: '^src-main/labs-engine/' },
      to: { path: '^src-main/protocol/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'nothing-imports-tests-or-build',
      comment: 'Product code must not lean on tests or on build scripts.',
      severity: 'error',
      from: { path: '^src-' },
      to: { path: '^(test|build)/' },
    },
  ],
  allowed,
  allowedSeverity: 'error',
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: String.raw`\?(worker|url|asset|raw|modulePath)` },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: path.join(__dirname, 'build/tsconfig/depcruise.json') },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
      mainFields: ['module', 'main', 'types'],
      extensions: ['.ts', '.vue', '.js', '.cjs', '.d.ts'],
    },
    skipAnalysisNotInRules: false,
  },
};
