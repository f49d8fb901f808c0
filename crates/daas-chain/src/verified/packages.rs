use super::ProvenObject;
use daas_types::{Address, PackageId};
use std::collections::BTreeSet;
use sui_sdk_types::ObjectData;

/// The versions of one Move package that define types.
///
/// A type keeps the id of the package version that first had it: events of the first version's types carry the original
/// id even after upgrades, and types that an upgrade adds carry the upgrade's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packages {
    original: Address,
    versions: BTreeSet<Address>,
}

// === impl Packages ===

impl Packages {
    /// The first version alone.
    pub fn of(original: PackageId) -> Self {
        Self { original: original.0, versions: BTreeSet::from([original.0]) }
    }

    /// Whether a type with this address is the package's.
    pub fn define(&self, address: &Address) -> bool {
        self.versions.contains(address)
    }

    /// Takes in another version, if `object` is one; whether it was. Validators write down in each version where its types
    /// come from, and only an upgrade's come from a package before it.
    pub(crate) fn learn(&mut self, object: &ProvenObject) -> bool {
        let ObjectData::Package(package) = object.object().data() else {
            return false;
        };
        let origins = || package.type_origin_table.iter().map(|origin| origin.package);
        if !origins().any(|origin| origin == self.original) {
            return false;
        }
        self.versions.insert(package.id);
        self.versions.extend(origins());
        true
    }
}
