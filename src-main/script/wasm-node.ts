/** Finds the engine's binary under Node, from source and wherever the package is installed. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** For `createScriptEngine` when running from source. A bundled host injects its own, since the asset moves. */
export function loadWasmFromPackage(): Uint8Array {
  const require = createRequire(import.meta.url);
  return readFileSync(require.resolve('quickjs-wasi/quickjs.wasm'));
}
