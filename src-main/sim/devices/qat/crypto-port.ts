/**
 * Cryptography and compression that the host of the engine lends to the simulated accelerator. Results must depend on the
 * arguments only, so that a replay repeats them. Without a port the device has no services.
 */

export type CipherName = 'aes-cbc' | 'aes-gcm';
export type HashName = 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512';

export interface CipherRequest {
  readonly cipher: CipherName;
  /** 16, 24 or 32 bytes. */
  readonly key: Uint8Array;
  /** 16 bytes for CBC, 12 for GCM. */
  readonly iv: Uint8Array;
  readonly data: Uint8Array;
  readonly aad: Uint8Array;
}

export interface CryptoPort {
  /** CBC without padding; for GCM `tag` has 16 bytes, for CBC none. */
  encrypt(request: CipherRequest): { readonly data: Uint8Array; readonly tag: Uint8Array };
  /** Undefined when the tag does not fit the data. */
  decrypt(request: CipherRequest, tag: Uint8Array): Uint8Array | undefined;
  hash(name: HashName, data: Uint8Array): Uint8Array;
  /** Raw deflate stream. */
  deflate(data: Uint8Array, isDynamic: boolean): Uint8Array;
  /** `overflow` when the result has more than `room` bytes. */
  inflate(
    data: Uint8Array,
    room: number,
  ):
    | { readonly kind: 'data'; readonly data: Uint8Array; readonly consumed: number }
    | { readonly kind: 'overflow' | 'bad-data' };
}
