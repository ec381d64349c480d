/** `linux/pci`: functions of the bus, their configuration space and capabilities. */
import { PCI_REGS } from '../../linux/pci/pci-regs.ts';
import { asInteger, asU16, asU32, asU8, optional } from './arguments.ts';
import { effect, query, type SdkEnvironment } from './environment.ts';
import { handleOr, pciDevType } from './handles.ts';
import { PCI_TYPES } from './types/linux-pci.ts';
import { defineSdkModule, type HostFunctionSpec, type SdkModule } from './sdk-module.ts';

type Functions = Record<string, HostFunctionSpec>;

function configFunctions(env: SdkEnvironment): Functions {
  return {
    pci_read_config_byte: query(env, ({ kernel }, dev, where) =>
      kernel.pci.pci_read_config_byte(pciDevType.target(dev, 'dev'), asInteger(where, 'where')),
    ),
    pci_read_config_word: query(env, ({ kernel }, dev, where) =>
      kernel.pci.pci_read_config_word(pciDevType.target(dev, 'dev'), asInteger(where, 'where')),
    ),
    pci_read_config_dword: query(env, ({ kernel }, dev, where) =>
      kernel.pci.pci_read_config_dword(pciDevType.target(dev, 'dev'), asInteger(where, 'where')),
    ),
    pci_write_config_byte: effect(env, ({ kernel }, dev, where, value) =>
      kernel.pci.pci_write_config_byte(
        pciDevType.target(dev, 'dev'),
        asInteger(where, 'where'),
        asU8(value, 'value'),
      ),
    ),
    pci_write_config_word: effect(env, ({ kernel }, dev, where, value) =>
      kernel.pci.pci_write_config_word(
        pciDevType.target(dev, 'dev'),
        asInteger(where, 'where'),
        asU16(value, 'value'),
      ),
    ),
    pci_write_config_dword: effect(env, ({ kernel }, dev, where, value) =>
      kernel.pci.pci_write_config_dword(
        pciDevType.target(dev, 'dev'),
        asInteger(where, 'where'),
        asU32(value, 'value'),
      ),
    ),
    pci_find_capability: query(env, ({ kernel }, dev, cap) =>
      kernel.pci.pci_find_capability(pciDevType.target(dev, 'dev'), asU8(cap, 'cap')),
    ),
    pci_find_next_capability: query(env, ({ kernel }, dev, pos, cap) =>
      kernel.pci.pci_find_next_capability(
        pciDevType.target(dev, 'dev'),
        asU8(pos, 'pos'),
        asU8(cap, 'cap'),
      ),
    ),
    pci_find_ext_capability: query(env, ({ kernel }, dev, cap) =>
      kernel.pci.pci_find_ext_capability(pciDevType.target(dev, 'dev'), asU16(cap, 'cap')),
    ),
    pci_find_next_ext_capability: query(env, ({ kernel }, dev, pos, cap) =>
      kernel.pci.pci_find_next_ext_capability(
        pciDevType.target(dev, 'dev'),
        asU16(pos, 'pos'),
        asU16(cap, 'cap'),
      ),
    ),
    pci_find_dvsec_capability: query(env, ({ kernel }, dev, vendor, dvsec) =>
      kernel.pci.pci_find_dvsec_capability(
        pciDevType.target(dev, 'dev'),
        asU16(vendor, 'vendor'),
        asU16(dvsec, 'dvsec'),
      ),
    ),
  };
}

function deviceFunctions(env: SdkEnvironment): Functions {
  return {
    pci_get_device: query(env, ({ kernel }, vendor, device, from) =>
      handleOr(
        pciDevType,
        kernel.pci.pci_get_device(
          asU16(vendor, 'vendor'),
          asU16(device, 'device'),
          from === undefined || from === null ? null : pciDevType.target(from, 'from'),
        ),
      ),
    ),
    pci_get_domain_bus_and_slot: query(env, ({ kernel }, domain, bus, devfn) =>
      handleOr(
        pciDevType,
        kernel.pci.pci_get_domain_bus_and_slot(
          asU16(domain, 'domain'),
          asU8(bus, 'bus'),
          asU8(devfn, 'devfn'),
        ),
      ),
    ),
    pci_devices: query(env, ({ kernel }) => kernel.pci.devices.map((d) => pciDevType.of(d))),
    PCI_DEVFN: query(env, (_bound, slot, fn) => (asU8(slot, 'slot') << 3) | asU8(fn, 'func')),
    pci_enable_device: effect(env, ({ kernel }, dev) =>
      kernel.pci.pci_enable_device(pciDevType.target(dev, 'dev')),
    ),
    pci_disable_device: effect(env, ({ kernel }, dev) =>
      kernel.pci.pci_disable_device(pciDevType.target(dev, 'dev')),
    ),
    pci_set_master: effect(env, ({ kernel }, dev) =>
      kernel.pci.pci_set_master(pciDevType.target(dev, 'dev')),
    ),
    pci_clear_master: effect(env, ({ kernel }, dev) =>
      kernel.pci.pci_clear_master(pciDevType.target(dev, 'dev')),
    ),
    pcie_flr: effect(env, ({ kernel }, dev) => kernel.pci.pcie_flr(pciDevType.target(dev, 'dev'))),
    pci_resource_start: query(env, ({ kernel }, dev, bar) =>
      kernel.pci.pci_resource_start(pciDevType.target(dev, 'dev'), asU8(bar, 'bar')),
    ),
    pci_resource_len: query(env, ({ kernel }, dev, bar) =>
      kernel.pci.pci_resource_len(pciDevType.target(dev, 'dev'), asU8(bar, 'bar')),
    ),
    pci_iomap: query(env, ({ kernel }, dev, bar, maxlen) =>
      kernel.pci.pci_iomap(
        pciDevType.target(dev, 'dev'),
        asU8(bar, 'bar'),
        optional(maxlen, 'maxlen', asU32) ?? 0,
      ),
    ),
    pci_msix_vec_count: query(env, ({ kernel }, dev) =>
      kernel.msix.pci_msix_vec_count(pciDevType.target(dev, 'dev')),
    ),
    pci_alloc_irq_vectors: effect(env, ({ kernel }, dev, min, max) =>
      kernel.msix.pci_alloc_irq_vectors(
        pciDevType.target(dev, 'dev'),
        asU16(min, 'min_vecs'),
        asU16(max, 'max_vecs'),
      ),
    ),
    pci_free_irq_vectors: effect(env, ({ kernel }, dev) =>
      kernel.msix.pci_free_irq_vectors(pciDevType.target(dev, 'dev')),
    ),
    pci_irq_vector: query(env, ({ kernel }, dev, nr) =>
      kernel.msix.pci_irq_vector(pciDevType.target(dev, 'dev'), asU16(nr, 'nr')),
    ),
  };
}

