//! Objects as the network keeps them, by id and by owner.

use super::{ChainClient, ChainError, DEADLINE};
use daas_types::{Address, Digest, WalletAddress};
use futures::TryStreamExt;
use serde::de::DeserializeOwned;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{Owner, StructTag};
use tonic::Code;

/// Entries per page of a listing.
pub(super) const PAGE: u32 = 200;

/// What a transaction needs to know of an object to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) id: Address,
    pub(crate) version: u64,
    pub(crate) digest: Digest,
    pub(crate) owner: Owner,
}

// === impl ChainClient ===

impl ChainClient {
    pub(crate) async fn reference(&self, id: Address) -> Result<Reference, ChainError> {
        const CALL: &str = "get object";
        let mask = "object_id,version,digest,owner";
        let object = self.get_object(id, mask).await?.ok_or(ChainError::Missing { what: "object", id })?;
        let digest = object.digest().parse().map_err(|_| ChainError::malformed(CALL, "no digest"))?;
        let owner = Owner::try_from(object.owner()).map_err(|e| ChainError::malformed(CALL, e))?;
        Ok(Reference { id, version: object.version(), digest, owner })
    }

    pub(super) async fn owned(
        &self,
        owner: WalletAddress,
        tag: &StructTag,
        mask: &'static str,
    ) -> Result<Vec<proto::Object>, ChainError> {
        const CALL: &str = "list owned objects";
        let request = proto::ListOwnedObjectsRequest::default()
            .with_owner(owner.to_string())
            .with_page_size(PAGE)
            .with_object_type(tag.to_string())
            .with_read_mask(FieldMask::from_str(mask));
        let objects = self.rpc().list_owned_objects(request);
        objects.try_collect().await.map_err(|status| ChainError::of(CALL, &status))
    }

    pub(super) async fn existing<T: DeserializeOwned>(
        &self,
        what: &'static str,
        id: Address,
        tag: &StructTag,
    ) -> Result<T, ChainError> {
        self.object(id, tag).await?.ok_or(ChainError::Missing { what, id })
    }

    pub(super) async fn object<T: DeserializeOwned>(
        &self,
        id: Address,
        tag: &StructTag,
    ) -> Result<Option<T>, ChainError> {
        let Some(bytes) = self.contents(id, tag).await? else {
            return Ok(None);
        };
        let decoded = bcs::from_bytes(&bytes);
        decoded.map(Some).map_err(|e| ChainError::malformed("get object", format!("{tag} {id}: {e}")))
    }

    /// The BCS of an object's Move struct, if it exists and is a `tag`.
    pub(super) async fn contents(&self, id: Address, tag: &StructTag) -> Result<Option<Vec<u8>>, ChainError> {
        let Some(object) = self.get_object(id, "object_id,object_type,contents").await? else {
            return Ok(None);
        };
        if object.object_type().parse().as_ref() != Ok(tag) {
            let got = object.object_type().to_owned();
            return Err(ChainError::WrongType { id, expected: tag.to_string(), got });
        }
        Ok(Some(object.contents().value().to_vec()))
    }

    async fn get_object(&self, id: Address, mask: &str) -> Result<Option<proto::Object>, ChainError> {
        let request = proto::GetObjectRequest::new(&id).with_read_mask(FieldMask::from_str(mask));
        let answer = tokio::time::timeout(DEADLINE, self.rpc().ledger_client().get_object(request)).await;
        match answer {
            Ok(Err(status)) if status.code() == Code::NotFound => Ok(None),
            Ok(Ok(answer)) => Ok(answer.into_inner().object),
            Ok(Err(status)) => Err(ChainError::of("get object", &status)),
            Err(_) => Err(ChainError::Unreachable { call: "get object", cause: "no answer in time".to_owned() }),
        }
    }
}
