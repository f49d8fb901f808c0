//! The one package this program executes: the compiler's output, built in.

use super::failure::Refusal;
use super::work::{Now, Place, Work};
use crate::objects::framework_type;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_types::move_bytecode::at_address;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use sui_sdk_types::{Address, Digest, Identifier, MovePackage, Publish, TypeOrigin, UpgradeInfo, hash::Hasher};

const COMPILED: &str = include_str!("../../../../contracts/k3s_daas/compiled.json");
const INTERFACE: &str = include_str!("../../../../contracts/k3s_daas/interface.json");
/// Version of a package's first publication.
const FIRST_VERSION: u64 = 1;
/// `UpgradeCap.policy`: compatible upgrades.
const COMPATIBLE: u8 = 0;

/// `compiled.json`.
#[derive(Deserialize)]
struct Compiled {
    digest: String,
    dependencies: Vec<Address>,
    modules: BTreeMap<Identifier, String>,
}

/// The built-in package.
pub(crate) struct Package {
    pub(crate) digest: String,
    pub(crate) dependencies: Vec<Address>,
    pub(crate) modules: BTreeMap<Identifier, Vec<u8>>,
    /// (module, struct).
    types: Vec<(Identifier, Identifier)>,
}

static PACKAGE: LazyLock<Package> = LazyLock::new(|| {
    let compiled: Compiled = serde_json::from_str(COMPILED).expect("compiled.json must be the compiler's");
    let decode = |text: String| STANDARD.decode(text).expect("compiled.json's modules must be base64");
    let modules = compiled.modules.into_iter().map(|(name, text)| (name, decode(text))).collect();
    Package { digest: compiled.digest, dependencies: compiled.dependencies, modules, types: types() }
});

pub(crate) fn package() -> &'static Package {
    &PACKAGE
}

/// What the compiled bytecode declares, as JSON.
pub(crate) fn interface() -> serde_json::Value {
    serde_json::from_str(INTERFACE).expect("interface.json must be JSON")
}

/// Refuses everything but the built-in package.
pub(crate) fn check(publish: &Publish) -> Result<(), Refusal> {
    let ours: Vec<&Vec<u8>> = package().modules.values().collect();
    let same_modules =
        publish.modules.len() == ours.len() && publish.modules.iter().all(|module| ours.contains(&module));
    if same_modules && sorted(&publish.dependencies) == sorted(&package().dependencies) {
        return Ok(());
    }
    let got = hex::encode(digest(&publish.modules, &publish.dependencies).as_bytes());
    Err(Refusal::ForeignPackage { expected: package().digest.clone(), got })
}

/// A package's digest as the compiler prints it: over the sorted ids of its dependencies and hashes of its modules.
pub(crate) fn digest(modules: &[Vec<u8>], dependencies: &[Address]) -> Digest {
    let hashes = modules.iter().map(|module| Hasher::digest(module).into_inner());
    let mut parts: Vec<[u8; 32]> = hashes.chain(dependencies.iter().map(|d| d.into_inner())).collect();
    parts.sort_unstable();
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

/// Puts the package among what the transaction makes, and answers its `UpgradeCap`.
pub(crate) fn publish(work: &mut Work<'_>) -> Address {
    let id = work.fresh_id();
    let origin = |(module, name): &(Identifier, Identifier)| TypeOrigin {
        module_name: module.clone(),
        struct_name: name.clone(),
        package: id,
    };
    let link = |d: &Address| (*d, UpgradeInfo { upgraded_id: *d, upgraded_version: FIRST_VERSION });
    work.packages.push(MovePackage {
        id,
        version: FIRST_VERSION,
        modules: package().modules.iter().map(|(name, code)| (name.clone(), at_address(code, id))).collect(),
        type_origin_table: package().types.iter().map(origin).collect(),
        linkage_table: package().dependencies.iter().map(link).collect(),
    });
    let cap = work.fresh_id();
    let contents = [cap.as_bytes(), id.as_bytes(), &FIRST_VERSION.to_le_bytes(), &[COMPATIBLE]].concat();
    let tag = framework_type("package", "UpgradeCap", vec![]);
    work.create(cap, Now { tag, public_transfer: true, contents, place: Place::Held });
    cap
}

fn types() -> Vec<(Identifier, Identifier)> {
    let name = |text: &str| Identifier::new(text).expect("interface.json's names must be identifiers");
    let interface = interface();
    let modules = interface.as_object().into_iter().flatten();
    modules
        .flat_map(|(module, content)| {
            let structs = content["structs"].as_object().into_iter().flatten();
            structs.map(|(of, _)| (name(module), name(of))).collect::<Vec<_>>()
        })
        .collect()
}

fn sorted(ids: &[Address]) -> Vec<Address> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}

/// The built-in package's digest, computed and as its file declares it.
#[cfg(test)]
pub(crate) fn digest_of_package() -> (Digest, &'static str) {
    let modules: Vec<Vec<u8>> = package().modules.values().cloned().collect();
    (digest(&modules, &package().dependencies), &package().digest)
}
