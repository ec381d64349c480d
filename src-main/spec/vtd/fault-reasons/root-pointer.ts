/** Fault reasons that follow from RTADDR_REG, before any table is read. VT-d 5.10 section 7.1.3. */
import { vtd } from '../../source.ts';
import { faultReasons } from './fault-reason.ts';

const BAD_MODE = 'UR UR CA CA UR UR IR';
const PASID_ONLY = '- UR - UR - UR -';

export const ROOT_POINTER_FAULTS = faultReasons('request', vtd('7.1.3'), {
  'RTA.1.1': {
    code: 0x30,
    title: 'Abort-DMA mode chosen but not supported',
    explanation: 'TTM=11b asks for abort-DMA mode, which this unit does not report.',
    usualCause: 'ECAP_REG.ADMS was not checked.',
    isQualified: false,
    responses: BAD_MODE,
  },
  'RTA.1.2': {
    code: 0x30,
    title: 'Reserved translation table mode',
    explanation: 'TTM=10b was the extended mode of early revisions and is no longer valid.',
    usualCause: 'Software written for extended contexts.',
    isQualified: false,
    responses: BAD_MODE,
  },
  'RTA.1.3': {
    code: 0x30,
    title: 'Scalable mode chosen but not supported',
    explanation: 'TTM=01b asks for scalable mode, which this unit does not report.',
    usualCause: 'ECAP_REG.SMTS was not checked.',
    isQualified: false,
    responses: BAD_MODE,
  },
  'RTA.1.4': {
    code: 0x30,
    title: 'Second-stage I/O rights enabled in legacy mode',
    explanation: 'RTADDR_REG.SSIRWE must be 0 when TTM is legacy.',
    usualCause: 'SSIRWE was kept when the mode was changed.',
    isQualified: false,
    responses: 'UR - CA - UR - -',
  },
  'RTA.2': {
    code: 0x31,
    title: 'Request-with-PASID in legacy mode',
    explanation: 'Legacy tables cannot describe PASIDs, so a request that carries one is blocked.',
    usualCause: 'PASID is enabled in the endpoint while the unit runs in legacy mode.',
    isQualified: false,
    responses: PASID_ONLY,
  },
  'RTA.3': {
    code: 0x32,
    title: 'Page request in legacy mode',
    explanation: 'Page requests exist in scalable mode only.',
    usualCause: 'PRI is enabled in the endpoint while the unit runs in legacy mode.',
    isQualified: false,
    responses: '- - - - - - IR',
  },
  'RTA.4': {
    code: 0x33,
    title: 'Blocked by abort-DMA mode',
    explanation: 'TTM=11b blocks every request without looking at any table.',
    usualCause: 'Firmware or a kexec path keeps DMA off until the tables are ready.',
    isQualified: false,
    responses: 'UR UR UR UR UR UR IR',
  },
  'RTA.5': {
    code: 0x34,
    title: 'Execute requested',
    explanation:
      'The PASID prefix asks for execute permission, which units of major version 8 and later refuse.',
    usualCause: 'Execute is enabled in the PASID capability of the endpoint.',
    isQualified: false,
    responses: PASID_ONLY,
  },
});
