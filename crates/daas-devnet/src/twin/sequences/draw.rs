//! Drawing one call: arguments that fit the moment, at the edges of what is allowed as often as between them; and now and
//! then, with each argument, one that does not fit.

mod masters;
mod offices;
mod requests;
mod slashes;
mod stakes;

use super::super::{call::encode, find};
use super::chain::{Given, Op, PACKAGE};
use super::random::Random;
use super::scene::{Cap, Scene, wallets};
use daas_types::onchain::{Cluster, PositionState};
use daas_types::{ClusterId, WalletAddress};
use serde::Serialize;
use sui_sdk_types::Address;

pub(super) use masters::{announce, endorse, image, register};
pub(super) use offices::first;
pub(super) use slashes::{cancel, propose};
pub(super) use stakes::{node_ids, node_stake, refresh};

/// How calls of one function are drawn; `None` if the moment has nothing for it.
pub(super) type Drawn = fn(&mut Draw<'_>) -> Option<Op>;

const GROUPS: [(Group, &[(&str, u64, Drawn)]); 5] = [
    (Group::Offices, offices::DRAWN),
    (Group::Stakes, stakes::DRAWN),
    (Group::Slashes, slashes::DRAWN),
    (Group::Masters, masters::DRAWN),
    (Group::Requests, requests::DRAWN),
];

/// A call of any function. Each is as often tried as the moments are rare in which it can succeed, and as its group is
/// wanted.
pub(super) fn any(draw: &mut Draw<'_>, wanted: impl Fn(Group) -> u64) -> Option<Op> {
    let all =
        GROUPS.iter().flat_map(|(group, drawn)| drawn.iter().map(|(_, weight, draw)| (wanted(*group) * weight, draw)));
    let mut at = draw.random.below(all.clone().map(|(weight, _)| weight).sum());
    for (weight, drawn) in all {
        if at < weight {
            return drawn(draw);
        }
        at -= weight;
    }
    None
}

/// What a sequence may be mostly about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Offices,
    Stakes,
    Slashes,
    Masters,
    Requests,
}

pub(super) struct Draw<'a> {
    pub(super) random: &'a mut Random,
    pub(super) scene: &'a Scene,
    /// How often, in percent, an argument does not fit.
    pub(super) slips: u64,
}

pub(super) fn pure<T: Serialize + ?Sized>(value: &T) -> Given {
    Given::Pure(bcs::to_bytes(value).unwrap())
}

pub(super) fn bytes(value: &[u8]) -> Given {
    Given::Pure(encode(&value))
}

pub(super) fn it(id: impl Into<Id>) -> Given {
    Given::Object(id.into().0)
}

/// Any kind of object's.
pub(super) struct Id(Address);

macro_rules! ids {
    ($($kind:ident),*) => { $(impl From<daas_types::$kind> for Id {
        fn from(id: daas_types::$kind) -> Self {
            Self(id.0)
        }
    })* };
}
ids!(AnchorsId, ClusterId, NautilusId, PositionId, RegistryId, RequestId);

impl From<Address> for Id {
    fn from(id: Address) -> Self {
        Self(id)
    }
}

/// `function` is `module::name`.
pub(super) fn op(function: &'static str, sender: Address, args: Vec<Given>) -> Option<Op> {
    let (module, name) = function.split_once("::").unwrap();
    let function = find(PACKAGE, module, name).unwrap_or_else(|| panic!("{module}::{name}"));
    assert_eq!(function.params.len(), args.len(), "{name}");
    Some(Op { function, sender, args })
}

// === impl Draw ===

impl Draw<'_> {
    /// Now and then, the wrong thing.
    pub(super) fn slip(&mut self) -> bool {
        self.random.chance(self.slips)
    }

    pub(super) fn wallet(&mut self) -> Address {
        self.random.pick(&wallets()).unwrap()
    }

    /// The right sender.
    pub(super) fn by(&mut self, right: impl Into<Option<Address>>) -> Address {
        match right.into() {
            Some(right) if !self.slip() => right,
            _ => self.wallet(),
        }
    }

    /// Mostly the first cluster.
    pub(super) fn cluster(&mut self) -> Option<Cluster> {
        let clusters = &self.scene.clusters;
        let first = self.random.chance(85);
        let cluster = if first { clusters.first().cloned() } else { self.random.pick(clusters) };
        cluster.filter(|it| it.version == 1 || self.random.chance(30))
    }

    /// What a call names as its cluster.
    pub(super) fn named(&mut self, cluster: ClusterId) -> Given {
        if self.slip() { it(self.random.pick(&self.scene.clusters).unwrap().id) } else { it(cluster) }
    }

    /// A position of the cluster, preferably such a one.
    pub(super) fn position(
        &mut self,
        cluster: &Cluster,
        such: impl Fn(&PositionState) -> bool,
    ) -> Option<PositionState> {
        if self.slip() {
            return self.random.pick(&self.scene.positions);
        }
        let of: Vec<&PositionState> = self.scene.positions.iter().filter(|it| it.cluster == cluster.id).collect();
        let fit: Vec<&PositionState> =
            of.iter().copied().filter(|it| such(&it.at(daas_types::UnixMs(self.scene.now_ms)))).collect();
        let from = if fit.is_empty() || self.slip() { of } else { fit };
        self.random.pick(&from).cloned()
    }

    /// The capability that counts, or another, with its holder.
    pub(super) fn cap(&mut self, from: &[Cap], right: impl Fn(&Cap) -> bool) -> Option<(Given, Address)> {
        let fit: Vec<Cap> = from.iter().copied().filter(right).collect();
        let cap = if self.slip() { self.random.pick(from) } else { self.random.pick(&fit) };
        cap.map(|cap| (it(cap.id), cap.owner))
    }

    pub(super) fn admin(&mut self, cluster: ClusterId) -> Option<(Given, Address)> {
        let admins = &self.scene.admins;
        self.cap(admins, |cap| cap.cluster == cluster)
    }

    /// A length that must be this.
    pub(super) fn exact(&mut self, length: usize) -> usize {
        if self.slip() { self.random.one_of([length - 1, length + 1, 0]) } else { length }
    }

    /// A length that may be at most this.
    pub(super) fn at_most(&mut self, most: usize) -> usize {
        if self.slip() {
            return most + 1;
        }
        let small = self.random.index(12);
        self.random.one_of([small, small, small, 0, most])
    }

    /// A number from `least` to `most`.
    pub(super) fn within(&mut self, least: u64, most: u64) -> u64 {
        if self.slip() {
            return self.random.one_of([least.saturating_sub(1), most.saturating_add(1), 0]);
        }
        self.random.between(least, most)
    }

    pub(super) fn digest(&mut self) -> Vec<u8> {
        let length = self.exact(32);
        self.random.run(length)
    }

    pub(super) fn text(&mut self, length: usize) -> String {
        String::from_utf8(self.random.run(length)).unwrap()
    }

    pub(super) fn maybe_wallet(&mut self) -> Option<WalletAddress> {
        let wallet = WalletAddress(self.wallet());
        self.random.chance(50).then_some(wallet)
    }
}
