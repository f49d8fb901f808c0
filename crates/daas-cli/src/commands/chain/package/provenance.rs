//! What beside one version's bytes decides whether money is safe there: who vouches for the proof, which other versions
//! there are, and who can make more.

use super::differences;
use crate::place::Place;
use daas_chain::client::{ChainClient, ChainError};
use daas_chain::ops::{
    CompiledPackage, ListedVersion, MovePackage, Owner, package_versions, published_package, upgrade_cap,
};
use daas_types::{PackageId, Problem};
use serde_json::{Value, json};

/// Whose word the committee is, against which everything was proven.
pub(super) struct Trust {
    pub(super) name: &'static str,
    pub(super) text: String,
}

/// The other versions, and who can make more.
pub(super) struct Others {
    pub(super) versions: Vec<Value>,
    pub(super) cap: Value,
    /// Lines, each begun by a line break.
    pub(super) text: String,
}

pub(super) fn trust(place: &Place) -> Trust {
    let genesis = place.client.genesis();
    if place.cluster.is_some() {
        return Trust { name: "join_file", text: "proven against the committee that the join file pins".to_owned() };
    }
    let digest = genesis.digest();
    Trust {
        name: "endpoint",
        text: format!(
            "! NOT proven: the committee is the word of {}, which also served the package; with `--cluster join.json` it is \
             the one pinned there (genesis {digest})",
            place.urls.join(", ")
        ),
    }
}

pub(super) async fn look(
    client: &ChainClient,
    compiled: &CompiledPackage,
    id: PackageId,
    published: &MovePackage,
) -> Result<Others, Problem> {
    let original = published.type_origin_table.iter().map(|origin| PackageId(origin.package));
    let original = first_version(client, original.collect(), id).await?;
    let (mut versions, mut lines) = (Vec::new(), Vec::new());
    match package_versions(client, original).await {
        Ok(listed) => {
            for version in listed {
                let same = is_same(client, compiled, version).await?;
                if !same && version.id != id {
                    lines.push(format!(
                        "\n  ! version {} ({}) is not the compiled one: a cluster that is migrated to it runs it",
                        version.number, version.id
                    ));
                }
                versions.push(json!({ "package": version.id, "version": version.number, "same": same }));
            }
        }
        Err(error) => lines.push(format!("\n  ! other versions of the package are not known: {error}")),
    }
    let cap = match upgrade_cap(client, original).await {
        Ok(Some(cap)) => {
            let holder = holder(&cap.owner);
            lines.push(format!("\n  {holder} holds its UpgradeCap {} and can publish other versions", cap.id));
            json!({ "id": cap.id, "holder": holder })
        }
        Ok(None) => {
            lines.push("\n  ! its UpgradeCap was not found: who can publish other versions is not known".to_owned());
            Value::Null
        }
        Err(error) => {
            lines.push(format!("\n  ! who holds its UpgradeCap is not known: {error}"));
            Value::Null
        }
    };
    Ok(Others { versions, cap, text: lines.concat() })
}

/// The version that the others are upgrades of: the oldest in which one of its types is.
async fn first_version(client: &ChainClient, origins: Vec<PackageId>, id: PackageId) -> Result<PackageId, ChainError> {
    let mut first = (u64::MAX, id);
    for origin in origins.into_iter().collect::<std::collections::BTreeSet<_>>() {
        let version = published_package(client, origin).await?.version;
        first = first.min((version, origin));
    }
    Ok(first.1)
}

async fn is_same(client: &ChainClient, compiled: &CompiledPackage, version: ListedVersion) -> Result<bool, ChainError> {
    Ok(differences(compiled, &published_package(client, version.id).await?).is_empty())
}

fn holder(owner: &Owner) -> String {
    match owner {
        Owner::Address(address) => address.to_string(),
        Owner::Object(object) => format!("object {object}"),
        Owner::Shared(_) => "everyone (it is shared)".to_owned(),
        Owner::Immutable => "nobody (it is frozen)".to_owned(),
        other => format!("{other:?}"),
    }
}
