//! What of a request's CPU time is the audit log's: of the writer what the kernel has counted for its thread while the gateway
//! was saturated, and of the requests' own tasks what the same calls cost alone, in the same minute.

use daas_audit::{Caller, What, Who};
use daas_testkit::audit::Trail;
use daas_testkit::bench::process::Process;
use daas_testkit::bench::timed;
use daas_types::{PositionId, SealId, Tier};
use std::time::Duration;

const REQUESTS: u32 = 50_000;
/// Recorded in one go.
const BATCH: u32 = 500;

/// Time of a core that the gateway's writer has used so far.
pub(crate) fn writer(gateway: &Process) -> Duration {
    gateway.thread_cpu("audit-log")
}

/// Microseconds of a request's own task that its two records take.
pub(crate) fn recording() -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let trail = Trail::open();
        let mut progress = trail.log.watch();
        let user = format!("0x{:064x}", 7);
        let who = Who {
            kind: Caller::Person,
            user: user.as_str().into(),
            position: Some(PositionId([3; 32].into())),
            tier: Some(Tier::Admin),
            seal: Some(SealId([4; 32].into())),
            acting_as: "".into(),
        };
        let peer = "127.0.0.1:50001".parse().unwrap();
        let mut took = 0.0;
        for batch in 0..REQUESTS / BATCH {
            let (seconds, ()) = timed(|| {
                for _ in 0..BATCH {
                    let mut arrival =
                        trail.log.arrive(peer, &What::of("GET", "/api/v1/namespaces/t-1/configmaps/x", None));
                    arrival.identify(&who);
                    arrival.let_in();
                    let mut ticket = arrival.start();
                    ticket.may_proceed().unwrap();
                    ticket.outcome().sent = 2048;
                    "4f0f2ae4-8a35-4b6b-8d1c-0f4f9f7c4d55".clone_into(&mut ticket.outcome().audit_id);
                    ticket.finish(200, "");
                }
            });
            took += seconds;
            // So that the queue has room for all. The log's own first record is one, too.
            let records = u64::from((batch + 1) * BATCH * 2);
            progress.wait_for(|progress| progress.head.records > records).await.unwrap();
        }
        took * 1e6 / f64::from(REQUESTS)
    })
}
