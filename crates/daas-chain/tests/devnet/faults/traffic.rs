//! Transactions: of stakers, of those who have an office, and of another cluster that shares the package.

use super::dice::Dice;
use crate::world::{PATIENCE, World, spec};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use core::time::Duration;
use daas_chain::index::IndexIds;
use daas_chain::ops::{Call, Ops, Pcrs, SealSpec, SlashSpec, StakeSpec};
use daas_types::onchain::{PositionKey, position_id};
use daas_types::{Digest, Mist, Permissions, PositionId, SealSecret};
use futures::future::join_all;
use sui_crypto::SuiSigner;
use sui_rpc::Client;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{Transaction, UserSignature};
use tokio::task::JoinSet;
use tonic::{Code, Status};

const STAKERS: u8 = 6;
/// Seed of the first staker's wallet.
const FIRST: u8 = 20;
const SMALL: Mist = Mist(50_000_000);

/// Somebody, with one transaction at a time.
struct Person {
    ops: Ops,
    does: Office,
}

#[derive(Clone, Copy)]
enum Office {
    /// Of a position in this cluster.
    Staker(IndexIds),
    Admin,
    Proposer,
    Judge,
}

pub(crate) struct Traffic {
    people: Vec<Person>,
    dice: Dice,
    /// Whether there are positions.
    began: bool,
    /// Numbers that were used.
    used: u64,
    /// Transactions that did what they were to do.
    pub(crate) succeeded: u64,
    /// Those that the contract aborted. They are in checkpoints too.
    pub(crate) failed: u64,
}

/// A transaction of everybody.
pub(crate) struct Batch {
    all: Vec<Signed>,
    sending: JoinSet<Result<(), Status>>,
}

#[derive(Clone)]
struct Signed {
    transaction: Transaction,
    signature: UserSignature,
}

/// What became of a batch.
pub(crate) struct Settled {
    /// The checkpoint in which the last of it is.
    pub(crate) last: u64,
    succeeded: u64,
    failed: u64,
}

// === impl Traffic ===

impl Traffic {
    pub(crate) async fn start(world: &World, dice: Dice) -> Self {
        let other = world.rich(FIRST - 1).await;
        let (elsewhere, _) = other.create_cluster(world.ids.package, &spec()).await.unwrap();
        let person = |ops, does| Person { ops, does };
        let mut people = vec![
            person(world.operator.clone(), Office::Admin),
            person(world.proposer.clone(), Office::Proposer),
            person(world.judge.clone(), Office::Judge),
            person(other, Office::Staker(elsewhere)),
        ];
        for seed in FIRST..FIRST + STAKERS {
            people.push(person(world.rich(seed).await, Office::Staker(world.ids)));
        }
        Self { people, dice, began: false, used: 0, succeeded: 0, failed: 0 }
    }

    /// How many transactions are in a batch.
    pub(crate) fn people(&self) -> u64 {
        u64::try_from(self.people.len()).unwrap()
    }

    /// Something that each may do next; some of it the contract refuses. Nothing is sent.
    pub(crate) async fn batch(&mut self, world: &World) -> Batch {
        let Self { people, dice, began, used, .. } = self;
        let mut stakers =
            people.iter().rev().filter(|person| matches!(person.does, Office::Staker(ids) if ids == world.ids));
        // Always the same one, so that the others may go on.
        let victim = position(&world.ids, &stakers.next().unwrap().ops);
        let built = people.iter().map(|person| {
            *used += 1;
            person.next(world, Chance { any: dice.below(100), victim, unique: *used }, *began)
        });
        let built: Vec<_> = built.collect();
        let all = join_all(built).await;
        *began = true;
        Batch { all, sending: JoinSet::new() }
    }

    pub(crate) fn count(&mut self, settled: &Settled) {
        self.succeeded += settled.succeeded;
        self.failed += settled.failed;
    }
}

/// What a person's next step hangs on.
#[derive(Clone, Copy)]
struct Chance {
    any: u64,
    victim: PositionId,
    unique: u64,
}

// === impl Person ===

impl Person {
    async fn next(&self, world: &World, chance: Chance, began: bool) -> Signed {
        match self.does {
            Office::Staker(ids) if began => self.keeps(&ids, chance).await,
            Office::Staker(ids) => self.stakes(&ids, chance).await,
            _ if !began => self.signed(self.ops.transfer(self.ops.sender(), SMALL)).await,
            Office::Admin => self.administers(world, chance).await,
            Office::Proposer | Office::Judge if chance.any < 60 => {
                self.signed(self.ops.transfer(self.ops.sender(), SMALL)).await
            }
            Office::Proposer => {
                let mut slash = SlashSpec { reason: 1 + u8::try_from(chance.any % 5).unwrap(), ..world.slash() };
                slash.evidence_hash[..8].copy_from_slice(&chance.unique.to_le_bytes());
                self.signed(self.ops.propose_slash(&world.ids, chance.victim, &slash)).await
            }
            Office::Judge => match chance.any {
                60..85 => self.signed(self.ops.cancel_slash(&world.ids, chance.victim)).await,
                85..95 => self.signed(self.ops.reduce_slash(&world.ids, chance.victim, SMALL)).await,
                _ => self.signed(self.ops.uphold_slash(&world.ids, chance.victim)).await,
            },
        }
    }

