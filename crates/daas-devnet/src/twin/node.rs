//! `k3s_daas::node`.

use super::params::{CLOCK, CLUSTER, NAUTILUS, POSITION_MUT, U64};
use super::{Call, declare_errors, declare_functions, nautilus, position, staking};
use crate::execute::Fault;
use daas_types::UnixMs;
use daas_types::onchain::{Maintenance, Nautilus, PositionState};
use serde::Serialize;

declare_errors! { "node":
    NO_NODE = 1 "ENoNode" "The position has no node";
    ALREADY_JAILED = 2 "EAlreadyJailed" "The node is already jailed";
    NOT_SILENT = 3 "ENotSilent" "The node has not been silent for long enough";
    IN_MAINTENANCE = 4 "EInMaintenance" "The node is in announced maintenance";
    NOT_JAILED = 5 "ENotJailed" "The node is not jailed";
    STILL_JAILED = 6 "EStillJailed" "The node's time in jail is not over";
    BAD_MAINTENANCE = 7 "EBadMaintenance" "Maintenance begins after now and within 90 days, ends after it begins, and takes at most 7 days";
    MAINTENANCE_TOO_SOON = 8 "EMaintenanceTooSoon" "Maintenance begins 7 days after the last one's end or later, and one announced is only put off";
}

declare_functions! { "node":
    jail(CLUSTER, NAUTILUS, POSITION_MUT, U64, CLOCK) => jail;
    unjail(CLUSTER, POSITION_MUT, CLOCK) => unjail;
    announce_maintenance(CLUSTER, POSITION_MUT, U64, U64, CLOCK) => announce_maintenance;
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const MAX_NOTICE_MS: u64 = 90 * DAY_MS;
const MAX_MAINTENANCE_MS: u64 = 7 * DAY_MS;
const MAINTENANCE_GAP_MS: u64 = 7 * DAY_MS;

fn jail(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "jail";
    let (cluster, mut position) = staking::load(call, 0, 2)?;
    position::assert_of(call, &position, &cluster)?;
    let masters: Nautilus = call.object(1)?;
    nautilus::assert_master(call, &masters, &cluster)?;
    staking::clear_lapsed(call, &mut position, &cluster)?;
    position::assert_not_closed(call, &position)?;
    call.ensure(!position.node_id.is_empty(), NO_NODE, NAME)?;
    call.ensure(!position.is_jailed(), ALREADY_JAILED, NAME)?;
    let silent_since_ms: u64 = call.pure(3)?;
    let silent_ms = call.now_ms.checked_sub(silent_since_ms);
    call.ensure(silent_ms.is_some_and(|ms| ms >= cluster.policy.silence_ms), NOT_SILENT, NAME)?;
    call.ensure(!position.in_maintenance(UnixMs(call.now_ms)), IN_MAINTENANCE, NAME)?;
    position.jailed_until_ms = UnixMs(call.sum(call.now_ms, cluster.policy.jail_ms)?);
    changed(call, 2, position, "Jailed", silent_since_ms)
}

fn unjail(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut position = staking::kept(call)?;
    call.ensure(position.is_jailed(), NOT_JAILED, "unjail")?;
    call.ensure(call.now_ms >= position.jailed_until_ms.0, STILL_JAILED, "unjail")?;
    position.jailed_until_ms = UnixMs(0);
    changed(call, 1, position, "Unjailed", ())
}

fn announce_maintenance(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "announce_maintenance";
    let mut position = staking::kept(call)?;
    let (from_ms, until_ms): (u64, u64) = (call.pure(2)?, call.pure(3)?);
    let notice_ms = from_ms.checked_sub(call.now_ms).filter(|ms| *ms > 0);
    let begins_in_time = notice_ms.is_some_and(|ms| ms <= MAX_NOTICE_MS);
    let length_ms = until_ms.checked_sub(from_ms).filter(|ms| *ms > 0);
    let ends_in_time = length_ms.is_some_and(|ms| ms <= MAX_MAINTENANCE_MS);
    call.ensure(begins_in_time && ends_in_time, BAD_MAINTENANCE, NAME)?;
    if let Some(last) = position.maintenance {
        let has_begun = last.from_ms.0 <= call.now_ms;
        let earliest_ms = if has_begun { call.sum(last.until_ms.0, MAINTENANCE_GAP_MS)? } else { last.from_ms.0 };
        call.ensure(from_ms >= earliest_ms, MAINTENANCE_TOO_SOON, NAME)?;
    }
    position.maintenance = Some(Maintenance { from_ms: UnixMs(from_ms), until_ms: UnixMs(until_ms) });
    changed(call, 1, position, "MaintenanceAnnounced", ())
}

fn changed<T: Serialize>(
    call: &mut Call<'_, '_>,
    n: usize,
    position: PositionState,
    event: &'static str,
    more: T,
) -> Result<(), Fault> {
    call.changed_position(n, position, ("node", event), more)
}
