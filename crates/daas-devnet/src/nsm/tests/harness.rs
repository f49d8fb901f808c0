//! A running simulation, and what the production verifier is to expect of it.

use super::super::{Args, NsmError, Simulation, measure};
use daas_attest::device::Nsm;
use daas_attest::{Binding, Evidence, Expected, Roots, bind_nonce};
use daas_types::genesis::{DevnetAnchor, Genesis};
use daas_types::onchain::Pcrs;
use daas_types::{Digest, UnixMs};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use sui_sdk_types::{Address, CheckpointSummary, GasCostSummary};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(super) const NOW: u64 = 1_800_000_000_000;
pub(super) const HOUR: u64 = 3_600_000;
/// Tells this test executable, run again, that it is a master and where the module is.
pub(super) const CHILD_SOCKET: &str = "DAAS_TEST_NSM_SOCKET";

pub(super) struct Running {
    pub(super) dir: TempDir,
    pub(super) clock: Arc<AtomicU64>,
    pub(super) root_key: [u8; 32],
    pub(super) shutdown: CancellationToken,
    pub(super) task: JoinHandle<Result<(), NsmError>>,
}

// === impl Running ===

impl Running {
    pub(super) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    pub(super) fn start_in(dir: TempDir) -> Self {
        fs::write(dir.path().join("engine.json"), b"{}").unwrap();
        let clock = Arc::new(AtomicU64::new(NOW));
        let read = Arc::clone(&clock);
        let simulation =
            Simulation::bind(args(dir.path()), Arc::new(move || UnixMs(read.load(Ordering::SeqCst)))).unwrap();
        let (root_key, shutdown) = (simulation.root_key_hash(), CancellationToken::new());
        let task = tokio::runtime::Handle::current().spawn(simulation.run(shutdown.clone()));
        Self { dir, clock, root_key, shutdown, task }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) async fn ask<T: Send + 'static>(&self, ask: impl FnOnce(Nsm) -> T + Send + 'static) -> T {
        let socket = self.path("nsm.sock");
        tokio::task::spawn_blocking(move || ask(Nsm::open(&socket).unwrap())).await.unwrap()
    }

    pub(super) async fn attest(&self) -> Evidence {
        self.ask(|nsm| nsm.attest(&binding(), &nonce()).unwrap()).await
    }

    pub(super) fn roots(&self) -> Roots {
        Roots::for_genesis(&devnet(self.root_key))
    }

    /// What this test process must measure as.
    pub(super) fn expected(&self) -> Expected {
        let own = std::env::current_exe().unwrap();
        expected(measure(&own, &self.path("engine.json")).unwrap())
    }

    pub(super) async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
        self.dir
    }
}

pub(super) fn args(dir: &Path) -> Args {
    Args { socket: dir.join("nsm.sock"), state_dir: dir.to_owned(), manifest: dir.join("engine.json") }
}

pub(super) fn binding() -> Binding {
    Binding {
        genesis: Digest::new([1; 32]),
        cluster: Address::new([2; 32]).into(),
        package: Address::new([3; 32]).into(),
        config_digest: [4; 32],
        ca_spki: [5; 32],
        signing_key: [6; 32],
    }
}

pub(super) fn nonce() -> [u8; 32] {
    bind_nonce(&[7; 32], &[8; 32])
}

pub(super) fn expected(measurement: Pcrs) -> Expected {
    Expected { measurements: vec![measurement], nonce: nonce(), binding: binding(), max_age: Duration::from_mins(1) }
}

pub(super) fn devnet(tee_root: [u8; 32]) -> Genesis {
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
        version_specific_data: DevnetAnchor { validator: vec![1; 96], tee_root }.to_version_specific_data(),
    };
    Genesis::pinned(summary.digest(), &bcs::to_bytes(&summary).unwrap()).unwrap()
}
