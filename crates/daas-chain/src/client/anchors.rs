//! How far the audit log of a master is anchored.

use super::reads::tag;
use super::{ChainClient, ChainError};
use crate::index::IndexIds;
use daas_types::Address;
use daas_types::onchain::{Anchor, AuditAnchors};
use serde::Deserialize;
use sui_sdk_types::{Identifier, StructTag, TypeTag};

/// `sui::dynamic_field::Field<vector<u8>, Anchor>`: an entry of [`AuditAnchors::logs`].
#[derive(Deserialize)]
struct Entry {
    #[expect(dead_code, reason = "its place in the layout; that it is this object's id is proven")]
    id: Address,
    key: Vec<u8>,
    anchor: Anchor,
}

// === impl ChainClient ===

impl ChainClient {
    /// The last root of the audit log that the enclave with this key writes, proven. That there is none is the endpoints'
    /// word; that there is none later needs one honest endpoint.
    pub async fn anchor(&self, ids: &IndexIds, signing_key: &[u8; 32]) -> Result<Option<Anchor>, ChainError> {
        let prover = self.prover();
        let anchors = prover.cluster(ids.package, ids.cluster).await?.anchors;
        let anchors_tag = tag(ids.package, "k8s_gateway", "AuditAnchors");
        let anchors: AuditAnchors = prover.existing("audit anchors", anchors.0, &anchors_tag).await?;
        let (key_type, name) = (TypeTag::Vector(Box::new(TypeTag::U8)), signing_key.to_vec());
        let key = bcs::to_bytes(&name).map_err(|e| ChainError::malformed("get anchor", e))?;
        let id = anchors.logs.id.derive_dynamic_child_id(&key_type, &key);
        let types = vec![key_type, tag(ids.package, "k8s_gateway", "Anchor").into()];
        let field = Identifier::from_static("Field");
        let field = StructTag::new(Address::TWO, Identifier::from_static("dynamic_field"), field, types);
        let entry: Option<Entry> = prover.typed(id, &field).await?;
        Ok(entry.filter(|entry| entry.key == name).map(|entry| entry.anchor))
    }
}
