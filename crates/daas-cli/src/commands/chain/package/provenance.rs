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
    let mut judged = Vec::new();
    let (versions, mut lines) = match package_versions(client, original).await {
        Ok(listed) => {
            for version in listed {
                let same = differences(compiled, &published_package(client, version.id).await?).is_empty();
                judged.push((version, same));
            }
            told(&judged, id)
        }
        Err(error) => (Vec::new(), vec![format!("\n  ! other versions of the package are not known: {error}")]),
    };
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

/// Each version and whether it is the compiled one; and a line for each that is not, but for the one that was asked for.
fn told(judged: &[(ListedVersion, bool)], asked: PackageId) -> (Vec<Value>, Vec<String>) {
    let value = |(version, same): &(ListedVersion, bool)| json!({ "package": version.id, "version": version.number, "same": same });
    let others = judged.iter().filter(|(version, same)| !same && version.id != asked);
    let line = |(version, _): &(ListedVersion, bool)| {
        let ListedVersion { number, id } = version;
        format!("\n  ! version {number} ({id}) is not the compiled one: a cluster that is migrated to it runs it")
    };
    (judged.iter().map(value).collect(), others.map(line).collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use daas_types::Address;

    fn id(n: u8) -> PackageId {
        PackageId(Address::new([n; 32]))
    }

    #[test]
    fn another_version_that_differs_is_told_of() {
        let version = |number: u8| ListedVersion { number: number.into(), id: id(number) };
        let (values, lines) = told(&[(version(1), true), (version(2), false), (version(3), true)], id(1));
        assert_eq!(values.iter().map(|value| value["same"] == true).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains(&format!("! version 2 ({})", id(2))), "{lines:?}");
        // Of the one that was asked for, the answer itself says it.
        assert_eq!(told(&[(version(1), true), (version(2), false)], id(2)).1, Vec::<String>::new());
    }
}
