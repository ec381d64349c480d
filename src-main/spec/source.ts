/**
 * The documents declarations come from, pinned to one revision each, and one short function a document to cite a section.
 *
 * A citation prints as `VT-d 5.10 section 9.6`; the full title and the order number are in `DOCUMENTS`.
 */
import type { SourceRef } from '../bits/field.ts';
import { defined } from '../bits/invariant.ts';

export interface DocumentInfo {
  /** Short name used in citations. */
  readonly name: string;
  readonly title: string;
  readonly revision: string;
  /** Publisher's number of the document, where it has one. */
  readonly order?: string;
}

export const DOCUMENTS = {
  vtd: {
    name: 'VT-d 5.10',
    title: 'Intel Virtualization Technology for Directed I/O, Architecture Specification',
    revision: 'Rev 5.10, November 2025',
    order: 'D51397-018',
  },
  pcie: {
    name: 'PCIe 6.0',
    title: 'PCI Express Base Specification',
    revision: 'Revision 6.0',
  },
  siov: {
    name: 'Scalable IOV',
    title: 'Intel Scalable I/O Virtualization, Technical Specification',
    revision: 'Revision 1',
    order: '337679',
  },
  dsa: {
    name: 'DSA 3.0',
    title: 'Intel Data Streaming Accelerator, Architecture Specification',
    revision: 'Revision 3.0, June 2025',
    order: '341204-006US',
  },
  sdm: {
    name: 'Intel SDM',
    title: "Intel 64 and IA-32 Architectures, Software Developer's Manual",
    revision: 'current volumes 1 to 4',
    order: '325462',
  },
  linux: {
    name: 'Linux',
    title: 'Linux kernel source and its Documentation folder',
    revision: 'releases 5.10 to 7.2, as each citation says',
  },
} as const satisfies Readonly<Record<string, DocumentInfo>>;

/** `9.6` becomes `section 9.6`; anything that does not start with a digit is kept (`appendix A`, `table 30`). */
function cite(document: DocumentInfo, place: string): SourceRef {
  return { document: document.name, section: /^\d/.test(place) ? `section ${place}` : place };
}

/** VT-d Architecture Specification, Rev 5.10. */
export function vtd(section: string): SourceRef {
  return cite(DOCUMENTS.vtd, section);
}

/** PCI Express Base Specification. */
export function pcie(section: string): SourceRef {
  return cite(DOCUMENTS.pcie, section);
}

/** Scalable I/O Virtualization Technical Specification. */
export function siov(section: string): SourceRef {
  return cite(DOCUMENTS.siov, section);
}

/** Data Streaming Accelerator Architecture Specification. */
export function dsa(section: string): SourceRef {
  return cite(DOCUMENTS.dsa, section);
}

/** Software Developer's Manual. */
export function sdm(section: string): SourceRef {
  return cite(DOCUMENTS.sdm, section);
}

/** A file or a documentation page of the Linux kernel. */
export function linux(place: string): SourceRef {
  return cite(DOCUMENTS.linux, place);
}

/** The document behind a citation. */
export function documentOf(source: SourceRef): DocumentInfo {
  const all: readonly DocumentInfo[] = Object.values(DOCUMENTS);
  return defined(
    all.find((d) => d.name === source.document),
    `Document ${source.document}`,
  );
}
