/** The one door of the simulation for other layers. */
export {
  decodeRecord,
  formatField,
  kindOf,
  readRecord,
  recordJson,
  recordText,
  type RecordValue,
  type TraceRecord,
} from './core/trace-record.ts';
export { walkEpt, type EptRead, type EptWalk } from './cpu/ept-walk.ts';
export { DEFENCE_NAMES, DEFENCES, type DefenceName } from './defences.ts';
export { EventQueue } from './core/event-queue.ts';
export { StateHash } from './core/hash.ts';
export { SeededRandom } from './core/random.ts';
export { RegisterFile, accessProblem, type RegisterWrite } from './core/register-file.ts';
export { NO_CAUSE, Trace, type RawRecord } from './core/trace.ts';
export type {
  EnqcmdResult,
  HardwarePort,
  PciFunctionAddress,
  PlainData,
  VcpuFacts,
  VmxPort,
} from './hardware-port.ts';
export { PLATFORM } from './hardware-port.ts';
export { ACCESS } from './iommu/first-stage-walk.ts';
export { IOTLB_FLAG, pgttOfFlags, type IotlbEntry } from './iommu/iotlb.ts';
export { createIommuRequest, type IommuAnswer, type IommuRequest } from './iommu/request.ts';
export { RemappingUnit, type InterruptRemappingUnit } from './iommu/unit.ts';
export type { WalkRead, WalkRecorder } from './iommu/walk-recorder.ts';
export {
  DEFAULT_IOMMU_CACHES,
  type DeviceConfig,
  type IommuCacheConfig,
  type IommuConfig,
  type MachineConfig,
  type ProcessConfig,
  type VmConfig,
} from './machine-config.ts';
export { decodeCompletionRecord, decodeDescriptor } from './devices/dsa/decode.ts';
export { DsaDevice } from './devices/dsa/dsa-device.ts';
export type { DsaInspector, WqView } from './devices/dsa/inspect.ts';
export { NicDevice } from './devices/nic/nic-device.ts';
export type { NicInspector, QueuePairView, RingView } from './devices/nic/inspect.ts';
export type { PacketOutcome, SeenPacket } from './devices/nic/packet-ring.ts';
export { formatMac } from './devices/nic/frame.ts';
export { NIC_BAR, nicPlaces, vfPlaces } from './devices/nic/places.ts';
export { toPcap } from './devices/nic/pcap.ts';
export type { CipherRequest, CryptoPort } from './devices/qat/crypto-port.ts';
export { QatDevice } from './devices/qat/qat-device.ts';
export type { InterruptEntry } from './pcie/interrupt-table.ts';
export { deviceIssues, type DeviceIssue } from './devices/registry.ts';
export { FrameStore } from './memory/frame-store.ts';
export { PhysicalMemory, type MemoryRegion } from './memory/physical-memory.ts';
export {
  ADDRESS_TYPE,
  COMPLETION,
  PAGE_RESPONSE,
  type CompletionStatus,
  type PcieFunction,
} from './pcie/ports.ts';
export {
  actingAs,
  onBehalfOf,
  type Actor,
  type AssignedSpace,
  type IsolationCall,
  type IsolationPort,
} from './isolation/isolation-port.ts';
export { MachineHardware } from './machine-hardware.ts';
export { Machine, memoryRegions, type MachineState } from './machine.ts';
export { SoftwareState } from './software-state.ts';
export { Recorder, type Keyframe } from './timeline/recorder.ts';
export { Replica } from './timeline/replica.ts';
export type { Stimulus } from './timeline/stimulus.ts';
