// Signs transaction bytes without a network: the other side of `k3s-daas … --unsigned`.
//
//   scripts/typescript.sh sign.mjs new ed25519|secp256k1|secp256r1   a new key and its address
//   SIGNER_KEY=suiprivkey1… scripts/typescript.sh sign.mjs address   the address of the key
//   SIGNER_KEY=suiprivkey1… scripts/typescript.sh sign.mjs sign      signs the Base64 bytes on the standard input
//
// Several keys, parted by commas, are a multisig of equal weights; SIGNER_THRESHOLD of them must sign, and as many do.
// Answers are one line of JSON.

import { decodeSuiPrivateKey } from '@mysten/sui/cryptography';
import { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { Secp256k1Keypair } from '@mysten/sui/keypairs/secp256k1';
import { Secp256r1Keypair } from '@mysten/sui/keypairs/secp256r1';
import { MultiSigPublicKey } from '@mysten/sui/multisig';
import { Transaction } from '@mysten/sui/transactions';
import { fromBase64 } from '@mysten/sui/utils';
import { readFileSync } from 'node:fs';

const SCHEMES = { ed25519: Ed25519Keypair, secp256k1: Secp256k1Keypair, secp256r1: Secp256r1Keypair };

function newKey(scheme) {
  const keypair = schemeOf(scheme).generate();
  return { scheme, key: keypair.getSecretKey(), address: keypair.toSuiAddress() };
}

function schemeOf(name = '') {
  const found = Object.entries(SCHEMES).find(([scheme]) => scheme === name.toLowerCase());
  if (!found) throw new Error(`no scheme ${JSON.stringify(name)}: one of ${Object.keys(SCHEMES).join(', ')}`);
  return found[1];
}

/** The keys of the environment and who they are together. */
function signers() {
  const keys = (process.env.SIGNER_KEY ?? '').split(',').filter((key) => key !== '');
  if (keys.length === 0) throw new Error('SIGNER_KEY is not set: a key as suiprivkey1…, or several parted by commas');
  const keypairs = keys.map((key) => schemeOf(decodeSuiPrivateKey(key.trim()).scheme).fromSecretKey(key.trim()));
  if (keypairs.length === 1) return { keypairs, address: keypairs[0].toSuiAddress() };
  const threshold = Number(process.env.SIGNER_THRESHOLD ?? keypairs.length);
  const publicKeys = keypairs.map((keypair) => ({ publicKey: keypair.getPublicKey(), weight: 1 }));
  const multisig = MultiSigPublicKey.fromPublicKeys({ threshold, publicKeys });
  return { keypairs: keypairs.slice(0, threshold), multisig, address: multisig.toSuiAddress() };
}

async function sign(text) {
  if (text.trim() === '') throw new Error('the standard input is empty: it should be transaction bytes in Base64');
  const bytes = fromBase64(text.trim());
  const transaction = Transaction.from(bytes);
  const { keypairs, multisig, address } = signers();
  const signatures = await Promise.all(keypairs.map(async (keypair) => (await keypair.signTransaction(bytes)).signature));
  const signature = multisig ? multisig.combinePartialSignatures(signatures) : signatures[0];
  return { address, sender: transaction.getData().sender, digest: await transaction.getDigest(), signature };
}

async function main([command, argument]) {
  switch (command) {
    case 'new': return newKey(argument);
    case 'address': return { address: signers().address };
    case 'sign': return sign(readFileSync(0, 'utf8'));
    default: throw new Error('one of: new SCHEME, address, sign');
  }
}

try {
  console.log(JSON.stringify(await main(process.argv.slice(2))));
} catch (error) {
  console.error(`sign.mjs: ${error.message}`);
  process.exitCode = 1;
}
