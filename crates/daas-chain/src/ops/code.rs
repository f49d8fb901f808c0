//! Which version of the package is called. After `migrate` a cluster refuses the code of every version but its own, so
//! whoever still called the first one could not even leave.

use super::{Ops, TxError, published_package};
use crate::client::{ChainClient, ChainError, deadline};
use crate::index::IndexIds;
use crate::verified::Packages;
use daas_types::PackageId;
use daas_types::onchain::{Cluster, ClusterEvent, Event};
use std::sync::{Mutex, PoisonError};
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;
use tonic::Code;

/// The version that a cluster's package has when it is published.
const FIRST: u64 = 1;

/// A version of a package, as an endpoint lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedVersion {
    /// Its number: 1, 2, …
    pub number: u64,
    /// Its id.
    pub id: PackageId,
}

/// The code that was found last: of which package, of which version.
#[derive(Debug, Default)]
pub(super) struct Found(Mutex<Option<(PackageId, ListedVersion)>>);

// === impl Ops ===

impl Ops {
    /// The version of the package whose code the cluster admits, if it is not the first.
    ///
    /// The endpoint's word suffices to stay with what was proven before: if it is wrong, the contract refuses the call and
    /// that is all. Other code is called only if it is proven that the cluster names its number, and that it is that version
    /// of this package.
    pub(super) async fn code_for(&self, ids: &IndexIds) -> Result<Option<PackageId>, TxError> {
        if self.code.is_some() {
            return Ok(self.code);
        }
        let known = self.found.get(ids.package).unwrap_or(ListedVersion { number: FIRST, id: ids.package });
        let said = said_version(&self.client, ids).await?;
        if said == known.number {
            return Ok(Some(known.id));
        }
        let number = self.client.cluster(ids).await?.version;
        let found = if number == known.number {
            known
        } else if number == FIRST {
            ListedVersion { number, id: ids.package }
        } else {
            let versions = package_versions(&self.client, ids.package).await?;
            let found = versions.into_iter().find(|version| version.number == number);
            let found = found.ok_or_else(|| unlisted(ids, number))?;
            check_version(&self.client, ids.package, found).await?;
            tracing::info!(package = %found.id, number, "the cluster runs another version of the package");
            found
        };
        self.found.keep(ids.package, found);
        Ok(Some(found.id))
    }
}

// === impl Found ===

impl Found {
    fn get(&self, original: PackageId) -> Option<ListedVersion> {
        let found = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.filter(|(of, _)| *of == original).map(|(_, version)| version)
    }

    fn keep(&self, original: PackageId, version: ListedVersion) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((original, version));
    }
}

/// Whether `id` is proven to be `original` or an upgrade of it.
pub async fn is_version(client: &ChainClient, original: PackageId, id: PackageId) -> Result<bool, ChainError> {
    if id == original {
        return Ok(true);
    }
    let proven = client.proven_object(id.0).await?.ok_or(ChainError::Missing { what: "package", id: id.0 })?;
    Ok(Packages::of(original).learn(&proven))
}

/// The versions of a package that the endpoint lists, oldest first. That there are no more is its word alone.
pub async fn package_versions(client: &ChainClient, original: PackageId) -> Result<Vec<ListedVersion>, ChainError> {
    let versions = client.versions(original).await?.into_iter();
    let mut versions: Vec<_> = versions.map(|(number, id)| ListedVersion { number, id: PackageId(id) }).collect();
    versions.sort_by_key(|version| version.number);
    Ok(versions)
}

/// Whether a migration to `code`, version `number` of its package, leaves a cluster that can be used: programs find the code
/// by the number that the cluster has then, which is what the code calls itself.
pub(super) fn check_number(code: PackageId, number: u64, events: &[Event]) -> Result<(), TxError> {
    let said = events.iter().rev().find_map(|event| match event {
        Event::Cluster { name: ClusterEvent::ClusterMigrated, state } => Some(state.version),
        _ => None,
    });
    match said {
        Some(said) if said == number => Ok(()),
        Some(said) => Err(TxError::Misnumbered { code, number, said }),
        None => Err(ChainError::malformed("simulate transaction", "a migration without its event").into()),
    }
}

async fn check_version(client: &ChainClient, original: PackageId, found: ListedVersion) -> Result<(), TxError> {
    let number = published_package(client, found.id).await?.version;
    if number == found.number && is_version(client, original, found.id).await? {
        return Ok(());
    }
    Err(ChainError::malformed(
        "list package versions",
        format!("{} is not version {} of {original}", found.id, found.number),
    )
    .into())
}

async fn said_version(client: &ChainClient, ids: &IndexIds) -> Result<u64, ChainError> {
    const CALL: &str = "get object";
    let request = proto::GetObjectRequest::new(&ids.cluster.0).with_read_mask(FieldMask::from_str("contents"));
    let answer = match deadline(CALL, client.rpc().ledger_client().get_object(request)).await {
        Err(ChainError::Refused { code: Code::NotFound, .. }) => {
            return Err(ChainError::Missing { what: "cluster", id: ids.cluster.0 });
        }
        answer => answer?,
    };
    let cluster: Result<Cluster, _> = bcs::from_bytes(answer.object().contents().value());
    Ok(cluster.map_err(|e| ChainError::malformed(CALL, format!("cluster: {e}")))?.version)
}

fn unlisted(ids: &IndexIds, number: u64) -> ChainError {
    ChainError::Unreachable {
        call: "list package versions",
        cause: format!(
            "the cluster runs version {number} of package {}, which the endpoint does not list",
            ids.package
        ),
    }
}
