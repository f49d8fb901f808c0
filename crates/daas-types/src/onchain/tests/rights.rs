//! What a position, a Seal and a master are worth at a moment.

use super::*;
use crate::{Rights, Tier};

fn suspended() -> PositionState {
    let position = position();
    PositionState {
        status: Status::Suspended,
        active: Mist(position.active.0 - 500),
        unbonding: Mist(position.unbonding.0),
        frozen: Mist(600),
        proposal: Some(Box::new(proposal())),
        ..position
    }
}

#[test]
fn a_suspended_position_has_no_rights_until_its_slash_lapses() {
    let policy = Policy::devnet(wallet(1));
    let suspended = suspended();
    assert_eq!(suspended.rights(&policy, UnixMs(29)), Rights::default());
    assert_eq!(*suspended.at(UnixMs(29)), suspended);
    assert_eq!(suspended.lapses_ms(), Some(UnixMs(30)));

    let lapsed = suspended.at(UnixMs(30)).into_owned();
    let money = (lapsed.active, lapsed.frozen, lapsed.unbonding);
    assert_eq!(money, (Mist::from_sui(5), Mist(0), Mist(107)));
    assert_eq!((lapsed.status, lapsed.proposal.clone()), (Status::Active, None));
    assert_eq!(suspended.rights(&policy, UnixMs(30)), Rights { tier: Some(Tier::Admin), node: true });
    assert_eq!(lapsed.rights(&policy, UnixMs(30)), suspended.rights(&policy, UnixMs(30)));
}

#[test]
fn a_lapse_restores_whatever_status_there_was() {
    let policy = Policy::devnet(wallet(1));
    for status in [Status::Slashed, Status::Recovering, Status::Closed] {
        let proposal = Proposal { prior_status: status, ..proposal() };
        let position = PositionState { proposal: Some(Box::new(proposal)), ..suspended() };
        assert_eq!(position.at(UnixMs(30)).status, status);
        assert_eq!(position.rights(&policy, UnixMs(30)), Rights::default());
    }
}

#[test]
fn a_jailed_node_is_out_until_it_is_taken_from_jail_and_its_owner_is_not() {
    let policy = Policy::devnet(wallet(1));
    let jailed = PositionState { jailed_until_ms: UnixMs(1), ..position() };
    assert_eq!(jailed.rights(&policy, UnixMs(1_000)), Rights { tier: Some(Tier::Admin), node: false });
    assert!(position().rights(&policy, UnixMs(1_000)).node);
}

#[test]
fn a_node_needs_its_minimum_and_an_id() {
    let policy = Policy::devnet(wallet(1));
    let rights = |position: PositionState| position.rights(&policy, UnixMs(0));
    assert!(rights(PositionState { active: policy.node_minimum, ..position() }).node);
    assert!(!rights(PositionState { active: Mist(policy.node_minimum.0 - 1), ..position() }).node);
    assert!(!rights(PositionState { node_id: String::new(), ..position() }).node);
    assert!(!rights(PositionState { node_id: "Not_A_Label".to_owned(), ..position() }).node);
}

#[test]
fn maintenance_is_from_its_first_moment_to_the_last_before_its_end() {
    let during = |now| position().in_maintenance(UnixMs(now));
    assert_eq!([8, 9, 10].map(during), [false, true, false]);
}

#[test]
fn a_slash_is_executable_after_the_time_to_appeal_and_before_it_lapses() {
    let proposed = Proposal { stage: Stage::Proposed, ..proposal() };
    assert_eq!([20, 21, 29, 30].map(|now| proposed.is_executable(UnixMs(now))), [false, true, true, false]);
    assert!(!proposal().is_executable(UnixMs(21)));
    assert!(Proposal { stage: Stage::Upheld, ..proposal() }.is_executable(UnixMs(21)));
}

#[test]
fn a_session_key_ends_before_its_seal() {
    assert_eq!(seal().session_key(UnixMs(49)), Some(wallet(7)));
    assert_eq!(seal().session_key(UnixMs(50)), None);
    assert!(!seal().is_expired(UnixMs(99)) && seal().is_expired(UnixMs(100)));
}

#[test]
fn a_master_counts_while_it_is_attested_alive_and_measured() {
    let policy = Policy { heartbeat_ms: 300, ..Policy::devnet(wallet(1)) };
    let current = |master: &MasterRecord, now| master.is_current(&policy, UnixMs(now));
    assert!(current(&master(), 1_800) && !current(&master(), 1_801));
    let beating = MasterRecord { heartbeat_ms: UnixMs(1_999), ..master() };
    assert!(current(&beating, 1_999) && !current(&beating, 2_000));

    let with =
        |status| NautilusState { measurements: vec![Measurement { status, ..measurement() }], ..nautilus().state() };
    let count = |state: &NautilusState| state.current_masters(&policy, UnixMs(1_600)).count();
    assert_eq!(count(&with(MeasurementStatus::InForce)), 1);
    assert_eq!(count(&with(MeasurementStatus::Retired)), 1);
    assert_eq!(count(&with(MeasurementStatus::Announced)), 0);
    assert_eq!(with(MeasurementStatus::Announced).allowed(), []);
    assert_eq!(with(MeasurementStatus::Retired).allowed(), [measurement().pcrs()]);
    let unmeasured = NautilusState { measurements: vec![], ..nautilus().state() };
    assert_eq!(count(&unmeasured), 0);
}

#[test]
fn a_policys_numbers_come_back_as_they_went() {
    for policy in [Policy::devnet(wallet(1)), Policy::production(wallet(2))] {
        assert_eq!(Policy::from_numbers(policy.numbers(), policy.super_is_masters, policy.beneficiary), policy);
        assert!(policy.evidence_max_age_ms <= policy.unbonding_ms);
    }
    let counted: [u64; NUMBERS] = core::array::from_fn(|n| u64::try_from(n).unwrap());
    let policy = Policy::from_numbers(counted, true, wallet(1));
    assert_eq!(policy.numbers(), counted);
    let some = (policy.thresholds.viewer.0, policy.slash_bps, policy.unbonding_ms, policy.delay_ms);
    assert_eq!(some, (0, 7, 10, 18));
}
