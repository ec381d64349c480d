/** Error codes of the invalidation queue, field IQEI of IQERCD_REG. VT-d 5.10 sections 6.5.2.11 and 11.4.9.9. */
export const IQEI = {
  notAvailable: 0,
  tailOutsideQueue: 1,
  fetchError: 2,
  invalidType: 3,
  reservedField: 4,
  invalidWidth: 5,
  tailNotAligned: 6,
  invalidMode: 7,
} as const;

export type InvalidationQueueErrorName = keyof typeof IQEI;

export interface InvalidationQueueError {
  readonly code: number;
  readonly name: InvalidationQueueErrorName;
  readonly title: string;
  readonly explanation: string;
}

/** Indexed by code. */
export const INVALIDATION_QUEUE_ERRORS: readonly InvalidationQueueError[] = [
  {
    code: IQEI.notAvailable,
    name: 'notAvailable',
    title: 'No information',
    explanation: 'Hardware of older revisions does not say what went wrong.',
  },
  {
    code: IQEI.tailOutsideQueue,
    name: 'tailOutsideQueue',
    title: 'Tail outside the queue',
    explanation: 'IQT_REG holds an offset that is not inside the queue IQA_REG describes.',
  },
  {
    code: IQEI.fetchError,
    name: 'fetchError',
    title: 'Descriptor cannot be read',
    explanation: 'The memory read of a descriptor failed: IQA_REG names no memory.',
  },
  {
    code: IQEI.invalidType,
    name: 'invalidType',
    title: 'Invalid descriptor type',
    explanation:
      'The type is not defined, or not allowed in this mode, with this descriptor width or without its capability.',
  },
  {
    code: IQEI.reservedField,
    name: 'reservedField',
    title: 'Reserved field not zero',
    explanation:
      'A descriptor of a valid type has ones in reserved bits or a reserved granularity.',
  },
  {
    code: IQEI.invalidWidth,
    name: 'invalidWidth',
    title: 'Descriptor width does not fit the mode',
    explanation:
      'IQA_REG.DW=0 in scalable or abort-DMA mode, or DW=1 on a unit that has neither of them.',
  },
  {
    code: IQEI.tailNotAligned,
    name: 'tailNotAligned',
    title: 'Tail not aligned',
    explanation: 'With 256-bit descriptors, IQT_REG must advance by 32 bytes.',
  },
  {
    code: IQEI.invalidMode,
    name: 'invalidMode',
    title: 'Translation table mode invalid',
    explanation: 'RTADDR_REG.TTM is reserved or asks for a mode the unit lacks.',
  },
];

export function invalidationQueueError(code: number): InvalidationQueueError | undefined {
  return INVALIDATION_QUEUE_ERRORS[code];
}
