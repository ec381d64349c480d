/**
 * Messages on a byte stream with text and binary frames (WebSocket). A message without bulk bytes is
 * one JSON text frame. A message with `Uint8Array`s is one binary frame:
 *
 *   u32 length of the JSON | JSON | u32 length, bytes | u32 length, bytes | ...   (little endian)
 *
 * where the JSON holds `{ "$bytes": n }` in place of the n-th array.
 */
import { AppError, RPC_ERROR } from './app-error.ts';

const PLACEHOLDER = '$bytes';
const LENGTH_BYTES = 4;

export function encodeWire(message: unknown): string | Uint8Array<ArrayBuffer> {
  const blobs: Uint8Array[] = [];
  const json = JSON.stringify(message, (_key, value: unknown) => {
    if (!(value instanceof Uint8Array)) return value;
    blobs.push(value);
    return { [PLACEHOLDER]: blobs.length - 1 };
  });
  if (blobs.length === 0) return json;

  const parts = [new TextEncoder().encode(json), ...blobs];
  const frame = new Uint8Array(parts.reduce((sum, part) => sum + LENGTH_BYTES + part.length, 0));
  const view = new DataView(frame.buffer);
  let offset = 0;
  for (const part of parts) {
    view.setUint32(offset, part.length, true);
    frame.set(part, offset + LENGTH_BYTES);
    offset += LENGTH_BYTES + part.length;
  }
  return frame;
}

export function decodeWire(frame: string | Uint8Array): unknown {
  if (typeof frame === 'string') return parseJson(frame);
  const [json, ...blobs] = splitFrame(frame);
  if (json === undefined) throw badFrame('Expected a JSON part, found an empty binary frame');
  const text = new TextDecoder().decode(json);
  return parseJson(text, (value) => {
    const index = placeholderIndex(value);
    if (index === null) return value;
    const blob = blobs[index];
    if (blob === undefined) throw badFrame(`Expected bytes number ${index}, found none`);
    return blob;
  });
}

function splitFrame(frame: Uint8Array): Uint8Array[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const parts: Uint8Array[] = [];
  let offset = 0;
  while (offset < frame.length) {
    if (offset + LENGTH_BYTES > frame.length) throw badFrame('Binary frame ends inside a length');
    const end = offset + LENGTH_BYTES + view.getUint32(offset, true);
    if (end > frame.length) throw badFrame('Binary frame ends inside a part');
    parts.push(frame.slice(offset + LENGTH_BYTES, end));
    offset = end;
  }
  return parts;
}

function placeholderIndex(value: unknown): number | null {
  if (typeof value !== 'object' || value === null || !(PLACEHOLDER in value)) return null;
  const index = value[PLACEHOLDER];
  return typeof index === 'number' && Number.isSafeInteger(index) ? index : null;
}

function parseJson(text: string, revive: (value: unknown) => unknown = (value) => value): unknown {
  try {
    return JSON.parse(text, (_key, value: unknown) => revive(value));
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw badFrame('Expected JSON, found text that does not parse', cause);
  }
}

function badFrame(message: string, cause?: unknown): AppError {
  return new AppError(RPC_ERROR.invalidMessage, message, { cause });
}
