/** `linux/errno`: error numbers and the ERR_PTR convention. */
import { ERRNO, ERRNO_TITLES, IS_ERR, errnoName, type ErrnoName } from '../../linux/errno.ts';
import { asInteger } from './arguments.ts';
import { pure } from './environment.ts';
import { defineSdkModule, type SdkModule } from './sdk-module.ts';

const constants = Object.entries(ERRNO)
  .map(
    ([name, value]) =>
      `/** ${ERRNO_TITLES[name as ErrnoName]}. Kernel functions return it as -${name} (${-value}). */\nexport declare const ${name}: ${value};`,
  )
  .join('\n');

const types = `${constants}

/**
 * True for what ERR_PTR() made: a negative error number in place of an object.
 *
 * \`\`\`ts
 * const domain = iommu_paging_domain_alloc(dev);
 * if (IS_ERR(domain)) return domain;
 * \`\`\`
 */
export declare function IS_ERR(value: unknown): value is number;
/** True for null and for an error number. */
export declare function IS_ERR_OR_NULL(value: unknown): value is number | null;
/** The error number inside what IS_ERR() recognises, for example -22. */
export declare function PTR_ERR(value: unknown): number;
/** An error number in place of an object: \`return ERR_PTR(-EINVAL)\`. */
export declare function ERR_PTR(error: number): number;
/** Name of an error number, positive or negative: \`errname(-22)\` is \`EINVAL\`. Empty for other numbers. */
export declare function errname(error: number): string;
`;

export function createErrnoModule(): SdkModule {
  return defineSdkModule({
    name: 'linux/errno',
    types,
    constants: { ...ERRNO },
    functions: {
      IS_ERR: pure((value) => IS_ERR(value)),
      IS_ERR_OR_NULL: pure((value) => value === null || IS_ERR(value)),
      PTR_ERR: pure((value) => (IS_ERR(value) ? value : 0)),
      ERR_PTR: pure((error) => asInteger(error, 'error')),
      errname: pure((error) => errnoName(asInteger(error, 'error')) ?? ''),
    },
  });
}
