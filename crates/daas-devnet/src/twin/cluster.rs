//! `k3s_daas::cluster` and `k3s_daas::caps`.

use super::{Call, Function, declare_errors};
use crate::execute::Fault;
use crate::objects::framework_type;
use daas_types::onchain::{
    Cluster, ClusterCreated, NautilusState, Policy, PolicyChanged, PositionKey, Registry, Table, position_id,
};
use daas_types::{ClusterId, Mist, NautilusId, NodeId, PackageId, PositionId, RegistryId, Thresholds, WalletAddress};
use serde::{Deserialize, Serialize};
use sui_sdk_types::{Address, Identifier, StructTag, TypeTag};

declare_errors! { ERRORS, "cluster":
    WRONG_VERSION = 1 "EWrongVersion" "The cluster is at another version of this package";
    THRESHOLD_COUNT = 2 "EThresholdCount" "There must be four thresholds: viewer, developer, admin, super";
    THRESHOLD_ORDER = 3 "EThresholdOrder" "Each threshold must be above the one before it";
    SLASH_SHARE = 4 "ESlashShare" "The slashed share is above 10,000 basis points";
    SEAL_LIFETIME = 5 "ESealLifetime" "The longest life of a Seal must be above zero and at most 30 days";
    EVIDENCE_AGE = 6 "EEvidenceAge" "Evidence may be older than stake stays slashable";
    FOREIGN_REGISTRY = 7 "EForeignRegistry" "The registry is of another cluster";
    POSITION_EXISTS = 8 "EPositionExists" "The sender already used this salt";
    BAD_NODE_ID = 9 "EBadNodeId" "The node id is not a DNS-1123 label";
    NODE_ID_TAKEN = 10 "ENodeIdTaken" "Another position has this node id";
}

declare_errors! { CAPS_ERRORS, "caps":
    FOREIGN_CAP = 1 "EForeignCap" "The capability is of another cluster";
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        module: "cluster",
        name: "create_cluster",
        params: &["0x1::string::String", "vector<u64>", "u64", "u64", "u64", "u64", "u64", "u64", "u64"],
        run: create_cluster,
    },
    Function {
        module: "cluster",
        name: "set_operator_positions",
        params: &["&0x0::caps::AdminCap", "&mut 0x0::cluster::Cluster", "vector<0x2::object::ID>"],
        run: set_operator_positions,
    },
];

const VERSION: u64 = 1;
const MAX_BASIS_POINTS: u64 = 10_000;
const MAX_SEAL_LIFETIME_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// `AdminCap`, `ProposerCap` and `JudgeCap` look the same.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cap {
    id: Address,
    cluster: ClusterId,
}

fn create_cluster(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let policy = policy(call)?;
    let id = ClusterId(call.new_id());
    let registry =
        Registry { id: RegistryId(call.new_id()), cluster: id, positions: new_table(call), nodes: new_table(call) };
    let nautilus = create_nautilus(call, id);
    let caps = ["AdminCap", "ProposerCap", "JudgeCap"].map(|name| (name, call.new_id()));
    let cluster = Cluster {
        id,
        version: VERSION,
        name: call.pure(0)?,
        generation: 1,
        registry: registry.id,
        nautilus,
        policy,
        treasury: Mist(0),
    };
    let created = ClusterCreated {
        cluster: id,
        registry: registry.id,
        nautilus,
        name: cluster.name.clone(),
        policy: cluster.policy.clone(),
    };
    call.emit("ClusterCreated", &created);
    call.share(id.0, call.tag("cluster", "Cluster"), &cluster);
    call.share(registry.id.0, call.tag("cluster", "Registry"), &registry);
    for (name, id) in caps {
        let (tag, cap) = (call.tag("caps", name), Cap { id, cluster: cluster.id });
        call.send(id, tag, true, &cap, call.sender);
    }
    Ok(())
}

/// The rules a new cluster asks for, checked.
fn policy(call: &Call<'_, '_>) -> Result<Policy, Fault> {
    const NAME: &str = "create_cluster";
    let (slash_bps, lifetime): (u64, u64) = (call.pure(4)?, call.pure(7)?);
    let (unbonding_ms, evidence_max_age_ms): (u64, u64) = (call.pure(6)?, call.pure(8)?);
    call.ensure(slash_bps <= MAX_BASIS_POINTS, SLASH_SHARE, NAME)?;
    let lifetime_fits = lifetime > 0 && lifetime <= MAX_SEAL_LIFETIME_MS;
    call.ensure(lifetime_fits, SEAL_LIFETIME, NAME)?;
    let evidence_fits = evidence_max_age_ms <= unbonding_ms;
    call.ensure(evidence_fits, EVIDENCE_AGE, NAME)?;
    Ok(Policy {
        thresholds: thresholds(call)?,
        min_stake: Mist(call.pure(2)?),
        node_minimum: Mist(call.pure(3)?),
        slash_bps,
        appeal_window_ms: call.pure(5)?,
        unbonding_ms,
        max_seal_lifetime_ms: lifetime,
        evidence_max_age_ms,
        super_is_masters: false,
        operator_positions: vec![],
    })
}

