// Money: built, simulated, signed, executed, seen.

import { Transaction } from '@mysten/sui/transactions';
import { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SUI, address, connect, rich, run, setting } from './setup.mjs';

const client = connect();

function payment(from, to, amount) {
  const transaction = new Transaction();
  transaction.setSender(address(from));
  const [coin] = transaction.splitCoins(transaction.gas, [amount]);
  transaction.transferObjects([coin], to);
  return transaction;
}

test('the network says what it is', async () => {
  const { chainIdentifier } = await client.core.getChainIdentifier();
  assert.equal(chainIdentifier, setting('DEVNET_CHAIN'));
  assert.equal((await client.core.getReferenceGasPrice()).referenceGasPrice, '1000');
  const { systemState } = await client.core.getCurrentSystemState();
  assert.deepEqual([systemState.epoch, systemState.safeMode], ['0', false]);
});

test('a transfer is simulated, then signed, then executed', async () => {
  const ann = await rich();
  const bob = address(new Ed25519Keypair());
  const bytes = await payment(ann, bob, SUI).build({ client });
  const simulated = await client.simulateTransaction({ transaction: bytes, include: { balanceChanges: true } });
  assert.equal(simulated.$kind, 'Transaction');
  const received = (changes) => changes.find((c) => c.address === bob).amount;
  assert.equal(received(simulated.Transaction.balanceChanges), SUI.toString());
  assert.equal((await client.getBalance({ owner: bob })).balance.balance, '0');

  const { signature } = await ann.signTransaction(bytes);
  const include = { effects: true, balanceChanges: true, transaction: true };
  const done = await client.executeTransaction({ transaction: bytes, signatures: [signature], include });
  assert.equal(done.$kind, 'Transaction');
  const { digest, balanceChanges, transaction } = done.Transaction;
  assert.equal(received(balanceChanges), SUI.toString());
  assert.equal(transaction.sender, address(ann));
  const found = await client.waitForTransaction({ digest, include: { bcs: true, effects: true } });
  assert.deepEqual([...found.Transaction.bcs], [...bytes]);
  assert.equal(found.Transaction.epoch, '0');
  assert.equal((await client.getBalance({ owner: bob })).balance.balance, SUI.toString());
  const { objects } = await client.listCoins({ owner: bob });
  assert.deepEqual(objects.map((coin) => coin.balance), [SUI.toString()]);
});

test('a simulation says why it would fail', async () => {
  const ann = await rich();
  const build = payment(ann, address(ann), 5000n * SUI).build({ client });
  await assert.rejects(build, /InsufficientCoinBalance|INSUFFICIENT_COIN_BALANCE|balance/i);
});

test('a sponsor completes what another one only named', async () => {
  const [ann, sponsor] = [await rich(), await rich()];
  const bob = address(new Ed25519Keypair());
  const { objects: [coin] } = await client.listCoins({ owner: address(ann) });
  const wish = new Transaction();
  wish.transferObjects([coin.objectId], bob);
  const kind = await wish.build({ client, onlyTransactionKind: true });

  const transaction = Transaction.fromKind(kind);
  transaction.setSender(address(ann));
  transaction.setGasOwner(address(sponsor));
  const bytes = await transaction.build({ client });
  const signatures = [await ann.signTransaction(bytes), await sponsor.signTransaction(bytes)].map((s) => s.signature);
  const done = await client.executeTransaction({ transaction: bytes, signatures, include: { effects: true } });
  assert.equal(done.$kind, 'Transaction');
  assert.equal((await client.getBalance({ owner: bob })).balance.balance, coin.balance);
});

test('another signature than the sender\'s is refused', async () => {
  const [ann, eve] = [await rich(), await rich()];
  const bytes = await payment(ann, address(eve), SUI).build({ client });
  const { signature } = await eve.signTransaction(bytes);
  const stolen = client.executeTransaction({ transaction: bytes, signatures: [signature] });
  await assert.rejects(stolen, /neither sender nor sponsor/);
});

test('objects are listed page by page and read with their contents', async () => {
  const ann = await rich();
  const seen = [];
  let cursor = null;
  do {
    const page = await client.listOwnedObjects({ owner: address(ann), limit: 2, cursor, include: { json: true } });
    seen.push(...page.objects);
    cursor = page.hasNextPage ? page.cursor : null;
  } while (cursor);
  assert.equal(seen.length, 5);
  assert.ok(seen.every((object) => object.json.balance === (200n * SUI).toString()));
  const ids = seen.map((object) => object.objectId);
  const { objects } = await client.getObjects({ objectIds: [...ids, `0x${'9'.repeat(64)}`] });
  assert.deepEqual(objects.slice(0, 5).map((object) => object.objectId), ids);
  assert.ok(objects[5] instanceof Error);
});

test('transactions are listed from the newest on', async () => {
  const ann = await rich();
  const digests = [];
  for (let n = 0; n < 3; n += 1) {
    digests.push((await run(client, ann, payment(ann, address(ann), 1n))).digest);
  }
  const filter = { sender: address(ann) };
  const first = await client.core.listTransactions({ filter, limit: 2, order: 'descending' });
  const found = first.transactions.map((t) => t.Transaction.digest);
  assert.equal(first.hasNextPage, true);
  assert.ok(found.every((digest) => digests.includes(digest)));
});
