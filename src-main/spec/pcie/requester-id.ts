/** Requester (routing) identifiers: bus, device and function in 16 bits. PCIe Base, "Routing ID". */

export interface RequesterIdParts {
  readonly bus: number;
  readonly device: number;
  readonly function: number;
}

export const MAX_DEVICE = 31;
export const MAX_FUNCTION = 7;
const FUNCTIONS = MAX_FUNCTION + 1;
const DEVFNS = (MAX_DEVICE + 1) * FUNCTIONS;

export function requesterId(bus: number, device: number, fn: number): number {
  return bus * DEVFNS + device * FUNCTIONS + fn;
}

export function requesterIdParts(rid: number): RequesterIdParts {
  return {
    bus: busOf(rid),
    device: Math.floor(devfnOf(rid) / FUNCTIONS),
    function: rid % FUNCTIONS,
  };
}

export function busOf(rid: number): number {
  return Math.floor(rid / DEVFNS);
}

/** Device and function as one number, the index into a legacy context table. */
export function devfnOf(rid: number): number {
  return rid % DEVFNS;
}

/** `03:00.1`, as lspci prints it; a segment other than 0 goes in front. */
export function formatBdf(rid: number, segment = 0): string {
  const { bus, device, function: fn } = requesterIdParts(rid);
  const text = `${hex(bus, 2)}:${hex(device, 2)}.${fn}`;
  return segment === 0 ? text : `${hex(segment, 4)}:${text}`;
}

/** Inverse of `formatBdf` for segment 0, which may be spelled out. Undefined when the text is no identifier. */
export function parseBdf(text: string): number | undefined {
  const match = /^(?:0000:)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])$/i.exec(text);
  if (match === null) {
    return undefined;
  }
  const [, bus = '', device = '', fn = ''] = match;
  const deviceNumber = Number.parseInt(device, 16);
  return deviceNumber > MAX_DEVICE
    ? undefined
    : requesterId(Number.parseInt(bus, 16), deviceNumber, Number(fn));
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
