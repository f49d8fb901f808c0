//! The public functions that tell what an object says, for simulations and for other commands of a transaction. Those that
//! answer a reference, or take something that is no object, are not here: a client reads the state.

use super::call::encode;
use super::k8s_gateway::key_type;
use super::params::{ANCHORS, BYTES, CLOCK, CLUSTER, ID, NAUTILUS, POSITION, REGISTRY, REQUEST, STRING, U8, U64};
use super::{Call, Function, Run, enclave, nautilus, registry};
use crate::execute::Fault;
use daas_types::onchain::{
    Anchor, AuditAnchors, Cluster, IntentMessage, Nautilus, NautilusInfo, PositionState, Registry, RequestState,
    RequestStatus, SealToken, Status,
};
use daas_types::{PositionId, UnixMs};
use sui_sdk_types::TypeTag;

const SEAL: &str = "&0x0::seal_token::SealToken";
const BOOL: &str = "bool";
const ADDRESS: &str = "address";
const OPTION_ADDRESS: &str = "0x1::option::Option<address>";

/// `views! { module, PARAM, Type: name -> "type" = |value| expression; … }`: of the object alone.
macro_rules! views {
    ($($module:literal, $param:expr, $kind:ty: $($name:ident -> $answers:expr, |$value:ident| $what:expr;)*)*) => {
        const OF_OBJECTS: &[Function] = &[$($(Function {
            module: $module,
            name: stringify!($name),
            params: &[$param],
            run: Run::Answer(|call| {
                let $value: $kind = call.object(0)?;
                Ok(encode(&$what))
            }, $answers),
        },)*)*];
    };
}

views! {
    "cluster", CLUSTER, Cluster:
        state -> "0x0::cluster::ClusterState", |it| it.state();
        version -> U64, |it| it.version;
        name -> STRING, |it| it.name;
        genesis -> BYTES, |it| it.genesis;
        generation -> U64, |it| it.generation;
        registry -> ID, |it| it.registry;
        nautilus -> ID, |it| it.nautilus;
        anchors -> ID, |it| it.anchors;
        is_paused -> BOOL, |it| it.paused;
        treasury -> U64, |it| it.treasury;
    "registry", REGISTRY, Registry:
        position_count -> U64, |it| it.positions.size;
    "position", POSITION, PositionState:
        state -> "0x0::position::PositionState", |it| it;
        generation -> U64, |it| it.generation;
        owner -> ADDRESS, |it| it.owner;
        next_owner -> OPTION_ADDRESS, |it| it.next_owner;
        operator -> ADDRESS, |it| it.operator;
        node_id -> STRING, |it| it.node_id;
        active -> U64, |it| it.active;
        frozen -> U64, |it| it.frozen;
        unbonding -> U64, |it| it.unbonding;
        unbonding_until_ms -> U64, |it| it.unbonding_until_ms;
        jailed_until_ms -> U64, |it| it.jailed_until_ms;
        maintenance -> "0x1::option::Option<0x0::position::Maintenance>", |it| it.maintenance;
        cooldown_until_ms -> U64, |it| it.cooldown_until_ms;
        proposal -> "0x1::option::Option<0x0::slashing::Proposal>", |it| it.proposal;
        is_active -> BOOL, |it| it.status == Status::Active;
        is_suspended -> BOOL, |it| it.status == Status::Suspended;
        is_slashed -> BOOL, |it| it.status == Status::Slashed;
        is_recovering -> BOOL, |it| it.status == Status::Recovering;
        is_closed -> BOOL, |it| it.status == Status::Closed;
    "seal_token", SEAL, SealToken:
        position -> ID, |it| it.position;
    "nautilus", NAUTILUS, Nautilus:
        state -> "0x0::nautilus::NautilusState", |it| it.state();
        generation -> U64, |it| it.generation;
        registrations -> U64, |it| it.registrations;
    "k8s_gateway", REQUEST, RequestState:
        request_state -> "0x0::k8s_gateway::RequestState", |it| it;
        is_pending -> BOOL, |it| it.status == RequestStatus::Pending;
        is_answered -> BOOL, |it| it.status == RequestStatus::Answered;
        is_cancelled -> BOOL, |it| it.status == RequestStatus::Cancelled;
}

