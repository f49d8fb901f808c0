// What enclaves sign in the Move tests: tests/signatures.move, made of fixed keys. `move.mjs test` sees that it is current.
//   node contracts/tools/signatures.mjs

import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const file = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'k3s_daas', 'tests', 'signatures.move');

/** The first cluster of every test scenario, and the one that a test founds beside it. */
const CLUSTERS = { first: '0xd726ecf6f7036ee3557cd6c7b93a49b231070e8eecada9cfa157e40e3f02e5d3', foreign: '0x'.padEnd(66, 'f') };
const SEQUENCES = 12;
const ROOT = Buffer.alloc(32, 0xa1);
const OTHER_ROOT = Buffer.alloc(32, 0xb2);

/** Seeds of 32 equal bytes: no secrets. */
const [key, otherKey] = [1, 2].map((byte) => {
    const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, byte)]);
    const secret = crypto.createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
    const spki = crypto.createPublicKey(secret).export({ format: 'der', type: 'spki' });
    return { public: spki.subarray(-32), sign: (message) => crypto.sign(null, message, secret) };
});

/** BCS of `enclave::AuditRoot`. */
function auditRoot(cluster, sequence, root) {
    return Buffer.concat([bytes('k3s-daas/audit-root'), Buffer.from(cluster.slice(2), 'hex'), u64(sequence), bytes(root)]);
}

/** BCS of `enclave::IntentMessage`. */
function intentMessage(intent, timestampMs, payload) {
    return Buffer.concat([Buffer.of(intent), u64(timestampMs), bytes(payload)]);
}

function bytes(value) {
    return Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
}

function u64(value) {
    const buffer = Buffer.alloc(8);
    buffer.writeBigUInt64LE(BigInt(value));
    return buffer;
}

/** The text of tests/signatures.move. */
export function signaturesModule() {
    const hex = (value) => `x"${value.toString('hex')}"`;
    const constant = (name, value) => `public fun ${name}(): vector<u8> {\n    ${hex(value)}\n}\n`;
    const rootSignatures = (root) =>
        Array.from({ length: SEQUENCES }, (_, sequence) => `        ${hex(key.sign(auditRoot(CLUSTERS.first, sequence, root)))},\n`).join('');
    const bySequence = (name, root) =>
        `public fun ${name}(sequence: u64): vector<u8> {\n    vector[\n${rootSignatures(root)}    ][sequence]\n}\n`;
    return [
        '/// Signatures of two fixed Ed25519 keys. Made by `node contracts/tools/signatures.mjs`; do not edit.\n' +
            '#[test_only]\nmodule k3s_daas::signatures;\n',
        '/// The cluster whose audit roots are signed: the first of every scenario.\n' +
            `public fun cluster(): address { @${CLUSTERS.first} }\n`,
        constant('key', key.public),
        constant('other_key', otherKey.public),
        constant('root', ROOT),
        constant('other_root', OTHER_ROOT),
        `/// By \`key\`, of \`root\` under each sequence number from 0 to ${SEQUENCES - 1}.\n` + bySequence('of_root', ROOT),
        '/// The same of `other_root`.\n' + bySequence('of_other_root', OTHER_ROOT),
        '/// By `other_key`, of `other_root` under 7.\n' +
            constant('of_other_root_by_other_key', otherKey.sign(auditRoot(CLUSTERS.first, 7, OTHER_ROOT))),
        '/// By `key`, of `other_root` under 7, for another cluster.\n' +
            constant('of_other_root_for_another_cluster', key.sign(auditRoot(CLUSTERS.foreign, 7, OTHER_ROOT))),
        '/// By `key`, of the message with intent 3, time 1,000,000 and payload "hello".\n' +
            constant('of_message', key.sign(intentMessage(3, 1_000_000, 'hello'))),
    ].join('\n');
}

/** Whether the checked-in file is what this makes. */
export function signaturesAreCurrent() {
    return fs.existsSync(file) && fs.readFileSync(file, 'utf8') === signaturesModule();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) fs.writeFileSync(file, signaturesModule());
