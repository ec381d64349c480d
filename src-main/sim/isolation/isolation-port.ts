/**
 * What software tells the isolation oracle. Only the host's kernel and VMM know whose memory a page is, whose address space a
 * PASID selects and for whom a vector is: no table says it. A guest's kernel knows the same of its processes. A principal is
 * the name of an address space: a process, or the VMM process of a VM.
 */

/** The address space that requests of a function with a PASID use. */
export interface AssignedSpace {
  /** Its owner; undefined when the kernel uses it for its own drivers. */
  readonly principal: string | undefined;
  /** Name of the domain; the kernel lends pages to it one by one. */
  readonly domain: string;
  /** Address of its top paging table, as the kernel that made the table sees it. */
  readonly table?: number;
  /** Guest-physical address of the top table of a guest, on which a nested space stands. */
  readonly guestTable?: number;
}

/** What a kernel says of the memory that it has: physical addresses as it sees them, functions as it numbers them. */
export type MemoryCall =
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
    };

/** Whoever executes submission instructions. */
export interface Actor {
  readonly principal: string;
  /** The process of the guest, where the principal is a VM and its kernel said so. */
  readonly process?: string | undefined;
}

/** For whom a vector of a CPU is. */
export interface VectorHolder {
  /** Requester ID of the function whose messages raise it, -1 when no function's do. */
  readonly rid: number;
  /** Undefined when the kernel handles it for itself. */
  readonly principal: string | undefined;
  /** What the kernel calls the interrupt. */
  readonly name: string;
}

export type IsolationCall =
  | MemoryCall
  /** Who executes submission instructions from now on; undefined is nobody in particular. */
  | { readonly op: 'act'; readonly actor: Actor | undefined }
  /** Host memory behind guest-physical addresses of a VM, which is called by its principal. */
  | {
      readonly op: 'back';
      readonly vm: string;
      readonly gpa: number;
      readonly address: number;
      readonly bytes: number;
    }
  | {
      readonly op: 'unback';
      readonly vm: string;
      readonly gpa: number;
      readonly bytes: number;
    }
  /** A guest's kernel speaks; `name` is the VM's own. */
  | {
      readonly op: 'in-guest';
      readonly vm: string;
      readonly name: string;
      readonly call: MemoryCall;
    }
  /** The guest's kernel is gone, and what it said with it. */
  | { readonly op: 'forget-guest'; readonly vm: string }
  /** The guest's kernel goes on in another VM, with all that it said; each VM keeps the memory behind it. */
  | { readonly op: 'move-guest'; readonly vm: string; readonly to: string }
  | {
      readonly op: 'hold-vector';
      readonly cpu: number;
      readonly vector: number;
      readonly holder: VectorHolder | undefined;
    }
  /** Whose virtual CPU a posted-interrupt descriptor belongs to. */
  | {
      readonly op: 'receive';
      readonly descriptor: number;
      readonly principal: string | undefined;
    };

export interface IsolationPort {
  tell(call: IsolationCall): void;
}

const NOBODY_ACTS: IsolationCall = { op: 'act', actor: undefined };

/** Runs `body`, which submits work to a device, in the name of a principal. */
export function onBehalfOf<T>(
  port: IsolationPort | undefined,
  principal: string,
  body: () => T,
): T {
  return actingAs(port, { principal }, body);
}

/** As `onBehalfOf`, where more than the principal may be known. */
export function actingAs<T>(port: IsolationPort | undefined, actor: Actor, body: () => T): T {
  if (port === undefined) {
    return body();
  }
  port.tell({ op: 'act', actor });
  try {
    return body();
  } finally {
    port.tell(NOBODY_ACTS);
  }
}
