/// Every state of a position, a slash, a measurement and a master, and the arrows between them that contracts/README.md
/// draws. A request's are in `request_tests`.
#[test_only]
module k3s_daas::machine_tests;

use k3s_daas::masters::{Self, pcr};
use k3s_daas::signatures::{key, of_other_root, of_root, other_root, root};
use k3s_daas::slashes;
use k3s_daas::stakes;
use k3s_daas::world::{
    Self,
    World,
    admin,
    appeal_ms,
    attestation_ms,
    delay_ms,
    heartbeat_ms,
    judge_ms,
    owner,
    stranger,
    sui
};
use std::bcs;
use std::unit_test::assert_eq;
use sui::test_scenario;

// A position.
const ACTIVE: u8 = 0;
const SUSPENDED: u8 = 1;
const SLASHED: u8 = 2;
const RECOVERING: u8 = 3;
const CLOSED: u8 = 4;

// A slash, and its ends.
const PROPOSED: u8 = 0;
const APPEALED: u8 = 1;
const UPHELD: u8 = 2;
const EXECUTED: u8 = 10;
const CANCELLED: u8 = 11;
const LAPSED: u8 = 12;

// A measurement.
const ANNOUNCED: u8 = 0;
const IN_FORCE: u8 = 1;
const RETIRED: u8 = 2;

// === A position ===

/// Slashes follow one another without a cooldown.
fun hasty(): vector<u64> { world::numbers_with(12, 0) }

fun assert_status(w: &mut World, status: u8) {
    assert_eq!(w.look!(|position| position.status()), status);
}

/// What the pending slash returns to.
fun assert_returns_to(w: &mut World, status: u8) {
    assert_status(w, SUSPENDED);
    assert_eq!(w.look!(|position| position.proposal().destroy_some().prior_status()), status);
}

/// A slash that takes nothing, whether cancelled or lapsed, ends in the status before it.
fun accuse_in_vain(w: &mut World, status: u8) {
    assert_status(w, status);
    slashes::propose(w);
    assert_returns_to(w, status);
    slashes::cancel(w);
    assert_status(w, status);
    slashes::propose(w);
    w.pass_ms(appeal_ms() + judge_ms());
    slashes::release_lapsed(w, stranger());
    assert_status(w, status);
}

fun slash(w: &mut World) {
    slashes::propose(w);
    assert_status(w, SUSPENDED);
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(w, stranger());
}

#[test]
fun a_position_goes_through_all_five_statuses() {
    let mut w = world::begin_with(hasty());
    stakes::stake(&mut w, sui(5), b"worker-1");
    accuse_in_vain(&mut w, ACTIVE);
    slash(&mut w);
    accuse_in_vain(&mut w, SLASHED);
    slash(&mut w);
    assert_status(&mut w, SLASHED);
    stakes::restake(&mut w, owner(), 1);
    accuse_in_vain(&mut w, RECOVERING);
    slash(&mut w);
    assert_status(&mut w, SLASHED);
    stakes::restake(&mut w, owner(), 1);
    assert_status(&mut w, RECOVERING);
    stakes::refresh(&mut w, owner());
    assert_status(&mut w, ACTIVE);
    stakes::unstake(&mut w, owner(), sui(1));
    assert_status(&mut w, ACTIVE);
    leave(&mut w);
    accuse_in_vain(&mut w, CLOSED);
    slash(&mut w);
    assert_status(&mut w, CLOSED);
    w.pass_ms(world::unbonding_ms());
    stakes::withdraw(&mut w, owner());
    assert_status(&mut w, CLOSED);
    assert!(world::node_holder(&mut w, b"worker-1").is_none());
    w.end();
}

fun leave(w: &mut World) {
    let all = w.look!(|position| position.active());
    stakes::unstake(w, owner(), all);
    assert_status(w, CLOSED);
}

#[test]
fun a_slashed_and_a_recovering_position_close_as_an_active_one_does() {
    let mut w = world::begin();
    vector[ACTIVE, SLASHED, RECOVERING].do!(|status| {
        stakes::stake_as(&mut w, owner(), sui(5), status as u64, b"", stakes::seal(1));
        if (status != ACTIVE) slash(&mut w);
        if (status == RECOVERING) stakes::restake(&mut w, owner(), 1);
        assert_status(&mut w, status);
        leave(&mut w);
    });
    w.end();
}

fun prove(w: &mut World, sequence: u64) {
    slashes::prove(
        w,
        stranger(),
        key(),
        sequence,
        root(),
        of_root(sequence),
        other_root(),
        of_other_root(sequence),
        sequence == 0,
    );
}

