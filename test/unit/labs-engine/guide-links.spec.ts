import { describe, expect, it } from 'vitest';
import { problemsOf, tinyFolder, TINY_TEXT, TINY_TRANSLATION } from '../../support/tiny-lab.ts';

/** Problems of a guide whose line 24 is this text. */
function linkProblems(text: string): readonly string[] {
  const lab = TINY_TEXT.replace(
    'Report the [PASID](term:pasid) of',
    `${text}\nReport the [PASID](term:pasid) of`,
  );
  return problemsOf(tinyFolder({ 'lab.md': lab, 'picture.png': 'png' }));
}

describe('links of a guide', () => {
  it.each([
    '[a](view:counters)',
    '[a](view:pci-config?rid=00:03.0&pasid=2)',
    '[a](view:pci-config?rid=0x18)',
    '[a](term:pasid)',
    '[a](event:last(iommu.fault.recorded))',
    '[a](event:last(iommu.fault.*))',
    '[a](event:12)',
    '[a](lab:tiny)',
    '[a](script:driver.ts)',
    '[a](script:driver.ts:4)',
    '![a picture](picture.png)',
    '`[a](nowhere)`',
  ])('%s leads somewhere', (link) => {
    expect(linkProblems(link)).toEqual([]);
  });

  it.each([
    ['[a](view:counter)', 'dead-link lab.md:24: There is no view counter'],
    ['[a](view:counters?rdi=00:03.0)', 'dead-link lab.md:24: A view has no parameter rdi'],
    [
      '[a](view:pci-config?rid=00:04.0)',
      'dead-link lab.md:24: The machine has no function 00:04.0',
    ],
    [
      '[a](view:pci-config?pasid=many)',
      'dead-link lab.md:24: pasid must be a whole number, found many',
    ],
    ['[a](term:pasids)', 'unknown-term lab.md:24: The glossary has no term pasids'],
    [
      '[a](event:last(iommu.fault.recorderd))',
      'dead-link lab.md:24: There is no event kind iommu.fault.recorderd',
    ],
    ['[a](event:first)', 'dead-link lab.md:24: event:first names no record'],
    ['[a](lab:big)', 'dead-link lab.md:24: There is no lab big'],
    ['[a](script:drive.ts)', 'dead-link lab.md:24: There is no script file drive.ts'],
    ['[a](script:driver.ts:400)', 'dead-link lab.md:24: driver.ts has 5 lines, found line 400'],
    ['[a](somewhere)', 'dead-link lab.md:24: somewhere leads nowhere'],
    ['![a](missing.png)', 'dead-link lab.md:24: There is no picture missing.png'],
    [
      '[a](https://example.org/x)',
      'needs-network lab.md:24: https://example.org/x is not on this machine',
    ],
    [
      '![a](https://example.org/x.png)',
      'needs-network lab.md:24: https://example.org/x.png is not on this machine',
    ],
    [
      'see https://example.org/y now',
      'needs-network lab.md:24: https://example.org/y is not on this machine',
    ],
  ])('%s does not', (link, problem) => {
    expect(linkProblems(link)).toEqual([problem]);
  });

  it('are looked at in every directive and in translations', () => {
    const lab = TINY_TEXT.replace('Think.', 'See [a](term:none).');
    const translation = TINY_TRANSLATION.replace('想一想', '[a](term:keiner)');
    const found = problemsOf(tinyFolder({ 'lab.md': lab, 'i18n/zh-CN.md': translation }));
    expect(found).toEqual([
      'unknown-term lab.md:30: The glossary has no term none',
      'unknown-term i18n/zh-CN.md:20: The glossary has no term keiner',
    ]);
  });
});
