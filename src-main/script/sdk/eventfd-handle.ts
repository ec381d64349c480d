/** `struct eventfd_ctx` as scripts see it: what a driver signals. */
import type { EventfdFile } from '../../linux/core/eventfd.ts';
import { defineHostType } from './sdk-module.ts';

export const eventfdType = defineHostType<EventfdFile>({
  name: 'struct eventfd_ctx',
  properties: { name: { get: (file) => file.name }, count: { get: (file) => file.count } },
});
