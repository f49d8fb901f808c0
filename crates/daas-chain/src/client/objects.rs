//! Objects as the endpoint says the network keeps them: what transactions are built from.

use super::{ChainClient, ChainError, DEADLINE};
use core::pin::pin;
use core::time::Duration;
use daas_types::{Address, Digest, WalletAddress};
use futures::{Stream, TryStreamExt};
use sui_rpc::Client;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{Owner, StructTag};
use tokio::time::Instant;
use tonic::{Code, Status};

/// Entries per page of a listing: each takes less than 512 bytes, so that a page is no longer than [`MAX_PAGE`].
pub(super) const PAGE: u32 = 100;

/// Longest page of a listing that is decoded. An entry with nothing in it is 2 bytes in a page, and 1,144 in memory.
pub(crate) const MAX_PAGE: usize = 64 << 10;

/// Longest wait for all pages of a long listing. Each page's entries come within [`DEADLINE`] all the same.
pub(super) const LISTING: Duration = Duration::from_mins(1);

/// Objects of one kind that a wallet may own.
const MAX_OWNED: u64 = 100_000;

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

    /// For answers that are short. What is longer is read as bytes.
    pub(super) fn short(&self) -> Client {
        self.rpc().with_max_decoding_message_size(MAX_PAGE)
    }

    /// What `read` makes of each object of that type that a wallet owns.
    pub(super) async fn owned<T>(
        &self,
        owner: WalletAddress,
        tag: &StructTag,
        mask: &'static str,
        read: impl Fn(&proto::Object) -> T,
    ) -> Result<Vec<T>, ChainError> {
        const CALL: &str = "list owned objects";
        let request = proto::ListOwnedObjectsRequest::default()
            .with_owner(owner.to_string())
            .with_page_size(PAGE)
            .with_object_type(tag.to_string())
            .with_read_mask(FieldMask::from_str(mask));
        let objects = self.short().list_owned_objects(request).map_ok(|object| read(&object));
        listed(CALL, MAX_OWNED, LISTING, objects).await
    }

    async fn get_object(&self, id: Address, mask: &str) -> Result<Option<proto::Object>, ChainError> {
        let request = proto::GetObjectRequest::new(&id).with_read_mask(FieldMask::from_str(mask));
        let answer = tokio::time::timeout(DEADLINE, self.short().ledger_client().get_object(request)).await;
        match answer {
            Ok(Err(status)) if status.code() == Code::NotFound => Ok(None),
            Ok(Ok(answer)) => Ok(answer.into_inner().object),
            Ok(Err(status)) => Err(ChainError::of("get object", &status)),
            Err(_) => Err(ChainError::Unreachable { call: "get object", cause: "no answer in time".to_owned() }),
        }
    }
}

/// All entries of a listing, of which there are at most `most`: each within [`DEADLINE`] of the one before, and all `within`
/// a time, so that an endpoint that tells of one now and then holds nobody up.
pub(super) async fn listed<T>(
    call: &'static str,
    most: u64,
    within: Duration,
    entries: impl Stream<Item = Result<T, Status>>,
) -> Result<Vec<T>, ChainError> {
    let mut all = Vec::new();
    let mut entries = pin!(entries);
    let end = Instant::now() + within;
    loop {
        let next = tokio::time::timeout_at(end.min(Instant::now() + DEADLINE), entries.try_next()).await;
        let next = next.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
        match next.map_err(|status| ChainError::of(call, &status))? {
            Some(_) if u64::try_from(all.len()).is_ok_and(|count| count >= most) => {
                return Err(ChainError::malformed(call, format!("more than {most} entries")));
            }
            Some(entry) => all.push(entry),
            None => return Ok(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{StreamExt, stream};

    /// An entry every `pause`, without an end.
    fn slow(pause: Duration) -> impl Stream<Item = Result<u32, Status>> {
        stream::unfold(0, move |n| async move {
            tokio::time::sleep(pause).await;
            Some((Ok(n), n + 1))
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_ends_whatever_its_entries_do() {
        for (pause, within, ends) in [(9, 60, 60), (11, 60, 10), (1, 10, 10)] {
            let begun = Instant::now();
            let slow = slow(Duration::from_secs(pause));
            let error = listed("test", 1000, Duration::from_secs(within), slow).await.unwrap_err();
            assert!(matches!(error, ChainError::Unreachable { .. }), "{error}");
            assert_eq!(begun.elapsed().as_secs(), ends);
        }
        let few = slow(Duration::from_secs(1)).take(3);
        assert_eq!(listed("test", 3, DEADLINE, few).await.unwrap(), [0, 1, 2]);
    }
}
