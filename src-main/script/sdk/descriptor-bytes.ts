/** Descriptors between the words that devices take and the bytes that scripts have. */
import { DESCRIPTOR_BYTES, DESCRIPTOR_WORDS } from '../../spec/dsa/descriptor.ts';
import { asBytes } from './arguments.ts';
import { ArgumentError, type ScriptValue } from './sdk-module.ts';

export function bytesOfWords(words: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => view.setUint32(i * 4, word, true));
  return bytes;
}

/** Words of an argument that must be one descriptor. */
export function asDescriptor(value: ScriptValue, argument: string): Uint32Array {
  const bytes = asBytes(value, argument);
  if (bytes.length !== DESCRIPTOR_BYTES) {
    throw new ArgumentError(
      argument,
      `${String(DESCRIPTOR_BYTES)} bytes, as dsa_hw_desc() gives`,
      bytes,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: DESCRIPTOR_WORDS }, (_, i) => view.getUint32(i * 4, true));
}
