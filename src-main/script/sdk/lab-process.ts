/** `lab/process`: programs beside the one that a script file stands for. */
import type { Process } from '../../linux/mm/process.ts';
import { asArray, asFunction, asRecord, asString, asU32, optional } from './arguments.ts';
import { effect, type SdkEnvironment } from './environment.ts';
import type { ScriptContext } from './script-context.ts';
import { defineHostType, defineSdkModule, type SdkModule } from './sdk-module.ts';

const types = `/** A program with its own address space and open files. */
export interface process {
  readonly name: string;
  readonly pid: number;
  readonly is_alive: boolean;
  /** The signal that ended it, or null. */
  readonly signal: string | null;
  /** PASID of its address space, or null. */
  readonly pasid: number | null;
}

/** What a program may do. */
export interface process_options {
  /** \`CAP_IPC_LOCK\`, \`CAP_SYS_RAWIO\`, \`CAP_SYS_ADMIN\`. */
  readonly capabilities?: readonly string[];
  /** RLIMIT_MEMLOCK in bytes. */
  readonly memlock?: number;
  /** The CPU that runs it. */
  readonly cpu?: number;
}

/** Starts a program. */
export declare function spawn(name: string, options?: process_options): process;
/** The program that makes this file's calls. */
export declare function current(): process;
/** Runs \`body\` as another program: every call of libc, lab/memory and asm/enqcmd in it is that program's. */
export declare function run_as<T>(who: process, body: () => T): T;
/** fork(): a copy of the program, without mappings that must not be copied, without a PASID. @returns it, or an error number */
export declare function fork(who: process, name: string): process | number;
/** clone(): another thread of the program, with an IA32_PASID of its own. */
export declare function create_thread(who: process, name: string): process;
/** The program ends in order. */
export declare function exit(who: process): void;
/** A signal ends the program. */
export declare function kill(who: process, signal: string): void;
`;

export const processType = defineHostType<Process>({
  name: 'process',
  properties: {
    name: { get: (process) => process.name },
    pid: { get: (process) => process.pid },
    is_alive: { get: (process) => process.isAlive },
    signal: { get: (process) => process.signal },
    pasid: { get: (process) => process.mm.pasid },
  },
});

export function createProcessModule(env: SdkEnvironment, context: ScriptContext): SdkModule {
  return defineSdkModule({
    name: 'lab/process',
    types,
    functions: {
      spawn: effect(env, ({ kernel }, name, options) => {
        const fields = options === undefined ? {} : asRecord(options, 'options');
        const capabilities = optional(fields['capabilities'], 'options.capabilities', asArray);
        const memlock = optional(fields['memlock'], 'options.memlock', asU32);
        const cpu = optional(fields['cpu'], 'options.cpu', asU32);
        return processType.of(
          kernel.processes.create(asString(name, 'name'), {
            ...(capabilities === undefined
              ? {}
              : { capabilities: capabilities.map((c) => asString(c, 'options.capabilities')) }),
            ...(memlock === undefined ? {} : { memlockBytes: memlock }),
            ...(cpu === undefined ? {} : { cpu }),
          }),
        );
      }),
      current: effect(env, ({ process }) => processType.of(process())),
      run_as: {
        run: (_call, who, body) =>
          context.actAs(processType.target(who, 'who'), () => asFunction(body, 'body').call()),
      },
      fork: effect(env, ({ kernel }, who, name) => {
        const child = kernel.processes.fork(processType.target(who, 'who'), asString(name, 'name'));
        return typeof child === 'number' ? child : processType.of(child);
      }),
      create_thread: effect(env, ({ kernel }, who, name) =>
        processType.of(
          kernel.processes.createThread(processType.target(who, 'who'), asString(name, 'name')),
        ),
      ),
      exit: effect(env, ({ kernel }, who) => kernel.processes.exit(processType.target(who, 'who'))),
      kill: effect(env, ({ kernel }, who, signal) =>
        kernel.processes.kill(processType.target(who, 'who'), asString(signal, 'signal')),
      ),
    },
  });
}