const WITH_ARGUMENTS: &[Function] = &[
    Function {
        module: "cluster",
        name: "is_operator",
        params: &[CLUSTER, ID],
        run: Run::Answer(
            |call| {
                let (cluster, position): (Cluster, PositionId) = (call.object(0)?, call.pure(1)?);
                Ok(encode(&cluster.is_operator(position)))
            },
            BOOL,
        ),
    },
    Function { module: "registry", name: "position_at", params: &[REGISTRY, U64], run: Run::Answer(position_at, ID) },
    Function {
        module: "registry",
        name: "position_of_node",
        params: &[REGISTRY, STRING],
        run: Run::Answer(position_of_node, "0x1::option::Option<0x2::object::ID>"),
    },
    Function {
        module: "nautilus",
        name: "info",
        params: &[NAUTILUS, CLUSTER, CLOCK],
        run: Run::Answer(info, "vector<0x0::nautilus::NautilusInfo>"),
    },
    Function {
        module: "nautilus",
        name: "verify_signature",
        params: &[NAUTILUS, CLUSTER, BYTES, U8, U64, BYTES, BYTES, CLOCK],
        run: Run::Answer(verify_signature, BOOL),
    },
    Function {
        module: "k8s_gateway",
        name: "last_anchor",
        params: &[ANCHORS, BYTES],
        run: Run::Answer(last_anchor, "0x1::option::Option<0x0::k8s_gateway::Anchor>"),
    },
];

pub(super) const FUNCTIONS: [&[Function]; 2] = [OF_OBJECTS, WITH_ARGUMENTS];

fn position_at(call: &mut Call<'_, '_>) -> Result<Vec<u8>, Fault> {
    /// `dynamic_field::EFieldDoesNotExist`.
    const NO_FIELD: u64 = 1;
    let (books, index): (Registry, u64) = (call.object(0)?, call.pure(1)?);
    let found: Option<PositionId> = call.field_value(books.positions.id, &TypeTag::U64, &index)?;
    let none = || Call::framework_abort("dynamic_field", "borrow_child_object", NO_FIELD);
    Ok(encode(&found.ok_or_else(none)?))
}

fn position_of_node(call: &mut Call<'_, '_>) -> Result<Vec<u8>, Fault> {
    let (books, node_id): (Registry, String) = (call.object(0)?, call.pure(1)?);
    let found: Option<PositionId> = call.field_value(books.nodes.id, &registry::string_type(), &node_id)?;
    Ok(encode(&found))
}

fn info(call: &mut Call<'_, '_>) -> Result<Vec<u8>, Fault> {
    let (masters, cluster): (Nautilus, Cluster) = (call.object(0)?, call.object(1)?);
    nautilus::assert_of(call, &masters, &cluster)?;
    let current = masters.masters.into_iter().filter(|it| it.is_current(&cluster.policy, UnixMs(call.now_ms)));
    let told: Vec<NautilusInfo> = current
        .map(|it| NautilusInfo {
            cluster: masters.cluster,
            endpoint: it.endpoint,
            ca_spki: it.ca_spki,
            signing_key: it.signing_key,
            config_digest: it.config_digest,
            expires_ms: it.expires_ms,
        })
        .collect();
    Ok(encode(&told))
}

fn verify_signature(call: &mut Call<'_, '_>) -> Result<Vec<u8>, Fault> {
    let (masters, cluster): (Nautilus, Cluster) = (call.object(0)?, call.object(1)?);
    nautilus::assert_of(call, &masters, &cluster)?;
    let (signing_key, signature) = (call.bytes(2)?, call.bytes(6)?);
    let message = IntentMessage { intent: call.pure(3)?, timestamp_ms: call.pure(4)?, payload: call.bytes(5)? };
    let now = UnixMs(call.now_ms);
    let counts = masters.masters.iter().any(|it| it.signing_key == signing_key && it.is_current(&cluster.policy, now));
    Ok(encode(&(counts && enclave::signed_intent(&signing_key, &message, &signature))))
}

fn last_anchor(call: &mut Call<'_, '_>) -> Result<Vec<u8>, Fault> {
    let (anchors, signing_key): (AuditAnchors, Vec<u8>) = (call.object(0)?, call.bytes(1)?);
    let found: Option<Anchor> = call.field_value(anchors.logs.id, &key_type(), &signing_key)?;
    Ok(encode(&found))
}
