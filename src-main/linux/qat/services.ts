/**
 * Services of ring pairs. The administrator names one or two; with two, ring pairs take turns. After probe it is as on the
 * parts: asym, sym, asym, sym. Linux drivers/crypto/intel/qat/qat_common/adf_cfg_services.c.
 */
export type QatService = 'sym' | 'asym' | 'dc';

export const DEFAULT_SERVICES = 'asym;sym';

const SERVICES: readonly QatService[] = ['sym', 'asym', 'dc'];

/** The services that a text names, undefined when it names none, one twice, or more than two. */
export function parseServices(text: string): readonly QatService[] | undefined {
  const names = text.trim().split(';');
  const services = names.flatMap((name) => SERVICES.filter((service) => service === name));
  const isGood =
    services.length === names.length && names.length <= 2 && new Set(names).size === names.length;
  return isGood ? services : undefined;
}

export function serviceOf(services: readonly QatService[], ringPair: number): QatService {
  return services[ringPair % services.length] ?? 'sym';
}
