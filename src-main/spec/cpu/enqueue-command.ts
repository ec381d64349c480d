/**
 * The 64 bytes of an enqueue: what software hands to ENQCMD and ENQCMDS, and what the CPU sends to the portal. Intel SDM
 * volume 2, ENQCMD and ENQCMDS. Bits 511:32 are the device's own descriptor and pass unchanged.
 */
import { bit, bits, reserved, wide } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { sdm } from '../source.ts';

const PAYLOAD = wide(511, 32, 'Device payload', { note: 'Passes through the CPU unchanged.' });

export const EnqcmdSource = defineStructure({
  name: 'EnqcmdSource',
  title: 'Source operand of ENQCMD',
  bytes: 64,
  source: sdm('volume 2, ENQCMD'),
  note: 'User code names no PASID: the CPU takes it from IA32_PASID.',
  fields: {
    _r0: reserved(31, 0),
    PAYLOAD,
  },
});

export const EnqcmdsSource = defineStructure({
  name: 'EnqcmdsSource',
  title: 'Source operand of ENQCMDS',
  bytes: 64,
  source: sdm('volume 2, ENQCMDS'),
  note: 'Supervisor code chooses PASID and privilege itself.',
  fields: {
    PASID: bits(19, 0, 'PASID'),
    _r0: reserved(30, 20),
    PRIV: bit(31, 'Privileged', { note: 'The device works with supervisor rights.' }),
    PAYLOAD,
  },
});

export const EnqueueCommand = defineStructure({
  name: 'EnqueueCommand',
  title: 'Enqueue command as the device receives it',
  bytes: 64,
  source: sdm('volume 2, ENQCMD'),
  note: 'A 64-byte deferrable memory write whose first dword tells whose address space the descriptor means.',
  fields: {
    PASID: bits(19, 0, 'PASID', { note: 'Trusted: user code and guests cannot choose it freely.' }),
    _r0: reserved(30, 20),
    PRIV: bit(31, 'Privileged'),
    PAYLOAD,
  },
});

export const ENQUEUE_BYTES = 64;
export const ENQUEUE_WORDS = 16;
