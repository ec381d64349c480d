/** Parameters that a `view:` link of a guide may carry: those of `ViewParamsSchema`. */
import { ViewParamsSchema } from '../protocol/lab-api.ts';

export const VIEW_PARAM_NAMES: readonly string[] = Object.keys(ViewParamsSchema.entries);
