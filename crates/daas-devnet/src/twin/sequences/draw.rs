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

/// A function, how often it is tried within its group, and how it is drawn.
type Weighted = (&'static str, u64, Drawn);

const GROUPS: [(Group, &[Weighted]); 5] = [
    (Group::Offices, offices::DRAWN),
    (Group::Stakes, stakes::DRAWN),
    (Group::Slashes, slashes::DRAWN),
    (Group::Masters, masters::DRAWN),
    (Group::Requests, requests::DRAWN),
];

/// A call of any function. Each is as often tried as the moments are rare in which it can succeed, and as its group is
/// wanted. If it `slips`, one thing about it does not fit, be it any.
pub(super) fn any(random: &mut Random, scene: &Scene, slips: bool, wanted: impl Fn(Group) -> u64) -> Option<Op> {
    let drawn = function(random, wanted);
    let seed = random.next();
    let mut draw = Draw::of(Random::new(seed), scene);
    let op = drawn(&mut draw);
    if !slips {
        return op;
    }
    let mut draw = Draw { slip_at: Some(random.index(draw.decisions)), ..Draw::of(Random::new(seed), scene) };
    let op = drawn(&mut draw);
    op.map(|op| Op { slipped: draw.slipped, ..op })
}

fn function(random: &mut Random, wanted: impl Fn(Group) -> u64) -> Drawn {
    let all: Vec<(u64, Drawn)> = GROUPS
        .iter()
        .flat_map(|(group, drawn)| drawn.iter().map(|(_, weight, drawn)| (wanted(*group) * weight, *drawn)))
        .collect();
    let mut at = random.below(all.iter().map(|(weight, _)| weight).sum());
    for (weight, drawn) in &all {
        if at < *weight {
            return *drawn;
        }
        at -= weight;
    }
    all[0].1
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
    pub(super) random: Random,
    pub(super) scene: &'a Scene,
    /// Which decision goes wrong, of those there are.
    slip_at: Option<usize>,
    decisions: usize,
    slipped: bool,
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
#[expect(clippy::unnecessary_wraps, reason = "it ends functions of the type Drawn")]
pub(super) fn op(function: &'static str, sender: Address, args: Vec<Given>) -> Option<Op> {
    let (module, name) = function.split_once("::").unwrap();
    let function = find(PACKAGE, module, name).unwrap_or_else(|| panic!("{module}::{name}"));
    assert_eq!(function.params.len(), args.len(), "{name}");
    Some(Op { function, sender, args, slipped: false })
}

// === impl Draw ===

impl<'a> Draw<'a> {
    /// Everything fits.
    pub(super) fn of(random: Random, scene: &'a Scene) -> Self {
        Self { random, scene, slip_at: None, decisions: 0, slipped: false }
    }

    /// Whether this decision goes wrong.
    pub(super) fn slip(&mut self) -> bool {
        let slips = self.slip_at == Some(self.decisions);
        self.decisions += 1;
        self.slipped |= slips;
        slips
    }

    /// What is right, or one of the others.
    pub(super) fn right<T: Clone + PartialEq>(&mut self, right: T, all: impl Iterator<Item = T>) -> T {
        let others: Vec<T> = all.filter(|it| *it != right).collect();
        if !others.is_empty() && self.slip() { self.random.pick(&others).unwrap() } else { right }
    }

    pub(super) fn wallet(&mut self) -> Address {
        self.random.pick(&wallets()).unwrap()
    }

    /// The right sender.
    pub(super) fn by(&mut self, right: impl Into<Option<Address>>) -> Address {
        match right.into() {
            Some(right) => self.right(right, wallets().into_iter()),
            None => self.wallet(),
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
        let scene = self.scene;
        it(self.right(cluster, scene.clusters.iter().map(|it| it.id)))
    }

    /// A position of the cluster, preferably such a one.
    pub(super) fn position(
        &mut self,
        cluster: &Cluster,
        such: impl Fn(&PositionState) -> bool,
    ) -> Option<PositionState> {
        if self.random.chance(4) {
            return self.random.pick(&self.scene.positions);
        }
        let of: Vec<&PositionState> = self.scene.positions.iter().filter(|it| it.cluster == cluster.id).collect();
        let fit: Vec<&PositionState> =
            of.iter().copied().filter(|it| such(&it.at(daas_types::UnixMs(self.scene.now_ms)))).collect();
        let from = if fit.is_empty() || self.random.chance(6) { of } else { fit };
        self.random.pick(&from).cloned()
    }

    /// The capability that counts, or another, with its holder.
    pub(super) fn cap(&mut self, from: &[Cap], right: impl Fn(&Cap) -> bool) -> Option<(Given, Address)> {
        let fit: Vec<Cap> = from.iter().copied().filter(&right).collect();
        let unfit: Vec<Cap> = from.iter().copied().filter(|cap| !right(cap)).collect();
        let wrong = !unfit.is_empty() && self.slip();
        let cap = if wrong { self.random.pick(&unfit) } else { self.random.pick(&fit) };
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
