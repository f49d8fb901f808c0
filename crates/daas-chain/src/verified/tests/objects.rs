//! Objects, and the packages among them.

use super::*;
use crate::testing::package;
use bytes::Bytes;
use std::collections::HashMap;
use sui_sdk_types::{Object, ObjectIn, Owner};

const LATER: Address = Address::new([0xdc; 32]);

/// What an honest server says of `object`, which the only transaction of a checkpoint wrote.
pub(super) struct Served {
    pub(super) object: ClaimedObject,
    committed: HashMap<Digest, Digest>,
    pub(super) effects: Option<Bytes>,
}

// === impl Served ===

impl Served {
    fn new(object: &Object) -> Self {
        let mut chain = TestChain::new(1);
        let claim = chain.append(T0, &[TestTransaction::writing(object)], false);
        let committee = chain.committees().of_epoch(0).unwrap();
        let committed = Header::prove(1, &claim, &committee).unwrap().into_effects();
        let bytes = bcs::to_bytes(object).unwrap().into();
        let transaction = *committed.keys().next().unwrap();
        let object = ClaimedObject { id: object.object_id(), bytes, transaction };
        Self { object, committed, effects: claim.transactions[0].effects.clone() }
    }

    pub(super) fn example() -> Self {
        Self::new(&package(LATER, 2, &[PACKAGE.0]))
    }

    pub(super) fn prove(&self) -> Result<ProvenObject, ProofError> {
        self.object.prove(&self.done(self.object.transaction)?)
    }

    fn done(&self, transaction: Digest) -> Result<ProvenEffects, ProofError> {
        ProvenEffects::prove(1, transaction, &self.committed, self.effects.as_ref())
    }

    fn refused(&self) -> Check {
        let error = self.prove().unwrap_err();
        assert_eq!(error.checkpoint, Some(1));
        error.check
    }
}

#[test]
fn an_object_is_as_a_verified_checkpoint_has_it() {
    let object = package(LATER, 2, &[PACKAGE.0]);
    assert_eq!(Served::new(&object).prove().unwrap().object(), &object);

    let mut served = Served::new(&object);
    served.object.bytes = bcs::to_bytes(&package(LATER, 2, &[])).unwrap().into();
    assert!(matches!(served.refused(), Check::Unwritten { id: LATER, .. }), "its bytes are others");
    served.object.bytes = bcs::to_bytes(&package(LATER, 3, &[PACKAGE.0])).unwrap().into();
    assert!(matches!(served.refused(), Check::Unwritten { .. }), "a version that nobody wrote");

    let mut served = Served::new(&object);
    served.object.id = PACKAGE.0;
    assert!(matches!(served.refused(), Check::Unwritten { .. }), "another object in its place");

    let mut served = Served::new(&object);
    let done = served.done(served.object.transaction).unwrap();
    served.object.transaction = Digest::ZERO;
    assert_eq!(served.refused(), Check::Unincluded { transaction: Digest::ZERO });
    assert!(matches!(served.object.prove(&done).unwrap_err().check, Check::Unwritten { .. }), "what another one did");

    let mut served = Served::new(&object);
    served.effects = Served::new(&package(LATER, 3, &[])).effects;
    assert!(matches!(served.refused(), Check::Effects { .. }), "effects that would fit another object");
    served.effects = None;
    assert_eq!(served.refused(), Check::Absent("effects"));
}

#[test]
fn a_package_has_the_versions_that_name_it_as_their_origin() {
    let learn = |packages: &mut Packages, object| packages.learn(&Served::new(&object).prove().unwrap());
    let mut packages = Packages::of(PACKAGE);
    let third = Address::new([0xdd; 32]);
    assert!(!learn(&mut packages, package(LATER, 1, &[LATER])), "somebody's own package is no version of it");
    assert!(!packages.define(&LATER));
    // The third version tells of the second too.
    assert!(learn(&mut packages, package(third, 3, &[PACKAGE.0, LATER])));
    assert!(packages.define(&PACKAGE.0) && packages.define(&LATER) && packages.define(&third));
}

#[test]
fn events_of_types_that_an_upgrade_added_are_read() {
    let mut chain = TestChain::new(1);
    let upgrade = package(LATER, 2, &[PACKAGE.0, LATER]);
    let mut transaction = TestTransaction::writing(&upgrade);
    transaction.events = vec![emitted(PACKAGE.0, &event(1)), emitted(LATER, &event(2))];
    let claim = chain.append(T0, &[transaction], false);
    let committee = chain.committees().of_epoch(0).unwrap();
    let proven = prove(1, &claim, &committee).unwrap();
    let [found] = proven.upgrades() else { panic!("{proven:?}") };
    let mut packages = Packages::of(PACKAGE);
    assert_eq!(events(&proven.read(&packages).unwrap()), [event(1)]);
    let claimed = |package| Served::new(&package).object;
    let error = found.prove(1, &claimed(package(LATER, 2, &[LATER]))).unwrap_err();
    assert!(matches!(error.check, Check::Unwritten { id: LATER, .. }), "{error}");
    assert!(packages.learn(&found.prove(1, &claimed(upgrade)).unwrap()));
    assert_eq!(events(&proven.read(&packages).unwrap()), [event(1), event(2)]);
    // What Sui writes anew in its place is nobody's to look up later.
    let mut in_place = TestTransaction::writing(&package(LATER, 2, &[LATER]));
    let input = ObjectIn::Exist { version: 1, digest: Digest::ZERO, owner: Owner::Immutable };
    in_place.changed[0].input_state = input;
    let claim = chain.append(T0, &[in_place], false);
    assert!(prove(2, &claim, &committee).unwrap().upgrades().is_empty());
    // A first version is nobody's upgrade.
    let claim = chain.append(T0, &[TestTransaction::writing(&package(LATER, 1, &[LATER]))], false);
    assert!(prove(3, &claim, &committee).unwrap().upgrades().is_empty());
}

#[test]
fn only_what_nobody_honest_can_have_said_convicts() {
    let at = |check| ProofError::at(1)(check).convicts();
    let transaction = Digest::ZERO;
    assert!(at(Check::Unincluded { transaction }) && at(Check::Sequence { got: 2 }) && at(Check::Layout("summary")));
    assert!(!at(Check::Absent("effects")), "it may have forgotten");
    assert!(!at(Check::UnknownCommittee { epoch: 0, pinned: 7 }), "it may be asked for what is that old");
    assert!(!at(Check::Unreadable("object")), "this program may be too old");
    assert!(!ProofError::unplaced(Check::Unincluded { transaction }).convicts());
}
