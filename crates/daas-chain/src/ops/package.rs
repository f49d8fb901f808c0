use super::build::{Arg, Draft, FRAMEWORK, Step};
use super::{Call, Ops, Outcome, TxError};
use crate::client::{ChainClient, ChainError};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use core::fmt;
use daas_types::move_bytecode::at_address;
use daas_types::{Address, PackageId};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use sui_sdk_types::{MovePackage, ObjectData};

/// `UpgradeCap.policy`: layouts and public functions stay.
const COMPATIBLE: u8 = 0;

/// A compiled Move package, as `contracts/k3s_daas/compiled.json` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledPackage {
    /// The compiler's digest of it, hex.
    pub digest: String,
    /// Packages it links to.
    pub dependencies: Vec<Address>,
    /// Each module's bytecode, by name.
    pub modules: BTreeMap<String, Vec<u8>>,
}

/// Not a compiled package.
#[derive(Debug, thiserror::Error)]
#[error("not a compiled package: {0}")]
pub struct CompiledPackageError(String);

/// An upgrade of a published package.
#[derive(Clone, Debug)]
pub struct UpgradeSpec {
    /// The version that is upgraded.
    pub current: PackageId,
    /// The first version.
    pub original: PackageId,
    /// The sender's `UpgradeCap` for it.
    pub cap: Address,
}

/// Where a published package is not the compiled one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackageDifference {
    /// A compiled module is not there.
    Missing(String),
    /// A module is there that was not compiled.
    Extra(String),
    /// A module has other bytes.
    Bytes {
        /// The module.
        module: String,
        /// The first byte that differs; where one of them ends if that comes first.
        at: usize,
        /// How long the compiled one is.
        compiled: usize,
        /// How long the published one is.
        published: usize,
    },
    /// It links to other packages.
    Links(Vec<Address>),
}

// === impl CompiledPackage ===

impl CompiledPackage {
    /// Parses the JSON form.
    pub fn parse(json: &str) -> Result<Self, CompiledPackageError> {
        #[derive(Deserialize)]
        struct Json {
            digest: String,
            dependencies: Vec<Address>,
            modules: BTreeMap<String, String>,
        }
        let Json { digest, dependencies, modules } =
            serde_json::from_str(json).map_err(|e| CompiledPackageError(e.to_string()))?;
        let decode = |(name, text): (String, String)| match STANDARD.decode(text) {
            Ok(bytes) => Ok((name, bytes)),
            Err(e) => Err(CompiledPackageError(format!("module {name}: {e}"))),
        };
        let modules = modules.into_iter().map(decode).collect::<Result<_, _>>()?;
        Ok(Self { digest, dependencies, modules })
    }

    fn code(&self) -> Vec<Vec<u8>> {
        self.modules.values().cloned().collect()
    }
}

// === impl Ops ===

impl Ops {
    /// Publishes the compiled package. The sender gets its `UpgradeCap`.
    pub fn publish(&self, package: &CompiledPackage) -> Call<'_, (PackageId, Outcome)> {
        let publish = Step::Publish { modules: package.code(), dependencies: package.dependencies.clone() };
        let keep = Step::Send { what: Arg::Result(0), to: None };
        Call::new(self, Draft { package: None, cluster: None, steps: vec![publish, keep] }).then(made)
    }

    /// Publishes the compiled package as a new version of an old one.
    pub fn upgrade(
        &self,
        package: &CompiledPackage,
        spec: &UpgradeSpec,
    ) -> Result<Call<'_, (PackageId, Outcome)>, TxError> {
        let digest = hex::decode(&package.digest);
        let digest = digest.map_err(|_| TxError::Broken("the package's digest is not hex".to_owned()))?;
        let cap = Arg::shared_mut(spec.cap);
        let framework = |function, args| Step::Call { package: FRAMEWORK, module: "package", function, args };
        let steps = vec![
            framework("authorize_upgrade", vec![cap.clone(), Arg::pure(&COMPATIBLE), Arg::pure(&digest)]),
            Step::Upgrade {
                modules: package.code(),
                dependencies: package.dependencies.clone(),
                package: spec.current.0,
                ticket: Arg::Result(0),
            },
            framework("commit_upgrade", vec![cap, Arg::Result(1)]),
        ];
        Ok(Call::new(self, Draft { package: Some(spec.original), cluster: None, steps }).then(made))
    }
}

fn made(outcome: Outcome) -> Result<(PackageId, Outcome), TxError> {
    let id = outcome.package().ok_or_else(|| TxError::Broken(format!("{} made no package", outcome.digest)))?;
    Ok((id, outcome))
}

/// A published package, proven. Nobody can change one, so it is also what is there now.
pub async fn published_package(client: &ChainClient, id: PackageId) -> Result<MovePackage, ChainError> {
    let missing = || ChainError::Missing { what: "package", id: id.0 };
    let proven = client.proven_object(id.0).await?.ok_or_else(missing)?;
    match proven.object().data() {
        ObjectData::Package(package) if package.id == id.0 => Ok(package.clone()),
        _ => Err(missing()),
    }
}

