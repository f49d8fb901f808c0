// The contract: published, described, called, listened to.

import { Transaction } from '@mysten/sui/transactions';
import { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { address, connect, rich, run, setting } from './setup.mjs';

const client = connect();
const compiled = JSON.parse(readFileSync(new URL('../../contracts/k3s_daas/compiled.json', import.meta.url)));

/** Whoever holds the cluster's admin capability. */
function admin() {
  return Ed25519Keypair.fromSecretKey(setting('DEVNET_KEY'));
}

/** Names the operator's positions; the arguments' types come from the network. */
function setOperators(cluster, positions) {
  const transaction = new Transaction();
  transaction.moveCall({
    target: `${setting('DEVNET_PACKAGE')}::cluster::set_operator_positions`,
    arguments: [
      transaction.object(setting('DEVNET_ADMIN_CAP')),
      transaction.object(cluster),
      transaction.pure.vector('address', positions),
    ],
  });
  return transaction;
}

test('the compiled package is published', async () => {
  const ann = await rich();
  const transaction = new Transaction();
  const modules = Object.values(compiled.modules);
  const cap = transaction.publish({ modules, dependencies: compiled.dependencies });
  transaction.transferObjects([cap], address(ann));
  const done = await run(client, ann, transaction);
  const made = done.effects.changedObjects.find((o) => o.outputState === 'PackageWrite');
  const caps = await client.listOwnedObjects({ owner: address(ann), type: '0x2::package::UpgradeCap', include: { json: true } });
  assert.deepEqual(caps.objects.map((o) => o.json.package), [made.objectId]);
});

test('another package is refused, and the answer says so', async () => {
  const ann = await rich();
  const transaction = new Transaction();
  transaction.setSender(address(ann));
  const modules = Object.values(compiled.modules).slice(1);
  const cap = transaction.publish({ modules, dependencies: compiled.dependencies });
  transaction.transferObjects([cap], address(ann));
  await assert.rejects(transaction.build({ client }), new RegExp(`executes the package with digest ${compiled.digest} only`));
});

test('a function is described', async () => {
  const { function: found } = await client.core.getMoveFunction({
    packageId: setting('DEVNET_PACKAGE'),
    moduleName: 'cluster',
    name: 'set_operator_positions',
  });
  assert.equal(found.isEntry, true);
  assert.deepEqual(found.parameters.slice(0, 2).map((p) => p.reference), ['immutable', 'mutable']);
  assert.equal(found.parameters[2].body.$kind, 'vector');
});

test('a call changes the object, and its event is heard and listed', async () => {
  const stop = new AbortController();
  const types = { terms: [{ literals: [{ negated: false, predicate: {
    oneofKind: 'emitModule',
    emitModule: { module: `${setting('DEVNET_PACKAGE')}::cluster` },
  } }] }] };
  const paths = ['checkpoint', 'transaction_digest', 'event_type', 'contents', 'json'];
  const stream = client.subscriptionService.subscribeEvents(
    { filter: types, readMask: { paths } },
    { abort: stop.signal },
  );
  const frames = stream.responses[Symbol.asyncIterator]();
  // The first frame says where the stream stands: from there on nothing is missed.
  const first = (await frames.next()).value;
  assert.equal(first.event, undefined);

  const positions = [`0x${'7'.repeat(64)}`];
  const done = await run(client, admin(), setOperators(setting('DEVNET_CLUSTER'), positions));
  assert.equal(done.events.length, 1);
  let heard;
  do heard = (await frames.next()).value.event; while (!heard);
  stop.abort();
  assert.equal(heard.transactionDigest, done.digest);
  assert.deepEqual([...heard.contents.value], [...done.events[0].bcs]);

  const { events } = await client.listEvents({ filter: { emitModule: `${setting('DEVNET_PACKAGE')}::cluster` } });
  assert.equal(events.at(-1).transactionDigest, done.digest);
  const { object } = await client.getObject({ objectId: setting('DEVNET_CLUSTER'), include: { json: true } });
  assert.ok(JSON.stringify(object.json).includes(positions[0]), JSON.stringify(object.json));
});

test('an abort has the name the contract gave it', async () => {
  const transaction = setOperators(setting('DEVNET_OTHER_CLUSTER'), []);
  transaction.setSender(address(admin()));
  await assert.rejects(transaction.build({ client }), /EForeignCap/);
});

test('a table is read by its dynamic fields', async () => {
  const { object } = await client.getObject({ objectId: setting('DEVNET_REGISTRY'), include: { json: true } });
  const { positions } = object.json;
  const { dynamicFields } = await client.listDynamicFields({ parentId: positions.id, include: { value: true } });
  assert.equal(dynamicFields.length, Number(positions.size));
  assert.equal(dynamicFields.length, 1);
  assert.equal(dynamicFields[0].name.type, 'u64');
});
