//! What the machine does, as metrics: JSON as the original API has it, and the text that Prometheus reads.

use super::status::Status;
use super::types::Metrics;
use crate::usage::{Machine, Traffic};
use daas_types::api::ResourceUsage;
use daas_types::onchain::PositionState;
use daas_types::{Mist, UnixMs};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// CPU usage is that between two looks: closer together they say nothing.
const BETWEEN: Duration = Duration::from_secs(1);

/// Looks at the machine, however often it is asked.
pub(super) struct Meter(Mutex<Looked>);

struct Looked {
    machine: Machine,
    seen: Seen,
    at: Instant,
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    usage: ResourceUsage,
    traffic: Traffic,
}

// === impl Meter ===

impl Meter {
    pub(super) fn new(folder: &Path) -> Self {
        let mut machine = Machine::new(folder);
        let seen = look(&mut machine);
        Self(Mutex::new(Looked { machine, seen, at: Instant::now() }))
    }

    /// What the machine does now, or did a moment ago.
    pub(super) fn read(&self) -> Seen {
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.at.elapsed() >= BETWEEN {
            looked.seen = look(&mut looked.machine);
            looked.at = Instant::now();
        }
        looked.seen
    }
}

fn look(machine: &mut Machine) -> Seen {
    Seen { usage: machine.usage(), traffic: machine.traffic() }
}

/// The original API's metrics.
pub(super) fn json(seen: &Seen, status: &Status, now: UnixMs) -> Metrics {
    Metrics {
        cpu_usage: tenths(seen.usage.cpu),
        memory_usage: tenths(seen.usage.memory),
        pod_count: status.pods.unwrap_or(0),
        container_count: status.containers.unwrap_or(0),
        network_rx: seen.traffic.received,
        network_tx: seen.traffic.sent,
        timestamp: now.secs(),
    }
}

/// The same and more, for Prometheus. What is not known is left out.
pub(super) fn prometheus(seen: &Seen, status: &Status, stake: Option<&PositionState>) -> String {
    let mut text = String::new();
    let mut put = |name: &str, kind: &str, help: &str, values: &[(String, String)]| {
        if values.is_empty() {
            return;
        }
        // Writing into a text cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let one = |value: String| vec![(String::new(), value)];
    let maybe = |value: Option<u64>| value.map_or_else(Vec::new, |value| one(value.to_string()));
    put("daas_worker_cpu_usage_percent", "gauge", "CPU in use.", &one(tenths(seen.usage.cpu).to_string()));
    put("daas_worker_memory_usage_percent", "gauge", "Memory in use.", &one(tenths(seen.usage.memory).to_string()));
    put(
        "daas_worker_disk_usage_percent",
        "gauge",
        "Disk of the state folder in use.",
        &one(tenths(seen.usage.disk).to_string()),
    );
    put("daas_worker_pods", "gauge", "Pods that run here.", &maybe(status.pods));
    put("daas_worker_containers", "gauge", "Containers that run here.", &maybe(status.containers));
    put(
        "daas_worker_network_receive_bytes_total",
        "counter",
        "Bytes received.",
        &one(seen.traffic.received.to_string()),
    );
    put("daas_worker_network_transmit_bytes_total", "counter", "Bytes sent.", &one(seen.traffic.sent.to_string()));
    put(
        "daas_worker_phase",
        "gauge",
        "Where the worker stands.",
        &[(format!("{{phase=\"{}\"}}", status.phase), "1".to_owned())],
    );
    let mist = |kind: &str, amount: Mist| (format!("{{kind=\"{kind}\"}}"), amount.0.to_string());
    let amounts = stake.map_or_else(Vec::new, |state| {
        vec![mist("active", state.active), mist("frozen", state.frozen), mist("unbonding", state.unbonding)]
    });
    put("daas_worker_stake_mist", "gauge", "The stake, by where it is.", &amounts);
    let expiry = maybe(status.seal.map(|seal| seal.expires.secs()));
    put("daas_worker_seal_expiry_timestamp_seconds", "gauge", "When the Seal in use ends.", &expiry);
    let last = maybe(status.heartbeat.last.map(UnixMs::secs));
    put("daas_worker_last_heartbeat_timestamp_seconds", "gauge", "When the master last answered.", &last);
    let failures = one(status.heartbeat.failures.to_string());
    put("daas_worker_heartbeat_failures", "gauge", "Heartbeats that have failed since.", &failures);
    let skew = last.first().map_or_else(Vec::new, |_| one(status.heartbeat.skew_ms.to_string()));
    put("daas_worker_clock_skew_milliseconds", "gauge", "How far this clock is from the master's.", &skew);
    text
}

fn tenths(percent: f32) -> f64 {
    (f64::from(percent) * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::{Board, HeartbeatStatus};

    #[test]
    fn json_has_the_original_fields_and_no_others() {
        let board = Board::default();
        board.tell(|status| (status.pods, status.containers) = (Some(25), Some(48)));
        let usage = ResourceUsage { cpu: 45.2, memory: 67.8, disk: 1.0 };
        let seen = Seen { usage, traffic: Traffic { received: 1_024_000, sent: 512_000 } };
        let text = serde_json::to_string(&json(&seen, &board.status(), UnixMs(1_234_567_890_123))).unwrap();
        assert_eq!(
            text,
            r#"{"cpu_usage":45.2,"memory_usage":67.8,"pod_count":25,"container_count":48,"network_rx":1024000,"network_tx":512000,"timestamp":1234567890}"#
        );
    }

    #[test]
    fn prometheus_is_told_what_is_known() {
        let board = Board::default();
        let text = prometheus(&Seen::default(), &board.status(), None);
        assert!(text.contains("daas_worker_phase{phase=\"unproven\"} 1\n"), "{text}");
        for unknown in ["daas_worker_pods", "daas_worker_stake_mist", "daas_worker_last_heartbeat", "clock_skew"] {
            assert!(!text.contains(unknown), "{unknown} in {text}");
        }
        board.tell(|status| {
            status.pods = Some(3);
            status.heartbeat = HeartbeatStatus { last: Some(UnixMs(5000)), failures: 2, skew_ms: 70 };
        });
        let text = prometheus(&Seen::default(), &board.status(), None);
        for line in [
            "# TYPE daas_worker_pods gauge\ndaas_worker_pods 3\n",
            "daas_worker_last_heartbeat_timestamp_seconds 5\n",
            "daas_worker_heartbeat_failures 2\n",
            "daas_worker_clock_skew_milliseconds 70\n",
        ] {
            assert!(text.contains(line), "{line} not in {text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_look_waits_its_time() {
        let meter = Meter::new(Path::new("/"));
        let marked = Traffic { received: u64::MAX, sent: 0 };
        meter.0.lock().unwrap().seen.traffic = marked;
        assert_eq!(meter.read().traffic, marked);
        tokio::time::advance(BETWEEN).await;
        assert_ne!(meter.read().traffic, marked);
    }
}
