/** SDK modules and host types as guest code sees them: guest functions that call the host. */
import { ThrowInGuest } from './guest-error.ts';
import type { GuestHelpers } from './guest-helpers.ts';
import { HOOKS_MODULE } from './guest-prelude.ts';
import { HostCallContext } from './host-call.ts';
import type { CallEnvironment, CallIdentity } from './host-call.ts';
import { sdkExports } from './module-graph.ts';
import type { Cell } from './sandbox.ts';
import { ArgumentRefused } from './sdk/sdk-module.ts';
import type {
  AnyHostType,
  HostCall,
  HostFunctionSpec,
  HostObject,
  HostProperty,
  ScriptValue,
  SdkModule,
} from './sdk/sdk-module.ts';

const SDK_PREFIX = 'sdk:';

/** Engine name of a module's instance for one actor. */
export function instanceName(module: SdkModule, actor: string): string {
  return `${SDK_PREFIX}${actor}/${module.name}`;
}

export function isInstanceName(name: string): boolean {
  return name.startsWith(SDK_PREFIX);
}

/** Module source that exports what `SdkInstances.create` put under `key`. */
export function instanceSource(key: string, module: SdkModule): string {
  const names = [...sdkExports(module)];
  const reads = names.map((name, index) => `$${String(index)}=$e.${name}`);
  const exports = names.map((name, index) => `$${String(index)} as ${name}`);
  const declarations = reads.length === 0 ? '' : `const ${reads.join(',')};`;
  return (
    `import{m as $m}from${JSON.stringify(HOOKS_MODULE)};const $e=$m(${JSON.stringify(key)});` +
    `${declarations}export{${exports.join(',')}};`
  );
}

/** Stands in for a module when scripts are only compiled. */
export function stubSource(exports: Iterable<string>): string {
  const names = [...exports];
  const declarations = names.map((_, index) => `$${String(index)}`);
  const list = names.map((name, index) => `$${String(index)} as ${name}`);
  return `${names.length === 0 ? '' : `const ${declarations.map((d) => `${d}=0`).join(',')};`}export{${list.join(',')}};`;
}

export class SdkInstances {
  readonly #environment: CallEnvironment;
  readonly #helpers: GuestHelpers;

  constructor(environment: CallEnvironment, helpers: GuestHelpers) {
    this.#environment = environment;
    this.#helpers = helpers;
  }

  /** Makes a module's functions and constants for an actor and leaves them under `key` for its module source. */
  create(key: string, module: SdkModule, actor: string): void {
    const exports = this.#exports(module, actor);
    this.#helpers.defineInstance(key, exports);
    this.#environment.sandbox.free(exports);
  }

  createGlobal(module: SdkModule, name: string): void {
    const exports = this.#exports(module, undefined);
    this.#helpers.defineGlobal(name, exports);
    this.#environment.sandbox.free(exports);
  }

  #exports(module: SdkModule, actor: string | undefined): Cell {
    const { sandbox, bridge } = this.#environment;
    const exports = sandbox.newObject();
    for (const [name, spec] of Object.entries(module.functions)) {
      const fn = this.#function(spec, { module: module.name, functionName: name, actor });
      sandbox.set(exports, name, fn);
      sandbox.free(fn);
    }
    bridge.assign(exports, module.constants);
    return exports;
  }

  #function(spec: HostFunctionSpec, identity: CallIdentity): Cell {
    const { bridge, sandbox } = this.#environment;
    const kept = new Set(spec.keep);
    const isReadOnly = spec.readOnly === true;
    return sandbox.newHostFunction(identity.functionName, (_self, args) => {
      const call = new HostCallContext(this.#environment, identity, args);
      return this.#answer(call, isReadOnly, () => {
        if (spec.isTextOnly === true) return spec.run(call);
        const values = args.map((cell, index) =>
          kept.has(index)
            ? bridge.reference(cell)
            : bridge.toHost(cell, `argument ${String(index + 1)}`),
        );
        return spec.run(call, ...values);
      });
    });
  }

  /** Guest prototype of a host type: accessors and methods that find the target behind `this`. */
  makePrototype(type: AnyHostType): Cell {
    const { sandbox, bridge } = this.#environment;
    const prototype = this.#helpers.makeType(type.name);
    for (const [name, property] of Object.entries(type.properties)) {
      const get = this.#getter(type, name, property);
      this.#helpers.defineAccessor(prototype, name, get, this.#setter(type, name, property));
    }
    for (const [name, method] of Object.entries(type.methods)) {
      const identity = { module: type.name, functionName: name };
      const fn = sandbox.newHostFunction(name, (self, args) => {
        const call = new HostCallContext(this.#environment, identity, args);
        return this.#answer(call, false, () => {
          const values = args.map((cell, i) => bridge.toHost(cell, `argument ${String(i + 1)}`));
          return method(this.#targetOf(self, type), call, ...values);
        });
      });
      this.#helpers.defineMethod(prototype, name, fn);
    }
    return prototype;
  }

  /** The call under which a property is read for printing. */
  inspectCall(object: HostObject, property: string): HostCall {
    return new HostCallContext(
      this.#environment,
      { module: object.type.name, functionName: property },
      [],
    );
  }

  #getter(type: AnyHostType, name: string, property: HostProperty<object>): Cell {
    const identity = { module: type.name, functionName: name };
    return this.#environment.sandbox.newHostFunction(`get ${name}`, (self) => {
      const call = new HostCallContext(this.#environment, identity, []);
      return this.#answer(call, true, () => property.get(this.#targetOf(self, type), call));
    });
  }

  #setter(type: AnyHostType, name: string, property: HostProperty<object>): Cell {
    const identity = { module: type.name, functionName: name };
    const { sandbox, bridge } = this.#environment;
    return sandbox.newHostFunction(`set ${name}`, (self, args) => {
      const call = new HostCallContext(this.#environment, identity, args);
      return this.#answer(call, false, () => {
        if (property.set === undefined) throw new ArgumentRefused('The field is read-only');
        const [cell] = args;
        const value = cell === undefined ? undefined : bridge.toHost(cell, 'the value');
        property.set(this.#targetOf(self, type), value, call);
      });
    });
  }

  #targetOf(self: Cell, type: AnyHostType): object {
    const object = this.#environment.bridge.hostObjectOf(self);
    if (object?.type === type) return object.target;
    throw new ArgumentRefused(`this is not a ${type.name}`);
  }

  /** Runs host code for a call and converts its result; argument errors get the function's name in front. */
  #answer(call: HostCall, isReadOnly: boolean, work: () => ScriptValue | void): Cell {
    const { purpose, bridge } = this.#environment;
    if (purpose === 'watch' && !isReadOnly) {
      const what = `${call.functionName} changes the machine`;
      throw new ThrowInGuest(`${what}; a watch can only read`, 'TypeError');
    }
    if (purpose === 'run') this.#environment.betweenCalls();
    try {
      return bridge.toGuest(work());
    } catch (error) {
      if (!(error instanceof ArgumentRefused)) throw error;
      const owner = call.module.startsWith('struct ') ? `${call.module}.` : '';
      throw new ThrowInGuest(
        `${owner}${call.functionName}: ${error.message}`,
        error.kind,
        error.fields,
      );
    }
  }
}
