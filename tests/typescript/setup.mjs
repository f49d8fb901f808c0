// The network that the tests run against, and who they are. Whoever starts them says so in the environment.

import { requestSuiFromFaucetV2 } from '@mysten/sui/faucet';
import { SuiGrpcClient } from '@mysten/sui/grpc';
import { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';

export const SUI = 1_000_000_000n;

/** A setting the tests cannot do without. */
export function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run scripts/typescript.sh from a test that starts a network`);
  return value;
}

export function connect() {
  return new SuiGrpcClient({ network: 'devnet', baseUrl: setting('DEVNET_RPC') });
}

/** A wallet with the faucet's money. */
export async function rich() {
  const wallet = new Ed25519Keypair();
  const sent = await requestSuiFromFaucetV2({ host: setting('DEVNET_FAUCET'), recipient: address(wallet) });
  if (sent.coins_sent.length === 0) throw new Error('the faucet sent nothing');
  return wallet;
}

export function address(wallet) {
  return wallet.toSuiAddress();
}

/** Builds, signs and executes; the transaction must succeed. */
export async function run(client, wallet, transaction) {
  const done = await client.signAndExecuteTransaction({
    transaction,
    signer: wallet,
    include: { effects: true, events: true, objectTypes: true, balanceChanges: true },
  });
  if (done.$kind !== 'Transaction') throw new Error(JSON.stringify(done.FailedTransaction.status));
  await client.waitForTransaction({ result: done });
  return done.Transaction;
}
