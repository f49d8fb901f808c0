//! Checkpoint 0: the clock, the faucet's money, and in the summary what the network is pinned by.

use crate::checkpoint::Sealer;
use crate::ledger::{Changes, Ledger, StoredCheckpoint};
use crate::objects::{CLOCK, clock_type, coin_contents, object};
use crate::system::{self, VERSION};
use crate::{DevnetError, StoreError};
use daas_types::genesis::{DevnetAnchor, Genesis};
use daas_types::{Digest, UnixMs};
use sui_sdk_types::{Address, GenesisObject, GenesisTransaction, Object, Owner, StructTag, TransactionKind};

/// The faucet's coins: 20 of 100 million SUI.
const FAUCET_COINS: u64 = 20;
const FAUCET_COIN_MIST: u64 = 100_000_000 * 1_000_000_000;

/// Writes checkpoint 0 if the ledger is empty; otherwise checks that it is this validator's and this TEE root's.
pub(crate) fn establish(
    ledger: &Ledger,
    sealer: &Sealer,
    faucet: Address,
    tee_root: [u8; 32],
    now: UnixMs,
) -> Result<(Genesis, StoredCheckpoint), DevnetError> {
    let anchor = DevnetAnchor { validator: validator_key(sealer), tee_root };
    let checkpoint = match ledger.view()?.checkpoint(0)? {
        Some(checkpoint) => checkpoint,
        None => write(ledger, sealer, faucet, &anchor, now)?,
    };
    let summary = bcs::to_bytes(&checkpoint.summary).expect("summaries must serialize");
    let genesis = Genesis::pinned(checkpoint.summary.digest(), &summary)
        .map_err(|e| StoreError::Corrupt { table: "checkpoints", cause: e.to_string() })?;
    let stored = genesis.devnet().ok_or_else(|| StoreError::Corrupt {
        table: "checkpoints",
        cause: "checkpoint 0 is not a devnet's".to_owned(),
    })?;
    same("the validator", &stored.validator, &anchor.validator)?;
    same("the simulated TEE's root", &stored.tee_root, &anchor.tee_root)?;
    Ok((genesis, checkpoint))
}

fn write(
    ledger: &Ledger,
    sealer: &Sealer,
    faucet: Address,
    anchor: &DevnetAnchor,
    now: UnixMs,
) -> Result<StoredCheckpoint, DevnetError> {
    let coins = (0..FAUCET_COINS).map(|n| coin(Address::derive_id(Digest::ZERO, n), faucet));
    let bare: Vec<Object> = std::iter::once(clock()).chain(coins).collect();
    let objects = bare.iter().map(|o| GenesisObject::new(o.data().clone(), *o.owner())).collect();
    let transaction = system::transaction(TransactionKind::Genesis(GenesisTransaction { objects }));
    let digest = transaction.digest();
    let mut changes = Changes::default();
    for o in bare {
        let owned = Object::new(o.data().clone(), *o.owner(), digest, o.storage_rebate());
        changes.written.insert(owned.object_id(), owned);
    }
    let stored = system::executed(transaction, None, now.0, &changes);
    let transactions = [stored];
    let checkpoint = sealer.seal(None, &transactions, now.0, anchor.to_version_specific_data());
    ledger.append(&checkpoint, &transactions, &changes)?;
    Ok(checkpoint)
}

/// `Clock { id, timestamp_ms }`. The time a transaction sees is its checkpoint's, not what is stored here.
fn clock() -> Object {
    let contents = [CLOCK.as_bytes(), &0_u64.to_le_bytes()].concat();
    object(clock_type(), false, VERSION, contents, Owner::Shared(VERSION), Digest::ZERO)
}

fn coin(id: Address, owner: Address) -> Object {
    let contents = coin_contents(id, FAUCET_COIN_MIST);
    object(StructTag::gas_coin(), true, VERSION, contents, Owner::Address(owner), Digest::ZERO)
}

fn validator_key(sealer: &Sealer) -> Vec<u8> {
    sealer.committee(0).members.iter().flat_map(|m| m.public_key.as_bytes().to_vec()).collect()
}

fn same(what: &'static str, expected: &[u8], got: &[u8]) -> Result<(), DevnetError> {
    if expected == got {
        return Ok(());
    }
    Err(DevnetError::ForeignState { what, expected: hex::encode(expected), got: hex::encode(got) })
}
