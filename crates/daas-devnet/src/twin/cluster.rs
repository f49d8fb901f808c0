//! `k3s_daas::cluster`.

use super::params::{ADDRESS, ADMIN, BOOL, CLOCK, CLUSTER_MUT, IDS, U64S};
use super::{Call, caps, declare_errors, declare_functions, policy};
use crate::execute::Fault;
use daas_types::onchain::{Announcement, Cluster, Policy, TreasuryPaid};
use daas_types::{AnchorsId, CapId, ClusterId, Mist, NautilusId, RegistryId, UnixMs, WalletAddress};

declare_errors! { "cluster":
    WRONG_VERSION = 1 "EWrongVersion" "The cluster is at another version of this package";
    NOT_OLDER = 2 "ENotOlder" "The cluster is not at an older version";
    BAD_GENESIS = 3 "EBadGenesis" "A genesis digest is 32 bytes";
    OFFICES_NOT_APART = 4 "EOfficesNotApart" "Proposer, judge and beneficiary must be three addresses";
    NOT_PROPOSER = 5 "ENotProposer" "The capability is not the cluster's current proposer's";
    NOT_JUDGE = 6 "ENotJudge" "The capability is not the cluster's current judge's";
    NOTHING_ANNOUNCED = 7 "ENothingAnnounced" "No policy is announced";
    TOO_EARLY = 8 "ETooEarly" "The announced policy is not in force yet";
    PAUSED = 9 "EPaused" "The cluster takes no new stake for now";
    TOO_MANY_OPERATORS = 10 "ETooManyOperators" "A cluster has at most 64 operator positions";
    TREASURY_EMPTY = 11 "ETreasuryEmpty" "The treasury is empty";
    NAME_TOO_LONG = 12 "ENameTooLong" "A cluster's name is at most 128 bytes";
}

declare_functions! { "cluster":
    announce_policy(ADMIN, CLUSTER_MUT, U64S, BOOL, ADDRESS, CLOCK) => announce_policy;
    recall_policy(ADMIN, CLUSTER_MUT) => recall_policy;
    apply_policy(CLUSTER_MUT, CLOCK) => apply_policy;
    set_paused(ADMIN, CLUSTER_MUT, BOOL) => set_paused;
    set_operator_positions(ADMIN, CLUSTER_MUT, IDS) => set_operator_positions;
    appoint_proposer(ADMIN, CLUSTER_MUT, ADDRESS) => appoint_proposer;
    appoint_judge(ADMIN, CLUSTER_MUT, ADDRESS) => appoint_judge;
    pay_treasury(CLUSTER_MUT) => pay_treasury;
    migrate(ADMIN, CLUSTER_MUT) => migrate;
}

const VERSION: u64 = 1;
const GENESIS_LENGTH: usize = 32;
const MAX_OPERATORS: usize = 64;
const MAX_NAME_LENGTH: usize = 128;

// === Entry functions ===

fn announce_policy(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut cluster = administered(call)?;
    let policy = policy::new(call, 2)?;
    let effective_ms = UnixMs(call.sum(call.now_ms, cluster.policy.delay_ms)?);
    cluster.announced = Some(Announcement { policy, effective_ms });
    changed(call, 1, cluster, "PolicyAnnounced")
}

fn recall_policy(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut cluster = administered(call)?;
    call.ensure(cluster.announced.is_some(), NOTHING_ANNOUNCED, "recall_policy")?;
    cluster.announced = None;
    changed(call, 1, cluster, "PolicyRecalled")
}

fn apply_policy(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "apply_policy";
    let mut cluster: Cluster = call.object(0)?;
    assert_version(call, &cluster)?;
    let announced = cluster.announced.take().ok_or_else(|| call.abort(NOTHING_ANNOUNCED, NAME))?;
    call.ensure(call.now_ms >= announced.effective_ms.0, TOO_EARLY, NAME)?;
    cluster.policy = announced.policy;
    changed(call, 0, cluster, "PolicyApplied")
}

fn set_paused(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut cluster = administered(call)?;
    cluster.paused = call.pure(2)?;
    changed(call, 1, cluster, "PauseChanged")
}

fn set_operator_positions(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut cluster = administered(call)?;
    cluster.operator_positions = call.pure(2)?;
    let few = cluster.operator_positions.len() <= MAX_OPERATORS;
    call.ensure(few, TOO_MANY_OPERATORS, "set_operator_positions")?;
    changed(call, 1, cluster, "OperatorsChanged")
}

fn appoint_proposer(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut cluster = administered(call)?;
    let office = caps::make(call, cluster.id);
    cluster.proposer_cap = office.id;
    let holder = call.pure(2)?;
    caps::send(call, "ProposerCap", office, holder);
    changed(call, 1, cluster, "OfficesChanged")
}

fn appoint_judge(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut cluster = administered(call)?;
    let office = caps::make(call, cluster.id);
    cluster.judge_cap = office.id;
    let holder = call.pure(2)?;
    caps::send(call, "JudgeCap", office, holder);
    changed(call, 1, cluster, "OfficesChanged")
}

