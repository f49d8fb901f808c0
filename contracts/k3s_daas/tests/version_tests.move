/// A cluster that was migrated to a later package refuses this one, whatever is called.
#[test_only]
module k3s_daas::version_tests;

use k3s_daas::cluster;
use k3s_daas::masters;
use k3s_daas::offices;
use k3s_daas::requests;
use k3s_daas::signatures;
use k3s_daas::slashes;
use k3s_daas::stakes;
use k3s_daas::world::{Self, World, admin, owner, stranger, sui};

/// A staked position in a cluster of a later version.
fun later(): World {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"worker-1");
    w.set_version(2);
    w
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_stake() {
    let mut w = later();
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"", stakes::seal(1));
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_stake_for_a_node() {
    let mut w = later();
    stakes::stake_for_node_as(&mut w, stranger(), sui(5), 0, b"worker-2");
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_change_of_a_position() {
    let mut w = later();
    stakes::unstake(&mut w, owner(), sui(5));
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_key_of_a_position() {
    let mut w = later();
    stakes::revoke_all(&mut w, owner());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_ownership() {
    let mut w = later();
    stakes::accept(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_slash() {
    let mut w = later();
    slashes::propose_on(&mut w, vector[]);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_judgement() {
    let mut w = later();
    slashes::cancel(&mut w);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_execution() {
    let mut w = later();
    slashes::execute(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_policy() {
    let mut w = later();
    offices::announce_policy(&mut w, world::numbers());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_application_of_a_policy() {
    let mut w = later();
    offices::apply_policy(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_payment() {
    let mut w = later();
    offices::pay_treasury(&mut w, stranger());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_measurement() {
    let mut w = later();
    masters::announce(&mut w, masters::pcr(0));
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_master() {
    let mut w = later();
    masters::register(&mut w, signatures::key());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_lookup_of_masters() {
    let mut w = later();
    masters::current(&mut w);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_cancelled_request() {
    let mut w = world::begin();
    stakes::stake(&mut w, sui(5), b"");
    let request = requests::submit(&mut w);
    w.set_version(2);
    requests::cancel(&mut w, owner(), request);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun no_pause() {
    let mut w = later();
    offices::set_paused(&mut w, admin(), true);
    abort
}
