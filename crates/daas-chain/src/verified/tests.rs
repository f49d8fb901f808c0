use super::*;
use crate::testing::{TestChain, TestTransaction, emitted};
use daas_types::onchain::TreasuryPaid;
use daas_types::{Address, ClusterId, Mist, PackageId, WalletAddress};

mod committees;
mod garbled;
mod genuine;
mod objects;
mod order;

const PACKAGE: PackageId = PackageId(Address::new([0xda; 32]));
const T0: UnixMs = UnixMs(1_700_000_000_000);

/// An event that differs from others by its number.
fn event(n: u64) -> Event {
    let (cluster, beneficiary) = (ClusterId(Address::new([1; 32])), WalletAddress(Address::ZERO));
    Event::TreasuryPaid(TreasuryPaid { cluster, amount: Mist(n), beneficiary })
}

fn transaction(n: u64) -> TestTransaction {
    TestTransaction::of(PACKAGE, &[event(n)])
}

/// Checkpoint 1 of a chain: two transactions with an event each, and one without.
fn claim(chain: &mut TestChain) -> Claim {
    chain.append(T0, &[transaction(1), TestTransaction::default(), transaction(2)], false)
}

fn verified(chain: &TestChain, sequence: u64, claim: &Claim) -> Result<VerifiedCheckpoint, ProofError> {
    let committee = chain.committees().of_epoch(claim.epoch().map_err(ProofError::at(sequence))?).unwrap();
    Ok(prove(sequence, claim, &committee)?.read(&Packages::of(PACKAGE)).unwrap())
}

fn events(checkpoint: &VerifiedCheckpoint) -> Vec<Event> {
    checkpoint.events().iter().map(|event| event.event().clone()).collect()
}

#[test]
fn the_truth_is_believed() {
    let mut chain = TestChain::new(1);
    let claim = claim(&mut chain);
    let checkpoint = verified(&chain, 1, &claim).unwrap();
    assert_eq!((checkpoint.sequence(), checkpoint.timestamp(), checkpoint.digest()), (1, T0, chain.last().digest()));
    assert_eq!(events(&checkpoint), [event(1), event(2)]);
    assert!(checkpoint.events().iter().all(|event| event.checkpoint() == 1));
}

#[test]
fn a_committee_of_many_is_believed() {
    use crate::testing::SignedCheckpoint;
    for validators in [1, 2, 3, 4, 120] {
        let signed = SignedCheckpoint::new(validators, 2);
        assert_eq!(signed.verify(&signed.committee()).sequence(), 1);
    }
}

/// The check that refuses `claim` once `lie` has changed it.
fn refused(lie: impl FnOnce(&mut Claim, &TestChain)) -> Check {
    let mut chain = TestChain::new(1);
    let mut claim = claim(&mut chain);
    lie(&mut claim, &chain);
    let error = verified(&chain, 1, &claim).expect_err("a lie must not be believed");
    assert_eq!(error.checkpoint, Some(1));
    error.check
}

/// Checkpoint 1 of the chain with another history.
fn other_claim() -> Claim {
    TestChain::new(1).append(T0, &[transaction(3), TestTransaction::default(), transaction(2)], false)
}

#[test]
fn what_is_absent_is_named() {
    let absent = |lie: fn(&mut Claim)| refused(|claim, _| lie(claim));
    assert_eq!(absent(|claim| claim.summary = None), Check::Absent("summary"));
    assert_eq!(absent(|claim| claim.signature = None), Check::Absent("signature"));
    assert_eq!(absent(|claim| claim.contents = None), Check::Absent("contents"));
    assert_eq!(absent(|claim| claim.transactions[1].effects = None), Check::Absent("effects"));
}

#[test]
fn nothing_is_left_out() {
    let hidden = refused(|claim, _| drop(claim.transactions.pop()));
    assert!(matches!(hidden, Check::TransactionHidden { .. }), "{hidden}");
    let hidden = refused(|claim, _| drop(claim.transactions.remove(1)));
    assert!(matches!(hidden, Check::Effects { .. }), "{hidden}");
    let hidden = refused(|claim, _| claim.transactions[2].events = None);
    assert!(matches!(hidden, Check::EventsHidden { .. }), "{hidden}");
}

