// A module's interface, read from its compiled bytecode: what others may call, the layout of its structs, its errors.

import * as bytecode from '@mysten/move-bytecode-template';

const ABILITIES = [['copy', 1], ['drop', 2], ['store', 4], ['key', 8]];
const PRIMITIVES = { Bool: 'bool', U8: 'u8', U16: 'u16', U32: 'u32', U64: 'u64', U128: 'u128', U256: 'u256', Address: 'address', Signer: 'signer' };

/** `code` is base64. Functions are those with `entry` or `public`; fields and parameters keep their order. */
export function describeInterface(code) {
    const module = bytecode.deserialize(Buffer.from(code, 'base64'));
    const name = (index) => module.identifiers[index];
    return {
        module: name(module.module_handles[module.self_module_handle_idx].name),
        code,
        functions: Object.fromEntries(functions(module, name)),
        structs: Object.fromEntries(structs(module, name)),
        errors: Object.fromEntries(errors(module)),
    };
}

function* functions(module, name) {
    for (const { function: handle, visibility, is_entry } of module.function_defs) {
        if (!is_entry && visibility !== 'Public') continue;
        const { name: label, parameters, return_, type_parameters } = module.function_handles[handle];
        const types = (signature) => module.signatures[signature].map((token) => typeName(module, token));
        yield [name(label), {
            visibility: visibility.toLowerCase(),
            entry: is_entry,
            type_parameters: type_parameters.length,
            parameters: types(parameters),
            returns: types(return_),
        }];
    }
}

function* structs(module, name) {
    for (const { struct_handle, field_information } of module.struct_defs) {
        const { name: label, abilities } = module.datatype_handles[struct_handle];
        yield [name(label), {
            abilities: ABILITIES.filter(([, bit]) => abilities & bit).map(([ability]) => ability),
            fields: field_information.Declared.map(({ name: field, signature }) => ({ name: name(field), type: typeName(module, signature) })),
        }];
    }
}

/**
 * Errors stand in the code as u64: 1 tag bit, 7 reserved, then 8 bits of code, 16 of line, 16 and 16 of indices into the
 * constant pool, for the name and the message.
 */
function errors(module) {
    const found = new Map();
    const text = (index) => Buffer.from(module.constant_pool[index].data).subarray(1).toString('utf8');
    for (const { code } of module.function_defs) {
        for (const { LdU64: value } of code?.code ?? []) {
            if (value === undefined || BigInt(value) >> 63n === 0n) continue;
            const part = (shift, mask) => Number((BigInt(value) >> shift) & mask);
            found.set(text(part(16n, 0xffffn)), { code: part(48n, 0xffn), message: text(part(0n, 0xffffn)) });
        }
    }
    const sorted = [...found].sort(([, a], [, b]) => a.code - b.code);
    const twice = sorted.find(([, { code }], index) => code === 0 || sorted[index + 1]?.[1].code === code);
    if (twice) throw new Error(`the code of ${twice[0]} is 0 or used twice`);
    return sorted;
}

function typeName(module, token) {
    if (typeof token === 'string') return PRIMITIVES[token] ?? token;
    const [kind] = Object.keys(token);
    const inner = token[kind];
    switch (kind) {
        case 'Reference': return `&${typeName(module, inner)}`;
        case 'MutableReference': return `&mut ${typeName(module, inner)}`;
        case 'Vector': return `vector<${typeName(module, inner)}>`;
        case 'Datatype': return datatypeName(module, inner);
        case 'DatatypeInstantiation': {
            const parameters = inner[1].map((parameter) => typeName(module, parameter));
            return `${datatypeName(module, inner[0])}<${parameters.join(', ')}>`;
        }
        case 'TypeParameter': return `T${inner}`;
        default: throw new Error(`unknown type ${kind} in the bytecode`);
    }
}

/** `0x0::module::Name`; 0x0 is this package. */
function datatypeName(module, handle) {
    const { module: owner, name } = module.datatype_handles[handle];
    const { address, name: label } = module.module_handles[owner];
    const short = module.address_identifiers[address].replace(/^0+(?=.)/, '');
    return `0x${short}::${module.identifiers[label]}::${module.identifiers[name]}`;
}
