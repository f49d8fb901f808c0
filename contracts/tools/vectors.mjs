// vectors.json: the bytes of objects and events, and of what is signed or hashed, with the values they mean. The Move unit
// tests say them (`vector_tests`), this writes them down, and tests/vectors.move holds the VM to what is written.

import fs from 'node:fs';
import path from 'node:path';
import { packageDir, runTests, Failure } from './compiler.mjs';

const INTEGERS = { u8: 1, u16: 2, u32: 4, u64: 8, u128: 16, u256: 32 };
const IDS = ['address', '0x2::object::ID', '0x2::object::UID'];
const files = { json: path.join(packageDir, 'vectors.json'), move: path.join(packageDir, 'tests', 'vectors.move') };
const NOTE =
    'BCS, 0x0 being the package. `fields` in order as compiled; byte vectors are hex, amounts MIST. An event\'s BCS equals ' +
    '`state` followed by the other fields. `vectors` are objects, events and derived ids; `preimages` are what is signed or ' +
    'hashed. Written by `node contracts/tools/move.mjs vectors` and asserted by the unit tests.';

/** Runs the tests until they have said everything, and writes it down. Returns how much that is. */
export async function writeVectors(sources, layouts) {
    const others = (file) => file.startsWith('tests/') && file.endsWith('_tests.move') && file !== 'tests/vector_tests.move';
    const asked = Object.fromEntries(Object.entries(sources).filter(([file]) => !others(file)));
    const facts = [];
    for (let said; said !== 0; ) {
        const { passed, output } = await runTests({ ...asked, 'tests/vectors.move': telling(facts) });
        said = listen(output, facts);
        if (said === 0 && !passed) throw new Failure(output);
    }
    const vectors = new Map();
    for (const { kind, name, type, hex } of facts) {
        const entry = vectors.get(name) ?? { name, kind, type };
        if (kind.startsWith('derived ')) {
            const field = kind.slice('derived '.length);
            Object.assign(entry, { kind: 'derived_id', [field]: derivedValue(field, hex) });
        } else if (['event', 'object', 'preimage'].includes(kind)) {
            Object.assign(entry, { fields: decode(layouts, type, hex), hex });
        } else entry[kind] = hex;
        vectors.set(name, entry);
    }
    const all = [...vectors.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const preimages = all.filter(({ kind }) => kind === 'preimage');
    const written = { note: NOTE, vectors: all.filter((vector) => !preimages.includes(vector)), preimages };
    fs.writeFileSync(files.json, `${JSON.stringify(written, null, 2)}\n`);
    fs.writeFileSync(files.move, asserting(written));
    return all.length;
}

/**
 * The VM prints nothing but stack traces, so a test tells bytes by calling itself: the line of each frame is a byte. Adds
 * what was told to `facts`; returns how many told something.
 */
function listen(output, facts) {
    const traces = output.split('stack trace\n').slice(1).map((trace) => [...trace.matchAll(/vectors::tell\(.*:(\d+)\)/g)]);
    const told = traces.filter((frames) => frames.length > 0);
    for (const frames of told) {
        const bytes = Buffer.from(frames.map(([, line]) => Number(line) - TELLING_LINE).reverse());
        const parts = bytes.toString('latin1').split('|');
        const [kind, name, rawType] = parts;
        const rest = bytes.subarray(kind.length + name.length + rawType.length + 3).toString('hex');
        const known = facts.find((fact) => fact.kind === kind && fact.name === name);
        if (known) known.hex += rest;
        else facts.push({ kind, name, type: rawType.replace(/^0+::/, '0x0::'), hex: rest });
    }
    return told.length;
}

/** What is wrong with vectors.json, as sentences. */
export function checkVectors(layouts) {
    const written = JSON.parse(fs.readFileSync(files.json, 'utf8'));
    const problems = [...written.vectors, ...written.preimages]
        .filter(({ type, fields, hex }) => fields && encode(layouts, type, fields).toString('hex') !== hex)
        .map(({ name }) => `vectors.json: the hex of "${name}" is not the BCS of its fields`);
    if (fs.readFileSync(files.move, 'utf8') !== asserting(written)) {
        problems.push('tests/vectors.move is not made of vectors.json: run `node contracts/tools/move.mjs vectors`');
    }
    return problems;
}

/** In `telling`, the line that stands for byte 0. */
const TELLING_LINE = 11;

/** In place of tests/vectors.move: who says something that is not among `facts` tells it. */
function telling(facts) {
    const bytes = Array.from({ length: 256 }, (_, byte) => `        ${byte} => tell(bytes, next),\n`).join('');
    const known = facts.map(({ kind, name, hex }) => `    if (kind == b"${kind}" && name == b"${name}") known = x"${hex}";\n`).join('');
    return `#[test_only]
module k3s_daas::vectors;



#[allow(unused_mut)]
fun tell(bytes: &vector<u8>, index: u64) {
    if (index == bytes.length()) abort;
    let next = index + 1;
    match (bytes[index]) {
${bytes}        _ => abort,
    }
}

public fun assert_known(kind: vector<u8>, name: vector<u8>, type_name: vector<u8>, bytes: vector<u8>) {
    let mut known = vector[];
${known}    if (known == bytes) return;
    let mut line = vector[];
    vector[kind, name, type_name].do!(|part| {
        line.append(part);
        line.push_back(0x7C);
    });
    let count = 600u64.min(bytes.length() - known.length());
    count.do!(|index| line.push_back(bytes[known.length() + index]));
    tell(&line, 0);
}
`;
}

function asserting({ vectors, preimages }) {
    const cases = [...vectors, ...preimages].flatMap((vector) => facts(vector).map(([kind, hex]) => [vector, kind, hex]));
    const branches = cases.map(([{ name, type }, kind, hex]) => {
        const rawType = type.replace(/^0x0::/, `${'0'.repeat(64)}::`);
        return `    if (kind == b"${kind}" && name == b"${name}") {\n        assert!(type_name == b"${rawType}");\n        assert!(bytes == x"${hex}");\n        return\n    };\n`;
    });
    return `/// The bytes in \`vectors.json\`. Made of it by \`node contracts/tools/move.mjs vectors\`; do not edit.
#[test_only]
module k3s_daas::vectors;

public fun assert_known(
    kind: vector<u8>,
    name: vector<u8>,
    type_name: vector<u8>,
    bytes: vector<u8>,
) {
${branches.join('')}    abort
}
`;
}

/** The pairs of kind and hex that the tests say of a vector. */
function facts({ name, kind, type, fields, hex, ...rest }) {
    if (kind === 'derived_id') return Object.entries(rest).map(([field, value]) => [`derived ${field}`, derivedHex(field, value)]);
    return [[kind, hex], ...Object.entries(rest)];
}

function derivedValue(field, hex) {
    if (field === 'salt') return Number(Buffer.from(hex, 'hex').readBigUInt64LE());
    return field === 'key' ? hex.slice(2) : `0x${hex}`;
}

function derivedHex(field, value) {
    if (field === 'salt') return integer(value, 8).toString('hex');
    return field === 'key' ? prefixed(Buffer.from(value, 'hex')).toString('hex') : value.slice(2);
}

/** BCS of `value` as `type`, such as `0x0::position::PositionState`. Byte vectors are hex strings. */
export function encode(layouts, type, value) {
    const generic = /^(vector|0x1::option::Option|0x2::balance::Balance|0x2::table::Table)<(.*)>$/.exec(type);
    if (type in INTEGERS) return integer(value, INTEGERS[type]);
    if (type === 'bool') return Buffer.of(value ? 1 : 0);
    if (IDS.includes(type)) return Buffer.from(value.slice(2), 'hex');
    if (type === '0x1::string::String') return prefixed(Buffer.from(value, 'utf8'));
    if (type === 'vector<u8>') return prefixed(Buffer.from(value, 'hex'));
    if (generic?.[1] === '0x2::balance::Balance') return integer(value, 8);
    if (generic?.[1] === '0x2::table::Table') return Buffer.concat([encode(layouts, 'address', value.id), integer(value.size, 8)]);
    if (generic) {
        const items = generic[1] === 'vector' ? value : [value].filter((item) => item !== null);
        return Buffer.concat([length(items.length), ...items.map((item) => encode(layouts, generic[2], item))]);
    }
    return Buffer.concat(fieldsOf(layouts, type).map((field) => encode(layouts, field.type, value[field.name])));
}

/** The value whose BCS as `type` is `hex`. */
function decode(layouts, type, hex) {
    const reader = { rest: Buffer.from(hex, 'hex') };
    const value = read(layouts, type, reader);
    if (reader.rest.length > 0) throw new Failure(`${type} is longer than its layout`);
    return value;
}

function read(layouts, type, reader) {
    const generic = /^(vector|0x1::option::Option|0x2::balance::Balance|0x2::table::Table)<(.*)>$/.exec(type);
    if (type in INTEGERS) return number(take(reader, INTEGERS[type]));
    if (type === 'bool') return take(reader, 1)[0] === 1;
    if (IDS.includes(type)) return `0x${take(reader, 32).toString('hex')}`;
    if (type === '0x1::string::String') return take(reader, readLength(reader)).toString('utf8');
    if (type === 'vector<u8>') return take(reader, readLength(reader)).toString('hex');
    if (generic?.[1] === '0x2::balance::Balance') return number(take(reader, 8));
    if (generic?.[1] === '0x2::table::Table') return { id: read(layouts, 'address', reader), size: number(take(reader, 8)) };
    if (generic) {
        const items = Array.from({ length: readLength(reader) }, () => read(layouts, generic[2], reader));
        return generic[1] === 'vector' ? items : (items[0] ?? null);
    }
    return Object.fromEntries(fieldsOf(layouts, type).map((field) => [field.name, read(layouts, field.type, reader)]));
}

function fieldsOf(layouts, type) {
    const [, module, name] = type.split('::');
    return layouts[module].structs[name].fields;
}

function take(reader, count) {
    const taken = reader.rest.subarray(0, count);
    reader.rest = reader.rest.subarray(count);
    return taken;
}

/** A number as JSON holds it exactly; above 2^53 as text. */
function number(bytes) {
    const value = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
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

function readLength(reader) {
    let count = 0;
    for (let shift = 0; ; shift += 7) {
        const [byte] = take(reader, 1);
        count |= (byte & 0x7f) << shift;
        if (byte < 0x80) return count;
    }
}
