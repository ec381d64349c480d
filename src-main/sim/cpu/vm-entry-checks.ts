/**
 * Checks of VM entry on the control fields that the model uses. Intel SDM volume 3, "Checks on VMX Controls". Guest and host
 * state belong to the VMM layer and are not checked here.
 */
import { isFieldSet, wordField } from '../../bits/word-field.ts';
import {
  ExitControls,
  PinBasedControls,
  PrimaryControls,
  SecondaryControls,
  VmcsAddress,
  type VmcsFieldName,
} from '../../spec/cpu/vmcs.ts';
import type { Vmcs } from './vmcs.ts';

const EXTERNAL_EXITING = wordField(PinBasedControls, 'EXTERNAL_INTERRUPT_EXITING');
const NMI_EXITING = wordField(PinBasedControls, 'NMI_EXITING');
const PROCESS_POSTED = wordField(PinBasedControls, 'PROCESS_POSTED_INTERRUPTS');
const TPR_SHADOW = wordField(PrimaryControls, 'USE_TPR_SHADOW');
const ACTIVATE_SECONDARY = wordField(PrimaryControls, 'ACTIVATE_SECONDARY');
const VIRTUAL_DELIVERY = wordField(SecondaryControls, 'VIRTUAL_INTERRUPT_DELIVERY');
const PASID_TRANSLATION = wordField(SecondaryControls, 'PASID_TRANSLATION');
const ACKNOWLEDGE = wordField(ExitControls, 'ACKNOWLEDGE_INTERRUPT');

const PAGE = 4096;
const DESCRIPTOR = 64;
const LARGEST_VECTOR = 255;

export function exitsOnExternalInterrupt(vmcs: Vmcs): boolean {
  return isFieldSet(vmcs.low('pinBasedControls'), EXTERNAL_EXITING);
}

export function exitsOnNmi(vmcs: Vmcs): boolean {
  return isFieldSet(vmcs.low('pinBasedControls'), NMI_EXITING);
}

export function processesPostedInterrupts(vmcs: Vmcs): boolean {
  return isFieldSet(vmcs.low('pinBasedControls'), PROCESS_POSTED);
}

export function acknowledgesOnExit(vmcs: Vmcs): boolean {
  return isFieldSet(vmcs.low('exitControls'), ACKNOWLEDGE);
}

function hasSecondary(vmcs: Vmcs): boolean {
  return isFieldSet(vmcs.low('primaryControls'), ACTIVATE_SECONDARY);
}

/** The secondary controls count only when the primary ones activate them. */
export function deliversVirtualInterrupts(vmcs: Vmcs): boolean {
  return hasSecondary(vmcs) && isFieldSet(vmcs.low('secondaryControls'), VIRTUAL_DELIVERY);
}

export function translatesPasids(vmcs: Vmcs): boolean {
  return hasSecondary(vmcs) && isFieldSet(vmcs.low('secondaryControls'), PASID_TRANSLATION);
}

function addressProblem(
  vmcs: Vmcs,
  name: VmcsFieldName,
  alignment: number,
  reserved: Uint32Array,
): string | undefined {
  if (vmcs.low(name) % alignment !== 0) {
    return `${name} is not aligned to ${alignment} bytes`;
  }
  return (vmcs.high(name) & (reserved[1] as number)) === 0
    ? undefined
    : `${name} is beyond the physical address width`;
}

/** What the CPU objects to, undefined when the controls are consistent. */
export function entryProblem(vmcs: Vmcs, physicalAddressBits: number): string | undefined {
  const reserved = VmcsAddress.reservedMask({ has: () => true, width: () => physicalAddressBits });
  if (deliversVirtualInterrupts(vmcs)) {
    if (!exitsOnExternalInterrupt(vmcs)) {
      return 'Virtual-interrupt delivery needs external-interrupt exiting';
    }
    if (!isFieldSet(vmcs.low('primaryControls'), TPR_SHADOW)) {
      return 'Virtual-interrupt delivery needs the TPR shadow';
    }
  }
  if (isFieldSet(vmcs.low('primaryControls'), TPR_SHADOW)) {
    const problem = addressProblem(vmcs, 'virtualApicAddress', PAGE, reserved);
    if (problem !== undefined) {
      return problem;
    }
  }
  if (processesPostedInterrupts(vmcs)) {
    const problem = postedProblem(vmcs, reserved);
    if (problem !== undefined) {
      return problem;
    }
  }
  if (translatesPasids(vmcs)) {
    return (
      addressProblem(vmcs, 'lowPasidDirectoryAddress', PAGE, reserved) ??
      addressProblem(vmcs, 'highPasidDirectoryAddress', PAGE, reserved)
    );
  }
  return undefined;
}

function postedProblem(vmcs: Vmcs, reserved: Uint32Array): string | undefined {
  if (!deliversVirtualInterrupts(vmcs)) {
    return 'Processing posted interrupts needs virtual-interrupt delivery';
  }
  if (!acknowledgesOnExit(vmcs)) {
    return 'Processing posted interrupts needs acknowledge-interrupt-on-exit';
  }
  if (vmcs.low('notificationVector') > LARGEST_VECTOR) {
    return 'Notification vector is beyond 255';
  }
  return addressProblem(vmcs, 'postedInterruptDescriptorAddress', DESCRIPTOR, reserved);
}
