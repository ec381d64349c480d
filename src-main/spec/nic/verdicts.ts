/** What became of a packet at one destination, and why a queue stopped. Numbers of this model. */

export const VERDICT = {
  delivered: 0,
  sentToWire: 1,
  noDescriptor: 2,
  queueOff: 3,
  bufferFault: 4,
  spoofedSource: 5,
  badLength: 6,
  unknownDestination: 7,
  sameQueue: 8,
} as const;
export type Verdict = (typeof VERDICT)[keyof typeof VERDICT];

export const VERDICT_TITLES: Readonly<Record<number, string>> = {
  0: 'delivered',
  1: 'sent to the wire',
  2: 'dropped: no free receive descriptor',
  3: 'dropped: the queue is off',
  4: 'dropped: the receive buffer faulted',
  5: 'dropped: the source address is not that of the sender',
  6: 'dropped: bad length',
  7: 'dropped: nobody has the destination address',
  8: 'dropped: the destination is the sender',
};

/** Why a ring stopped, in the status register of its queue pair. */
export const STOP = {
  none: 0,
  descriptorRead: 1,
  dataRead: 2,
  bufferWrite: 3,
  writeBack: 4,
  badDescriptor: 5,
  badTail: 6,
} as const;
export type StopReason = (typeof STOP)[keyof typeof STOP];

export const STOP_TITLES: Readonly<Record<number, string>> = {
  0: 'running',
  1: 'a descriptor could not be read',
  2: 'packet data could not be read',
  3: 'a receive buffer could not be written',
  4: 'a descriptor could not be written back',
  5: 'a descriptor made no sense',
  6: 'the tail lies outside the ring',
};

/** Source or destination of a packet that is no queue pair. */
export const WIRE = -1;
