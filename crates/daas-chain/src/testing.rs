//! What the crate's unit tests share.

use daas_types::genesis::{DevnetAnchor, Genesis};
use sui_sdk_types::{CheckpointSummary, Digest, GasCostSummary};

/// A devnet's genesis, by its own digest.
pub(crate) fn devnet_genesis() -> Genesis {
    let anchor = DevnetAnchor { validator: vec![1; 96], tee_root: [2; 32] };
    let summary = CheckpointSummary {
        epoch: 0,
        sequence_number: 0,
        network_total_transactions: 0,
        content_digest: Digest::ZERO,
        previous_digest: None,
        epoch_rolling_gas_cost_summary: GasCostSummary::default(),
        timestamp_ms: 0,
        checkpoint_commitments: vec![],
        end_of_epoch_data: None,
        version_specific_data: anchor.to_version_specific_data(),
    };
    Genesis::pinned(summary.digest(), &bcs::to_bytes(&summary).unwrap()).unwrap()
}
