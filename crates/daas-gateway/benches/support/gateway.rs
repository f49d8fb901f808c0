//! The gateway as a process of its own, as a master runs it: a runtime with a thread per core, metrics recorded, an index
//! that is kept fresh, stakers with Seals in it.

use async_trait::async_trait;
use daas_audit::{Folder, Log};
use daas_gateway::{
    ConnectionInfo, FrontProxyIdentity, Gateway, GatewayConfig, K3sConfig, Limits, LocalEndpoints, Namespaces,
    NodeCaller, Rate, Rates, Refusal, Streams, UpstreamConfig, server_config,
};
use daas_testkit::audit;
use daas_testkit::bench::{monotonic, process};
use daas_testkit::chain::{Chain, Staker, cluster};
use daas_testkit::pki::Ca;
use daas_types::api::{
    AttestationRequest, AttestationResponse, HeartbeatRequest, HeartbeatResponse, RegisterWorkerRequest,
    RegisterWorkerResponse,
};
use daas_types::{ErrorCode, Permissions};
use metrics_exporter_prometheus::PrometheusHandle;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Stakers on chain.
pub(crate) const STAKERS: u8 = 200;
/// The API server's name in its certificate.
pub(crate) const API_SERVER: &str = "kubernetes";

/// The staker of that number, who can mint tokens without asking anyone.
pub(crate) fn staker(n: u8) -> Staker {
    Staker::new(n, "5", Permissions::USER)
}

/// What one gateway has and another has not.
pub(crate) struct Setup {
    pub(crate) chain: Chain,
    pub(crate) limits: Limits,
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) k3s: Option<K3sConfig>,
}

/// The role: `FOLDER` holds `server`, `front` and `ca` as [`crate::support::material`] has put them.
pub(crate) fn run(folder: &Path, upstream: &str, setup: impl FnOnce(&Path) -> Setup) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder().unwrap();
    runtime.block_on(serve(folder, upstream, setup(folder), metrics));
}

/// A gateway for people, before an API server.
pub(crate) fn for_people(folder: &Path) -> Setup {
    let chain = Chain::new();
    for n in 1..=STAKERS {
        chain.put(&mut staker(n), |_| ());
    }
    // Every request is counted, and no staker reaches the bound.
    let endless = Rate { per_minute: u32::MAX, burst: u32::MAX };
    // And a flood is as hard as its core can make it, which handshakes that are counted would thin.
    let rates = Rates { admin: endless, handshakes: endless, ..Rates::default() };
    let limits = Limits {
        // As a master has it.
        threads: std::thread::available_parallelism().unwrap().get(),
        connections_per_address: 10_000,
        connections_per_holder: 10_000,
        streams: Streams { admin: 20_000, ..Streams::default() },
        // Whoever is to be slow stays so.
        stalled: Duration::from_hours(1),
        rates,
        ..Limits::default()
    };
    let (chain_of_server, key) = leaf(folder, "server");
    Setup { chain, limits, tls: server_config(chain_of_server, key).unwrap(), k3s: None }
}

async fn serve(folder: &Path, upstream: &str, setup: Setup, metrics: PrometheusHandle) {
    let Setup { chain, limits, tls, k3s } = setup;
    let chain = Arc::new(chain);
    let (proxy_chain, proxy_key) = leaf(folder, "front");
    let disk = Arc::new(Folder::lock(&folder.join("audit")).unwrap());
    let (log, writer, _) = Log::open(audit::config(), disk, Arc::new(audit::now), &[]).unwrap();
    let config = GatewayConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        cluster: cluster(),
        node_stale_grace: Duration::from_mins(15),
        upstream: UpstreamConfig {
            addr: upstream.parse().unwrap(),
            server_name: API_SERVER.to_owned(),
            roots: vec![CertificateDer::from_pem_file(folder.join("ca.crt")).unwrap()],
            front_proxy: FrontProxyIdentity { chain: proxy_chain, key: proxy_key },
        },
        service_account: None,
        namespaces: Namespaces::default(),
        audit: log,
        k3s,
        limits,
    };
    let bound = Gateway::bind(config, tls, chain.index.clone(), Arc::new(Absent(Ca::new("kubelets")))).await.unwrap();
    process::hello(&json!({ "addr": bound.local_addr().to_string() }));
    let followed = chain.clone();
    let fresh = async {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            tick.tick().await;
            followed.checkpoint(&[]);
            // As the admin listener does: else every value of a histogram is kept.
            metrics.run_upkeep();
        }
    };
    tokio::select! {
        () = bound.run(CancellationToken::new(), Duration::ZERO) => {}
        () = fresh => {}
        () = process::asked(move |question| suspend(&chain, question)) => {}
        ended = writer.run_apart(CancellationToken::new()) => panic!("the audit log ended: {ended:?}"),
    }
}

/// `suspend N`: a slash of that staker is proposed. When the index began to learn of it.
fn suspend(chain: &Chain, question: &str) -> Value {
    let mut loser = staker(question.strip_prefix("suspend ").unwrap().parse().unwrap());
    loser.event(|_| ());
    let learned = monotonic();
    chain.suspend(&mut loser);
    json!({ "learned_ns": u64::try_from(learned.as_nanos()).unwrap() })
}

/// A certificate and its key, by the name of their files.
pub(crate) fn leaf(folder: &Path, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let file = |ending: &str| folder.join(format!("{name}.{ending}"));
    let chain = CertificateDer::pem_file_iter(file("crt")).unwrap().map(Result::unwrap).collect();
    (chain, PrivateKeyDer::from_pem_file(file("key")).unwrap())
}

/// No endpoints of ours: the load asks for none but what a join needs.
struct Absent(Ca);

#[async_trait]
impl LocalEndpoints for Absent {
    async fn attest(&self, _: &ConnectionInfo, _: AttestationRequest, _: bool) -> Result<AttestationResponse, Refusal> {
        Err(absent())
    }

    async fn register_worker(
        &self,
        _: &ConnectionInfo,
        _: &NodeCaller,
        _: RegisterWorkerRequest,
    ) -> Result<RegisterWorkerResponse, Refusal> {
        Err(absent())
    }

    async fn agent_serves(
        &self,
        _: &ConnectionInfo,
        caller: &NodeCaller,
        _: IpAddr,
        request: &[u8],
    ) -> Result<String, Refusal> {
        Ok(self.0.sign_server_request(request, &[caller.node_id.as_str()]))
    }

    async fn agent_joins(&self, _: &ConnectionInfo, _: &NodeCaller, _: IpAddr) -> Result<(), Refusal> {
        Ok(())
    }

    async fn heartbeat(
        &self,
        _: &ConnectionInfo,
        _: &NodeCaller,
        _: HeartbeatRequest,
    ) -> Result<HeartbeatResponse, Refusal> {
        Err(absent())
    }

    fn kubectl_config(&self) -> String {
        String::new()
    }
}

fn absent() -> Refusal {
    Refusal::unavailable(ErrorCode::Internal, "a benchmark has no endpoints")
}
