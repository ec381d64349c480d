/** What panes show of a guest's PASIDs ends with the process that had one. */
import { describe, expect, it } from 'vitest';
import { bootVsva, openGuestApp, startGuest } from '../../support/linux-vsva.ts';

describe.each(['kvmforum2019', 'iommufd'] as const)('PASIDs of a guest as shown, %s', (profile) => {
  it('are those of living processes', () => {
    const lab = bootVsva(profile, ['shared']);
    const own = startGuest(lab, 1, 'shared');
    const { core } = lab.kernel;
    const shown = (): string =>
      JSON.stringify(
        core
          .publishedKeys(profile === 'iommufd' ? 'iommufd' : 'ioasid/set/')
          .map((key) => core.published(key)),
      );
    const before = shown();
    const app = openGuestApp(own, 'app');
    expect(shown()).not.toBe(before);
    own.guest.processes.exit(app.process);
    expect(shown()).toBe(before);
  });
});
