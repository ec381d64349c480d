/** `linux/irq`: handlers, entries of the interrupt message store, and the bypass that lets a device post to a guest. */
import { ImsEntry } from '../../spec/dsa/interrupt-entries.ts';
import { EINVAL, ENODEV, IS_ERR } from '../../linux/errno.ts';
import { ImsDomain } from '../../linux/irq/ims.ts';
import type { BypassProducer } from '../../linux/irq/irq-bypass.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { PciDev } from '../../linux/pci/pci-dev.ts';
import {
  asArray,
  asBoolean,
  asFunction,
  asInteger,
  asRecord,
  asString,
  asU32,
  asUnsigned,
} from './arguments.ts';
import { effect, pure, query, type SdkEnvironment } from './environment.ts';
import { eventfdType } from './eventfd-handle.ts';
import { deviceOf } from './handles.ts';
import {
  ArgumentError,
  defineSdkModule,
  type HostFunctionSpec,
  type ScriptValue,
  type SdkModule,
} from './sdk-module.ts';
import { IRQ_TYPES } from './types/linux-irq.ts';

type Functions = Record<string, HostFunctionSpec>;

const MAX_PASID = 0xf_ffff;
const MAX_VECTORS = 2048;
const CONTROL_WORD = 0;
/** Word of the entry that holds mask, ignore, PASID enable and PASID. */
const ENTRY_CONTROL = 3;

/** The message store of a device, null without. */
function storeOf(kernel: Kernel, dev: ScriptValue): ImsDomain | null {
  const device = deviceOf(dev, 'dev');
  return device instanceof PciDev ? (kernel.idxd.deviceOf(device)?.ims ?? null) : null;
}

function storeBehind(kernel: Kernel, irq: number): ImsDomain | null {
  const chip = kernel.irqs.desc(irq)?.chip;
  return chip instanceof ImsDomain ? chip : null;
}

function controlWord(pasid: number, isEnabled: boolean): number {
  const words = ImsEntry.encode({ pasidEnable: Number(isEnabled), pasid });
  return words[ENTRY_CONTROL] ?? 0;
}

/** All of them, or none and an error number. */
function allocate(store: ImsDomain, count: number): number[] | number {
  const irqs: number[] = [];
  for (let i = 0; i < count; i++) {
    const irq = store.ims_alloc_irq();
    if (IS_ERR(irq)) {
      irqs.forEach((taken) => store.ims_free_irq(taken));
      return irq;
    }
    irqs.push(irq);
  }
  return irqs;
}

function handlerFunctions(env: SdkEnvironment): Functions {
  return {
    request_irq: effect(env, ({ kernel }, irq, handler, name) => {
      const handle = asFunction(handler, 'handler');
      return kernel.irqs.request_irq(
        asInteger(irq, 'irq'),
        (n) => void handle.call(n),
        asString(name, 'name'),
      );
    }),
    free_irq: effect(env, ({ kernel }, irq) => kernel.irqs.free_irq(asInteger(irq, 'irq'))),
    irq_set_affinity: effect(env, ({ kernel }, irq, cpu) =>
      kernel.irqs.irq_set_affinity(asInteger(irq, 'irq'), asU32(cpu, 'cpu')),
    ),
  };
}

function storeFunctions(env: SdkEnvironment): Functions {
  return {
    msi_domain_alloc_irqs: effect(env, ({ kernel }, dev, nvec) => {
      const store = storeOf(kernel, dev);
      const count = asUnsigned(nvec, 'nvec', MAX_VECTORS);
      return store === null ? -ENODEV : allocate(store, count);
    }),
    msi_domain_free_irqs: effect(env, ({ kernel }, dev, irqs) => {
      const store = storeOf(kernel, dev);
      asArray(irqs, 'irqs').forEach((irq, i) => {
        store?.ims_free_irq(asInteger(irq, `irqs[${String(i)}]`));
      });
    }),
    irqd_to_hwirq: query(env, ({ kernel }, irq) => {
      const number = asInteger(irq, 'irq');
      return storeBehind(kernel, number)?.indexOf(number) ?? -EINVAL;
    }),
    irq_set_auxdata: effect(env, ({ kernel }, irq, which, value) => {
      if (which !== CONTROL_WORD) {
        throw new ArgumentError('which', 'IMS_AUXDATA_CONTROL_WORD', which);
      }
      const number = asInteger(irq, 'irq');
      const words = new Uint32Array(ImsEntry.words);
      words[ENTRY_CONTROL] = asU32(value, 'value');
      const { pasidEnable, pasid, ignore } = ImsEntry.decode(words);
      const owner = pasidEnable === 1 ? pasid : null;
      return storeBehind(kernel, number)?.irq_set_auxdata(number, owner, ignore === 1) ?? -EINVAL;
    }),
    ims_ctrl_pasid_aux: pure((pasid, enable) =>
      controlWord(asUnsigned(pasid, 'pasid', MAX_PASID), asBoolean(enable, 'enable')),
    ),
  };
}

function bypassFunctions(env: SdkEnvironment): Functions {
  /** What scripts registered, by interrupt: an object of a script has no identity here. */
  const producers = new Map<Kernel, Map<number, BypassProducer>>();
  const known = (kernel: Kernel): Map<number, BypassProducer> => {
    const own = producers.get(kernel) ?? new Map<number, BypassProducer>();
    producers.set(kernel, own);
    return own;
  };
  return {
    irq_bypass_register_producer: effect(env, ({ kernel }, argument) => {
      const fields = asRecord(argument, 'producer');
      const irq = asInteger(fields['irq'], 'producer.irq');
      const token = eventfdType.target(fields['token'], 'producer.token');
      const producer = { name: `irq ${irq}`, token, irq };
      const result = kernel.bypass.irq_bypass_register_producer(producer);
      if (result === 0) known(kernel).set(irq, producer);
      return result;
    }),
    irq_bypass_unregister_producer: effect(env, ({ kernel }, argument) => {
      const irq = asInteger(asRecord(argument, 'producer')['irq'], 'producer.irq');
      const producer = known(kernel).get(irq);
      if (producer !== undefined) kernel.bypass.irq_bypass_unregister_producer(producer);
      known(kernel).delete(irq);
    }),
  };
}

export function createIrqModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'linux/irq',
    types: IRQ_TYPES,
    constants: { IMS_AUXDATA_CONTROL_WORD: CONTROL_WORD },
    functions: { ...handlerFunctions(env), ...storeFunctions(env), ...bypassFunctions(env) },
  });
}