#[test]
fn nothing_is_made_up() {
    let invented = refused(|claim, _| claim.transactions.push(claim.transactions[0].clone()));
    assert_eq!(invented, Check::TransactionInvented { served: 4, committed: 3 });
    let invented = refused(|claim, _| claim.transactions[1].events = claim.transactions[0].events.clone());
    assert!(matches!(invented, Check::EventsInvented { .. }), "{invented}");
    let invented = refused(|claim, _| claim.transactions[0].events = claim.transactions[2].events.clone());
    assert!(matches!(invented, Check::Events { .. }), "{invented}");
    // Effects that fit invented events are not the ones in the contents, …
    let invented = refused(|claim, _| claim.transactions = other_claim().transactions);
    assert!(matches!(invented, Check::Effects { .. }), "{invented}");
    // … contents that fit those effects are not the ones in the summary, …
    let invented = refused(|claim, _| {
        let Claim { contents, transactions, .. } = other_claim();
        (claim.contents, claim.transactions) = (contents, transactions);
    });
    assert!(matches!(invented, Check::Contents { .. }), "{invented}");
    // … and nobody signed a summary that fits those contents.
    let invented = refused(|claim, _| *claim = Claim { signature: claim.signature.clone(), ..other_claim() });
    assert!(matches!(invented, Check::Signature { epoch: 0, .. }), "{invented}");
}

#[test]
fn a_summary_counts_as_it_was_signed() {
    let summary = |claim: &Claim| claim.signed_summary().unwrap().checkpoint;
    let put = |claim: &mut Claim, summary: &sui_sdk_types::CheckpointSummary| {
        claim.summary = Some(bcs::to_bytes(summary).unwrap().into());
    };
    let altered = refused(|claim, _| {
        let mut summary = summary(claim);
        summary.timestamp_ms += 1;
        put(claim, &summary);
    });
    assert!(matches!(altered, Check::Signature { .. }), "{altered}");
    // By another committee, of another chain.
    let altered = refused(|claim, _| claim.signature = Some(TestChain::new(2).sign(&summary(claim))));
    assert!(matches!(altered, Check::Signature { .. }), "{altered}");
    let altered = refused(|claim, _| claim.signature.as_mut().unwrap().epoch = 1);
    assert!(matches!(altered, Check::Signature { .. }), "{altered}");
    let elsewhere = refused(|claim, chain| {
        let mut summary = summary(claim);
        summary.sequence_number = 2;
        put(claim, &summary);
        claim.signature = Some(chain.sign(&summary));
    });
    assert_eq!(elsewhere, Check::Sequence { got: 2 });
}

#[test]
fn only_the_packages_own_events_are_read() {
    let mut chain = TestChain::new(1);
    let foreign = emitted(Address::new([0xdb; 32]), &event(1));
    let mut unknown = emitted(PACKAGE.0, &event(2));
    unknown.type_ = "0x1::cluster::SomethingNew".parse().unwrap();
    let own = emitted(PACKAGE.0, &event(3));
    let put = |events| [TestTransaction { events, changed: vec![] }];
    let claim = chain.append(T0, &put(vec![foreign, unknown, own.clone()]), false);
    let read = verified(&chain, 1, &claim).unwrap();
    assert_eq!(
        (events(&read), read.has_unknown()),
        (vec![event(3)], false),
        "a type of another package is none of ours"
    );
    // One of a type that nobody knows is remembered.
    let claim = chain.append(T0, &put(vec![crate::testing::unknown(PACKAGE.0), own.clone()]), false);
    let read = verified(&chain, 2, &claim).unwrap();
    assert_eq!((events(&read), read.has_unknown()), (vec![event(3)], true));
    // One that this program knows and cannot read must not go unnoticed.
    let mut broken = own;
    broken.contents.pop();
    let claim = chain.append(T0, &put(vec![broken]), false);
    let committee = chain.committees().of_epoch(0).unwrap();
    let unreadable = prove(3, &claim, &committee).unwrap().read(&Packages::of(PACKAGE)).unwrap_err();
    assert_eq!(unreadable.checkpoint, 3);
}