fn pay_treasury(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut cluster: Cluster = call.object(0)?;
    assert_version(call, &cluster)?;
    let amount = std::mem::take(&mut cluster.treasury);
    call.ensure(amount.0 > 0, TREASURY_EMPTY, "pay_treasury")?;
    let beneficiary = cluster.policy.beneficiary;
    call.pay(amount, beneficiary);
    call.emit("cluster", "TreasuryPaid", &TreasuryPaid { cluster: cluster.id, amount, beneficiary });
    call.store(0, &cluster)
}

fn migrate(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut cluster: Cluster = call.object(1)?;
    caps::assert_of(call, 0, cluster.id)?;
    call.ensure(cluster.version < VERSION, NOT_OLDER, "migrate")?;
    cluster.version = VERSION;
    changed(call, 1, cluster, "ClusterMigrated")
}

// === Package functions ===

/// `new`, with the name, the genesis and the offices' holders from the arguments of `create_cluster`.
pub(super) fn new(call: &mut Call<'_, '_>, policy: Policy) -> Result<Cluster, Fault> {
    let (name, genesis): (String, Vec<u8>) = (call.pure(0)?, call.pure(1)?);
    let (proposer, judge): (WalletAddress, WalletAddress) = (call.pure(5)?, call.pure(6)?);
    call.ensure(name.len() <= MAX_NAME_LENGTH, NAME_TOO_LONG, "new")?;
    call.ensure(genesis.len() == GENESIS_LENGTH, BAD_GENESIS, "new")?;
    let beneficiary = policy.beneficiary;
    let apart = proposer != judge && proposer != beneficiary && judge != beneficiary;
    call.ensure(apart, OFFICES_NOT_APART, "new")?;
    let id = ClusterId(call.new_id());
    let [admin_cap, proposer_cap, judge_cap] = [(); 3].map(|()| caps::make(call, id));
    caps::send(call, "AdminCap", admin_cap, WalletAddress(call.sender));
    caps::send(call, "ProposerCap", proposer_cap, proposer);
    caps::send(call, "JudgeCap", judge_cap, judge);
    Ok(Cluster {
        id,
        version: VERSION,
        name,
        genesis,
        generation: 1,
        registry: RegistryId(id.0),
        nautilus: NautilusId(id.0),
        anchors: AnchorsId(id.0),
        policy,
        announced: None,
        paused: false,
        operator_positions: vec![],
        proposer_cap: proposer_cap.id,
        judge_cap: judge_cap.id,
        treasury: Mist(0),
    })
}

pub(super) fn found(call: &mut Call<'_, '_>, cluster: &Cluster) {
    call.emit("cluster", "ClusterCreated", &cluster.state());
    call.share(cluster.id.0, call.tag("cluster", "Cluster"), cluster);
}

pub(super) fn assert_version(call: &Call<'_, '_>, cluster: &Cluster) -> Result<(), Fault> {
    call.ensure(cluster.version == VERSION, WRONG_VERSION, "assert_version")
}

pub(super) fn assert_open(call: &Call<'_, '_>, cluster: &Cluster) -> Result<(), Fault> {
    assert_version(call, cluster)?;
    call.ensure(!cluster.paused, PAUSED, "assert_open")
}

/// Argument `cap` is an admin's capability.
pub(super) fn assert_admin(call: &Call<'_, '_>, cluster: &Cluster, cap: usize) -> Result<(), Fault> {
    assert_version(call, cluster)?;
    caps::assert_of(call, cap, cluster.id)
}

pub(super) fn assert_proposer(call: &Call<'_, '_>, cluster: &Cluster, cap: CapId) -> Result<(), Fault> {
    assert_version(call, cluster)?;
    call.ensure(cluster.proposer_cap == cap, NOT_PROPOSER, "assert_proposer")
}

pub(super) fn assert_judge(call: &Call<'_, '_>, cluster: &Cluster, cap: CapId) -> Result<(), Fault> {
    assert_version(call, cluster)?;
    call.ensure(cluster.judge_cap == cap, NOT_JUDGE, "assert_judge")
}

/// `deposit` into the cluster at argument `n`, and its new value.
pub(super) fn deposit(call: &mut Call<'_, '_>, n: usize, mut cluster: Cluster, money: Mist) -> Result<(), Fault> {
    cluster.treasury = call.join(cluster.treasury, money)?;
    call.store(n, &cluster)
}

// === Private functions ===

/// The cluster at argument 1, if argument 0 is its admin's capability.
fn administered(call: &Call<'_, '_>) -> Result<Cluster, Fault> {
    let cluster: Cluster = call.object(1)?;
    assert_admin(call, &cluster, 0)?;
    Ok(cluster)
}

/// One change: generation +1, and the event with the state after it.
fn changed(call: &mut Call<'_, '_>, n: usize, mut cluster: Cluster, event: &'static str) -> Result<(), Fault> {
    cluster.generation += 1;
    call.emit("cluster", event, &cluster.state());
    call.store(n, &cluster)
}
