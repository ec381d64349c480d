/**
 * The part of `PcieFunction` that is the same for every device over an `Endpoint`: configuration accesses and device TLB
 * invalidations go to the endpoint, 64-byte writes find no portal, pages are never asked for.
 */
import type {
  BlockWriteKind,
  BlockWriteResult,
  InvalidateRequest,
  PcieFunction,
  ResetKind,
} from '../../pcie/ports.ts';
import type { Endpoint } from './endpoint.ts';

export abstract class EndpointFunction<S> implements PcieFunction<S> {
  abstract readonly name: string;
  abstract readonly barBytes: readonly number[];
  abstract readonly endpoint: Endpoint;

  abstract mmioRead(bar: number, offset: number, bytes: 1 | 2 | 4 | 8): bigint;
  abstract mmioWrite(bar: number, offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void;
  abstract reset(kind: ResetKind): void;
  abstract snapshot(): S;
  abstract restore(state: S): void;

  configRead(offset: number, bytes: 1 | 2 | 4): number {
    return this.endpoint.config.read(offset, bytes);
  }

  configWrite(offset: number, bytes: 1 | 2 | 4, value: number): void {
    this.endpoint.config.write(offset, bytes, value);
  }

  blockWrite(
    _bar: number,
    _offset: number,
    _words: Uint32Array,
    kind: BlockWriteKind,
  ): BlockWriteResult {
    return kind === 'deferrable' ? 'retry' : 'dropped';
  }

  atsInvalidate(request: InvalidateRequest): void {
    this.endpoint.atsInvalidate(request);
  }

  pageResponse(): void {
    // A function without a page request interface never gets one.
  }
}
