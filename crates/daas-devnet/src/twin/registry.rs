//! `k3s_daas::registry`.

use super::{Call, declare_errors};
use crate::execute::Fault;
use crate::objects::framework_type;
use daas_types::onchain::{PositionKey, Registry, position_id};
use daas_types::{ClusterId, NodeId, PackageId, PositionId, RegistryId};
use sui_sdk_types::{Address, Identifier, StructTag, TypeTag};

declare_errors! { "registry":
    FOREIGN_REGISTRY = 1 "EForeignRegistry" "The registry is of another cluster";
    POSITION_EXISTS = 2 "EPositionExists" "The sender already used this salt";
    BAD_NODE_ID = 3 "EBadNodeId" "The node id is not a DNS-1123 label";
    NODE_ID_TAKEN = 4 "ENodeIdTaken" "Another position has this node id";
}

pub(super) fn create(call: &mut Call<'_, '_>, cluster: ClusterId) -> RegistryId {
    let id = RegistryId(call.new_id());
    let registry = Registry { id, cluster, positions: call.new_table(), nodes: call.new_table() };
    call.share(id.0, call.tag("registry", "Registry"), &registry);
    id
}

pub(super) fn assert_of(call: &Call<'_, '_>, registry: &Registry, cluster: ClusterId) -> Result<(), Fault> {
    call.ensure(registry.cluster == cluster, FOREIGN_REGISTRY, "assert_of")
}

/// `unclaimed` and `derived_object::claim`: the id of `key`'s position, once.
pub(super) fn claim(
    call: &mut Call<'_, '_>,
    registry: &Registry,
    cluster: ClusterId,
    key: PositionKey,
) -> Result<PositionId, Fault> {
    assert_of(call, registry, cluster)?;
    let id = position_id(PackageId(call.package), registry.id, key);
    let claimed = call.claim(registry.id.0, id.0)?;
    call.ensure(claimed, POSITION_EXISTS, "unclaimed")?;
    Ok(id)
}

/// The registry's tables get the position, and its node id if it has one.
pub(super) fn record(
    call: &mut Call<'_, '_>,
    registry: &mut Registry,
    position: PositionId,
    node_id: &str,
) -> Result<(), Fault> {
    let index = registry.positions.size;
    call.add_entry(&mut registry.positions, (&TypeTag::U64, &index), (id_type(), &position));
    if !node_id.is_empty() {
        call.ensure(is_dns_label(node_id), BAD_NODE_ID, "record")?;
        let taken = call.has_field(registry.nodes.id, &string_type(), &node_id)?;
        call.ensure(!taken, NODE_ID_TAKEN, "record")?;
        call.add_entry(&mut registry.nodes, (&string_type(), &node_id), (id_type(), &position));
    }
    Ok(())
}

/// The node id, if there is one, is free again.
pub(super) fn release_node(call: &mut Call<'_, '_>, registry: &mut Registry, node_id: &str) -> Result<(), Fault> {
    if !node_id.is_empty() && call.remove_field(registry.nodes.id, &string_type(), &node_id)? {
        registry.nodes.size = registry.nodes.size.saturating_sub(1);
    }
    Ok(())
}

/// The rule of [`NodeId`] is the contract's.
pub(super) fn is_dns_label(text: &str) -> bool {
    text.parse::<NodeId>().is_ok()
}

pub(super) fn id_type() -> TypeTag {
    framework_type("object", "ID", vec![]).into()
}

pub(super) fn string_type() -> TypeTag {
    let one = Address::from_static("0x1");
    StructTag::new(one, Identifier::from_static("string"), Identifier::from_static("String"), vec![]).into()
}
