/// What keeps a position's node in the cluster or out of it: jail for a silent one, and announced maintenance. Neither
/// touches the money or what people may do.
module k3s_daas::node;

use k3s_daas::cluster::Cluster;
use k3s_daas::nautilus::Nautilus;
use k3s_daas::position::{PositionState, StakePosition};
use k3s_daas::staking;
use sui::clock::Clock;
use sui::event;

// === Errors ===

#[error(code = 1)]
const ENoNode: vector<u8> = b"The position has no node";
#[error(code = 2)]
const EAlreadyJailed: vector<u8> = b"The node is already jailed";
#[error(code = 3)]
const ENotSilent: vector<u8> = b"The node has not been silent for long enough";
#[error(code = 4)]
const EInMaintenance: vector<u8> = b"The node is in announced maintenance";
#[error(code = 5)]
const ENotJailed: vector<u8> = b"The node is not jailed";
#[error(code = 6)]
const EStillJailed: vector<u8> = b"The node's time in jail is not over";
#[error(code = 7)]
const EBadMaintenance: vector<u8> = b"Maintenance begins after now and within 90 days, ends after it begins, and takes at most 7 days";
#[error(code = 8)]
const EMaintenanceTooSoon: vector<u8> = b"Maintenance begins 7 days after the last one's end or later, and one announced is only put off";

// === Constants ===

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const MAX_NOTICE_MS: u64 = 90 * DAY_MS;
const MAX_MAINTENANCE_MS: u64 = 7 * DAY_MS;
/// From one maintenance's end to the next one's beginning.
const MAINTENANCE_GAP_MS: u64 = 7 * DAY_MS;

// === Events ===

public struct Jailed has copy, drop {
    state: PositionState,
    silent_since_ms: u64,
}

public struct Unjailed has copy, drop {
    state: PositionState,
}

public struct MaintenanceAnnounced has copy, drop {
    state: PositionState,
}

// === Entry Functions ===

/// Jails a silent node: it may not be in the cluster until its keeper calls `unjail`. Only a current master may.
entry fun jail(
    cluster: &Cluster,
    nautilus: &Nautilus,
    position: &mut StakePosition,
    silent_since_ms: u64,
    clock: &Clock,
    ctx: &TxContext,
) {
    let now_ms = clock.timestamp_ms();
    position.assert_of(cluster);
    nautilus.assert_master(cluster, ctx.sender(), now_ms);
    position.clear_lapsed(cluster, now_ms);
    position.assert_not_closed();
    assert!(!position.node_id().is_empty(), ENoNode);
    assert!(position.jailed_until_ms() == 0, EAlreadyJailed);
    let silence_ms = cluster.policy().silence_ms();
    assert!(
        silent_since_ms <= now_ms && now_ms - silent_since_ms >= silence_ms,
        ENotSilent,
    );
    let maintained = position
        .maintenance()
        .is_some_and!(|notice| notice.from_ms() <= now_ms && now_ms < notice.until_ms());
    assert!(!maintained, EInMaintenance);
    position.set_jailed_until(now_ms + cluster.policy().jail_ms());
    event::emit(Jailed { state: position.changed(), silent_since_ms });
}

/// Takes the node out of jail, once its time is over.
entry fun unjail(
    cluster: &Cluster,
    position: &mut StakePosition,
    clock: &Clock,
    ctx: &TxContext,
) {
    let now_ms = clock.timestamp_ms();
    position.assert_kept(cluster, ctx);
    position.clear_lapsed(cluster, now_ms);
    assert!(position.jailed_until_ms() > 0, ENotJailed);
    assert!(now_ms >= position.jailed_until_ms(), EStillJailed);
    position.set_jailed_until(0);
    event::emit(Unjailed { state: position.changed() });
}

/// Announces a time in which the node may be silent. One that has not begun may be put off, which replaces it; it may not
/// be brought forward, or it would come too soon after the one before it.
entry fun announce_maintenance(
    cluster: &Cluster,
    position: &mut StakePosition,
    from_ms: u64,
    until_ms: u64,
    clock: &Clock,
    ctx: &TxContext,
) {
    let now_ms = clock.timestamp_ms();
    position.assert_kept(cluster, ctx);
    position.clear_lapsed(cluster, now_ms);
    let begins_in_time = from_ms > now_ms && from_ms - now_ms <= MAX_NOTICE_MS;
    let ends_in_time = until_ms > from_ms && until_ms - from_ms <= MAX_MAINTENANCE_MS;
    assert!(begins_in_time && ends_in_time, EBadMaintenance);
    position.maintenance().do!(|last| {
        let has_begun = last.from_ms() <= now_ms;
        let earliest_ms =
            if (has_begun) last.until_ms() + MAINTENANCE_GAP_MS else last.from_ms();
        assert!(from_ms >= earliest_ms, EMaintenanceTooSoon);
    });
    position.set_maintenance(from_ms, until_ms);
    event::emit(MaintenanceAnnounced { state: position.changed() });
}

use fun staking::clear_lapsed as StakePosition.clear_lapsed;