/// Compares a published package with the compiled one, byte by byte. The compiler leaves a package's own address at zero;
/// publication puts in `original`, the id of the first version.
pub fn compare_package(
    compiled: &CompiledPackage,
    published: &MovePackage,
    original: PackageId,
) -> Vec<PackageDifference> {
    let mut differences = Vec::new();
    let mut there: BTreeMap<&str, &[u8]> =
        published.modules.iter().map(|(name, code)| (name.as_str(), code.as_slice())).collect();
    for (name, code) in &compiled.modules {
        let Some(found) = there.remove(name.as_str()) else {
            differences.push(PackageDifference::Missing(name.clone()));
            continue;
        };
        let code = at_address(code, original.0);
        if code != found {
            let at = code.iter().zip(found).take_while(|(a, b)| a == b).count();
            let (module, compiled, published) = (name.clone(), code.len(), found.len());
            differences.push(PackageDifference::Bytes { module, at, compiled, published });
        }
    }
    differences.extend(there.into_keys().map(|name| PackageDifference::Extra(name.to_owned())));
    let links: BTreeSet<Address> = published.linkage_table.keys().copied().collect();
    if links != compiled.dependencies.iter().copied().collect() {
        differences.push(PackageDifference::Links(links.into_iter().collect()));
    }
    differences
}

impl fmt::Display for PackageDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(module) => write!(f, "module {module} is not published"),
            Self::Extra(module) => write!(f, "module {module} is published and was not compiled"),
            Self::Bytes { module, at, compiled, published } => {
                write!(f, "module {module} differs at byte {at} ({compiled} bytes compiled, {published} published)")
            }
            Self::Links(links) => {
                f.write_str("it links to")?;
                links.iter().try_for_each(|id| write!(f, " {id}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sui_sdk_types::UpgradeInfo;

    fn compiled() -> CompiledPackage {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/k3s_daas/compiled.json");
        CompiledPackage::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn published(compiled: &CompiledPackage, id: Address) -> MovePackage {
        let module = |(name, code): (&String, &Vec<u8>)| (name.parse().unwrap(), at_address(code, id));
        let link = |id: &Address| (*id, UpgradeInfo { upgraded_id: *id, upgraded_version: 1 });
        MovePackage {
            id,
            version: 1,
            modules: compiled.modules.iter().map(module).collect(),
            type_origin_table: vec![],
            linkage_table: compiled.dependencies.iter().map(link).collect(),
        }
    }

    fn name(module: &str) -> sui_sdk_types::Identifier {
        module.parse().unwrap()
    }

    #[test]
    fn the_compiled_package_of_the_repository_parses() {
        let package = compiled();
        assert!(package.modules.contains_key("staking") && package.dependencies.len() == 2);
        // Every module starts with Move's magic number, and holds its own address, which is zero.
        for (name, code) in &package.modules {
            assert!(code.starts_with(&[0xa1, 0x1c, 0xeb, 0x0b]), "{name}");
            let moved = at_address(code, Address::new([7; 32]));
            assert_eq!(moved.len(), code.len());
            assert!(moved != *code, "{name} has no address of its own");
        }
        assert!(CompiledPackage::parse("{}").is_err());
    }

    #[test]
    fn every_difference_is_named() {
        let (compiled, id) = (compiled(), Address::new([7; 32]));
        let same = published(&compiled, id);
        assert_eq!(compare_package(&compiled, &same, PackageId(id)), []);
        // The same bytes at another address are not the package.
        assert!(!compare_package(&compiled, &same, PackageId(Address::new([8; 32]))).is_empty());

        let mut other = same.clone();
        let staking = other.modules.get_mut(&name("staking")).unwrap();
        let length = staking.len();
        *staking.last_mut().unwrap() ^= 1;
        let bytes = |published| PackageDifference::Bytes {
            module: "staking".to_owned(),
            at: length - 1,
            compiled: length,
            published,
        };
        assert_eq!(compare_package(&compiled, &other, PackageId(id)), [bytes(length)]);
        other.modules.get_mut(&name("staking")).unwrap().pop();
        assert_eq!(compare_package(&compiled, &other, PackageId(id)), [bytes(length - 1)]);

        let mut other = same.clone();
        let code = other.modules.remove(&name("caps")).unwrap();
        other.modules.insert("backdoor".parse().unwrap(), code);
        other.linkage_table.clear();
        assert_eq!(
            compare_package(&compiled, &other, PackageId(id)),
            [
                PackageDifference::Missing("caps".to_owned()),
                PackageDifference::Extra("backdoor".to_owned()),
                PackageDifference::Links(vec![]),
            ]
        );
    }
}
