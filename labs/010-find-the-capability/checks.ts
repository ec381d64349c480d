/** What a script must find out about each function; the truth is read from the configuration spaces themselves. */
import {
  EXTENDED_CAPABILITY_ID,
  SIOV_CAPABILITIES,
  SIOV_DVSEC_ID,
  SIOV_DVSEC_VENDOR,
  check,
  defineChecks,
  toHex,
  type Device,
  type FoundCapability,
  type RunFacts,
  type Report,
} from '../../src-main/labs-engine/sdk/index.ts';

interface Truth {
  readonly device: Device;
  /** As the kernel prints it. */
  readonly name: string;
  readonly capabilities: readonly FoundCapability[];
  /** 0 when there is none. */
  readonly dvsec: number;
  readonly hasPasid: boolean;
  readonly hasIms: boolean;
}

function truthOf(device: Device): Truth {
  const capabilities = device.extendedCapabilities();
  const siov = capabilities.find(
    (found) => found.vendor === SIOV_DVSEC_VENDOR && found.dvsecId === SIOV_DVSEC_ID,
  );
  const dvsec = siov?.offset ?? 0;
  const bits = dvsec === 0 ? [0] : [device.configRead(dvsec + SIOV_CAPABILITIES.offset, 4)];
  return {
    device,
    name: `0000:${device.bdf}`,
    capabilities,
    dvsec,
    hasPasid: capabilities.some((found) => found.id === EXTENDED_CAPABILITY_ID.pasid),
    hasIms: SIOV_CAPABILITIES.decode(bits).IMS === 1,
  };
}

interface Answer extends Truth {
  readonly report: Report | undefined;
}

function answers(facts: RunFacts, what: 'dvsec' | 'siov' | 'ims'): readonly Answer[] {
  return facts.devices.map(truthOf).map((truth) => ({
    ...truth,
    report: facts.report(`${truth.name} ${what}`),
  }));
}

/** What a message needs about one wrong answer. */
function place(answer: Answer, field: string): { object: string; field: string; at: Report['record'] | undefined; link: Device['configLink'] } {
  return { object: answer.name, field, at: answer.report?.record, link: answer.device.configLink };
}

export const checks = defineChecks([
  check({
    id: 'every-function',
    step: 'look',
    title: 'Every function is looked at',
    hint: 'look-hint-1',
    pass: '{count} functions have an answer',
    fail: {
      missing: '{object}: {field} is {actual}, expected {expected}. Look at all functions, whoever made them',
    },
    test: (facts, { pass, fail }) => {
      const all = answers(facts, 'dvsec');
      const missing = all.find((answer) => answer.report === undefined);
      if (missing === undefined) return pass({ count: all.length });
      return fail('missing', { ...place(missing, 'dvsec'), expected: 'an offset', actual: 'not reported' });
    },
  }),
  check({
    id: 'dvsec-offset',
    step: 'walk',
    after: ['every-function'],
    title: 'The Scalable IOV DVSEC is found, wherever it is in the list',
    hint: 'walk-hint-1',
    pass: '{found} of {count} functions carry the Scalable IOV DVSEC',
    fail: {
      other:
        '{object}: {field} is {actual}, expected {expected}. At {actual} lies a DVSEC of vendor {vendor} with id {id}',
      missed: '{object}: {field} is {actual}, expected {expected}. The list goes on behind the first DVSEC',
      wrong: '{object}: {field} is {actual}, expected {expected}. No DVSEC begins at {actual}',
    },
    test: (facts, { pass, fail }) => {
      const all = answers(facts, 'dvsec');
      const wrong = all.find((answer) => answer.report?.value !== String(answer.dvsec));
      if (wrong === undefined) {
        return pass({ found: all.filter((answer) => answer.dvsec !== 0).length, count: all.length });
      }
      const reported = Number(wrong.report?.value);
      const mismatch = { ...place(wrong, 'dvsec'), expected: toHex(wrong.dvsec), actual: toHex(reported) };
      if (reported === 0) return fail('missed', mismatch);
      const found = wrong.capabilities.find((capability) => capability.offset === reported);
      if (found?.vendor === undefined) return fail('wrong', mismatch);
      const values = { vendor: toHex(found.vendor, 4), id: toHex(found.dvsecId ?? 0, 4) };
      return fail('other', { ...mismatch, values });
    },
  }),
  check({
    id: 'verdict',
    step: 'judge',
    after: ['dvsec-offset'],
    title: 'Only functions that can have ADIs are called capable',
    hint: 'judge-hint-1',
    pass: 'Capable: {names}',
    fail: {
      'no-pasid':
        '{object}: {field} is {actual}, expected {expected}. It has the DVSEC, but no PASID capability: an ADI would have no name of its own on the bus',
      'no-dvsec': '{object}: {field} is {actual}, expected {expected}. It has no Scalable IOV DVSEC',
      refused:
        '{object}: {field} is {actual}, expected {expected}. It has the DVSEC and PASIDs; nothing else is needed',
    },
    test: (facts, { pass, fail }) => {
      const all = answers(facts, 'siov').map((answer) => ({
        ...answer,
        isCapable: answer.dvsec !== 0 && answer.hasPasid,
      }));
      const wrong = all.find((answer) => answer.report?.value !== String(answer.isCapable));
      if (wrong === undefined) {
        const names = all.filter((answer) => answer.isCapable).map((answer) => answer.name);
        return pass({ names: names.join(', ') });
      }
      const mismatch = {
        ...place(wrong, 'siov'),
        expected: wrong.isCapable,
        actual: wrong.report?.value ?? 'not reported',
      };
      if (wrong.isCapable) return fail('refused', mismatch);
      return fail(wrong.dvsec === 0 ? 'no-dvsec' : 'no-pasid', mismatch);
    },
  }),
  check({
    id: 'ims',
    step: 'ims',
    after: ['dvsec-offset'],
    title: 'IMS is read from its own bit',
    hint: 'ims-hint-1',
    pass: 'IMS: {names}',
    fail: {
      bit: '{object}: {field} is {actual}, expected {expected}. Bit 0 of the capabilities at DVSEC + 14h reads {bit}',
      absent: '{object}: {field} is {actual}, expected {expected}. It has no Scalable IOV DVSEC to read a bit from',
    },
    test: (facts, { pass, fail }) => {
      const all = answers(facts, 'ims');
      const wrong = all.find((answer) => answer.report?.value !== String(answer.hasIms));
      if (wrong === undefined) {
        const names = all.filter((answer) => answer.hasIms).map((answer) => answer.name);
        return pass({ names: names.join(', ') });
      }
      const mismatch = {
        ...place(wrong, 'ims'),
        expected: wrong.hasIms,
        actual: wrong.report?.value ?? 'not reported',
      };
      if (wrong.dvsec === 0) return fail('absent', mismatch);
      return fail('bit', { ...mismatch, values: { bit: wrong.hasIms ? 1 : 0 } });
    },
  }),
]);
