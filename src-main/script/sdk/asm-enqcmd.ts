/**
 * `asm/enqcmd`: the instructions that hand a 64-byte descriptor to a device, and the wait for an answer.
 *
 * A program uses addresses of its own, and its PASID is what IA32_PASID says. A driver uses addresses that pci_iomap() or
 * idxd_wq_portal() gave, and puts the PASID into the descriptor itself.
 */
import { EAGAIN } from '../../linux/errno.ts';
import { DESCRIPTOR_BYTES, DESCRIPTOR_WORDS } from '../../spec/dsa/descriptor.ts';
import { asBytes } from './arguments.ts';
import { effect, type BoundCall, type SdkEnvironment } from './environment.ts';
import { asAddress } from './numbers.ts';
import {
  ArgumentError,
  ScriptError,
  defineSdkModule,
  type ScriptValue,
  type SdkModule,
} from './sdk-module.ts';

const PORTAL_ALIGNMENT = 64;
const APPLICATION = 'application';

const types = `/** A number or BigInt below 2^53. */
export type address = number | bigint;

/**
 * MOVDIR64B: stores 64 bytes in one piece. The write is posted: nothing tells whether the device took it.
 * @param dst a portal page, aligned to 64 bytes
 * @param src 64 bytes
 */
export declare function movdir64b(dst: address, src: Uint8Array): void;
/**
 * ENQCMD, for programs: a non-posted 64-byte store whose PASID the CPU takes from IA32_PASID.
 * @returns the zero flag: 0 accepted, 1 the device answered Retry
 */
export declare function enqcmd(dst: address, src: Uint8Array): 0 | 1;
/**
 * ENQCMDS, for kernels: as ENQCMD, but the PASID is the one in the descriptor.
 * @returns the zero flag: 0 accepted, 1 the device answered Retry
 */
export declare function enqcmds(dst: address, src: Uint8Array): 0 | 1;
/**
 * UMWAIT: waits until something happens in the machine or the time is over.
 * @returns false when nothing happened
 */
export declare function umwait(limit_nanoseconds: number): boolean;
`;

function descriptorWords(src: ScriptValue): Uint32Array {
  const bytes = asBytes(src, 'src');
  if (bytes.length !== DESCRIPTOR_BYTES) {
    throw new ArgumentError('src', `${String(DESCRIPTOR_BYTES)} bytes`, bytes);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: DESCRIPTOR_WORDS }, (_, i) => view.getUint32(i * 4, true));
}

/** A destination that is not aligned is #GP, for programs and kernels. */
function portalAddress(dst: ScriptValue): number {
  const address = asAddress(dst, 'dst');
  if (address % PORTAL_ALIGNMENT !== 0) {
    throw new ScriptError(
      `General protection fault: dst must be aligned to 64 bytes, found 0x${address.toString(16)}`,
    );
  }
  return address;
}

function sigsegv(instruction: string, address: number): never {
  throw new ScriptError(
    `Segmentation fault: ${instruction} to 0x${address.toString(16)}. Expected an address of a mapped portal, and a PASID for ENQCMD`,
  );
}

function movdir64b({ kernel, call, process }: BoundCall, dst: ScriptValue, src: ScriptValue): void {
  const words = descriptorWords(src);
  const address = portalAddress(dst);
  if (call.actor !== APPLICATION) {
    kernel.io.iosubmit_cmds512(address, words);
  } else if (kernel.instructions.movdir64b(process(), address, words) === 'sigsegv') {
    sigsegv('MOVDIR64B', address);
  }
}

function enqcmd({ kernel, process }: BoundCall, dst: ScriptValue, src: ScriptValue): 0 | 1 {
  const words = descriptorWords(src);
  const address = portalAddress(dst);
  const result = kernel.instructions.enqcmd(process(), address, words);
  return result === 'sigsegv' ? sigsegv('ENQCMD', address) : result === 'retry' ? 1 : 0;
}

function enqcmds({ kernel, call }: BoundCall, dst: ScriptValue, src: ScriptValue): 0 | 1 {
  if (call.actor === APPLICATION) {
    throw new ScriptError('General protection fault: ENQCMDS needs ring 0. A program uses ENQCMD');
  }
  const words = descriptorWords(src);
  const result = kernel.io.enqcmds(portalAddress(dst), words);
  if (result === 0) return 0;
  if (result === -EAGAIN) return 1;
  throw new ScriptError(
    'General protection fault: bits 30:20 of the descriptor must be zero, and a guest’s PASID must be its own',
  );
}

export function createEnqcmdModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'asm/enqcmd',
    types,
    functions: {
      movdir64b: effect(env, movdir64b),
      enqcmd: effect(env, enqcmd),
      enqcmds: effect(env, enqcmds),
      umwait: effect(env, ({ kernel }, ns) => kernel.core.step(asAddress(ns, 'limit_nanoseconds'))),
    },
  });
}
