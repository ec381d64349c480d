/**
 * Who may import whom, once, for ESLint, dependency-cruiser and the tests of both.
 * The reasons are in ARCHITECTURE.md, section "Dependencies".
 *
 * @typedef {object} Layer
 * @property {string} path      regular expression for the layer's files, from the repository root
 * @property {string[]} uses    names of the layers it may import, itself included when listed
 * @property {string[]} [packages] npm packages it may import
 * @property {boolean} [node]   may import node:* modules
 * @property {boolean} [isPure] must not use clocks, randomness, timers, process or console
 */

const engine = ['bits', 'spec', 'sim'];
const script = [...engine, 'linux', 'vmm', 'script'];

/**
 * Layers that stand on `bits`, `spec` and all layers before them in the list.
 *
 * @param {[string, string][]} ordered names and paths
 * @returns {Record<string, Layer>}
 */
function simLayers(ordered) {
  return Object.fromEntries(
    ordered.map(([name, path], index) => {
      const below = ordered.slice(0, index + 1).map(([other]) => other);
      return [name, { path, uses: ['bits', 'spec', ...below], isPure: true }];
    }),
  );
}

/** @type {Record<string, Layer>} */
const layers = {
  bits: { path: '^src-main/bits/', uses: ['bits'], isPure: true },
  spec: { path: '^src-main/spec/', uses: ['bits', 'spec'], isPure: true },
  // The order inside sim: each may import those above it.
  ...simLayers([
    ['sim-core', '^src-main/sim/core/'],
    [
      'sim-contract',
      '^src-main/sim/((defences|machine-config|hardware-port)\\.ts$|isolation/isolation-port\\.ts$)',
    ],
    ['sim-memory', '^src-main/sim/memory/'],
    ['sim-pcie-ports', '^src-main/sim/pcie/ports\\.ts$'],
    ['sim-isolation', '^src-main/sim/isolation/(?!isolation-port\\.ts$)'],
    ['sim-iommu', '^src-main/sim/iommu/'],
    ['sim-pcie', '^src-main/sim/pcie/(?!ports\\.ts$)'],
    ['sim-devices', '^src-main/sim/devices/'],
    ['sim-cpu', '^src-main/sim/cpu/'],
    // machine.ts and its helpers, recording and replaying, and index.ts, the door for other layers.
    [
      'sim-root',
      '^src-main/sim/(?!(defences|machine-config|hardware-port)\\.ts$)([^/]+\\.ts$|timeline/)',
    ],
  ]),
  linux: { path: '^src-main/linux/', uses: [...engine, 'linux'], isPure: true },
  vmm: { path: '^src-main/vmm/', uses: [...engine, 'linux', 'vmm'], isPure: true },
  script: {
    path: '^src-main/script/(?!wasm-node)',
    uses: script,
    packages: ['typescript', 'ts-blank-space', 'quickjs-wasi'],
    isPure: true,
  },
  'script-wasm-node': {
    path: '^src-main/script/wasm-node',
    uses: script,
    packages: ['quickjs-wasi'],
    node: true,
  },
  'labs-engine': {
    path: '^src-main/labs-engine/',
    // Of protocol the types alone; of the labs their registry of checks.
    uses: [...script, 'labs-engine', 'protocol', 'labs'],
    packages: ['yaml', 'valibot'],
    isPure: true,
  },
  // The checks of labs; what they may import is the SDK and nothing else.
  labs: { path: '^labs/', uses: ['labs', 'labs-sdk'], isPure: true },
  protocol: {
    path: '^src-main/protocol/',
    uses: ['bits', 'spec', 'protocol'],
    packages: ['valibot'],
    isPure: true,
  },
  services: {
    path: '^src-main/services/',
    uses: [...script, 'labs-engine', 'protocol', 'services'],
    packages: ['valibot'],
    isPure: true,
  },
  'hosts-shared': {
    path: '^src-main/hosts/(?!electron/|web/|cli/|machine-worker/)',
    uses: ['protocol', 'services', 'hosts-shared'],
    packages: ['valibot'],
    node: true,
  },
  'hosts-machine-worker': {
    path: '^src-main/hosts/machine-worker/',
    uses: ['script-wasm-node', 'protocol', 'services', 'hosts-shared', 'hosts-machine-worker'],
    node: true,
  },
  'hosts-electron': {
    path: '^src-main/hosts/electron/',
    uses: ['protocol', 'services', 'hosts-shared', 'hosts-electron'],
    packages: ['electron', 'valibot'],
    node: true,
  },
  'hosts-web': {
    path: '^src-main/hosts/web/',
    uses: ['protocol', 'services', 'hosts-shared', 'hosts-web'],
    packages: ['ws'],
    node: true,
  },
  'hosts-cli': {
    path: '^src-main/hosts/cli/',
    uses: ['script-wasm-node', 'protocol', 'services', 'hosts-shared', 'hosts-web', 'hosts-cli'],
    node: true,
  },
  preload: {
    path: '^src-main/preload/',
    uses: ['protocol', 'preload'],
    packages: ['electron'],
  },
  renderer: {
    path: '^src-renderer/',
    uses: ['bits', 'spec', 'protocol', 'renderer'],
    packages: [
      '@fontsource/inter',
      '@fontsource/jetbrains-mono',
      '@tanstack/vue-virtual',
      '@vue-flow/core',
      'dockview-vue',
      'dockview-core',
      'markdown-it',
      'monaco-editor',
      'pinia',
      'reka-ui',
      'shiki',
      'uplot',
      'valibot',
      'vue',
      'vue-i18n',
    ],
  },
};

/** `sim` seen from outside is its index alone; labs see of the engine its SDK. */
const doors = {
  sim: '^src-main/sim/index\\.ts$',
  'labs-sdk': '^src-main/labs-engine/sdk/index\\.ts$',
};

/** @param {string} name */
function pathOf(name) {
  return doors[name] ?? layers[name].path;
}

/** Globals that would make a pure layer depend on where and when it runs. */
const impureGlobals = [
  'Date',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'process',
  'console',
  'crypto',
  'fetch',
  'window',
  'document',
  'globalThis',
  'require',
  'Buffer',
];

module.exports = { layers, pathOf, impureGlobals };
