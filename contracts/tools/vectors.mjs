// vectors.json: the bytes of objects and events. Each entry is held here against the compiled layout, and by a Move unit
// test against the VM.

import fs from 'node:fs';
import path from 'node:path';

const INTEGERS = { u8: 1, u16: 2, u32: 4, u64: 8, u128: 16, u256: 32 };

/** What is wrong with vectors.json, as sentences: every hex must be the BCS of its fields, and asserted by a test. */
export function checkVectors(packageDir) {
    const read = (name) => fs.readFileSync(path.join(packageDir, name), 'utf8');
    const layouts = JSON.parse(read('interface.json'));
    const tests = read('tests/vector_tests.move');
    const problems = [];
    for (const { name, type, fields, hex, position } of JSON.parse(read('vectors.json')).vectors) {
        if (fields && encode(layouts, type, fields).toString('hex') !== hex) {
            problems.push(`vectors.json: the hex of "${name}" is not the BCS of its fields`);
        }
        if (!tests.includes(hex ?? position.slice(2))) problems.push(`vectors.json: no test asserts the hex of "${name}"`);
    }
    return problems;
}

/** BCS of `value` as `type`, such as `0x0::staking::PositionState`. Byte vectors are hex strings. */
export function encode(layouts, type, value) {
    const generic = /^(vector|0x1::option::Option|0x2::balance::Balance|0x2::table::Table)<(.*)>$/.exec(type);
    if (type in INTEGERS) return integer(value, INTEGERS[type]);
    if (type === 'bool') return Buffer.of(value ? 1 : 0);
    if (['address', '0x2::object::ID', '0x2::object::UID'].includes(type)) return Buffer.from(value.slice(2), 'hex');
    if (type === '0x1::string::String') return prefixed(Buffer.from(value, 'utf8'));
    if (type === 'vector<u8>') return prefixed(Buffer.from(value, 'hex'));
    if (generic?.[1] === '0x2::balance::Balance') return integer(value, 8);
    if (generic?.[1] === '0x2::table::Table') return Buffer.concat([encode(layouts, 'address', value.id), integer(value.size, 8)]);
    if (generic) {
        const items = generic[1] === 'vector' ? value : [value].filter((item) => item !== null);
        return Buffer.concat([length(items.length), ...items.map((item) => encode(layouts, generic[2], item))]);
    }
    const [, module, name] = type.split('::');
    const { fields } = layouts[module].structs[name];
    return Buffer.concat(fields.map((field) => encode(layouts, field.type, value[field.name])));
}

function integer(value, bytes) {
    const hex = BigInt(value).toString(16).padStart(bytes * 2, '0');
    return Buffer.from(hex, 'hex').reverse();
}

function prefixed(bytes) {
    return Buffer.concat([length(bytes.length), bytes]);
}

/** ULEB128. */
function length(count) {
    const bytes = [];
    for (; count >= 0x80; count >>= 7) bytes.push((count & 0x7f) | 0x80);
    return Buffer.from([...bytes, count]);
}
