/** Settings of each device model as `machine.json` gives them. What they mean together, the model itself checks. */
import * as v from 'valibot';
import { DSA_PROFILES } from '../../spec/dsa/profiles.ts';
import { Bytes, Count, hexNumber } from './machine-values.ts';

const Offset = v.pipe(
  hexNumber(0xffc),
  v.minValue(0x100, 'Expected an offset from 0x100'),
  v.multipleOf(4, 'Expected a multiple of 4'),
);

const PlainCapability = v.strictObject({
  kind: v.picklist(['aer', 'acs', 'ari', 'ats', 'pasid', 'pri', 'dvsec', 'sdi']),
  offset: Offset,
  pasidWidth: v.optional(
    v.pipe(Count, v.minValue(1, 'Expected at least 1'), v.maxValue(20, 'Expected at most 20')),
  ),
  vendor: v.optional(hexNumber(0xffff)),
  id: v.optional(hexNumber(0xffff)),
  pageSizes: v.optional(hexNumber(0xffff_ffff)),
  hasIms: v.optional(v.boolean()),
  total: v.optional(Count),
  firstOffset: v.optional(Count),
  stride: v.optional(Count),
});

const Plain = v.strictObject({
  vendorId: hexNumber(0xffff),
  deviceId: hexNumber(0xffff),
  classCode: hexNumber(0xff_ffff),
  barBytes: v.optional(Bytes),
  isMultiFunction: v.optional(v.boolean()),
  capabilities: v.optional(v.array(PlainCapability)),
});

/** The accelerator in its SR-IOV form, to compare with. */
const DsaSriov = v.strictObject({
  totalVfs: v.optional(Count),
  firstOffset: v.optional(Count),
  stride: v.optional(Count),
  subordinateBus: v.optional(Count),
  wqSize: v.optional(Count),
  msixEntries: v.optional(Count),
});

const Dsa = v.strictObject({
  profile: v.optional(v.picklist(Object.keys(DSA_PROFILES) as (keyof typeof DSA_PROFILES)[])),
  wqs: v.optional(Count),
  groups: v.optional(Count),
  engines: v.optional(Count),
  totalWqSize: v.optional(Count),
  readBuffers: v.optional(Count),
  msixEntries: v.optional(Count),
  imsEntries: v.optional(Count),
  interDomainEntries: v.optional(Count),
  atcEntries: v.optional(Count),
  pageRequestCapacity: v.optional(Count),
  interruptHandles: v.optional(Count),
  withoutOperations: v.optional(v.array(Count)),
  platformAts: v.optional(v.picklist(['optional', 'required', 'absent'])),
  modes: v.optional(v.picklist(['both', 'shared', 'dedicated'])),
  hasWqAtsDisable: v.optional(v.boolean()),
  bar0Bytes: v.optional(Bytes),
  sriov: v.optional(DsaSriov),
});

const Qat = v.strictObject({
  ringPairs: v.optional(Count),
  imsEntries: v.optional(Count),
  atcEntries: v.optional(Count),
  maxTransfer: v.optional(Bytes),
  bankBytes: v.optional(Bytes),
});

const RootPort = v.strictObject({
  secondaryBus: hexNumber(0xff),
  hasAcs: v.optional(v.boolean()),
});

/** Models whose settings are not known here take any. */
const AnySettings = v.record(v.string(), v.unknown());

export const deviceOptionsSchema = {
  plain: Plain,
  'root-port': RootPort,
  dsa: Dsa,
  qat: Qat,
  nic: AnySettings,
};
