// The bytes that Move and Rust agree on, once more: contracts/k3s_daas/vectors.json with the layouts of interface.json, by an
// implementation of BCS that shares nothing with either.

import { bcs, fromHex, toHex } from '@mysten/bcs';
import { deriveObjectID } from '@mysten/sui/utils';
import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { blake2b } from '@noble/hashes/blake2.js';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const contract = (file) => JSON.parse(readFileSync(new URL(`../../contracts/k3s_daas/${file}`, import.meta.url)));
const layouts = contract('interface.json');
const { vectors, preimages = [] } = contract('vectors.json');

/** SubjectPublicKeyInfo of an Ed25519 key, up to the key. */
const SPKI = '302a300506032b6570032100';

const plain = {
  bool: bcs.bool(),
  u8: bcs.u8(),
  u16: bcs.u16(),
  u32: bcs.u32(),
  // JSON holds numbers up to 2^53 as numbers and others as text.
  u64: bcs.u64().transform({ output: number }),
  u128: bcs.u128().transform({ output: number }),
  address: bcs.bytes(32).transform({ input: fromHex, output: (bytes) => `0x${toHex(bytes)}` }),
  'vector<u8>': bcs.byteVector().transform({ input: fromHex, output: toHex }),
  '0x1::string::String': bcs.string(),
};
plain['0x2::object::ID'] = plain.address;
plain['0x2::object::UID'] = plain.address;

function number(text) {
  const value = BigInt(text);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}

/** The layout of a type as the interface spells it. */
function layout(type) {
  if (type in plain) return plain[type];
  const [, outer, inner] = /^([^<]*)<(.*)>$/.exec(type) ?? [];
  switch (outer) {
    case 'vector': return bcs.vector(layout(inner));
    case '0x1::option::Option': return bcs.option(layout(inner));
    case '0x2::balance::Balance': return plain.u64;
    case '0x2::table::Table': return bcs.struct(type, { id: plain.address, size: plain.u64 });
    case undefined: break;
    default: throw new Error(`the layout of ${type} is not known here`);
  }
  return bcs.struct(type, Object.fromEntries(fields(type).map((field) => [field.name, layout(field.type)])));
}

function fields(type) {
  const [, module, name] = type.split('::');
  return layouts[module].structs[name].fields;
}

const valued = [...vectors, ...preimages].filter((vector) => vector.fields);
const derived = vectors.filter((vector) => vector.kind === 'derived_id');

test('there are vectors of every kind', () => {
  for (const kind of ['object', 'event']) assert.ok(valued.some((vector) => vector.kind === kind), kind);
  assert.ok(derived.length > 0);
});

for (const { name, type, fields: value, hex } of valued) {
  test(`${name}: ${type}`, () => {
    assert.equal(toHex(layout(type).serialize(value).toBytes()), hex);
    assert.deepEqual(layout(type).parse(fromHex(hex)), value);
  });
}

for (const vector of preimages) {
  const bytes = fromHex(vector.hex);
  if (vector.sha256) {
    test(`${vector.name}: SHA-256`, () => assert.equal(createHash('sha256').update(bytes).digest('hex'), vector.sha256));
  }
  if (vector.blake2b256) {
    test(`${vector.name}: BLAKE2b-256`, () => assert.equal(toHex(blake2b(bytes, { dkLen: 32 })), vector.blake2b256));
  }
  if (vector.signature) {
    test(`${vector.name}: Ed25519`, () => {
      const key = createPublicKey({ key: Buffer.from(SPKI + vector.signing_key, 'hex'), format: 'der', type: 'spki' });
      assert.ok(verify(null, bytes, key, Buffer.from(vector.signature, 'hex')));
    });
  }
}

// In order: the package, the parent, the key's fields, the derived id.
for (const { name, kind, type, package: published, ...rest } of derived) {
  test(`${name}: ${type}`, () => {
    const [parent, ...values] = Object.values(rest);
    const id = values.pop();
    const names = fields(type).map((field) => field.name);
    assert.equal(values.length, names.length);
    const key = layout(type).serialize(Object.fromEntries(names.map((field, n) => [field, values[n]]))).toBytes();
    assert.equal(deriveObjectID(parent, type.replace('0x0::', `${published}::`), key), id);
  });
}
