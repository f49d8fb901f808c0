// A second verifier, written from docs/audit.md alone. `node verify.mjs FOLDER CLUSTER KEY` prints records, root and how
// many of each kind there are, as JSON; what does not fit ends it with status 1.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const [folder, cluster, key] = process.argv.slice(2);
const sha = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
const prefixed = (prefix, ...parts) => sha(Buffer.from([prefix]), ...parts);
const ensure = (holds, what) => {
  if (!holds) throw new Error(what);
};

// A growing tree: the roots of its perfect subtrees, the largest first.
let peaks = [];
let leaves = 0n;
const push = (leaf) => {
  let hash = leaf;
  for (let n = leaves; n & 1n; n >>= 1n) hash = prefixed(1, peaks.pop(), hash);
  peaks.push(hash);
  leaves += 1n;
};
const root = () => (peaks.length ? peaks.reduceRight((right, left) => prefixed(1, left, right)) : sha());

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }
  take(length) {
    ensure(this.at + length <= this.bytes.length, 'bytes are missing');
    return this.bytes.subarray(this.at, (this.at += length));
  }
  u8 = () => this.take(1)[0];
  u16 = () => this.take(2).readUInt16LE();
  u32 = () => this.take(4).readUInt32LE();
  u64 = () => this.take(8).readBigUInt64LE();
  hash = () => this.take(32);
  length() {
    let value = 0;
    for (let shift = 0, byte = 0x80; byte & 0x80; shift += 7) value |= ((byte = this.u8()) & 0x7f) << shift;
    return value;
  }
  text = () => this.take(this.length()).toString('utf8');
  list = (read) => Array.from({ length: this.length() }, read);
  option = (read) => (this.u8() ? read() : null);
  end = () => ensure(this.at === this.bytes.length, 'there are bytes too many');
}

const entries = [
  (r) => ({ opened: { version: r.text(), torn: r.option(() => [r.u64(), r.hash()]) } }),
  (r) => {
    const peer = [r.take(r.u8() ? 16 : 4), r.u16()];
    const [method, path, verb, group, version, namespace, resource, subresource, name] = Array.from({ length: 9 }, r.text);
    const [query, withheld, command] = [r.list(() => [r.text(), r.text()]), r.u32(), r.option(r.hash)];
    const [kind, user, position] = [r.u8(), r.text(), r.option(r.hash)];
    const who = { kind, user, position, tier: r.option(r.u8), seal: r.option(r.hash), actingAs: r.text() };
    const target = { verb, group, version, namespace, resource, subresource, name };
    return { start: { peer, method, path, target, query, withheld, command, who } };
  },
  (r) => ({
    end: { start: r.u64(), status: r.u16(), reason: r.text(), received: r.u64(), sent: r.u64(), auditId: r.text() },
  }),
  (r) => ({ lost: { requests: r.u64(), ends: r.u64(), since: r.u64(), until: r.u64() } }),
];

let leaf = prefixed(3, Buffer.from(cluster, 'hex'), Buffer.from(key, 'hex'));
const counts = { opened: 0, start: 0, end: 0, lost: 0 };

function record(bytes, said) {
  const r = new Reader(bytes);
  ensure(r.u64() === leaves, 'a record is not where its number says');
  r.u64();
  const entry = entries[r.u8()](r);
  r.end();
  counts[Object.keys(entry)[0]] += 1;
  leaf = prefixed(0, leaf, bytes);
  ensure(leaf.equals(said), 'a record does not match its leaf');
  push(leaf);
}

function header(r, index) {
  ensure(r.take(8).toString() === 'K3DAUDIT', 'no segment');
  const body = new Reader(r.take(r.u32()));
  const hash = sha(r.bytes.subarray(0, r.at));
  ensure(hash.equals(r.hash()), 'a header does not match its hash');
  ensure(body.u16() === 2, 'another format');
  ensure(body.hash().toString('hex') === cluster && body.hash().toString('hex') === key, 'another log');
  ensure(body.u64() === BigInt(index), 'another segment');
  ensure(body.hash().equals(leaf), 'the segment does not continue the one before');
  const tree = [body.u64(), ...body.list(body.hash)];
  ensure(tree[0] === leaves && Buffer.concat(tree.slice(1)).equals(Buffer.concat(peaks)), 'another tree');
  body.u64();
  body.end();
}

function batch(r, index) {
  const begin = r.at;
  ensure(r.take(8).toString() === 'K3DBATCH', 'no batch');
  ensure(r.u64() === BigInt(index) && r.u64() === BigInt(begin), 'a batch was moved');
  ensure(r.u64() === leaves, 'a batch does not continue the one before');
  const [count, length] = [r.u32(), r.u32()];
  ensure(r.hash().equals(leaf), 'a batch does not continue the one before');
  const hash = sha(r.bytes.subarray(begin, r.at));
  ensure(hash.equals(r.hash()), 'a mark does not match its hash');
  const body = new Reader(r.take(length));
  for (let n = 0; n < count; n += 1) record(body.take(body.u32()), body.hash());
  body.end();
  ensure(count || r.at === r.bytes.length, 'bytes follow the mark of the end');
}

const names = readdirSync(folder).filter((name) => /^audit-\d{8,}\.seg$/.test(name));
names.sort((a, b) => parseInt(a.slice(6)) - parseInt(b.slice(6)));
names.forEach((name, index) => {
  ensure(name === `audit-${String(index).padStart(8, '0')}.seg`, 'a segment is missing');
  const r = new Reader(readFileSync(join(folder, name)));
  header(r, index);
  while (r.at < r.bytes.length) batch(r, index);
});
console.log(JSON.stringify({ segments: names.length, records: Number(leaves), root: root().toString('hex'), ...counts }));
