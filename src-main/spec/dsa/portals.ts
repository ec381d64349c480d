/**
 * Portals: 4 KiB pages of BAR2 that take descriptors. DSA 3.0 sections 3.3 and 9.3; page order as Linux
 * drivers/dma/idxd computes it.
 *
 * Every work queue has four. Address bits 11:6 are ignored, so that software may rotate through the 64 slots of a page.
 */

export const PORTAL_PAGE = {
  unlimitedMsix: 0,
  limitedMsix: 1,
  unlimitedIms: 2,
  limitedIms: 3,
} as const;
export type PortalPage = (typeof PORTAL_PAGE)[keyof typeof PORTAL_PAGE];

export const PORTAL_PAGE_NAMES: Readonly<Record<number, string>> = {
  0: 'unlimited MSI-X',
  1: 'limited MSI-X',
  2: 'unlimited IMS',
  3: 'limited IMS',
};

/** Shift of the portal page, and of the four pages of a queue, in a BAR2 offset. */
export const PORTAL_SHIFT = 12;
export const WQ_PORTALS_SHIFT = 14;

/** The portal of a queue that can never be enabled, in BAR0. */
export const DUMMY_PORTAL_OFFSET = 0xf000;