#[test]
fun a_proof_leads_from_every_status_to_slashed_or_stays_closed() {
    let mut w = world::begin_with(hasty());
    masters::master(&mut w);
    assert_status(&mut w, ACTIVE);
    prove(&mut w, 0);
    assert_status(&mut w, SLASHED);
    prove(&mut w, 1);
    assert_status(&mut w, SLASHED);
    stakes::restake(&mut w, owner(), 1);
    assert_status(&mut w, RECOVERING);
    prove(&mut w, 2);
    assert_status(&mut w, SLASHED);
    stakes::restake(&mut w, owner(), 1);
    slashes::propose(&mut w);
    assert_returns_to(&mut w, RECOVERING);
    prove(&mut w, 3);
    assert_returns_to(&mut w, SLASHED);
    slashes::cancel(&mut w);
    assert_status(&mut w, SLASHED);
    leave(&mut w);
    prove(&mut w, 4);
    assert_status(&mut w, CLOSED);
    slashes::propose(&mut w);
    assert_returns_to(&mut w, CLOSED);
    prove(&mut w, 5);
    assert_returns_to(&mut w, CLOSED);
    slashes::cancel(&mut w);
    assert_status(&mut w, CLOSED);
    w.end();
}

// === A slash ===

fun stage(w: &mut World): u8 {
    w.look!(|position| {
        let slash = position.proposal().destroy_some();
        if (slash.is_appealed()) APPEALED else if (slash.is_upheld()) UPHELD else PROPOSED
    })
}

/// Takes the slash of a new position to its `last` stage, reduced if `reduced` says so, and ends it.
fun end_slash(w: &mut World, salt: u64, last: u8, reduced: bool, end: u8) {
    stakes::stake_as(w, owner(), sui(5), salt, b"", stakes::seal(1));
    slashes::propose(w);
    assert_eq!(stage(w), PROPOSED);
    if (last != PROPOSED) {
        slashes::appeal(w, owner());
        assert_eq!(stage(w), APPEALED);
    };
    if (last == UPHELD) {
        if (reduced) slashes::reduce(w, 1) else slashes::uphold(w);
        assert_eq!(stage(w), UPHELD);
    };
    if (end == EXECUTED) {
        w.pass_ms(appeal_ms() + 1);
        slashes::execute(w, stranger());
    } else if (end == CANCELLED) {
        slashes::cancel(w);
    } else {
        w.pass_ms(appeal_ms() + judge_ms());
        slashes::release_lapsed(w, stranger());
    };
    assert!(w.look!(|position| position.proposal().is_none() && position.frozen() == 0));
    assert_status(w, if (end == EXECUTED) SLASHED else ACTIVE);
}

#[test]
fun a_slash_ends_in_three_ways_from_its_three_stages() {
    let mut w = world::begin();
    vector[EXECUTED, CANCELLED, LAPSED].do!(|end| {
        let salt = 4 * (end as u64);
        end_slash(&mut w, salt, PROPOSED, false, end);
        end_slash(&mut w, salt + 1, UPHELD, false, end);
        end_slash(&mut w, salt + 2, UPHELD, true, end);
        // An appealed one waits for a judge: `slash_tests::an_appealed_slash_waits_for_the_judge`.
        if (end != EXECUTED) end_slash(&mut w, salt + 3, APPEALED, false, end);
    });
    w.end();
}

// === A measurement ===

/// The status of each measurement: 147 bytes of PCRs are before it.
fun statuses(w: &mut World): vector<u8> {
    w.scenario().next_tx(admin());
    let nautilus = w.take_nautilus();
    let statuses = nautilus.measurements().map_ref!(|it| bcs::to_bytes(it)[147]);
    test_scenario::return_shared(nautilus);
    statuses
}

#[test]
fun a_measurement_goes_through_three_statuses_and_is_revoked_from_each() {
    let mut w = world::begin();
    vector[ANNOUNCED, IN_FORCE, RETIRED].do!(|last| {
        masters::announce(&mut w, pcr(0));
        assert_eq!(statuses(&mut w), vector[ANNOUNCED]);
        if (last != ANNOUNCED) {
            w.pass_ms(delay_ms());
            masters::activate(&mut w, stranger(), pcr(0));
            assert_eq!(statuses(&mut w), vector[IN_FORCE]);
        };
        if (last == RETIRED) {
            masters::retire(&mut w, admin(), pcr(0));
            assert_eq!(statuses(&mut w), vector[RETIRED]);
        };
        masters::revoke_image(&mut w, admin(), pcr(0));
        assert_eq!(statuses(&mut w), vector[]);
    });
    w.end();
}

// === A master ===

#[test]
fun a_master_counts_until_it_is_silent_due_removed_or_revoked() {
    let mut w = world::begin();
    masters::endorsed(&mut w);
    assert_eq!(masters::current(&mut w), 0);
    masters::register(&mut w, key());
    assert_eq!(masters::current(&mut w), 1);
    // Silent, and back with a new document.
    w.pass_ms(heartbeat_ms() + 1);
    assert_eq!(masters::current(&mut w), 0);
    masters::register(&mut w, key());
    assert_eq!(masters::current(&mut w), 1);
    // Due for attestation.
    w.pass_ms(attestation_ms());
    assert_eq!(masters::current(&mut w), 0);
    masters::register(&mut w, key());
    assert_eq!(masters::current(&mut w), 1);
    // Removed.
    masters::remove(&mut w, admin(), key());
    assert_eq!(masters::current(&mut w), 0);
    masters::endorse(&mut w, owner(), key());
    masters::register(&mut w, key());
    assert_eq!(masters::current(&mut w), 1);
    // Revoked with its image.
    masters::revoke_image(&mut w, admin(), pcr(0));
    assert_eq!(masters::current(&mut w), 0);
    w.end();
}
