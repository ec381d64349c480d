/**
 * What software tells the isolation oracle. Only the host's kernel and VMM know whose memory a page is and whose address space
 * a PASID selects: no table says it. A principal is the name of an address space: a process, or the VMM process of a VM.
 */

/** The address space that requests of a function with a PASID use. */
export interface AssignedSpace {
  /** Its owner; undefined when the kernel uses it for its own drivers. */
  readonly principal: string | undefined;
  /** Name of the domain; the kernel lends pages to it one by one. */
  readonly domain: string;
}

export type IsolationCall =
  | { readonly op: 'own'; readonly address: number; readonly bytes: number; readonly owner: string }
  | { readonly op: 'disown'; readonly address: number }
  | {
      readonly op: 'assign';
      readonly rid: number;
      /** 0: requests without PASID. */
      readonly pasid: number;
      readonly space: AssignedSpace | undefined;
    }
  | {
      readonly op: 'lend' | 'take-back';
      readonly domain: string;
      readonly address: number;
      readonly bytes: number;
    }
  /** Who executes submission instructions from now on; undefined is nobody in particular. */
  | { readonly op: 'act'; readonly principal: string | undefined };

export interface IsolationPort {
  tell(call: IsolationCall): void;
}

/** Runs `body`, which submits work to a device, in the name of a principal. */
export function onBehalfOf<T>(
  port: IsolationPort | undefined,
  principal: string,
  body: () => T,
): T {
  if (port === undefined) {
    return body();
  }
  port.tell({ op: 'act', principal });
  try {
    return body();
  } finally {
    port.tell({ op: 'act', principal: undefined });
  }
}
