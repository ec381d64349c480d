import { createRequire } from 'node:module';
import vue from 'eslint-plugin-vue';
import tseslint from 'typescript-eslint';

const { layers, impureGlobals } = createRequire(import.meta.url)('./build/checks/layers.cjs');

const folderOf = {
  bits: 'src-main/bits',
  spec: 'src-main/spec',
  sim: 'src-main/sim',
  linux: 'src-main/linux',
  vmm: 'src-main/vmm',
  script: 'src-main/script',
  'labs-engine': 'src-main/labs-engine',
  protocol: 'src-main/protocol',
  services: 'src-main/services',
};
const pureFolders = Object.values(folderOf);
const wasmNode = ['src-main/script/wasm-node.ts', 'src-main/script/wasm-node/**'];

/** Editor feedback on forbidden imports; the authority is dependency-cruiser, with the same table. */
const zones = Object.entries(folderOf).map(([name, folder]) => {
  const mayUse = (layers[name] ?? layers['sim-root']).uses;
  const isForbidden = (other) =>
    other !== name && !mayUse.includes(other) && !(name === 'sim' && other.startsWith('sim'));
  const forbidden = [...Object.keys(folderOf), 'hosts'].filter(isForbidden);
  return {
    files: [`${folder}/**/*.ts`],
    ignores: wasmNode,
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['node:*', 'electron', 'vue', 'ws', 'fs', 'path'],
              message: 'Pure layers know no host (ARCHITECTURE.md, Dependencies)',
            },
            {
              group: forbidden.flatMap((other) => [`../${other}/**`, `**/../${other}/**`]),
              message: `${name} must not import upwards (ARCHITECTURE.md, Dependencies)`,
            },
          ],
        },
      ],
    },
  };
});

const hostDoors = Object.keys(folderOf)
  .filter((name) => !['bits', 'spec', 'protocol'].includes(name))
  .flatMap((name) => [`**/src-main/${name}/**`, `**/${name}/index.ts`]);

export default tseslint.config(
  {
    ignores: [
      'out/**',
      'dist/**',
      'docs/**',
      'node_modules/**',
      'test/arch/fixtures/**',
      'test/**/fixtures/**',
      'labs/**',
      '!labs/**/checks.ts',
    ],
  },
  ...tseslint.configs.strict,
  ...tseslint.configs.stylistic,
  ...vue.configs['flat/recommended'],
  {
    files: ['**/*.vue'],
    languageOptions: { parserOptions: { parser: tseslint.parser } },
    rules: {
      'vue/multi-word-component-names': ['error', { ignores: ['App', 'Workbench'] }],
      'vue/no-v-html': 'error',
      // An optional prop of a typed declaration is undefined when left out.
      'vue/require-default-prop': 'off',
      'vue/block-lang': ['error', { script: { lang: 'ts' } }],
      'vue/component-api-style': ['error', ['script-setup']],
      'vue/define-props-declaration': ['error', 'type-based'],
      'vue/define-emits-declaration': ['error', 'type-based'],
      // Layout is Prettier's.
      'vue/html-self-closing': 'off',
      'vue/html-indent': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/multiline-html-element-content-newline': 'off',
      'vue/first-attribute-linebreak': 'off',
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ['**/*.{ts,vue,js,mjs,cjs}'],
    rules: {
      // The compiler knows better which names exist.
      'no-undef': 'off',
      'no-unused-vars': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'separate-type-imports' },
      ],
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/unified-signatures': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/class-literal-property-style': 'off',
      'no-cond-assign': 'error',
      'no-constant-condition': ['error', { checkLoops: 'allExceptWhileTrue' }],
      'no-debugger': 'error',
      'no-dupe-else-if': 'error',
      'no-empty': 'error',
      'no-fallthrough': 'error',
      'no-loss-of-precision': 'error',
      'no-self-assign': 'error',
      'no-self-compare': 'error',
      'no-sparse-arrays': 'error',
      'no-unreachable': 'error',
      'no-unsafe-finally': 'error',
      'no-useless-catch': 'error',
      'no-useless-escape': 'error',
      'no-template-curly-in-string': 'error',
      curly: ['error', 'multi-line'],
      eqeqeq: 'error',
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      'no-else-return': ['error', { allowElseIf: false }],
      'max-depth': ['error', 4],
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true, named: true } }],
    },
  },
  {
    files: ['src-main/**/*.ts', 'src-renderer/**/*.{ts,vue}'],
    rules: {
      'no-console': 'error',
      'max-lines-per-function': ['error', { max: 100, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ['src-main/**/*.ts', 'src-renderer/**/*.ts'],
    rules: {
      'max-lines': ['error', { max: 600, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', { max: 6 }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
    },
  },
  {
    // A setup store is one function by design; its length is the file's.
    files: ['src-renderer/stores/**/*.ts'],
    rules: { 'max-lines-per-function': 'off' },
  },
  {
    // An options object would cost an allocation at every step of a walk.
    files: ['src-main/sim/**/*.ts'],
    rules: { 'max-params': 'off' },
  },
  {
    // Tables copied field by field from a specification have no better place to be cut.
    files: ['src-main/spec/**/*.ts'],
    rules: { 'max-lines': ['error', { max: 700, skipBlankLines: true, skipComments: true }] },
  },
  {
    files: pureFolders.map((folder) => `${folder}/**/*.ts`),
    ignores: wasmNode,
    rules: {
      'no-restricted-globals': [
        'error',
        ...impureGlobals.map((name) => ({
          name,
          message: 'Pure layers take time, output and randomness as ports (ARCHITECTURE.md)',
        })),
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Use the seeded generator of sim/core' },
      ],
    },
  },
  ...zones,
  {
    files: [
      'src-main/{protocol,services,labs-engine,hosts,preload}/**/*.ts',
      'src-renderer/**/*.ts',
    ],
    ignores: ['src-renderer/**/*.d.ts'],
    languageOptions: {
      parserOptions: { projectService: true, extraFileExtensions: ['.vue'] },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/prefer-promise-reject-errors': 'error',
      '@typescript-eslint/return-await': 'error',
    },
  },
  {
    files: ['src-renderer/**/*.{ts,vue}'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['node:*', 'electron', 'ws'], message: 'The renderer is a sandboxed page' },
            {
              group: hostDoors,
              message: 'The renderer sees only bits, spec and protocol (ARCHITECTURE.md)',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['src-renderer/**/*.{ts,vue}'],
    ignores: ['src-renderer/editor/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ImportDeclaration[source.value=/^monaco-editor/]',
          message: 'Only src-renderer/editor knows Monaco',
        },
      ],
    },
  },
  {
    files: ['src-main/hosts/cli/**/*.ts', 'build/**/*.{ts,mjs}'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['**/*.cjs', 'eslint.config.js', '**/*.config.ts', '**/*.d.ts'],
    rules: {
      'no-restricted-exports': 'off',
      '@typescript-eslint/no-require-imports': 'off',
      '@typescript-eslint/consistent-indexed-object-style': 'off',
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      'no-template-curly-in-string': 'off',
      'no-restricted-properties': [
        'error',
        ...['it', 'test', 'describe'].flatMap((object) =>
          ['only', 'skip', 'todo', 'fails'].map((property) => ({
            object,
            property,
            message: 'Every test runs and must be able to fail',
          })),
        ),
      ],
    },
  },
);