function translationFunctions(env: SdkEnvironment): Functions {
  return {
    pci_enable_pasid: effect(env, ({ kernel }, dev, features) =>
      kernel.pci.pci_enable_pasid(pciDevType.target(dev, 'dev'), asU8(features, 'features')),
    ),
    pci_disable_pasid: effect(env, ({ kernel }, dev) =>
      kernel.pci.pci_disable_pasid(pciDevType.target(dev, 'dev')),
    ),
    pci_pasid_features: query(env, ({ kernel }, dev) =>
      kernel.pci.pci_pasid_features(pciDevType.target(dev, 'dev')),
    ),
    pci_max_pasids: query(env, ({ kernel }, dev) =>
      kernel.pci.pci_max_pasids(pciDevType.target(dev, 'dev')),
    ),
    pci_enable_pri: effect(env, ({ kernel }, dev, reqs) =>
      kernel.pci.pci_enable_pri(pciDevType.target(dev, 'dev'), asU32(reqs, 'reqs')),
    ),
    pci_disable_pri: effect(env, ({ kernel }, dev) =>
      kernel.pci.pci_disable_pri(pciDevType.target(dev, 'dev')),
    ),
    pci_reset_pri: effect(env, ({ kernel }, dev) =>
      kernel.pci.pci_reset_pri(pciDevType.target(dev, 'dev')),
    ),
    pci_enable_ats: effect(env, ({ kernel }, dev, ps) =>
      kernel.pci.pci_enable_ats(pciDevType.target(dev, 'dev'), asU8(ps, 'ps')),
    ),
    pci_disable_ats: effect(env, ({ kernel }, dev) =>
      kernel.pci.pci_disable_ats(pciDevType.target(dev, 'dev')),
    ),
    pci_ats_queue_depth: query(env, ({ kernel }, dev) =>
      kernel.pci.pci_ats_queue_depth(pciDevType.target(dev, 'dev')),
    ),
  };
}

function virtualFunctions(env: SdkEnvironment): Functions {
  return {
    pci_enable_sriov: effect(env, ({ kernel }, dev, count) =>
      kernel.iov.pci_enable_sriov(pciDevType.target(dev, 'dev'), asInteger(count, 'nr_virtfn')),
    ),
    pci_disable_sriov: effect(env, ({ kernel }, dev) =>
      kernel.iov.pci_disable_sriov(pciDevType.target(dev, 'dev')),
    ),
    pci_num_vf: query(env, ({ kernel }, dev) =>
      kernel.iov.pci_num_vf(pciDevType.target(dev, 'dev')),
    ),
    pci_sriov_get_totalvfs: query(env, ({ kernel }, dev) =>
      kernel.iov.pci_sriov_get_totalvfs(pciDevType.target(dev, 'dev')),
    ),
    pci_physfn: query(env, ({ kernel }, dev) =>
      pciDevType.of(kernel.iov.pci_physfn(pciDevType.target(dev, 'dev'))),
    ),
    pci_iov_vf_id: query(env, ({ kernel }, dev) =>
      kernel.iov.pci_iov_vf_id(pciDevType.target(dev, 'dev')),
    ),
  };
}

export function createPciModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'linux/pci',
    types: PCI_TYPES,
    constants: { ...PCI_REGS },
    functions: {
      ...deviceFunctions(env),
      ...configFunctions(env),
      ...translationFunctions(env),
      ...virtualFunctions(env),
    },
  });
}