fn new_table(call: &mut Call<'_, '_>) -> Table {
    Table { id: call.new_id(), size: 0 }
}

fn thresholds(call: &Call<'_, '_>) -> Result<Thresholds, Fault> {
    const NAME: &str = "new_thresholds";
    let given: Vec<u64> = call.pure(1)?;
    let [viewer, developer, admin, super_user] = given[..] else {
        return Err(call.abort(THRESHOLD_COUNT, NAME));
    };
    call.ensure(viewer < developer && developer < admin && admin < super_user, THRESHOLD_ORDER, NAME)?;
    Ok(Thresholds {
        viewer: Mist(viewer),
        developer: Mist(developer),
        admin: Mist(admin),
        super_user: Mist(super_user),
    })
}

fn create_nautilus(call: &mut Call<'_, '_>, cluster: ClusterId) -> NautilusId {
    let id = NautilusId(call.new_id());
    let state = NautilusState { id, cluster, generation: 1, measurements: vec![], masters: vec![] };
    call.share(id.0, call.tag("nautilus", "Nautilus"), &state);
    id
}

fn set_operator_positions(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut cluster: Cluster = call.object(1)?;
    assert_version(call, &cluster)?;
    assert_cap(call, 0, cluster.id, "assert_admin")?;
    cluster.policy.operator_positions = call.pure(2)?;
    cluster.generation += 1;
    let changed = PolicyChanged { cluster: cluster.id, generation: cluster.generation, policy: cluster.policy.clone() };
    call.emit("PolicyChanged", &changed);
    call.store(1, &cluster)
}

pub(super) fn assert_version(call: &Call<'_, '_>, cluster: &Cluster) -> Result<(), Fault> {
    call.ensure(cluster.version == VERSION, WRONG_VERSION, "assert_version")
}

/// Argument `n` is a capability of `cluster`; `function` of `caps` says so.
pub(super) fn assert_cap(
    call: &Call<'_, '_>,
    n: usize,
    cluster: ClusterId,
    function: &'static str,
) -> Result<(), Fault> {
    let cap: Cap = call.object(n)?;
    call.ensure(cap.cluster == cluster, FOREIGN_CAP, function)
}

/// `unclaimed` and `derived_object::claim`: the id of the sender's position under `salt`, once.
pub(super) fn claim_position(
    call: &mut Call<'_, '_>,
    registry: &Registry,
    cluster: ClusterId,
    salt: u64,
) -> Result<PositionId, Fault> {
    call.ensure(registry.cluster == cluster, FOREIGN_REGISTRY, "unclaimed")?;
    let id = position_id(PackageId(call.package), registry.id, PositionKey(WalletAddress(call.sender), salt));
    let claimed: TypeTag = framework_type("derived_object", "Claimed", vec![]).into();
    let taken = call.has_field(registry.id.0, &claimed, &id)?;
    call.ensure(!taken, POSITION_EXISTS, "unclaimed")?;
    let reserved: TypeTag = framework_type("derived_object", "ClaimedStatus", vec![]).into();
    call.add_field(registry.id.0, (&claimed, &id), (reserved, &0_u8));
    Ok(id)
}

/// `record`: the registry's tables get the position, and its node id if it has one.
pub(super) fn record(
    call: &mut Call<'_, '_>,
    registry: &mut Registry,
    position: PositionId,
    node_id: &str,
) -> Result<(), Fault> {
    let positions = &mut registry.positions;
    call.add_field(positions.id, (&TypeTag::U64, &positions.size), (id_type(), &position));
    positions.size += 1;
    if !node_id.is_empty() {
        call.ensure(node_id.parse::<NodeId>().is_ok(), BAD_NODE_ID, "record")?;
        let taken = call.has_field(registry.nodes.id, &string_type(), &node_id)?;
        call.ensure(!taken, NODE_ID_TAKEN, "record")?;
        call.add_field(registry.nodes.id, (&string_type(), &node_id), (id_type(), &position));
        registry.nodes.size += 1;
    }
    Ok(())
}

/// `release_node`.
pub(super) fn release_node(
    call: &mut Call<'_, '_>,
    registry: &mut Registry,
    cluster: ClusterId,
    node_id: &str,
) -> Result<(), Fault> {
    call.ensure(registry.cluster == cluster, FOREIGN_REGISTRY, "release_node")?;
    if !node_id.is_empty() && call.remove_field(registry.nodes.id, &string_type(), &node_id)? {
        registry.nodes.size = registry.nodes.size.saturating_sub(1);
    }
    Ok(())
}

fn id_type() -> TypeTag {
    framework_type("object", "ID", vec![]).into()
}

fn string_type() -> TypeTag {
    let one = Address::from_static("0x1");
    StructTag::new(one, Identifier::from_static("string"), Identifier::from_static("String"), vec![]).into()
}
