use super::*;
use daas_testkit::chain::Staker;
use daas_types::onchain::{Proposal, Stage, Status};
use daas_types::{Address, WalletAddress};

fn state(status: Status, active: u64) -> PositionState {
    let state = Staker::new(1, "1", Permissions::NODE).state;
    PositionState { generation: 1, status, active: Mist(active), seals: vec![], ..state }
}

fn proposal(reason: u8) -> Proposal {
    Proposal {
        reason,
        evidence_hash: vec![0xab; 32],
        uri: "https://evidence.example/1".into(),
        proposer: WalletAddress(Address::new([9; 32])),
        amount: Mist(500_000_000),
        from_unbonding: Mist(0),
        proposed_ms: UnixMs(1),
        appeal_until_ms: UnixMs(5001),
        expires_ms: UnixMs(9001),
        stage: Stage::Proposed,
        prior_status: Status::Active,
    }
}

#[test]
fn every_status_has_its_consequence() {
    let judged = |status, active| standing(&state(status, active), Mist(10));
    assert_eq!(judged(Status::Active, 10), Standing::Good);
    assert_eq!(judged(Status::Recovering, 10), Standing::Good);
    assert!(matches!(judged(Status::Active, 9), Standing::Lost(ErrorCode::StakeTooLow, _)));
    assert!(matches!(judged(Status::Closed, 10), Standing::Lost(ErrorCode::PositionClosed, _)));
    assert!(matches!(judged(Status::Suspended, 10), Standing::Slashed(_)));
    assert!(matches!(judged(Status::Slashed, 10), Standing::Slashed(_)));
}

#[test]
fn the_owner_learns_amount_reason_and_deadline() {
    let mut suspended = state(Status::Suspended, 4_500_000_000);
    suspended.proposal = Some(Box::new(proposal(1)));
    let text = slash_cause(&suspended);
    for part in ["0.5 SUI", "reason 1 (an audit root signed twice)", "https://evidence.example/1", "5001", "abab"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    for (stage, part) in [(Stage::Appealed, "already appealed"), (Stage::Upheld, "appealed and upheld")] {
        suspended.proposal = Some(Box::new(Proposal { stage, ..proposal(1) }));
        assert!(slash_cause(&suspended).ends_with(part));
    }
    assert!(slash_cause(&state(Status::Slashed, 4_500_000_000)).contains("4.5 SUI remain"));
}

#[test]
fn a_jailed_node_has_good_stake_and_stays_out_until_it_is_taken_out() {
    let mut jailed = state(Status::Active, 10);
    assert_eq!(jail_cause(&jailed), None);
    jailed.jailed_until_ms = UnixMs(77);
    assert_eq!(standing(&jailed, Mist(10)), Standing::Good);
    assert!(jail_cause(&jailed).is_some_and(|cause| cause.contains("until 77")));
}

#[test]
fn a_seal_is_renewed_with_a_third_of_its_life_left() {
    let hour = Duration::from_hours(1);
    let expires = UnixMs(0).plus(3 * hour);
    assert_eq!(renewal(expires, 3 * hour), UnixMs(0).plus(2 * hour));
    // A Seal shorter than it should be is due at once, not never.
    assert_eq!(renewal(UnixMs(5), 3 * hour), UnixMs(0));
}

#[test]
fn a_record_is_the_seals_own_by_its_commitment_alone() {
    let id = |n: u8| Address::new([n; 32]);
    let join = daas_testkit::join::file();
    let owner = WalletAddress(id(5));
    let seal = SealFile::prepare(&join, owner, Permissions::NODE, Some("n1".parse().unwrap())).unwrap();
    let record = |seal: &SealFile, n| SealRecord {
        id: id(n).into(),
        permissions: Permissions::NODE,
        locator: seal.locator(),
        commitment: seal.commitment(),
        session: None,
        expires_ms: UnixMs(1),
    };
    let other = seal.renewed().unwrap();
    let mut state = state(Status::Active, 10);
    // A copied locator does not make a record ours.
    state.seals = vec![SealRecord { locator: seal.locator(), ..record(&other, 8) }];
    assert!(record_of(&seal, &state).is_none());
    state.seals.push(record(&seal, 9));
    assert_eq!(record_of(&seal, &state).unwrap().id, id(9).into());
}
