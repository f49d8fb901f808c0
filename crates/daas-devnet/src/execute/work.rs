//! The objects one transaction touches, while it runs. Nothing here reaches the ledger before `settle` says how it ended.

use crate::StoreError;
use crate::ledger::View;
use daas_attest::Roots;
use std::collections::BTreeMap;
use sui_sdk_types::{Address, Digest, Event, MovePackage, Object, Owner, StructTag};

/// How a transaction may use an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// An owned input or a shared one taken mutably: it gets a new version whatever happens.
    Write,
    /// A shared input taken immutably, or an immutable object.
    Read,
    /// A dynamic field found on the way.
    Child,
    /// Made by this transaction.
    New,
}

/// Where an object will be after the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a command's hand; must be put somewhere before the end.
    Held,
    /// With this owner.
    Owned(Owner),
    /// Shared by this transaction; its initial version is not known yet.
    NewlyShared,
}

/// One object.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) before: Option<Object>,
    pub(crate) access: Access,
    /// What it is now; `None` once deleted.
    pub(crate) now: Option<Now>,
    pub(crate) written: bool,
}

/// An object's present state.
#[derive(Clone, Debug)]
pub(crate) struct Now {
    pub(crate) tag: StructTag,
    pub(crate) public_transfer: bool,
    pub(crate) contents: Vec<u8>,
    pub(crate) place: Place,
}

/// All of them.
pub(crate) struct Work<'v> {
    view: &'v View,
    pub(crate) items: BTreeMap<Address, Item>,
    pub(crate) packages: Vec<MovePackage>,
    pub(crate) events: Vec<Event>,
    pub(crate) digest: Digest,
    /// Roots of the documents that masters register with.
    pub(crate) roots: &'v Roots,
    ids_made: u64,
    /// What costly functions of the network itself cost, in thousandths of a gas unit.
    spent: u64,
}

// === impl Work ===

impl<'v> Work<'v> {
    pub(crate) fn new(view: &'v View, digest: Digest, roots: &'v Roots) -> Self {
        let (items, packages, events) = (BTreeMap::new(), vec![], vec![]);
        Self { view, items, packages, events, digest, roots, ids_made: 0, spent: 0 }
    }

    /// A function of the network itself costs this much, in thousandths of a gas unit.
    pub(crate) fn spend(&mut self, cost: u64) {
        self.spent = self.spent.saturating_add(cost);
    }

    /// All that was spent so, in gas units, rounded up to a thousand.
    pub(crate) fn spent_units(&self) -> u64 {
        self.spent.div_ceil(1_000_000).saturating_mul(1_000)
    }

    /// Takes in an input. Packages cannot be inputs, so `object` is a struct; the checks have seen to that.
    pub(crate) fn admit(&mut self, object: Object, access: Access) {
        let now = object.as_struct().map(|data| Now {
            tag: data.object_type().clone(),
            public_transfer: data.has_public_transfer(),
            contents: data.contents().to_vec(),
            place: Place::Owned(*object.owner()),
        });
        let item = Item { now, before: Some(object), access, written: false };
        self.items.insert(item.before.as_ref().map_or(Address::ZERO, Object::object_id), item);
    }

    /// The next id `tx_context::fresh_object_address` would give.
    pub(crate) fn fresh_id(&mut self) -> Address {
        let id = Address::derive_id(self.digest, self.ids_made);
        self.ids_made += 1;
        id
    }

    pub(crate) fn get(&self, id: Address) -> Option<&Now> {
        self.items.get(&id)?.now.as_ref()
    }

    /// The object, to be changed.
    pub(crate) fn get_mut(&mut self, id: Address) -> Option<&mut Now> {
        let item = self.items.get_mut(&id)?;
        item.written = true;
        item.now.as_mut()
    }

    pub(crate) fn create(&mut self, id: Address, now: Now) {
        let before = self.items.get(&id).and_then(|item| item.before.clone());
        let access = if before.is_some() { Access::Child } else { Access::New };
        self.items.insert(id, Item { before, access, now: Some(now), written: true });
    }

    pub(crate) fn delete(&mut self, id: Address) {
        if let Some(item) = self.items.get_mut(&id) {
            item.now = None;
            item.written = true;
        }
    }

    /// Makes sure a dynamic field of `parent` is among the items, if there is one; answers whether there is.
    pub(crate) fn find_child(&mut self, parent: Address, id: Address) -> Result<bool, StoreError> {
        if let Some(item) = self.items.get(&id) {
            return Ok(item.now.is_some());
        }
        let Some(object) = self.view.object(id)?.filter(|o| *o.owner() == Owner::Object(parent)) else {
            return Ok(false);
        };
        self.admit(object, Access::Child);
        Ok(true)
    }
}
