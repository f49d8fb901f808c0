// Which events a function emits, in the order of its code: unit tests see the events of each type, but not which of two
// types came first.

import * as bytecode from '@mysten/move-bytecode-template';

const EMIT = '2::event::emit';

/** `module::function` → types of the events that it and what it calls emit, from the base64 bytecode by module. */
export function emittedEvents(compiled) {
    const bodies = new Map(Object.values(compiled).flatMap((code) => [...calls(bytecode.deserialize(Buffer.from(code, 'base64')))]));
    const emitted = (name, path) => {
        if (path.includes(name)) throw new Error(`${name} calls itself`);
        return (bodies.get(name) ?? []).flatMap(({ called, event }) => (called === EMIT ? [event] : emitted(called, [...path, name])));
    };
    return (name) => emitted(`0::${name}`, []);
}

/** Whether `events` come in that order, if some are left out. */
export function inOrder(events, emitted) {
    let at = 0;
    for (const event of emitted) if (event === events[at]) at += 1;
    return at === events.length;
}

/** Each function's calls, in order. */
function* calls(module) {
    const address = (index) => module.address_identifiers[index].replace(/^0+(?=.)/, '');
    const full = ({ module: owner, name }) => {
        const handle = module.module_handles[owner];
        return `${address(handle.address)}::${module.identifiers[handle.name]}::${module.identifiers[name]}`;
    };
    const typeOf = (signature) => {
        const index = module.signatures[signature][0]?.Datatype;
        return index === undefined ? undefined : full(module.datatype_handles[index]).replace(/^0::/, '');
    };
    for (const { function: handle, code } of module.function_defs) {
        const body = (code?.code ?? []).flatMap(({ Call: plain, CallGeneric: generic }) => {
            if (plain !== undefined) return [{ called: full(module.function_handles[plain]) }];
            if (generic === undefined) return [];
            const { handle: called, type_parameters } = module.function_instantiations[generic];
            return [{ called: full(module.function_handles[called]), event: typeOf(type_parameters) }];
        });
        yield [full(module.function_handles[handle]), body];
    }
}
