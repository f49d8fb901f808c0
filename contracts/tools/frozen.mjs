// What an upgrade of the published package must keep, as the bytecode in frozen/ has it: its public functions and its structs,
// or the network refuses it; and its errors' codes, by which clients know them.

/** Where `now` breaks what `frozen` promised, as sentences. New modules, functions and structs are fine. */
export function incompatibilities(frozen, now) {
    return Object.entries(frozen).flatMap(([module, promised]) => {
        const found = now[module];
        if (!found) return [`module ${module} vanished`];
        return [functionsBroken, structsBroken, errorsBroken].flatMap((broken) => [...broken(module, promised, found)]);
    });
}

/** Functions that are `entry` alone may change: nobody links against them. */
function* functionsBroken(module, promised, found) {
    for (const [name, { visibility, ...signature }] of Object.entries(promised.functions)) {
        if (visibility !== 'public') continue;
        const other = found.functions[name];
        if (other?.visibility !== 'public') yield `public function ${module}::${name} vanished`;
        else if (!sameSignature(signature, other)) yield `the signature of public function ${module}::${name} changed`;
    }
}

function sameSignature(one, other) {
    const parts = ({ type_parameters, parameters, returns }) => JSON.stringify([type_parameters, parameters, returns]);
    return parts(one) === parts(other);
}

function* structsBroken(module, promised, found) {
    for (const [name, { abilities, fields }] of Object.entries(promised.structs)) {
        const other = found.structs[name];
        if (!other) yield `struct ${module}::${name} vanished`;
        else if (JSON.stringify(other.abilities) !== JSON.stringify(abilities)) yield `the abilities of struct ${module}::${name} changed`;
        else if (JSON.stringify(other.fields) !== JSON.stringify(fields)) yield `the layout of struct ${module}::${name} changed`;
    }
}

/** Codes are only added: one that is free again could come to mean something else. */
function* errorsBroken(module, promised, found) {
    for (const [name, { code }] of Object.entries(promised.errors)) {
        if (found.errors[name]?.code !== code) yield `error ${module}::${name} has no longer the code ${code}`;
    }
}
