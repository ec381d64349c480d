/**
 * Fault reasons of the scalable-mode walk from the root entry to the PASID table entry. VT-d 5.10 section 7.1.3.
 *
 * Translated requests reach the PASID tables only when the context entry has HPTE=1.
 */
import { vtd } from '../../source.ts';
import { faultReasons } from './fault-reason.ts';

const CONTEXT_ERROR = 'UR UR CA CA UR UR IR';
const CONTEXT_ABSENT = 'UR UR UR UR UR UR IR';
const PASID_ERROR = 'UR UR CA CA CA CA IR';
const PASID_ABSENT = 'UR UR S0 S0 UR UR IR';

export const SCALABLE_TABLE_FAULTS = faultReasons('request', vtd('7.1.3'), {
  'SRT.1': {
    code: 0x38,
    title: 'Root table entry cannot be read',
    explanation:
      'The memory read of the root entry failed, so the IOMMU knows nothing about the bus.',
    usualCause: 'RTADDR_REG points outside memory.',
    isQualified: false,
    responses: CONTEXT_ERROR,
  },
  'SRT.2': {
    code: 0x39,
    title: 'Half of the root table entry not present',
    explanation: 'LP (devices 0 to 15) or UP (devices 16 to 31) is 0 for the requester.',
    usualCause: 'The driver has not set up a context table for that half of the bus.',
    isQualified: false,
    responses: CONTEXT_ABSENT,
  },
  'SRT.3': {
    code: 0x3a,
    title: 'Reserved bits set in the root table entry',
    explanation:
      'The half of the root entry that serves the requester has ones where zeros are demanded.',
    usualCause: 'The table was not cleared, or its address exceeds the host address width.',
    isQualified: false,
    responses: CONTEXT_ERROR,
  },
  'SCT.1': {
    code: 0x40,
    title: 'Context entry cannot be read',
    explanation: 'The memory read of the context entry failed.',
    usualCause: 'LCTP or UCTP names no memory.',
    isQualified: false,
    responses: CONTEXT_ERROR,
  },
  'SCT.2': {
    code: 0x41,
    title: 'Context entry not present',
    explanation: 'The function has no PASID directory set up.',
    usualCause: 'DMA from a function that no driver has claimed, or one already released.',
    isQualified: true,
    responses: CONTEXT_ABSENT,
  },
  'SCT.3': {
    code: 0x42,
    title: 'Reserved bits set in the context entry',
    explanation:
      'A context entry marked present has ones where zeros are demanded, absent features included.',
    usualCause:
      'DTE, PASIDE or PRE set without the capability, or a legacy entry in a scalable table.',
    isQualified: true,
    responses: CONTEXT_ERROR,
  },
  'SCT.4.1': {
    code: 0x43,
    title: 'Page requests enabled without device TLB',
    explanation: 'PRE=1 makes sense only for a function that may use ATS, but DTE is 0.',
    usualCause: 'ATS was disabled and page requests were forgotten.',
    isQualified: true,
    responses: CONTEXT_ERROR,
  },
  'SCT.4.2': {
    code: 0x43,
    title: 'RID_PASID beyond the PASID directory',
    explanation: 'The PASID that stands in for requests without one exceeds what PDTS allows.',
    usualCause: 'The directory was sized for fewer PASIDs than RID_PASID needs.',
    isQualified: true,
    responses: CONTEXT_ERROR,
  },
  'SCT.4.3': {
    code: 0x43,
    title: 'PASID in translated requests enabled without PASID',
    explanation: 'EPTR=1 needs PASIDE=1.',
    usualCause: 'PASIDE was cleared and EPTR was forgotten.',
    isQualified: true,
    responses: 'UR - CA - UR UR IR',
  },
  'SCT.5': {
    code: 0x44,
    title: 'ATS request while the device TLB is not enabled',
    explanation:
      'The function sent a translation or translated request, but its context entry has DTE=0.',
    usualCause:
      'ATS is enabled in the endpoint but not in the IOMMU; a forged translated request looks the same.',
    isQualified: true,
    responses: '- - UR UR UR UR -',
  },
  'SCT.6': {
    code: 0x45,
    title: 'Request-with-PASID while PASID is not enabled',
    explanation: 'The request carries a PASID, but the context entry has PASIDE=0.',
    usualCause: 'PASID is enabled in the endpoint but not in the IOMMU.',
    isQualified: true,
    responses: '- UR - UR - - IR',
  },
  'SCT.7': {
    code: 0x46,
    title: 'PASID beyond the PASID directory',
    explanation: 'The PASID is larger than 2^(PDTS+13)-1, so no directory entry exists for it.',
    usualCause:
      'A guest PASID was used where a host PASID is needed, or the directory is too small.',
    isQualified: true,
    responses: '- UR - UR - UR IR',
  },
  'SCT.8': {
    code: 0x47,
    title: 'Page request while page requests are not enabled',
    explanation: 'The context entry has PRE=0, so the request is not queued.',
    usualCause:
      'PRI is enabled in the endpoint before the driver enabled the page request queue for it.',
    isQualified: true,
    responses: '- - - - - - IR',
  },
  'SCT.9': {
    code: 0x48,
    title: 'Explicit PASID equals RID_PASID',
    explanation: 'The PASID reserved for requests without a PASID may not be used with one.',
    usualCause: 'PASID 0 handed to a process or an ADI although it is the RID_PASID.',
    isQualified: true,
    responses: '- UR - UR - UR IR',
  },
  'SCT.10': {
    code: 0x49,
    title: 'Translated request-with-PASID not enabled',
    explanation: 'The translated request carries a PASID, but the context entry has EPTR=0.',
    usualCause: 'The endpoint puts PASIDs on translated requests without permission.',
    isQualified: true,
    responses: '- - - - - UR -',
  },
  'SPD.1': {
    code: 0x50,
    title: 'PASID directory entry cannot be read',
    explanation: 'The memory read of the PASID directory entry failed.',
    usualCause: 'PASIDDIRPTR names no memory.',
    isQualified: false,
    responses: PASID_ERROR,
  },
  'SPD.2': {
    code: 0x51,
    title: 'PASID directory entry not present',
    explanation: 'None of the 64 PASIDs around this one has been set up.',
    usualCause: 'A PASID that was never bound, or a stray value in a descriptor.',
    isQualified: true,
    responses: PASID_ABSENT,
  },
  'SPD.3': {
    code: 0x52,
    title: 'Reserved bits set in the PASID directory entry',
    explanation: 'A directory entry marked present has ones where zeros are demanded.',
    usualCause:
      'The directory was not cleared, or the table address exceeds the host address width.',
    isQualified: true,
    responses: PASID_ERROR,
  },
  'SPT.1': {
    code: 0x58,
    title: 'PASID table entry cannot be read',
    explanation: 'The memory read of the PASID table entry failed.',
    usualCause: 'SMPTBLPTR names no memory.',
    isQualified: false,
    responses: PASID_ERROR,
  },
  'SPT.2': {
    code: 0x59,
    title: 'PASID table entry not present',
    explanation: 'The PASID has no address space: P is 0 in its entry.',
    usualCause: 'Work submitted before bind or after unbind.',
    isQualified: true,
    responses: PASID_ABSENT,
  },
  'SPT.3': {
    code: 0x5a,
    title: 'Reserved bits set in the PASID table entry',
    explanation:
      'A PASID entry marked present has ones where zeros are demanded, absent features included.',
    usualCause:
      'A feature bit set without its capability, or a domain wider than CAP_REG.ND reports.',
    isQualified: true,
    responses: PASID_ERROR,
  },
  'SPT.4.1': {
    code: 0x5b,
    title: 'Address width not supported in the PASID entry',
    explanation: 'AW asks for a number of second-stage levels that CAP_REG.SAGAW does not report.',
    usualCause: 'AW left at 0 for second-stage or nested translation.',
    isQualified: true,
    responses: PASID_ERROR,
  },
  'SPT.4.2': {
    code: 0x5b,
    title: 'Translation type reserved or not supported',
    explanation: 'PGTT holds a reserved value or one whose capability is absent.',
    usualCause: 'PGTT left at 0, or nested translation without ECAP_REG.NEST.',
    isQualified: true,
    responses: PASID_ERROR,
  },
  'SPT.4.3': {
    code: 0x5b,
    title: 'First-stage paging mode not supported',
    explanation: 'FSPM asks for five levels that the unit lacks, or holds a reserved value.',
    usualCause: 'The process uses 5-level paging and CAP_REG.FS5LP is 0.',
    isQualified: true,
    responses: PASID_ERROR,
  },
  'SPT.4.4': {
    code: 0x5b,
    title: 'Guest table pointer beyond the second-stage width',
    explanation:
      'In nested translation FSPTPTR is a guest physical address, and this one cannot be translated.',
    usualCause: 'The guest passed a wrong CR3, or AW is smaller than guest memory.',
    isQualified: true,
    responses: PASID_ERROR,
  },
  'SPT.5': {
    code: 0x5c,
    title: 'Execute requested but not supported',
    explanation: 'The PASID prefix asks for execute permission and ECAP_REG.ERS is 0.',
    usualCause: 'Execute is enabled in the PASID capability of the endpoint.',
    isQualified: true,
    responses: '- UR - S0 - - -',
  },
  'SPT.6': {
    code: 0x5d,
    title: 'Supervisor request not allowed',
    explanation:
      'The request asks for supervisor rights (by prefix or by RID_PRIV), but the PASID entry has SRE=0.',
    usualCause: 'A kernel work queue used with a PASID bound for user space.',
    isQualified: true,
    responses: 'UR UR S0 S0 - - -',
  },
  'SPT.9': {
    code: 0x60,
    title: 'Translated address beyond the host permission table',
    explanation: 'The address is larger than what HPTSZ covers.',
    usualCause: 'HPTSZ is too small for the memory of the machine.',
    isQualified: true,
    responses: '- - - - UR UR -',
  },
});
