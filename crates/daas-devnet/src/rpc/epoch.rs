//! What an epoch was, so that a client can go from committee to committee.

use super::Services;
use super::ledger::no_genesis;
use crate::checkpoint::PROTOCOL_VERSION;
use crate::execute::REFERENCE_GAS_PRICE;
use crate::faults::shown::Shown;
use sui_rpc::proto::sui::rpc::v2::{self as proto, Epoch};
use sui_rpc::proto::timestamp_ms_to_proto;
use tonic::Status;

/// Of the system state's structure.
const STATE_VERSION: u64 = 2;

// === impl Services ===

impl Services {
    /// The epoch asked for, or the present one.
    pub(super) fn epoch(&self, asked: Option<u64>) -> Result<Epoch, Status> {
        let shown = self.shown()?;
        let current = shown.epoch()?;
        let number = asked.unwrap_or(current);
        if number > current {
            return Err(Status::not_found(format!("epoch {number} has not begun: the present one is {current}")));
        }
        let before = match number.checked_sub(1) {
            Some(before) => Some(shown.end_of_epoch(before)?.ok_or_else(no_genesis)?),
            None => None,
        };
        let committee = shown.committee(number, self.node.executor.sealer())?;
        let start_ms = time_of(&shown, before.unwrap_or(0))?;
        let mut epoch = Epoch::default()
            .with_epoch(number)
            .with_committee(committee)
            .with_first_checkpoint(before.map_or(0, |before| before + 1))
            .with_start(timestamp_ms_to_proto(start_ms))
            .with_reference_gas_price(REFERENCE_GAS_PRICE)
            .with_protocol_config(proto::ProtocolConfig::default().with_protocol_version(PROTOCOL_VERSION))
            .with_system_state(system_state(number, start_ms));
        if let Some(last) = shown.end_of_epoch(number)? {
            epoch.last_checkpoint = Some(last);
            epoch.end = Some(timestamp_ms_to_proto(time_of(&shown, last)?));
        }
        Ok(epoch)
    }
}

fn time_of(shown: &Shown, checkpoint: u64) -> Result<u64, Status> {
    Ok(shown.checkpoint(checkpoint)?.ok_or_else(no_genesis)?.summary.timestamp_ms)
}

/// As much of it as there is: this network has neither stake nor subsidies of its own.
fn system_state(epoch: u64, start_ms: u64) -> proto::SystemState {
    proto::SystemState::default()
        .with_version(STATE_VERSION)
        .with_epoch(epoch)
        .with_protocol_version(PROTOCOL_VERSION)
        .with_reference_gas_price(REFERENCE_GAS_PRICE)
        .with_safe_mode(false)
        .with_epoch_start_timestamp_ms(start_ms)
}