    async fn stakes(&self, ids: &IndexIds, chance: Chance) -> Signed {
        let node_id = Some(format!("node-{}", chance.unique).parse().unwrap());
        let seal = seal(ids, position(ids, &self.ops));
        let spec = StakeSpec { amount: Mist::from_sui(20), salt: 0, node_id, seal };
        self.signed(self.ops.stake_and_mint_seal(ids, &spec)).await
    }

    async fn keeps(&self, ids: &IndexIds, chance: Chance) -> Signed {
        let (ops, id) = (&self.ops, position(ids, &self.ops));
        match chance.any {
            _ if id == chance.victim && chance.any < 30 => self.signed(ops.appeal_slash(ids, id, "it was not I")).await,
            0..50 => self.signed(ops.restake(ids, id, SMALL)).await,
            50..60 => self.signed(ops.unstake(ids, id, SMALL)).await,
            60..80 => self.signed(ops.refresh_seal_token(ids, id, None, &seal(ids, id))).await,
            80..95 => self.signed(ops.revoke_all_seals(ids, id)).await,
            _ => self.signed(ops.set_operator(ids, id, ops.sender())).await,
        }
    }

    async fn administers(&self, world: &World, chance: Chance) -> Signed {
        let (ops, ids) = (&self.ops, &world.ids);
        let pcr = |n: u64| [u8::try_from(1 + n % 4).unwrap(); 48];
        match chance.any {
            0..40 => self.signed(ops.set_operator_positions(ids, &[chance.victim])).await,
            40..60 => {
                let pcrs = Pcrs { pcr0: pcr(chance.any), pcr1: [2; 48], pcr2: [3; 48] };
                self.signed(ops.announce_measurement(ids, &pcrs)).await
            }
            60..80 => self.signed(ops.revoke_measurement(ids, &pcr(chance.any))).await,
            _ => {
                let mut policy = spec().policy;
                policy.node_minimum = Mist(policy.node_minimum.0 + chance.unique);
                self.signed(ops.announce_policy(ids, &policy)).await
            }
        }
    }

    async fn signed<O>(&self, call: Call<'_, O>) -> Signed {
        let unsigned = call.unsigned().await.unwrap().to_string();
        let transaction: Transaction = bcs::from_bytes(&STANDARD.decode(unsigned).unwrap()).unwrap();
        let signature = self.ops.wallet().sign_transaction(&transaction).unwrap();
        Signed { transaction, signature }
    }
}

// === impl Batch ===

impl Batch {
    /// Sends all at once, once.
    pub(crate) fn send(&mut self, rpc: &str) {
        for signed in &self.all {
            let (signed, client) = (signed.clone(), Client::new(rpc).unwrap());
            self.sending.spawn(async move { signed.send(client).await });
        }
    }

    /// Waits for the first of them to be answered.
    pub(crate) async fn first_answer(&mut self) {
        let answer = tokio::time::timeout(PATIENCE, self.sending.join_next()).await;
        // Whatever it is.
        let _ = answer.expect("a transaction must be answered").unwrap().unwrap();
    }

    /// Sends again what was refused, until all of it is in checkpoints. The network does not fail any more.
    pub(crate) async fn settled(mut self, rpc: &str) -> Settled {
        while let Some(answer) = self.sending.join_next().await {
            let _ = answer.unwrap();
        }
        let (mut settled, client) = (Settled { last: 0, succeeded: 0, failed: 0 }, Client::new(rpc).unwrap());
        for signed in self.all {
            let digest = signed.transaction.digest();
            let executed = match look_up(client.clone(), digest).await {
                Err(status) if status.code() == Code::NotFound => {
                    signed.send(client.clone()).await.unwrap();
                    look_up(client.clone(), digest).await.unwrap()
                }
                found => found.unwrap(),
            };
            settled.last = settled.last.max(executed.checkpoint());
            let success = executed.effects().status().success();
            *if success { &mut settled.succeeded } else { &mut settled.failed } += 1;
        }
        settled
    }
}

// === impl Signed ===

impl Signed {
    async fn send(&self, mut client: Client) -> Result<(), Status> {
        let request = proto::ExecuteTransactionRequest::new(self.transaction.clone().into())
            .with_signatures(vec![self.signature.clone().into()])
            .with_read_mask(FieldMask::from_str("effects.status"));
        client.execution_client().execute_transaction(request).await.map(drop)
    }
}

async fn look_up(mut client: Client, digest: Digest) -> Result<proto::ExecutedTransaction, Status> {
    let mask = FieldMask::from_str("checkpoint,effects.status");
    let request = proto::GetTransactionRequest::new(&digest).with_read_mask(mask);
    Ok(client.ledger_client().get_transaction(request).await?.into_inner().transaction.unwrap())
}

fn position(ids: &IndexIds, ops: &Ops) -> PositionId {
    position_id(ids.package, ids.registry, PositionKey(ops.sender(), 0))
}

fn seal(ids: &IndexIds, position: PositionId) -> SealSpec {
    let secret = SealSecret::generate().unwrap();
    SealSpec {
        permissions: Permissions::BOTH,
        locator: secret.locator(),
        commitment: secret.commitment(ids.cluster, position),
        session: None,
        lifetime: Duration::from_hours(1),
    }
}
