/// Who may call what: each entry point against another package version, another owner, another cluster.
#[test_only]
module k3s_daas::access_tests;

use k3s_daas::caps;
use k3s_daas::cluster;
use k3s_daas::staking;
use k3s_daas::world::{Self, World, admin, owner, stranger, sui};

/// A position of 5 SUI of which 1 unbonds.
fun staked(): World {
    let mut w = world::begin();
    w.stake(sui(5), b"worker-1");
    w.unstake(owner(), sui(1));
    w.pass_ms(world::unbonding_ms());
    w
}

/// The same with an appealed slash, the time to appeal over.
fun appealed(): World {
    let mut w = staked();
    w.propose(admin());
    w.appeal(owner(), b"".to_string());
    w.pass_ms(world::appeal_ms() + 1);
    w
}

// === Version ===

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun stake_and_mint_seal_needs_the_right_version() {
    let mut w = world::begin();
    w.set_version(2);
    w.stake(sui(5), b"");
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun restake_needs_the_right_version() {
    let mut w = staked();
    w.set_version(2);
    w.restake(owner(), 1);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun refresh_seal_token_needs_the_right_version() {
    let mut w = staked();
    w.set_version(2);
    w.refresh(owner(), option::none());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun unstake_needs_the_right_version() {
    let mut w = staked();
    w.set_version(2);
    w.unstake(owner(), sui(1));
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun withdraw_needs_the_right_version() {
    let mut w = staked();
    w.set_version(2);
    w.withdraw(owner());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun appeal_slash_needs_the_right_version() {
    let mut w = staked();
    w.set_version(2);
    w.appeal(owner(), b"".to_string());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun propose_slash_needs_the_right_version() {
    let mut w = staked();
    w.set_version(2);
    w.propose(admin());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun uphold_slash_needs_the_right_version() {
    let mut w = appealed();
    w.set_version(2);
    w.uphold(admin());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun cancel_slash_needs_the_right_version() {
    let mut w = appealed();
    w.set_version(2);
    w.cancel(admin());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongVersion)]
fun execute_slash_needs_the_right_version() {
    let mut w = appealed();
    w.set_version(2);
    w.execute(admin());
    abort
}

// === Owner ===

#[test, expected_failure(abort_code = staking::ENotOwner)]
fun restake_is_the_owners() {
    let mut w = staked();
    w.restake(stranger(), 1);
    abort
}

#[test, expected_failure(abort_code = staking::ENotOwner)]
fun refresh_seal_token_is_the_owners() {
    let mut w = staked();
    w.refresh(stranger(), option::none());
    abort
}

#[test, expected_failure(abort_code = staking::ENotOwner)]
fun unstake_is_the_owners() {
    let mut w = staked();
    w.unstake(stranger(), sui(1));
    abort
}

#[test, expected_failure(abort_code = staking::ENotOwner)]
fun withdraw_is_the_owners() {
    let mut w = staked();
    w.withdraw(stranger());
    abort
}

#[test, expected_failure(abort_code = staking::ENotOwner)]
fun appeal_slash_is_the_owners() {
    let mut w = staked();
    w.appeal(stranger(), b"".to_string());
    abort
}

// === Cluster ===

#[test, expected_failure(abort_code = staking::EForeignPosition)]
fun restake_needs_the_positions_cluster() {
    let mut w = staked();
    w.create_cluster_as(stranger(), 1_000);
    w.restake(owner(), 1);
    abort
}

#[test, expected_failure(abort_code = staking::EForeignPosition)]
fun refresh_seal_token_needs_the_positions_cluster() {
    let mut w = staked();
    w.create_cluster_as(stranger(), 1_000);
    w.refresh(owner(), option::none());
    abort
}

#[test, expected_failure(abort_code = staking::EForeignPosition)]
fun unstake_needs_the_positions_cluster() {
    let mut w = staked();
    w.create_cluster_as(stranger(), 1_000);
    w.unstake(owner(), sui(1));
    abort
}

#[test, expected_failure(abort_code = staking::EForeignPosition)]
fun withdraw_needs_the_positions_cluster() {
    let mut w = staked();
    w.create_cluster_as(stranger(), 1_000);
    w.withdraw(owner());
    abort
}

#[test, expected_failure(abort_code = staking::EForeignPosition)]
fun appeal_slash_needs_the_positions_cluster() {
    let mut w = staked();
    w.create_cluster_as(stranger(), 1_000);
    w.appeal(owner(), b"".to_string());
    abort
}

#[test, expected_failure(abort_code = staking::EForeignPosition)]
fun propose_slash_needs_the_positions_cluster() {
    let mut w = staked();
    w.create_cluster_as(stranger(), 1_000);
    w.propose(stranger());
    abort
}

#[test, expected_failure(abort_code = staking::EForeignPosition)]
fun uphold_slash_needs_the_positions_cluster() {
    let mut w = appealed();
    w.create_cluster_as(stranger(), 1_000);
    w.uphold(stranger());
    abort
}

#[test, expected_failure(abort_code = staking::EForeignPosition)]
fun cancel_slash_needs_the_positions_cluster() {
    let mut w = appealed();
    w.create_cluster_as(stranger(), 1_000);
    w.cancel(stranger());
    abort
}

#[test, expected_failure(abort_code = staking::EForeignPosition)]
fun execute_slash_needs_the_positions_cluster() {
    let mut w = appealed();
    w.create_cluster_as(stranger(), 1_000);
    w.execute(admin());
    abort
}

// === Capability ===

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun propose_slash_needs_the_clusters_capability() {
    let mut w = staked();
    w.foreign_admin(stranger());
    w.propose(stranger());
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun uphold_slash_needs_the_clusters_capability() {
    let mut w = appealed();
    w.foreign_admin(stranger());
    w.uphold(stranger());
    abort
}

#[test, expected_failure(abort_code = caps::EForeignCap)]
fun cancel_slash_needs_the_clusters_capability() {
    let mut w = appealed();
    w.foreign_admin(stranger());
    w.cancel(stranger());
    abort
}
